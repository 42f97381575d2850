"""Learned supermasks (Zhou et al. 2019, section S6.1): masks are trained by gradient descent, weights are not.

    kernel = w_i * g(m),   g(m) = Bernoulli(sigmoid(m)), one sample a step and one for all test images

Weights are the initial ones of the dense run with the same seed, or signed constants; there are no biases. Accuracies are means
over ten samples. Deviation: the signs of the constants are drawn again, independently of the dense run. Deviation: results are
those of the iteration with the lowest validation loss; the paper stops early by a rule that it does not name.
"""

import time

import keras
import numpy as np

from tf_supermask import conversion, masks, sparsity
from tf_supermask.experiments import data, form, iterations, layer_rows, networks, records, settings, training
from tf_supermask.experiments.callbacks import check_finite
from tf_supermask.experiments.environment import current_environment, runtime_info
from tf_supermask.experiments.evaluation import Evaluation
from tf_supermask.experiments.trainer import assign, copies, kernels_of

SAMPLES = 10
COLUMNS = form.LEARNED


class Sampled:
    """`sampled()` gives (loss, accuracy in percent) of a masked model, means over `samples` samples of its masks.

    Each sample is evaluated on all images, in a plain network whose kernels are `weight * mask`.
    """

    def __init__(self, model, arrays, samples):
        plain = conversion.strip_masks(model)
        self.masked, self.kernels, self.samples = sparsity.masked_layers(model), kernels_of(plain), samples
        self.evaluation = Evaluation(plain, arrays)
        self._draw()  # not evaluated; without it, all later samples would differ from those of the records

    def _draw(self):
        for layer in self.masked:
            self.kernels[layer.name].assign(layer.draw_kernel())

    def __call__(self):
        measures = []
        for _ in range(self.samples):
            self._draw()
            measures.append(self.evaluation())
        return tuple(np.mean(measures, axis=0).tolist())


def remaining(model):
    """Expected remaining weights in percent: the mean of sigmoid(m), or of its rounding."""
    shares = [_expected(layer) for layer in sparsity.masked_layers(model)]
    return 100 * float(sum(np.sum(share) for share in shares) / sum(share.size for share in shares))


def _expected(layer):
    probability = np.asarray(keras.ops.sigmoid(layer.score))
    return probability if masks.rule(layer.rule).sampled else probability > 0.5


class Validation(keras.callbacks.Callback):
    """Evaluates after each epoch of `fit_iterations`, keeps the scores of the lowest validation loss, and saves a checkpoint
    when the last one is older than `options.checkpoint_seconds`."""

    def __init__(self, spec, run, network, evaluation, history, options):
        super().__init__()
        self.spec, self.run, self.network, self.evaluation, self.history = spec, run, network, evaluation, history
        self.seconds, self.last = options.checkpoint_seconds, time.monotonic()
        self.scores = [layer.score for layer in sparsity.masked_layers(network)]
        self.best = copies(self.scores)

    def evaluate(self, iteration):
        """Appends a row to the history. Raises Diverged."""
        loss, accuracy = self.evaluation()
        check_finite(f"at iteration {iteration}", {"validation_loss": loss}, self.scores)
        if loss < min(self.history["val_loss"], default=np.inf):
            self.best = copies(self.scores)
        for name, value in zip(COLUMNS, (iteration, loss, accuracy, remaining(self.network)), strict=True):
            self.history[name].append(value)

    def on_epoch_end(self, epoch, logs=None):
        iteration = iterations.iterations_after(self.spec, epoch)
        check_finite(f"at iteration {iteration}", {"train_loss": logs["loss"]})
        self.evaluate(iteration)
        if self.run is not None and time.monotonic() - self.last >= self.seconds:
            values = copies(variables_of(self.network))
            records.save_checkpoint(self.run, self.spec, [*values, *self.best], self.history)
            self.last = time.monotonic()


def variables_of(model):
    """All variables that training changes: scores, those of the optimizer, and the states of the generators that sample."""
    masked = sparsity.masked_layers(model)
    generators = [layer.seed_generator.state for layer in masked if masks.rule(layer.rule).sampled]
    return [*(layer.score for layer in masked), *model.optimizer.variables, *generators]


@settings.needed()
def train(spec, dataset, run, options=training.Options(), dense_run=None):
    """Trains the masks of `spec`; returns `(model, record)`. Continues from a checkpoint if there is one.

    Args:
        run: `records.Run`, or None to write nothing.
        dense_run: not used.

    Raises:
        InputError: the training diverges or a file is damaged.
    """
    environment = current_environment()
    split = data.held_out(dataset, spec.validation_images)
    model = networks.build(spec, dataset.input_shape, dataset.classes)
    training.compile_model(model, spec, iterations.stretch(spec), options)
    history = {name: [] for name in COLUMNS}
    samples = SAMPLES if spec.sampled else 1
    sampled = Sampled(model, data.evaluation_arrays(split, spec), samples)
    validation = Validation(spec, run, model, sampled, history, options)
    _start(model, validation, run, options)
    done = len(history["iteration"]) - 1
    began = time.monotonic()
    iterations.fit_iterations(model, _batches(split, spec, history["iteration"][-1]), spec, validation, done)
    final = _final(validation, Sampled(model, data.evaluation_arrays(dataset, spec), samples))
    options.log(f"  {final['test_accuracy']:.2f} % test accuracy after {final['best_iteration']} iterations")
    return model, training.finish(
        run,
        spec,
        dataset,
        model,
        initial={"remaining": history["remaining"][0]},
        history=history,
        final=final | {"seconds": time.monotonic() - began},
        layers=layer_rows.of_model(model),
        environment=runtime_info(environment, model),
        arrays=networks.snapshot(model),
    )


def _start(model, validation, run, options):
    """Restores the checkpoint of `run` if there is one, else evaluates the scores that training starts with."""
    if run is None or not _continue(model, validation):
        validation.evaluate(0)
    else:
        options.log(f"  going on after iteration {validation.history['iteration'][-1]}")


def _final(validation, test):
    """Measures of the scores with the lowest validation loss, which the model has afterwards. Raises Diverged."""
    _, end_accuracy = test()
    assign(validation.scores, validation.best)
    loss, accuracy = test()
    history = validation.history
    row = int(np.argmin(history["val_loss"]))
    check_finite(f"after {history['iteration'][row]} iterations", {"test_loss": loss})
    return {
        "test_accuracy": accuracy,
        "test_loss": loss,
        "remaining": history["remaining"][row],
        "best_iteration": history["iteration"][row],
        "end_test_accuracy": end_accuracy,
    }


def _batches(split, spec, iteration):
    """The training batches from `iteration` on."""
    steps = data.steps_per_epoch(split, spec)
    return data.batches(split, spec, iteration // steps).skip(iteration % steps)


def _continue(model, validation):
    """Restores variables, best scores and history from the checkpoint; False where there is none."""
    variables = variables_of(model)
    shapes = [variable.shape for variable in (*variables, *validation.scores)]
    checkpoint = records.load_checkpoint(validation.run, validation.spec, shapes)
    if checkpoint is None:
        return False
    values, past = checkpoint
    assign(variables, values[: len(variables)])
    validation.best = values[len(variables) :]
    for name in validation.history:
        validation.history[name].extend(past[name])
    return True
