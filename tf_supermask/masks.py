"""The idea of the package: a frozen weight, a trained score, and a rule that turns the score into a mask.

    effective kernel = weight * mask(score)                              (Koster et al. 2022, Eq. 1 and 2)

A rule is a pure function `(score, threshold) -> mask`; it returns a tensor of the score's shape and type.
To add one: write the function, decorate it, and give it a row in RULES. Layers, flags and records know it from there.
"""

import tensorflow as tf


def straight_through(rule):
    """Gives `rule` the derivative 1 everywhere, for pruned entries too, without clipping.

    Forward   mask = rule(score, threshold)
    Backward  d loss / d score = d loss / d mask        (Koster et al. 2022, section 2)

    The threshold receives no gradient: it is fixed for the whole training.
    """

    def masked(score, threshold):
        score = tf.convert_to_tensor(score)
        threshold = tf.cast(threshold, score.dtype)

        @tf.custom_gradient
        def forward(score):
            return rule(score, threshold), lambda upstream: upstream

        return forward(score)

    masked.__name__, masked.__doc__ = rule.__name__, rule.__doc__
    return masked


@straight_through
def signed(score, threshold):
    """Keep, hide or invert: +1 where score > threshold, -1 where score < -threshold, else 0.

    Deviation: the paper's Eq. 2 includes the thresholds (>=, <=); the strict form is the one its results were made with.
    They differ only for a score that equals the threshold exactly.
    """
    # In bytes until the end: a mask of millions of weights is a matter of memory traffic.
    ternary = tf.cast(score > threshold, tf.int8) - tf.cast(score < -threshold, tf.int8)
    return tf.cast(ternary, score.dtype)


@straight_through
def binary(score, threshold):
    """Keep or hide: 1 where score > threshold, else 0, one-sided (Koster et al. 2022, Figure 3)."""
    return tf.cast(score > threshold, score.dtype)


RULES = {"signed": signed, "binary": binary}
