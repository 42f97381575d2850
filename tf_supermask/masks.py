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
import math
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
    levels: int = 1  # masks are multiples of 1 / levels

    def __call__(self, score, threshold):
        score = ops.convert_to_tensor(score)
        return self.function(score, ops.cast(threshold, score.dtype))


RULES = {}


def register(name, threshold=None, sampled=False, signed=False, interval=False, levels=1):
    """Decorator that makes a function `(score, threshold) -> mask` the rule `name`.

    Args:
        name: the name of the rule in layers, `mask_model` and flags.
        threshold: default threshold, >= 0; required unless `sampled`.
        sampled: the threshold is drawn from [0, 1) for each weight at each use.
        signed: masks have values below 0, so that `rescale` counts their absolute values and `density` those of scores.
        interval: the scores whose mask is 0 form an interval: what lies between two pruned scores is pruned. `shrink` removes
            units only where this is so.
        levels: masks are multiples of 1 / levels, from -1 to 1.

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
        RULES[name] = Rule(function, threshold, sampled, signed, interval, levels)
        return function

    return add


def switch(name, value):
    """`value`, the argument `name` of a layer or function, if it is True or False. Raises ValueError otherwise."""
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` must be True or False. Received: {value!r}")
    return value


def rule(name):
    """The Rule `name`. Raises ValueError if no rule has this name."""
    if not isinstance(name, str) or name not in RULES:
        raise ValueError(f"`rule` must be one of {', '.join(RULES)}. Received: {name!r}")
    return RULES[name]


def threshold_of(name, threshold=None, relative_threshold=None, density=None):
    """The absolute threshold of a layer that uses the rule `name`.

    Returns: `threshold`, by default that of the rule; None with `relative_threshold`, which the layer multiplies once it has
    scores, with `density`, of which `density_threshold` makes one at each use, and for a rule that samples.

    Raises:
        ValueError: `threshold` is not a number >= 0, `relative_threshold` or `density` is not a number between 0 and 1, two are
            given, or one is given for a rule that samples.
    """
    known = rule(name)
    given = {"threshold": threshold, "relative_threshold": relative_threshold, "density": density}
    given = {argument: value for argument, value in given.items() if value is not None}
    received = ", ".join(f"{argument}={value!r}" for argument, value in given.items())
    if len(given) > 1:
        raise ValueError(f"Give one of `threshold`, `relative_threshold` and `density`. Received: {received}")
    if known.sampled and given:
        raise ValueError(f"Rule {name!r} draws its thresholds. Received: {received}")
    for argument in ("relative_threshold", "density"):
        if argument in given:
            if not (isinstance(given[argument], numbers.Real) and 0 < given[argument] < 1):
                raise ValueError(f"`{argument}` must be a number between 0 and 1. Received: {given[argument]!r}")
            return None
    threshold = known.threshold if threshold is None else threshold
    if not known.sampled and not (isinstance(threshold, numbers.Real) and threshold >= 0):
        raise ValueError(f"`threshold` must be a number >= 0. Received: {threshold!r}")
    return threshold


_HALVINGS = 30  # of the interval of scores: below the precision of float32


def density_threshold(score, density, signed):
    """The threshold above which a share `density` of the scores lies, of their absolute values if `signed`; at least one score.

    `score`: float32 tensor; 0 < `density` < 1. Found by bisection, 30 counts of the scores above a bound: for millions of scores
    sorting takes longer. Of scores that are equal none is kept if not all can be. Returns a scalar tensor without a gradient.
    """
    score = ops.stop_gradient(ops.abs(score) if signed else ops.convert_to_tensor(score))
    kept = max(1, round(density * math.prod(score.shape)))

    def halve(_, bounds):
        low, high = bounds
        middle = low + (high - low) / 2
        too_many = ops.sum(ops.cast(score > middle, "int32")) > kept
        return ops.where(too_many, middle, low), ops.where(too_many, high, middle)

    return ops.fori_loop(0, _HALVINGS, halve, (ops.min(score), ops.max(score)))[1]


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


def _with_levels(levels):
    """sign(score) * the number of thresholds that |score| passes / `levels`; the thresholds are 1 to `levels` times the first.

    Masks of several levels are those of Okoshi et al., 'Multicoated Supermasks Enhance Hidden Networks' (2022), with the sign of
    the score as in Koster et al. 2022. Deviation: their thresholds are quantiles of the scores; here the first is set, or is that
    of a `density`, and the others are multiples of it.
    """

    def rule(score, threshold):
        size = ops.abs(score)
        passed = sum(ops.cast(size > level * threshold, score.dtype) for level in range(1, levels + 1))
        return straight_through(score, ops.sign(score) * passed / levels)

    return rule


register("signed_2_levels", threshold=0.01, signed=True, interval=True, levels=2)(_with_levels(2))
register("signed_4_levels", threshold=0.01, signed=True, interval=True, levels=4)(_with_levels(4))
