"""Learned supermasks (Zhou et al. 2019, section S6.1): masks are trained by gradient descent, weights are not.

    kernel = w_i * g(m),   g(m) = Bernoulli(sigmoid(m)), one sample a step and one for all test images

Kernels are those that the dense run of the same seed began with, or signed constants; there are no biases. Accuracies are means
over ten samples. Deviation: the signs of the constants are drawn anew, not those of the dense run. Deviation: the iteration that
counts is that of the lowest validation loss; the paper stops early by a rule that it does not name.
"""

import time

import keras
import numpy as np

from tf_supermask import conversion, sparsity
from tf_supermask.experiments import data, form, iterations, networks, records, settings, training
from tf_supermask.experiments.callbacks import check_finite
from tf_supermask.experiments.environment import current_environment, runtime_info
from tf_supermask.experiments.evaluation import Evaluation
from tf_supermask.experiments.trainer import assign, copies, kernels_of

SAMPLES = 10
COLUMNS = form.LEARNED


class Sampled:
    """(loss, accuracy in percent) of a masked model, means over samples of its masks, of which each serves all images.

    The samples are evaluated one by one, in the kernels of a plain network.
    """

    def __init__(self, model, arrays, samples):
        plain = conversion.strip_masks(model)
        self.masked, self.kernels, self.samples = sparsity.masked_layers(model), kernels_of(plain), samples
        self.evaluation = Evaluation(plain, arrays)
        self._draw()  # evaluated by nobody, but without it all later samples would not be those of the records

    def _draw(self):
        for layer in self.masked:
            self.kernels[layer.name].assign(layer.draw_kernel())

    def __call__(self):
        found = []
        for _ in range(self.samples):
            self._draw()
            found.append(self.evaluation())
        return tuple(np.mean(found, axis=0).tolist())


def remaining(model):
    """Expected remaining weights in percent: the mean of sigmoid(m), or of its rounding."""
    shares = [_expected(layer) for layer in sparsity.masked_layers(model)]
    return 100 * float(sum(np.sum(share) for share in shares) / sum(share.size for share in shares))


def _expected(layer):
    probability = np.asarray(keras.ops.sigmoid(layer.score))
    return probability if layer.rule == "bernoulli" else probability > 0.5


class Watch(keras.callbacks.Callback):
    """Evaluates every so many iterations, keeps the scores of the lowest validation loss, saves a checkpoint now and then."""

    def __init__(self, spec, run, network, validation, history, options):
        super().__init__()
        self.spec, self.run, self.network, self.validation, self.history = spec, run, network, validation, history
        self.seconds, self.last = options.checkpoint_seconds, time.monotonic()
        self.scores = [layer.score for layer in sparsity.masked_layers(network)]
        self.best = copies(self.scores)

    def look(self, iteration):
        loss, accuracy = self.validation()
        check_finite(f"at iteration {iteration}", {"validation_loss": loss}, self.scores)
        if loss < min(self.history["val_loss"], default=np.inf):
            self.best = copies(self.scores)
        for name, value in zip(COLUMNS, (iteration, loss, accuracy, remaining(self.network)), strict=True):
            self.history[name].append(value)

    def on_epoch_end(self, epoch, logs=None):
        iteration = iterations.iterations_after(self.spec, epoch)
        check_finite(f"at iteration {iteration}", {"train_loss": logs["loss"]})
        self.look(iteration)
        if self.run is not None and time.monotonic() - self.last >= self.seconds:
            values = copies(variables_of(self.network))
            records.save_checkpoint(self.run, self.spec, [*values, *self.best], self.history)
            self.last = time.monotonic()


def variables_of(model):
    """All that changes in training: scores, momenta, and the generators that sample."""
    generators = [layer.seed_generator.state for layer in sparsity.masked_layers(model) if layer.rule == "bernoulli"]
    return [*(layer.score for layer in sparsity.masked_layers(model)), *model.optimizer.variables, *generators]


@settings.needed()
def train(spec, dataset, run, options=training.Options(), dense_run=None):
    """Trains the masks of `spec`; returns `(model, record)`. Goes on from a checkpoint if there is one; needs no dense run.

    Raises InputError where the training diverges or a file is damaged.
    """
    environment = current_environment()
    split = data.held_out(dataset, spec.validation_images)
    model = networks.build(spec, dataset.input_shape, dataset.classes)
    training.compile_model(model, spec, iterations.stretch(spec), options)
    history = {name: [] for name in COLUMNS}
    samples = SAMPLES if spec.mode == "bernoulli" else 1
    watch = Watch(spec, run, model, Sampled(model, data.evaluation_arrays(split, spec), samples), history, options)
    if run is None or not _continue(model, watch):
        watch.look(0)
    else:
        options.say(f"  going on after iteration {history['iteration'][-1]}")
    done = len(history["iteration"]) - 1
    began = time.monotonic()
    iterations.fit_iterations(model, _batches(split, spec, history["iteration"][-1]), spec, watch, done)
    test = Sampled(model, data.evaluation_arrays(dataset, spec), samples)
    _, end_accuracy = test()
    assign(watch.scores, watch.best)
    loss, accuracy = test()
    place = int(np.argmin(history["val_loss"]))
    check_finite(f"after {history['iteration'][place]} iterations", {"test_loss": loss})
    options.say(f"  {accuracy:.2f} % test accuracy after {history['iteration'][place]} iterations")
    final = {"test_accuracy": accuracy, "test_loss": loss, "remaining": history["remaining"][place]}
    final |= {"best_iteration": history["iteration"][place], "end_test_accuracy": end_accuracy}
    return model, training.finish(
        run,
        spec,
        dataset,
        model,
        initial={"remaining": history["remaining"][0]},
        history=history,
        final=final | {"seconds": time.monotonic() - began},
        layers=training.layer_table(model),
        environment=runtime_info(environment, model),
        arrays=networks.snapshot(model),
    )


def _batches(split, spec, iteration):
    """The training batches from `iteration` on."""
    steps = data.steps_per_epoch(split, spec)
    return data.batches(split, spec, iteration // steps).skip(iteration % steps)


def _continue(model, watch):
    """Puts the checkpoint's variables, best scores and history in place; False where there is none."""
    variables = variables_of(model)
    shapes = [variable.shape for variable in (*variables, *watch.scores)]
    found = records.load_checkpoint(watch.run, watch.spec, shapes)
    if found is None:
        return False
    values, past = found
    assign(variables, values[: len(variables)])
    watch.best = values[len(variables) :]
    for name in watch.history:
        watch.history[name].extend(past[name])
    return True
