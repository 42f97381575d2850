"""Entropy coding of ternary kernels: arrays of -1, 0, +1, most of them 0.

A kernel is seen as `(height, width, channels, units)`: what is there depends on the place, on the channel and on the unit,
each by its number of weights in powers of two, and on the places around, because neighbouring weights of a unit tend to be
there together and to have one sign. So places are coded in passes, as in an interlaced picture: a coarse grid, then what lies
between four coded places, until all are coded. In a pass all weights of one class

    class = 2 log2(place * channel * unit) + change[how many of the four around are there]

are equally likely: as many of them are there as the file says. Of a class of which much is there the coder gets each weight, of
the others the gaps: a symbol per weight that is there, not per weight that might be. A sign is coded as agreeing or not with the
sum of those around, or with +. All probabilities are made of integers by the four operations, which are exact on every machine.
"""

from typing import NamedTuple

import constriction
import numpy as np

_BERNOULLI, _UNIFORM = constriction.stream.model.Bernoulli(perfect=False), constriction.stream.model.Uniform()
_AROUND = {"corners": ((-1, -1), (-1, 1), (1, -1), (1, 1)), "sides": ((-1, 0), (1, 0), (0, -1), (0, 1))}
_EDGE = 2  # how far a place looks at most
_MOST_CHANGE = 80
_DIGIT = 4096  # counts are coded in two digits
_LONGEST = 2**20  # unit of gaps
_AT_ONCE = 2**24  # weights of a pass, as far as places can be divided: coding takes some 50 bytes for each


def _sizes(counts):
    """Number of bits of each count: 0, then 1, 2-3, 4-7..."""
    return np.frexp(counts.astype(float))[1].astype(np.uint8)


def _axes(codes):
    """Sizes of the places `(h, w)`, channels and units of a kernel."""
    there = codes != 0
    return [_sizes(there.sum(axis)) for axis in ((2, 3), (0, 1, 3), (0, 1, 2))]


def _model(counts):
    total = np.add.accumulate(counts)[-1]  # unlike a sum, in one order on every machine
    return constriction.stream.model.Categorical(counts / total, perfect=False)


def _geometric(ratio, length):
    """Of the numbers below `length`: each is `ratio` / 256 times as likely as the one before."""
    return _model(np.multiply.accumulate(np.full(length, ratio / 256)))


# ---------------------------------------------------------------------------------------------------------------------
# What coder and decoder know before a pass


class _Live:
    """A kernel's channels and units with any weight, framed by zeros: `codes` are known where they have been coded."""

    def __init__(self, axes):
        self.places, channels, units = axes
        self.channels, self.units = np.flatnonzero(channels), np.flatnonzero(units)
        self.sizes = np.add.outer(channels[self.channels], units[self.units])
        height, width = self.places.shape
        self.codes = np.zeros((height + 2 * _EDGE, width + 2 * _EDGE, *self.sizes.shape), np.int8)
        self.inner = self.codes[_EDGE:-_EDGE, _EDGE:-_EDGE]

    def passes(self):
        """`(y, x), offsets` of the places that are coded at one time: where they are, and where they look."""
        y, x = np.indices(self.places.shape)
        steps = [step for step in (_EDGE, 1) if len(y) >= 3 * step]
        grid = 2 * steps[0] if steps else 1
        among = [((y % grid == 0) & (x % grid == 0), ())]
        for step in steps:
            corner = (y % (2 * step) == step) & (x % (2 * step) == step)
            side = (y % step == 0) & (x % step == 0) & ((y + x) // step % 2 == 1)
            among += [(its, np.multiply(step, _AROUND[name])) for its, name in ((corner, "corners"), (side, "sides"))]
        for its, offsets in among:
            where, at_once = np.nonzero(its & (self.places > 0)), max(1, _AT_ONCE // max(1, self.sizes.size))
            for start in range(0, len(where[0]), at_once):
                yield tuple(index[start : start + at_once] for index in where), offsets

    def around(self, where, offsets):
        """Of all weights of a pass, flat: how many around are there, 0 to 4, and the sum of their codes, -4 to 4."""
        (y, x), shape = where, self.sizes.shape
        near, sums = np.zeros((2, len(y), *shape), np.int8)
        for down, right in offsets:
            its = self.codes[y + _EDGE + down, x + _EDGE + right]
            near += its != 0
            sums += its
        return near.ravel(), sums.ravel()

    def likelihood(self, where):
        """2 log2 of how likely the weights of a pass are, flat, but for a constant; at most 2 * 3 * 29."""
        return np.add.outer(2 * self.places[where], 2 * self.sizes).ravel()


class _Classes(NamedTuple):
    """Weights of a pass in the order of their classes, and of each class the number and the first one's place in that order."""

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
    """How the weights of classes are coded of which `counts` are there: each (`often`), or by gaps in `units`."""

    def __init__(self, classes, counts):
        self.often = 4 * counts >= classes.sizes
        self.each = np.repeat(self.often, classes.sizes)
        shares = np.minimum(counts / classes.sizes, 1 - 2.0**-16)
        self.shares = np.repeat(shares[self.often], classes.sizes[self.often])
        rare = ~self.often & (counts > 0)
        self.counts, self.starts, self.ends = counts[rare], classes.starts[rare], (classes.starts + classes.sizes)[rare]
        self.units = np.repeat(np.minimum(classes.sizes[rare] // (4 * self.counts), _LONGEST), self.counts)
        self.units = self.units.astype(np.int32)
        self.long = self.units > 1
        self.first = np.cumsum(self.counts) - self.counts  # of each class, among all gaps


def _digits(sizes):
    """Sizes of the two digits of counts up to `sizes`."""
    return (sizes // _DIGIT + 2).astype(np.int32), (np.minimum(sizes, _DIGIT - 1) + 1).astype(np.int32)


def _agreement(sums, agree):
    """How likely the signs agree with the sums of those around; where that is 0, with +."""
    return np.array([*agree, agree[-1], agree[-1]])[np.abs(sums)] / 256


# ---------------------------------------------------------------------------------------------------------------------
# Coding and decoding


def _fitted(likelihood, near, sums, its):
    """Parameters of a pass over codes `its`: change by weights around, and of 256 signs how many agree, by the sum around."""
    there = its != 0
    expected = np.bincount(near, np.exp2((likelihood - float(likelihood.max())) / 2))
    found = np.bincount(near[there], minlength=len(expected))
    change = np.round(2 * np.log2((found + 0.25) / (expected + 1e-9))).astype(int)
    sums, positive = sums[there], its[there] > 0
    agree = []
    for size in (0, 1, 2):
        right = (positive ^ (sums < 0))[np.minimum(np.abs(sums), 2) == size]
        agree.append(int(np.clip(np.round(256 * right.mean()), 1, 255)) if len(right) else 128)
    return np.clip(change - change.min(), 0, _MOST_CHANGE).tolist(), agree


def encode(codes, encoder):
    """Codes `(h, w, channels, units)` int8 into a constriction RangeEncoder; returns the parameters that decoding needs."""
    axes = _axes(codes)
    parameters = [np.bincount(its.ravel(), minlength=2).tolist() for its in axes]
    for its, histogram in zip(axes, parameters, strict=True):
        encoder.encode(its.ravel().astype(np.int32), _model(histogram))
    live = _Live(axes)
    live.inner[:] = codes[:, :, live.channels][..., live.units]
    for where, offsets in live.passes():
        near, sums = live.around(where, offsets)
        its, likelihood = live.inner[where].ravel(), live.likelihood(where)
        change, agree = _fitted(likelihood, near, sums, its)
        classes = _Classes.of(likelihood, change, near)
        there = its[classes.order] != 0
        counts = np.add.reduceat(there, classes.starts, dtype=int)
        plan = _Plan(classes, counts)
        for digit, sizes in zip(divmod(counts, _DIGIT), _digits(classes.sizes), strict=True):
            encoder.encode(digit.astype(np.int32), _UNIFORM, sizes)
        encoder.encode(there[plan.each].astype(np.int32), _BERNOULLI, plan.shares)
        found = np.flatnonzero(there & ~plan.each)
        before = np.roll(found, 1)
        before[plan.first] = plan.starts - 1
        wholes, rests = divmod(found - before - 1, plan.units)
        ratio = int(np.clip(256 * wholes.sum() / max(1, wholes.sum() + len(found)), 1, 255))
        length = int(wholes.max(initial=1)) + 1
        encoder.encode(wholes.astype(np.int32), _geometric(ratio, length))
        encoder.encode(rests[plan.long].astype(np.int32), _UNIFORM, plan.units[plan.long])
        those = classes.order[np.concatenate([np.flatnonzero(there & plan.each), found])]
        agrees = (its[those] > 0) ^ (sums[those] < 0)
        encoder.encode(agrees.astype(np.int32), _BERNOULLI, _agreement(sums[those], agree))
        parameters.append([change, agree, ratio, length])
    return parameters


def decode(shape, parameters, decoder):
    """The codes that `encode` has put into what a constriction RangeDecoder reads. Raises ValueError where it cannot have."""
    histograms, parameters = parameters[:3], parameters[3:]
    axes = [
        decoder.decode(_model(histogram), int(np.prod(size))).reshape(size).astype(np.uint8)
        for histogram, size in zip(histograms, (shape[:2], shape[2:3], shape[3:]), strict=True)
    ]
    live = _Live(axes)
    for (where, offsets), (change, agree, ratio, length) in zip(live.passes(), parameters, strict=True):
        near, sums = live.around(where, offsets)
        classes = _Classes.of(live.likelihood(where), change, near)
        high, low = (decoder.decode(_UNIFORM, sizes) for sizes in _digits(classes.sizes))
        counts = high.astype(int) * _DIGIT + low
        if (counts > classes.sizes).any() or not 2 <= length <= near.size + 2:
            raise ValueError("more weights than there is room for")
        if not all(0 < number < 256 for number in (ratio, *agree)):
            raise ValueError("no probability")
        plan = _Plan(classes, counts)
        each = decoder.decode(_BERNOULLI, plan.shares)
        wholes = decoder.decode(_geometric(ratio, length), len(plan.units))
        gaps = wholes.astype(int) * plan.units
        gaps[plan.long] += decoder.decode(_UNIFORM, plan.units[plan.long])
        ends = np.cumsum(gaps + 1)
        ends += np.repeat(plan.starts - 1 - ends[plan.first] + gaps[plan.first] + 1, plan.counts)
        if (ends >= np.repeat(plan.ends, plan.counts)).any():
            raise ValueError("a gap that is longer than its class")
        those = classes.order[np.concatenate([np.flatnonzero(plan.each)[each == 1], ends])]
        agrees = decoder.decode(_BERNOULLI, _agreement(sums[those], agree)) == 1
        its = np.zeros(near.size, np.int8)
        its[those] = np.where(agrees ^ (sums[those] < 0), 1, -1)
        live.inner[where] = its.reshape(-1, *live.sizes.shape)
    codes, known = np.zeros(shape, np.int8), np.ravel(live.inner)
    those = np.flatnonzero(known != 0)
    y, x, channel, unit = np.unravel_index(those, live.inner.shape)
    codes[y, x, live.channels[channel], live.units[unit]] = known[those]
    return codes


def codes_of(kernel):
    """`(codes, scale)` of a kernel that is codes * scale, int8 codes of -1, 0, +1 and a float32; None of any other."""
    scale, codes = np.float32(np.abs(kernel).max(initial=0)), np.sign(kernel).astype(np.int8)
    return (codes, scale) if np.array_equal(codes * scale, kernel) else None


def entropy_bytes(codes):
    """Bytes of the codes of one layer at the entropy of independent symbols, for comparison."""
    shares = np.bincount(np.ravel(codes) + 1, minlength=3) / np.size(codes)
    shares = shares[shares > 0]
    return float(-np.size(codes) * np.sum(shares * np.log2(shares)) / 8)
