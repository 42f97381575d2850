"""Trained weights that are used with few values: the masks and kernels of ternary and binary networks.

    kernel = weight * mask(V)          V: latent weight, trained; weight: a constant of the layer, 1 or the size of all weights

A layer keeps V as its score. So these are mask rules like all others, with other ways to come from the mask to the kernel:
a kernel function `(weight, score, mask, scales) -> kernel` has the kernel's value and gradient.
"""

import math

import keras
from keras import ops

from tf_supermask.gradients import straight_through


def sign_beyond(score, threshold):
    """sign(V) where |V| > threshold, else 0, straight through."""
    ternary = ops.cast(score > threshold, score.dtype) - ops.cast(score < -threshold, score.dtype)
    return straight_through(score, ternary)


def ternary_of_mean(score, threshold):
    """TWN (Li et al. 2016): sign(V) where |V| > threshold * mean |V|, else 0. Zeroes 42 % of normal weights, 35 % of uniform
    ones."""
    return sign_beyond(score, threshold * ops.stop_gradient(ops.mean(ops.abs(score))))


def ternary_of_max(score, threshold):
    """TTQ (Zhu et al. 2016): sign(V) where |V| > threshold * max |V|, else 0. A larger threshold gives more zeros."""
    return sign_beyond(score, threshold * ops.stop_gradient(ops.max(ops.abs(score))))


def binary_sign(score, threshold):
    """BinaryConnect (Courbariaux et al. 2015): +1 where V >= threshold, else -1."""
    return straight_through(score, ops.cast(ops.where(score >= threshold, 1, -1), score.dtype))


def binary_sample(score, threshold):
    """BinaryConnect, stochastic: +1 with probability clip((V + 1) / 2, 0, 1), else -1; `threshold` is drawn from [0, 1)."""
    probability = ops.clip((score + 1) / 2, 0, 1)
    return straight_through(score, ops.cast(ops.where(probability > threshold, 1, -1), score.dtype))


def he_size(shape):
    """sqrt(2 / inputs)."""
    return math.sqrt(2 / math.prod(shape[:-1]))


def glorot_size(shape):
    """sqrt(1.5 / (inputs + outputs)): the size of binary weights in the authors' program of BinaryConnect."""
    *window, c_in, c_out = shape
    return math.sqrt(1.5 / (math.prod(window) * (c_in + c_out)))


class Within(keras.constraints.Constraint):
    """Clips values to [-limit, limit]."""

    def __init__(self, limit):
        self.limit = limit

    def __call__(self, values):
        return ops.clip(values, -self.limit, self.limit)

    def get_config(self):
        return {"limit": self.limit}


# ---------------------------------------------------------------------------------------------------------------------
# Kernels


def _mean_size(values, mask):
    """Mean |values| of the weights that the mask keeps; 0 without any. Scalar tensor without a gradient."""
    remain = ops.cast(ops.not_equal(mask, 0), values.dtype)
    return ops.stop_gradient(ops.sum(ops.abs(values) * remain) / ops.maximum(ops.sum(remain), 1))


def mean_weight(weight, score, mask, scales):
    """MPT-1/32 (Diffenderfer and Kailkhura 2021): alpha * sign(weight) * mask, alpha the mean |weight| of what is kept.

    The gradient is that of weight * mask. Deviation: the authors divide by the intended number of kept weights, not by theirs;
    the two differ by less than one.
    """
    weight = ops.convert_to_tensor(weight)
    return straight_through(weight * mask, _mean_size(weight, mask) * ops.sign(weight) * mask)


def mean_latent(weight, score, mask, scales):
    """TWN: alpha * mask, alpha the mean |V| beyond the threshold. The gradient to V is that to the kernel."""
    return straight_through(weight * mask, _mean_size(ops.convert_to_tensor(score), mask) * mask)


def two_scales(weight, score, mask, scales):
    """TTQ: +p c where the mask is 1, -n c where it is -1; `scales` is [p, n], trained, c the constant weight.

    With the gradient G to the kernel, that to p is the sum of c G where the mask is 1, that to n the sum of -c G where it is
    -1, and that to V is p G, n G, or G where the mask is 0. Deviation: as published c is 1, in networks that normalize each
    layer; here it is the deviation of He's initializer, so that both scales can start at 1, as published, without
    normalization.
    """
    mask, score = ops.stop_gradient(mask), ops.convert_to_tensor(score)
    plus, minus = ops.cast(mask > 0, score.dtype), ops.cast(mask < 0, score.dtype)
    kernel = weight * (scales[0] * plus - scales[1] * minus)
    slope = ops.stop_gradient(scales[0] * plus + scales[1] * minus + (1 - plus - minus))
    return kernel + (slope * score - ops.stop_gradient(slope * score))  # kernel + 0
