"""Training for an exact number of iterations, with an evaluation every so many."""

import math

import keras


def stretch(spec):
    """The greatest common divisor of the numbers of steps between two evaluations; the last one may be smaller."""
    return math.gcd(min(spec.evaluate_every, spec.iterations), spec.iterations)


def iterations_after(spec, epoch):
    """Number of iterations done at the end of `epoch` (from 0) of `fit_iterations`."""
    return min((epoch + 1) * spec.evaluate_every, spec.iterations)


def fit_iterations(model, batches, spec, callback, done=0):
    """Trains `model` for `spec.iterations` steps. An epoch is the steps between two evaluations; the first `done` are skipped.

    `batches` start with the first step that is not skipped.
    """
    steps = min(spec.evaluate_every, spec.iterations)
    model.fit(
        batches,
        epochs=-(-spec.iterations // steps),
        initial_epoch=done,
        steps_per_epoch=steps,
        # Stop, which slows each batch, is only needed where the last epoch is shorter
        callbacks=[Stop(spec), callback] if spec.iterations % steps else [callback],
        shuffle=False,  # the batches come in their order
        verbose=0,
    )


class Stop(keras.callbacks.Callback):
    """Stops training after the last iteration, also within an epoch."""

    def __init__(self, spec):
        super().__init__()
        self.spec = spec

    def on_epoch_begin(self, epoch, logs=None):
        self.before = epoch * self.spec.evaluate_every

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = self.before + batch + 1 >= self.spec.iterations
