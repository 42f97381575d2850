"""The idea of the package: a frozen weight, a trained score, and a rule that turns the score into a mask.

    effective kernel = weight * mask(score)                              (Koster et al. 2022, Eq. 1 and 2)

A rule is a pure function `(score, threshold) -> mask`; it returns a tensor of the score's shape and type, by way of one of the
two gradients below. To add one, register it; layers, `mask_model`, flags and records then know it by its name:

    @masks.register("keep_large", threshold=0.1)
    def keep_large(score, threshold):
        return masks.straight_through(score, tf.cast(tf.abs(score) > threshold, score.dtype))
"""

from typing import Callable, NamedTuple

import tensorflow as tf


class Rule(NamedTuple):
    """A mask rule and what a layer has to know of it: `rule(score, threshold)` is the mask."""

    function: Callable  # (score, threshold) -> mask, of two tensors of one type
    threshold: float | None  # where a layer is given none
    sampled: bool  # the layer draws a new threshold from [0, 1) for each weight at each use
    signed: bool  # masks have values below 0

    def __call__(self, score, threshold):
        score = tf.convert_to_tensor(score)
        return self.function(score, tf.cast(threshold, score.dtype))


RULES = {}


def register(name, threshold=None, sampled=False, signed=False):
    """Decorator that makes a function `(score, threshold) -> mask` the rule `name`.

    Args:
        name: what layers, `mask_model` and flags call it.
        threshold: default threshold, >= 0; required unless `sampled`.
        sampled: the threshold is drawn from [0, 1) for each weight at each use.
        signed: masks have values below 0, so that `rescale` counts |mask|.

    Raises:
        ValueError: the name is taken, or there is neither a threshold nor `sampled`, or both.
    """
    if name in RULES:
        raise ValueError(f"the mask rule {name!r} is registered already; choose another name")
    if sampled == (threshold is not None):
        raise ValueError(
            f"a mask rule needs `threshold` or `sampled=True`, not both. Received: {threshold=}, {sampled=}"
        )

    def add(rule):
        RULES[name] = Rule(rule, threshold, sampled, signed)
        return rule

    return add


def rule(name):
    """The Rule `name`. Raises ValueError where there is none."""
    if name not in RULES:
        raise ValueError(f"`rule` must be one of {', '.join(RULES)}. Received: {name!r}")
    return RULES[name]


# The two gradients. Both reach the scores of pruned weights, too; neither is clipped.


@tf.custom_gradient
def straight_through(score, mask):
    """`mask`, of which the gradient passes to `score` unchanged: d mask / d score = 1 (Koster et al. 2022, section 2)."""
    return tf.identity(mask), lambda upstream: (upstream, None)


@tf.custom_gradient
def through_sigmoid(score, mask):
    """`mask`, which counts as sigmoid(score): d mask / d score = p (1 - p), p = sigmoid(score) (Zhou et al. 2019, section S6.1)."""
    probability = tf.sigmoid(score)
    return tf.identity(mask), lambda upstream: (upstream * probability * (1 - probability), None)


@register("signed", threshold=0.01, signed=True)  # Koster et al. 2022, section 3.2
def signed(score, threshold):
    """Keep, hide or invert: +1 where score > threshold, -1 where score < -threshold, else 0.

    Deviation: the paper's Eq. 2 includes the thresholds (>=, <=); the strict form is the one its results were made with.
    They differ only for a score that equals the threshold exactly.
    """
    # In bytes until the end: a mask of millions of weights is a matter of memory traffic.
    ternary = tf.cast(score > threshold, tf.int8) - tf.cast(score < -threshold, tf.int8)
    return straight_through(score, tf.cast(ternary, score.dtype))


@register("binary", threshold=0.01)
def binary(score, threshold):
    """Keep or hide: 1 where score > threshold, else 0, one-sided (Koster et al. 2022, Figure 3)."""
    return straight_through(score, tf.cast(score > threshold, score.dtype))


@register("bernoulli", sampled=True)
@register("rounded", threshold=0.5)
def probable(score, threshold):
    """1 where sigmoid(score) > threshold, else 0 (Zhou et al. 2019).

    With a threshold drawn uniformly from [0, 1) for each weight this is a Bernoulli sample with probability sigmoid(score);
    with 1/2 it is the rounded probability. Deviation: of all weights, as the paper says; the authors' code rounds a random half.
    """
    return through_sigmoid(score, tf.cast(tf.sigmoid(score) > threshold, score.dtype))
