"""Events of score-based rules: what IteRand and a global threshold do between steps.

iterand   each pruned weight is drawn again with a probability, every so many steps (Chijiwa et al. 2021)
global    one threshold for the scores of all layers (Diffenderfer and Kailkhura 2022)
"""

from typing import Callable, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tf_supermask import initializers, maskable
from tf_supermask.density import bracket, kept
from tf_supermask.rivals.allocation import in_all


class Event(NamedTuple):
    every: int  # steps, by default
    share: float | None  # default of MaskUpdates.share
    check: Callable  # MaskUpdates -> None; raises ValueError for a model without such layers
    begin: Callable  # MaskUpdates -> None, before the first step
    change: Callable  # (MaskUpdates, step) -> None


# ---------------------------------------------------------------------------------------------------------------------
# IteRand


def _check_redrawn(updates):
    for name, kernel in updates.kernels.items():
        if kernel.layer.rule != "iterand":
            raise ValueError(f"iterand needs layers with the rule iterand. Received: {name} with {kernel.layer.rule}")
        initializer = _initializer(kernel)
        if not isinstance(initializer, keras.initializers.Initializer) or "seed" not in initializer.get_config():
            raise ValueError(
                f"iterand draws weights of {name} again, whose initializer is not known or has no seed; use He, ELUS or one "
                "of Keras', as `weight_initializer` of a layer with masks"
            )
    if not updates.kernels:
        raise ValueError("iterand needs layers with the rule iterand. Received a model without masks")


def _initializer(kernel):
    """What the weights of a layer are drawn from; of a layer of Keras with masks, that of its kernel, or None."""
    if kernel.layer.weight_initializer is not None:
        return kernel.layer.weight_initializer
    names = f"{kernel.name}_initializer", f"{kernel.name.removesuffix('_kernel')}_initializer"  # recurrent_initializer
    return next((getattr(kernel.layer.layer, name) for name in names if hasattr(kernel.layer.layer, name)), None)


def redraw(weight, mask, fresh, share, generator):
    """Weights of which each that the mask hides is that of `fresh` with the probability `share`."""
    return np.where(~mask & (generator.random(weight.shape) < share), fresh, weight)


def _redraw(updates, step):
    for draw, kernel in zip(updates.generators(step).values(), updates.kernels.values(), strict=True):
        initializer, weight = _initializer(kernel), np.asarray(kernel.weight)
        seed = int(draw.integers(2**31))
        again = type(initializer).from_config(initializer.get_config() | {"seed": seed})
        fresh = initializers.reshaped(again, maskable.fan_shape(kernel.layer, kernel.weight))(weight.shape, "float32")
        kernel.weight.assign(redraw(weight, kernel.mask() != 0, np.asarray(fresh), updates.share, draw))


# ---------------------------------------------------------------------------------------------------------------------
# One threshold


def _check_thresholds(updates):
    for name, kernel in updates.kernels.items():
        if not isinstance(kernel.threshold, keras.Variable):
            raise ValueError(
                "global sets the thresholds of all layers, which are variables only with relative_threshold. "
                f"Received: {name} without"
            )
    if not updates.kernels:
        raise ValueError("global needs masked layers. Received a model without masks")


def global_threshold(scores, count):
    """The threshold above which `count` scores of all tensors together lie; of equal ones none where not all can stay, but all
    where otherwise no score would. Scalar tensor."""
    flat = tf.concat([tf.reshape(score, [-1]) for score in scores], 0)
    low, high = bracket(flat, count)
    return tf.where(tf.reduce_any(flat > high), high, low)


def just_below(number):
    """The largest float32 below a scalar tensor. A layer whose threshold it is keeps its largest score: one without weights would
    stop all signals, and its scores would have no gradient to come back by."""
    return tf.math.nextafter(number, tf.constant(-np.inf, number.dtype))


_RAMP = 0.1  # of the training: 10 of the authors' 100 epochs


def ramped_density(density, progress):
    """From 1/2 to a smaller `density`, as a cubic, in the first tenth of the training: at once, layers of small scores would
    lose all."""
    return density + max(0.0, 0.5 - density) * (1 - min(1.0, progress / _RAMP)) ** 3


def _begin(updates):
    if updates.total is None:
        raise ValueError("global needs `steps`, those of the whole training: `fit` does not know them")
    kernels = list(updates.kernels.values())
    in_all(updates.sizes(), updates.density)

    @tf.function
    def set_thresholds(count):
        scores = [kernel.rule.compared(tf.convert_to_tensor(kernel.score)) for kernel in kernels]
        threshold = global_threshold(scores, count)
        for kernel, score in zip(kernels, scores, strict=True):
            kernel.threshold.assign(tf.minimum(threshold, just_below(tf.reduce_max(score))))

    updates.set_thresholds, step = set_thresholds, int(updates.model.optimizer.iterations)
    if step % updates.every == 0:  # else a training goes on, and has the thresholds of its last change
        _set_threshold(updates, step)


def _set_threshold(updates, step):
    density = ramped_density(updates.density, step / updates.total)
    updates.set_thresholds(tf.constant(kept(sum(updates.sizes()), density), tf.int32))


EVENTS = {
    "iterand": Event(300, 0.1, _check_redrawn, lambda updates: None, _redraw),
    "global": Event(1, None, _check_thresholds, _begin, _set_threshold),
}
