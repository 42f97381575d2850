"""Training counted in iterations instead of epochs: exactly as many as asked."""

import math

import keras


def stretch(spec):
    """The greatest number that divides the steps of each stretch between two evaluations; the last one may be shorter."""
    return math.gcd(min(spec.evaluate_every, spec.iterations), spec.iterations)


def iterations_after(spec, epoch):
    """Iterations that are done when epoch 0, 1... of `fit_iterations` ends."""
    return min((epoch + 1) * spec.evaluate_every, spec.iterations)


def fit_iterations(model, batches, spec, callback, done=0):
    """Trains `model` for `spec.iterations` steps; an epoch is what lies between two evaluations, and `done` of them are over.

    `batches` start with the first step that is left.
    """
    steps = min(spec.evaluate_every, spec.iterations)
    model.fit(
        batches,
        epochs=-(-spec.iterations // steps),
        initial_epoch=done,
        steps_per_epoch=steps,
        # where nothing is left over, no callback reads the logs of each batch
        callbacks=[Stop(spec), callback] if spec.iterations % steps else [callback],
        shuffle=False,  # the batches come in their order
        verbose=0,
    )


class Stop(keras.callbacks.Callback):
    """Ends the training after the last iteration, also within an epoch."""

    def __init__(self, spec):
        super().__init__()
        self.spec = spec

    def on_epoch_begin(self, epoch, logs=None):
        self.before = epoch * self.spec.evaluate_every

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = self.before + batch + 1 >= self.spec.iterations
