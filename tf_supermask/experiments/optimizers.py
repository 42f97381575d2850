"""Optimizers, learning rate schedules, and the plateau rule."""

import math

import keras


def _sgd(spec, learning_rate, **common):
    return keras.optimizers.SGD(learning_rate, momentum=spec.momentum, nesterov=spec.nesterov, **common)


def _adam(spec, learning_rate, **common):
    # Epsilon is TensorFlow 1's default, with which Zhou et al. 2019 trained; that of Keras is 1e-7.
    return keras.optimizers.Adam(learning_rate, epsilon=1e-8, **common)


OPTIMIZERS = {"sgd": _sgd, "adam": _adam}


SCHEDULES = {
    "constant": lambda spec: spec.learning_rate,
    "staircase": lambda spec: keras.optimizers.schedules.ExponentialDecay(
        spec.learning_rate, spec.decay_steps, spec.decay_rate, staircase=True
    ),
    "plateau": lambda spec: spec.learning_rate,  # lowered by the Plateau callback
    "cosine": lambda spec: spec.learning_rate,  # lowered by the Cosine callback
}


def optimizer(spec):
    """Keras optimizer of `spec`. Per step, with gradient g, decay w_t and rate r_t under one schedule:

        x <- x - w_t x;   v <- momentum v - r_t g;   x <- x + momentum v - r_t g      (SGD with Nesterov momentum)

    Deviation: the paper says 'SGD with weight decay'; its results were made with this decoupled form. Keras multiplies its
    `weight_decay` by the learning rate and the paper does not; since both follow one schedule, their ratio at the start
    makes the two the same.
    """
    return OPTIMIZERS[spec.optimizer](
        spec,
        SCHEDULES[spec.schedule](spec),
        weight_decay=spec.weight_decay / spec.learning_rate or None,
        clipnorm=spec.clipnorm or None,
    )


def plateau_reductions(losses, patience, rest=10, tolerance=1e-4):
    """How often the rate has been reduced after epochs with these train losses: the rule of Koster et al. 2022.

    An epoch stagnates unless its loss undercuts, by more than `tolerance`, the best of the `patience` - 2
    epochs before it. When more than `patience` epochs have stagnated, the rate is reduced. The first `rest` epochs, and as
    many after each reduction, are not looked at. The count never starts again, so that later every stagnating epoch that
    is looked at reduces.
    """
    reductions, stagnating, look_from = 0, 0, rest
    for epoch in range(len(losses)):
        if epoch < look_from:
            continue
        best = min(losses[max(0, epoch - (patience - 2)) : epoch])
        if losses[epoch] + tolerance < best:
            continue
        stagnating += 1
        if stagnating > patience:
            reductions += 1
            look_from = epoch + 1 + rest
    return reductions


def reductions(spec, history):
    return plateau_reductions(history["train_loss"], spec.plateau_patience, spec.plateau_rest)


class Plateau(keras.callbacks.Callback):
    """Sets the learning rate, and with it the decay, from the train losses so far; ends the training at the limit.

    Keras' ReduceLROnPlateau differs in every detail of `plateau_reductions`.
    """

    def __init__(self, spec, history):
        super().__init__()
        self.spec, self.history = spec, history

    def on_epoch_end(self, epoch, logs=None):
        factor = self.spec.plateau_factor ** reductions(self.spec, self.history)
        self.model.optimizer.learning_rate = self.spec.learning_rate * factor
        self.model.stop_training = finished(self.spec, self.history)


class Cosine(keras.callbacks.Callback):
    """Sets the learning rate, and with it the decay, of epoch e of E: the rate at first * (1 + cos(pi e / E)) / 2.

    As Ramanujan et al. 2020 do; Keras' CosineDecay changes it at each step.
    """

    def __init__(self, spec):
        super().__init__()
        self.spec = spec

    def on_epoch_begin(self, epoch, logs=None):
        factor = (1 + math.cos(math.pi * epoch / self.spec.epochs)) / 2
        self.model.optimizer.learning_rate = self.spec.learning_rate * factor


def finished(spec, history):
    """Whether a run with this history trains no further."""
    if len(history["train_loss"]) >= spec.epochs:
        return True
    return spec.schedule == "plateau" and reductions(spec, history) >= spec.plateau_limit
