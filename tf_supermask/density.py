"""Thresholds that leave a given share of the weights: top-k without sorting.

Sorting millions of scores takes longer than counting them some 25 times: the threshold is found by bisection, which ends as soon
as the count is right. Equal scores of which only some can stay are taken in the order of their indices, so the count is exact.
"""

import math

from keras import ops


def kept(size, density):
    """How many of `size` weights a `density` leaves: the number of pruned weights is rounded down, so at least one is left.

    Ramanujan et al. 2020 prune int((1 - density) * size) weights, in floating point as here: of 1,000 at a density of 0.9 it is
    99, since 1 - 0.9 is a little less than 0.1, and 901 are left. An exact decimal would leave 900, and other masks than theirs.
    """
    return size - int((1 - density) * size)


def bracket(score, count):
    """`(low, high)`, scalar tensors: at least `count` scores lie above `low`, at most `count` above `high`, and all scores
    between, `high` among them, are equal. Both are one threshold where one leaves exactly `count`."""

    def unfinished(low, high):
        middle = low + (high - low) / 2
        return ops.logical_and(low < middle, middle < high)

    def halve(low, high):
        middle = low + (high - low) / 2
        above = ops.sum(ops.cast(score > middle, "int32"))
        return ops.where(above >= count, middle, low), ops.where(above <= count, middle, high)

    least = ops.min(score)
    return ops.while_loop(unfinished, halve, (least - (1 + ops.abs(least)), ops.max(score)))


def _first(chosen, count):
    """The least n for which `count` of the first n elements of a flat bool tensor are true; 0 for a `count` of 0."""
    index = ops.arange(chosen.shape[0], dtype="int32")

    def true_before(end):
        return ops.sum(ops.cast(ops.logical_and(chosen, index < end), "int32"))

    def halve(low, high):
        middle = (low + high) // 2
        enough = true_before(middle) >= count
        return ops.where(enough, low, middle), ops.where(enough, middle, high)

    ends = ops.zeros((), "int32"), ops.cast(ops.where(count > 0, chosen.shape[0], 0), "int32")
    return ops.while_loop(lambda low, high: high - low > 1, halve, ends)[1]


def density_threshold(score, density):
    """Thresholds above which `kept(size, density)` scores lie.

    Args:
        score: float tensor, what the rule compares with the threshold.
        density: 0 < density <= 1.

    Returns: tensor of the score's shape, without a gradient: one number, but for scores that are equal and of which only some can
        stay. Of these the first have a lower threshold. It is below the least score, and may be below 0, where all stay.
    """
    score = ops.stop_gradient(ops.convert_to_tensor(score))
    flat = ops.reshape(score, (-1,))
    count = kept(math.prod(score.shape), density)
    low, high = bracket(flat, count)
    equal = ops.logical_and(flat > low, flat <= high)
    lacking = count - ops.sum(ops.cast(flat > high, "int32"))
    first = ops.arange(flat.shape[0], dtype="int32") < _first(equal, lacking)
    return ops.reshape(ops.where(ops.logical_and(equal, first), low, high), score.shape)
