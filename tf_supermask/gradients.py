"""Gradients of mask rules: the value of one function with the gradient of another, on every backend of Keras.

All reach the scores of pruned weights too; none is clipped.
"""

import keras
from keras import ops


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
_through_size = _with_gradient(ops.abs, lambda score, upstream: upstream * ops.sign(score))


def straight_through(score, mask):
    """`mask` with the gradient d mask / d score = 1 (Koster et al. 2022, section 2)."""
    return _straight_through(score, mask)


def through_sigmoid(score, mask):
    """`mask` with the gradient d mask / d score = p (1 - p), p = sigmoid(score) (Zhou et al. 2019, section S6.1)."""
    return _through_sigmoid(score, mask)


def through_size(score, mask):
    """`mask` with the gradient d mask / d score = sign(score), that of the size of the score (Ramanujan et al. 2020)."""
    return _through_size(score, mask)
