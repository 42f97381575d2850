"""The idea of the package: a frozen weight, a trained score, and a rule that turns the score into a mask.

    effective kernel = weight * mask(score)                              (Koster et al. 2022, Eq. 1 and 2)

A rule is a pure function `(score, threshold) -> mask`; it returns a tensor of the score's shape and type.
To add one: write the function, decorate it, and give it a row in RULES. Layers, flags and records know it from there.
"""

import tensorflow as tf


def through(derivative):
    """Decorator that gives a rule a derivative, for pruned entries too, without clipping.

    Forward   mask = rule(score, threshold)
    Backward  d loss / d score = derivative(score) * d loss / d mask

    The threshold receives no gradient.
    """

    def decorate(rule):
        def masked(score, threshold):
            score = tf.convert_to_tensor(score)
            threshold = tf.cast(threshold, score.dtype)

            @tf.custom_gradient
            def forward(score):
                return rule(score, threshold), lambda upstream: derivative(score, upstream)

            return forward(score)

        masked.__name__, masked.__doc__ = rule.__name__, rule.__doc__
        return masked

    return decorate


# d mask / d score = 1 (Koster et al. 2022, section 2)
straight_through = through(lambda score, upstream: upstream)


@through
def through_sigmoid(score, upstream):
    """The mask counts as sigmoid(score) (Zhou et al. 2019, section S6.1)."""
    probability = tf.sigmoid(score)
    return upstream * probability * (1 - probability)


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


@through_sigmoid
def probable(score, threshold):
    """1 where sigmoid(score) > threshold, else 0 (Zhou et al. 2019).

    With a threshold drawn uniformly from [0, 1) for each weight this is a Bernoulli sample with probability sigmoid(score);
    with 1/2 it is the rounded probability. Deviation: of all weights, as the paper says; the authors' code rounds a random half.
    """
    return tf.cast(tf.sigmoid(score) > threshold, score.dtype)


RULES = {"signed": signed, "binary": binary, "bernoulli": probable, "rounded": probable}
SAMPLED = ("bernoulli",)  # a new threshold for each weight at each use
THRESHOLDS = {"signed": 0.01, "binary": 0.01, "rounded": 0.5}  # Koster et al. 2022, section 3.2; Zhou et al. 2019
