"""The idea of the package: a frozen weight, a trained score, and a rule that turns the score into a mask.

    effective kernel = weight * mask(score)                              (Koster et al. 2022, Eq. 1 and 2)

A rule is a pure function `(score, threshold) -> mask`. It returns a tensor of the score's shape and type, with one of the two
gradients below. To add a rule, register it; layers, `mask_model`, flags and records then know it by its name:

    @masks.register("keep_large", threshold=0.1)
    def keep_large(score, threshold):
        return masks.straight_through(score, ops.cast(ops.abs(score) > threshold, score.dtype))

Rules are made of `keras.ops`, and run on every backend of Keras.
"""

import dataclasses
import numbers
from typing import Callable

import keras
from keras import ops


@dataclasses.dataclass(frozen=True)
class Rule:
    """A mask rule and its properties: `rule(score, threshold)` is the mask."""

    function: Callable  # (score, threshold) -> mask, two tensors of one type
    threshold: float | None  # default threshold
    sampled: bool  # the layer draws a new threshold from [0, 1) for each weight at each use
    signed: bool  # masks have values below 0
    interval: bool = False  # the scores whose mask is 0 form an interval

    def __call__(self, score, threshold):
        score = ops.convert_to_tensor(score)
        return self.function(score, ops.cast(threshold, score.dtype))


RULES = {}


def register(name, threshold=None, sampled=False, signed=False, interval=False):
    """Decorator that makes a function `(score, threshold) -> mask` the rule `name`.

    Args:
        name: the name of the rule in layers, `mask_model` and flags.
        threshold: default threshold, >= 0; required unless `sampled`.
        sampled: the threshold is drawn from [0, 1) for each weight at each use.
        signed: masks have values below 0, so that `rescale` counts their absolute values.
        interval: the scores whose mask is 0 form an interval: what lies between two pruned scores is pruned. `shrink` removes
            units only where this is so.

    Raises:
        ValueError: the name is registered already; neither or both of `threshold` and `sampled` are given.
    """
    if name in RULES:
        raise ValueError(f"the mask rule {name!r} is registered already; choose another name")
    if sampled == (threshold is not None):
        raise ValueError(
            f"a mask rule needs `threshold` or `sampled=True`, not both. Received: {threshold=}, {sampled=}"
        )

    def add(function):
        RULES[name] = Rule(function, threshold, sampled, signed, interval)
        return function

    return add


def rule(name):
    """The Rule `name`. Raises ValueError if no rule has this name."""
    if not isinstance(name, str) or name not in RULES:
        raise ValueError(f"`rule` must be one of {', '.join(RULES)}. Received: {name!r}")
    return RULES[name]


def threshold_of(name, threshold=None, relative_threshold=None):
    """The absolute threshold of a layer that uses the rule `name`.

    Returns: `threshold`, by default that of the rule; None with `relative_threshold`, which the layer multiplies once it has
    scores, and for a rule that samples.

    Raises:
        ValueError: `threshold` is not a number >= 0, `relative_threshold` is not a number between 0 and 1, both are given, or
            one is given for a rule that samples.
    """
    known = rule(name)
    if threshold is not None and relative_threshold is not None:
        raise ValueError(
            f"Give `threshold` or `relative_threshold`, not both. Received: {threshold=}, {relative_threshold=}"
        )
    if known.sampled and (threshold is not None or relative_threshold is not None):
        raise ValueError(f"Rule {name!r} draws its thresholds. Received: {threshold=}, {relative_threshold=}")
    if relative_threshold is not None:
        if not (isinstance(relative_threshold, numbers.Real) and 0 < relative_threshold < 1):
            raise ValueError(f"`relative_threshold` must be a number between 0 and 1. Received: {relative_threshold!r}")
        return None
    threshold = known.threshold if threshold is None else threshold
    if not known.sampled and not (isinstance(threshold, numbers.Real) and threshold >= 0):
        raise ValueError(f"`threshold` must be a number >= 0. Received: {threshold!r}")
    return threshold


# The two gradients. Both reach the scores of pruned weights too; neither is clipped.


def _with_gradient(function, derivative):
    """`(score, mask) -> mask` with the gradient of `function(score)`, which `derivative(score, upstream)` gives; None: upstream.

    Both forms give the same values. On TensorFlow a custom gradient needs no arithmetic in the forward pass.
    """
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        @tf.custom_gradient
        def replaced(score, mask):
            return tf.identity(mask), lambda upstream: (
                upstream if derivative is None else derivative(score, upstream),
                None,
            )

        return replaced

    def replaced(score, mask):
        smooth = function(score)
        return ops.stop_gradient(mask) + (smooth - ops.stop_gradient(smooth))  # mask + 0

    return replaced


def _sigmoid_gradient(score, upstream):
    probability = ops.sigmoid(score)
    return upstream * probability * (1 - probability)


_straight_through = _with_gradient(lambda score: score, None)
_through_sigmoid = _with_gradient(ops.sigmoid, _sigmoid_gradient)


def straight_through(score, mask):
    """`mask` with the gradient d mask / d score = 1 (Koster et al. 2022, section 2)."""
    return _straight_through(score, mask)


def through_sigmoid(score, mask):
    """`mask` with the gradient d mask / d score = p (1 - p), p = sigmoid(score) (Zhou et al. 2019, section S6.1)."""
    return _through_sigmoid(score, mask)


@register("signed", threshold=0.01, signed=True, interval=True)  # Koster et al. 2022, section 3.2
def signed(score, threshold):
    """Keep, hide or invert: +1 where score > threshold, -1 where score < -threshold, else 0.

    Deviation: the paper's Eq. 2 includes the thresholds (>=, <=); the paper's results were made with the strict form.
    They differ only for a score that equals the threshold exactly.
    """
    # int8 until the end: for millions of weights memory traffic decides the speed.
    ternary = ops.cast(score > threshold, "int8") - ops.cast(score < -threshold, "int8")
    return straight_through(score, ops.cast(ternary, score.dtype))


@register("binary", threshold=0.01, interval=True)
def binary(score, threshold):
    """Keep or hide: 1 where score > threshold, else 0, one-sided (Koster et al. 2022, Figure 3)."""
    return straight_through(score, ops.cast(score > threshold, score.dtype))


@register("bernoulli", sampled=True)
@register("rounded", threshold=0.5, interval=True)
def probable(score, threshold):
    """1 where sigmoid(score) > threshold, else 0 (Zhou et al. 2019).

    With a threshold drawn uniformly from [0, 1) for each weight this is a Bernoulli sample with probability sigmoid(score);
    with 1/2 it is the rounded probability. Deviation: all weights are rounded, as the paper says; the authors' code rounds a
    random half.
    """
    return through_sigmoid(score, ops.cast(ops.sigmoid(score) > threshold, score.dtype))
