"""Entropy coding of ternary kernels: arrays of -1, 0, +1, most of them 0.

A kernel has the shape `(height, width, channels, units)`. A weight is active if it is not 0. The probability of that depends
on the numbers of active weights at its place, in its channel and in its unit, each in powers of two, and on its neighbours:
neighbouring weights of a unit tend to be active together, with the same sign. So places are coded in passes, as in interlaced
images: a coarse grid, then the places between four coded places, until all are coded. In a pass all weights of one class

    class = 2 log2(place * channel * unit) + change[number of active neighbours]

have the same probability to be active; the file has the number of active weights of each class. If many weights of a class are
active, each weight is coded, otherwise the gaps between active ones: a symbol per active weight. A sign is coded as equal or not
to that of the sum of its neighbours, or to + if that is 0. Probabilities are made from integers by exact basic operations.
"""

from typing import NamedTuple

import constriction
import numpy as np

_BERNOULLI, _UNIFORM = constriction.stream.model.Bernoulli(perfect=False), constriction.stream.model.Uniform()
_AROUND = {"corners": ((-1, -1), (-1, 1), (1, -1), (1, 1)), "sides": ((-1, 0), (1, 0), (0, -1), (0, 1))}
_EDGE, _MOST_CHANGE = 2, 80  # largest distance of a neighbour, largest `change`
_DIGIT = 4096  # counts are coded in two digits
_LONGEST = 2**20  # step of gaps
_AT_ONCE = 2**24  # weights of a pass, at least one place: coding takes about 50 bytes of memory for each


def _sizes(counts):
    """Number of bits of each count: 0, then 1, 2-3, 4-7..."""
    return np.frexp(counts.astype(float))[1].astype(np.uint8)


def _axes(codes):
    """Sizes of the numbers of active weights: of places `(h, w)`, of channels and of units."""
    active = codes != 0
    return [_sizes(active.sum(axes)) for axes in ((2, 3), (0, 1, 3), (0, 1, 2))]


def histogram_model(counts):
    total = np.add.accumulate(counts)[-1] if len(counts) else 0  # np.sum adds in an order that depends on the machine
    if not total > 0:
        raise ValueError("a histogram without a count")
    return constriction.stream.model.Categorical(counts / total, perfect=False)


def _geometric(ratio, length):
    """The distribution of the numbers below `length`: each is `ratio` / 256 times as likely as the one before."""
    return histogram_model(np.multiply.accumulate(np.full(length, ratio / 256)))


# ---------------------------------------------------------------------------------------------------------------------
# What both the encoder and the decoder know before a pass


class _Live:
    """The channels and units of a kernel with active weights. `codes`: with a frame of zeros, 0 where they are not coded yet."""

    def __init__(self, axes):
        self.places, channels, units = axes
        self.channels, self.units = np.flatnonzero(channels), np.flatnonzero(units)
        self.sizes = np.add.outer(channels[self.channels], units[self.units])
        height, width = self.places.shape
        self.codes = np.zeros((height + 2 * _EDGE, width + 2 * _EDGE, *self.sizes.shape), np.int8)
        self.inner = self.codes[_EDGE:-_EDGE, _EDGE:-_EDGE]

    def passes(self):
        """`(y, x), offsets` of each pass: the places that it codes, and the offsets of their neighbours."""
        y, x = np.indices(self.places.shape)
        steps = [step for step in (_EDGE, 1) if len(y) >= 3 * step]
        coarse = 2 * steps[0] if steps else 1
        grids = [((y % coarse == 0) & (x % coarse == 0), ())]
        for step in steps:
            corner = (y % (2 * step) == step) & (x % (2 * step) == step)
            side = (y % step == 0) & (x % step == 0) & ((y + x) // step % 2 == 1)
            grids += [(corner, np.multiply(step, _AROUND["corners"])), (side, np.multiply(step, _AROUND["sides"]))]
        at_once = max(1, _AT_ONCE // max(1, self.sizes.size))
        for grid, offsets in grids:
            where = np.nonzero(grid & (self.places > 0))
            for start in range(0, len(where[0]), at_once):
                yield tuple(index[start : start + at_once] for index in where), offsets

    def around(self, where, offsets):
        """For all weights of a pass, flat: the number of active neighbours, 0 to 4, and the sum of their codes, -4 to 4."""
        y, x = where
        near, sums = np.zeros((2, len(y), *self.sizes.shape), np.int8)
        for down, right in offsets:
            neighbours = self.codes[y + _EDGE + down, x + _EDGE + right]
            near += neighbours != 0
            sums += neighbours
        return near.ravel(), sums.ravel()

    def likelihood(self, where):
        """2 log2 of the likelihood of the weights of a pass, flat, up to a constant; at most 2 * 3 * 29."""
        return np.add.outer(2 * self.places[where], 2 * self.sizes).ravel()


class _Classes(NamedTuple):
    """Indices of the weights of a pass in the order of their classes; the size of each class, and where it starts in `order`."""

    order: np.ndarray
    sizes: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, likelihood, change, near):
        change, some = np.array(change, np.uint8), np.flatnonzero(near != 0)
        key = likelihood + change[0]
        key[some] += (change - change[0])[near[some]]
        sizes = np.bincount(key)
        sizes = sizes[sizes > 0]
        return cls(np.argsort(key, kind="stable"), sizes, np.cumsum(sizes) - sizes)


class _Plan:
    """How classes with `counts` active weights are coded: each weight (`each`), or gaps, as multiples of `steps` and a rest."""

    def __init__(self, classes, counts):
        often = 4 * counts >= classes.sizes
        self.each = np.repeat(often, classes.sizes)
        shares = np.minimum(counts / classes.sizes, 1 - 2.0**-16)
        self.shares = np.repeat(shares[often], classes.sizes[often])
        rare = ~often & (counts > 0)
        self.counts, self.starts, self.ends = counts[rare], classes.starts[rare], (classes.starts + classes.sizes)[rare]
        steps = np.minimum(classes.sizes[rare] // (4 * self.counts), _LONGEST)
        self.steps = np.repeat(steps, self.counts).astype(np.int32)
        self.long = self.steps > 1
        self.first = np.cumsum(self.counts) - self.counts  # index of the first gap of each class


def _digits(sizes):
    """Sizes of the two digits of counts up to `sizes`."""
    return (sizes // _DIGIT + 2).astype(np.int32), (np.minimum(sizes, _DIGIT - 1) + 1).astype(np.int32)


def _agreement(sums, agree):
    """Probability that a sign agrees with the sum of its neighbours, or with + if that is 0."""
    return np.array([*agree, agree[-1], agree[-1]])[np.abs(sums)] / 256


# ---------------------------------------------------------------------------------------------------------------------
# Coding and decoding


def _fitted(likelihood, near, sums, codes):
    """Parameters of a pass: `change` by the number of active neighbours, and the signs out of 256 that agree, by |sum|."""
    active = codes != 0
    expected = np.bincount(near, np.exp2((likelihood - float(likelihood.max())) / 2))
    counts = np.bincount(near[active], minlength=len(expected))
    change = np.round(2 * np.log2((counts + 0.25) / (expected + 1e-9))).astype(int)
    sums, positive = sums[active], codes[active] > 0
    agree = []
    for size in (0, 1, 2):
        right = (positive ^ (sums < 0))[np.minimum(np.abs(sums), 2) == size]
        agree.append(int(np.clip(np.round(256 * right.mean()), 1, 255)) if len(right) else 128)
    return np.clip(change - change.min(), 0, _MOST_CHANGE).tolist(), agree


def encode(codes, encoder):
    """Codes `(h, w, channels, units)` int8 into a constriction RangeEncoder. Returns the parameters that decoding needs."""
    axes = _axes(codes)
    parameters = [np.bincount(sizes.ravel(), minlength=2).tolist() for sizes in axes]
    for sizes, histogram in zip(axes, parameters, strict=True):
        encoder.encode(sizes.ravel().astype(np.int32), histogram_model(histogram))
    live = _Live(axes)
    live.inner[:] = codes[:, :, live.channels][..., live.units]
    for where, offsets in live.passes():
        near, sums = live.around(where, offsets)
        weights, likelihood = live.inner[where].ravel(), live.likelihood(where)
        change, agree = _fitted(likelihood, near, sums, weights)
        classes = _Classes.of(likelihood, change, near)
        active = weights[classes.order] != 0
        counts = np.add.reduceat(active, classes.starts, dtype=int)
        plan = _Plan(classes, counts)
        for digit, sizes in zip(divmod(counts, _DIGIT), _digits(classes.sizes), strict=True):
            encoder.encode(digit.astype(np.int32), _UNIFORM, sizes)
        encoder.encode(active[plan.each].astype(np.int32), _BERNOULLI, plan.shares)
        ends = np.flatnonzero(active & ~plan.each)
        ratio, length = _encode_gaps(ends, plan, encoder)
        index = classes.order[np.concatenate([np.flatnonzero(active & plan.each), ends])]
        agrees = (weights[index] > 0) ^ (sums[index] < 0)
        encoder.encode(agrees.astype(np.int32), _BERNOULLI, _agreement(sums[index], agree))
        parameters.append([change, agree, ratio, length])
    return parameters


def _encode_gaps(ends, plan, encoder):
    """Codes the gaps before active weights at `ends`. Returns the parameters of the distribution of their multiples."""
    before = np.roll(ends, 1)
    before[plan.first] = plan.starts - 1
    wholes, rests = divmod(ends - before - 1, plan.steps)
    ratio = int(np.clip(256 * wholes.sum() / max(1, wholes.sum() + len(ends)), 1, 255))
    length = int(wholes.max(initial=1)) + 1
    encoder.encode(wholes.astype(np.int32), _geometric(ratio, length))
    encoder.encode(rests[plan.long].astype(np.int32), _UNIFORM, plan.steps[plan.long])
    return ratio, length


def decode(shape, parameters, decoder):
    """The codes of `shape` that `encode` has written, from a constriction RangeDecoder. Raises ValueError if they are damaged."""
    histograms, parameters = parameters[:3], parameters[3:]
    axes = [
        decoder.decode(histogram_model(histogram), int(np.prod(size))).reshape(size).astype(np.uint8)
        for histogram, size in zip(histograms, (shape[:2], shape[2:3], shape[3:]), strict=True)
    ]
    live = _Live(axes)
    for (where, offsets), (change, agree, ratio, length) in zip(live.passes(), parameters, strict=True):
        near, sums = live.around(where, offsets)
        classes = _Classes.of(live.likelihood(where), change, near)
        high, low = (decoder.decode(_UNIFORM, sizes) for sizes in _digits(classes.sizes))
        counts = high.astype(int) * _DIGIT + low
        if (counts > classes.sizes).any() or not 2 <= length <= near.size + 2:
            raise ValueError("more active weights than weights")
        if not all(0 < number < 256 for number in (ratio, *agree)):
            raise ValueError("a probability that is not between 0 and 1")
        plan = _Plan(classes, counts)
        each = decoder.decode(_BERNOULLI, plan.shares)
        ends = _decode_gaps(ratio, length, plan, decoder)
        index = classes.order[np.concatenate([np.flatnonzero(plan.each)[each == 1], ends])]
        agrees = decoder.decode(_BERNOULLI, _agreement(sums[index], agree)) == 1
        weights = np.zeros(near.size, np.int8)
        weights[index] = np.where(agrees ^ (sums[index] < 0), 1, -1)
        live.inner[where] = weights.reshape(-1, *live.sizes.shape)
    codes, decoded = np.zeros(shape, np.int8), np.ravel(live.inner)
    index = np.flatnonzero(decoded != 0)
    y, x, channels, units = np.unravel_index(index, live.inner.shape)
    codes[y, x, live.channels[channels], live.units[units]] = decoded[index]
    return codes


def _decode_gaps(ratio, length, plan, decoder):
    """Where the active weights are whose gaps `_encode_gaps` has written."""
    wholes = decoder.decode(_geometric(ratio, length), len(plan.steps))
    gaps = wholes.astype(int) * plan.steps
    gaps[plan.long] += decoder.decode(_UNIFORM, plan.steps[plan.long])
    ends = np.cumsum(gaps + 1)
    ends += np.repeat(plan.starts - 1 - ends[plan.first] + gaps[plan.first] + 1, plan.counts)
    if (ends >= np.repeat(plan.ends, plan.counts)).any():
        raise ValueError("a gap that is longer than its class")
    return ends


def entropy_bytes(codes):
    """Bytes of the codes of one layer if independent symbols were coded at their entropy, for comparison."""
    counts = np.bincount(np.ravel(codes) + 1, minlength=3)
    shares = counts[counts > 0] / np.size(codes)
    return float(-np.size(codes) * np.sum(shares * np.log2(shares)) / 8)
