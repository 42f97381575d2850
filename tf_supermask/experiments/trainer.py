"""Training of one round of a lottery ticket, from given kernels and masks, with early stopping."""

import functools
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from tf_supermask import sparsity
from tf_supermask.experiments import data, iterations, networks, training
from tf_supermask.experiments.callbacks import check_finite
from tf_supermask.experiments.evaluation import Evaluation


class Layer(NamedTuple):
    """One kernel in one round: its initial values, which weights are kept, and the values of the others."""

    start: np.ndarray
    mask: np.ndarray  # bool
    held: np.ndarray
    pruned_in: np.ndarray  # uint8: the round in which a weight was pruned, KEPT for those that are left


KEPT = 255


class FreezePruned(keras.constraints.Constraint):
    """Sets the weights outside `mask` to `held` after each step."""

    def __init__(self, shape):
        self.mask = keras.Variable(np.ones(shape, bool), dtype="bool", trainable=False, name="mask")
        self.held = keras.Variable(np.zeros(shape), dtype="float32", trainable=False, name="held")

    def __call__(self, weight):
        return ops.where(self.mask, weight, self.held)


def kernels_of(model):
    """Layer name -> kernel variable. Biases are never pruned."""
    return {layer.name: layer.kernel for layer in sparsity.kernel_layers(model)}


class Trainer:
    """`trainer(layers)` trains one compiled network from given kernels, zero biases and a new optimizer.

    The reported measures are those of the iteration with the lowest validation loss, among every `evaluate_every`-th, the first
    and the last. The next round ranks the weights of the last iteration. Deviation: the paper names neither validation images
    nor a rule.
    """

    def __init__(self, spec, dataset, options=training.Options()):
        self.spec, self.options = spec, options
        self.split = data.held_out(dataset, spec.validation_images)
        self.batches = data.batches(self.split, spec)
        self.model = networks.build(spec, dataset.input_shape, dataset.classes)
        self.kernels = kernels_of(self.model)
        for kernel in self.kernels.values():
            kernel.constraint = FreezePruned(kernel.shape)
        training.compile_model(self.model, spec, iterations.stretch(spec), options)
        self.initial = dict(zip(self.kernels, copies(self.kernels.values()), strict=True))
        self._others = [variable for variable in self.model.weights if variable.name != "kernel"]
        self._starts = copies(self._others)
        self._optimizer = copies(self.model.optimizer.variables)
        self.validation = Evaluation(self.model, data.evaluation_arrays(self.split, spec))
        self.test = Evaluation(self.model, data.evaluation_arrays(dataset, spec))

    def __call__(self, layers):
        """Trains from `layers`, name -> Layer; returns `(final kernels by name, result)`, of which `result` has the measures by
        column of the history."""
        self._reset(layers)
        best = Best(self.model, self.validation, self.spec)
        iterations.fit_iterations(self.model, self.batches, self.spec, best)
        finals = dict(zip(self.kernels, copies(self.kernels.values()), strict=True))
        (_, end_accuracy), end = self.test(), copies(self.model.weights)
        best.restore()
        test_loss, test_accuracy = self.test()
        assign(self.model.weights, end)
        check_finite(f"after {best.iteration} iterations", {"test_loss": test_loss})
        return finals, {
            "test_accuracy": test_accuracy,
            "test_loss": test_loss,
            "best_iteration": best.iteration,
            "val_accuracy": best.accuracy,
            "val_loss": best.loss,
            "end_test_accuracy": end_accuracy,
        }

    def _reset(self, layers):
        for name, kernel in self.kernels.items():
            kernel.assign(layers[name].start)
            kernel.constraint.mask.assign(layers[name].mask)
            kernel.constraint.held.assign(layers[name].held)
        assign(self._others, self._starts)
        assign(self.model.optimizer.variables, self._optimizer)


def copies(variables):
    """Values of variables as numpy arrays that share no memory with them."""
    return [np.asarray(variable).copy() for variable in variables]


def assign(variables, values):
    """Assigns one of `values` to each of `variables`."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


class Best(keras.callbacks.Callback):
    """Keeps the weights with the lowest validation loss; those before the first step count, too."""

    def __init__(self, model, validation, spec):
        super().__init__()
        self.network, self.validation, self.spec = model, validation, spec
        self.iteration, self.loss, self.accuracy, self.weights = None, np.inf, None, None
        self.evaluate(0)

    def on_epoch_end(self, epoch, logs=None):
        iteration = iterations.iterations_after(self.spec, epoch)
        check_finite(f"at iteration {iteration}", {"train_loss": logs["loss"]}, self.network.trainable_variables)
        self.evaluate(iteration)

    def evaluate(self, iteration):
        """Keeps the weights if their validation loss is the lowest so far. Raises Diverged."""
        loss, accuracy = self.validation()
        check_finite(f"at iteration {iteration}", {"validation_loss": loss})
        if loss < self.loss:
            self.iteration, self.loss, self.accuracy = iteration, loss, accuracy
            self.weights = copies(self.network.weights)

    def restore(self):
        assign(self.network.weights, self.weights)


@functools.lru_cache(maxsize=1)
def trainer_of(spec, dataset, options):
    """The Trainer of a dense spec. The last one is cached, so that all chains of a seed share one compiled network."""
    return Trainer(spec, dataset, options)
