"""Entropy coding of ternary kernels: arrays of -1, 0, +1, most of them 0.

A kernel is seen as `(height, width, channels, units)`: what is there depends on the place, on the channel and on the unit,
each by its number of weights in powers of two, and on the row above, because neighbouring weights of a unit tend to be there
together and to have one sign:

    P(weight) = place * channel * unit * factor[weights above]        P(+1 | weight) = plus[sign of the sum above]

The probabilities are products of powers of two and of 8-bit numbers, exact in float64 on every machine. A row is coded in one
call; decoding goes through the same rows with the same probabilities.
"""

import constriction
import numpy as np

_BERNOULLI = constriction.stream.model.Bernoulli(perfect=False)
_LEAST, _MOST = 2.0**-20, 1 - 2.0**-6
CONTEXTS = 5  # twice the weight above, and those beside it


def _sizes(counts):
    """Number of bits of each count: 0, then 1, 2-3, 4-7..."""
    return np.frexp(counts.astype(float))[1].astype(np.int32)


def _axes(codes):
    """Sizes of the places `(h, w)`, channels and units of a kernel."""
    there = codes != 0
    return [_sizes(there.sum(axis)) for axis in ((2, 3), (0, 1, 3), (0, 1, 2))]


class _Row:
    """Row `y` of a kernel whose rows above are known: where weights may be, how likely they are, and what is above."""

    def __init__(self, codes, axes, y):
        places, channels, units = axes[0][y], *axes[1:]
        used = [np.flatnonzero(its) for its in (places, channels, units)]
        self.where = np.ix_([y], *used)
        self.base = 2.0 ** (places[used[0]][:, None, None] + channels[used[1]][:, None] + units[used[2]] - 3)
        above = codes[y - 1][:, used[1]][:, :, used[2]] if y else None
        if above is None:
            self.context, self.sign = np.zeros(self.base.shape, np.int8), np.zeros(self.base.shape, np.int8)
        else:
            padded = np.pad(above, ((1, 1), (0, 0), (0, 0)))
            near = [padded[used[0] + shift] for shift in (0, 1, 2)]
            self.context = 2 * np.abs(near[1]) + np.abs(near[0]) + np.abs(near[2])
            self.sign = np.sign(sum(near))

    def likely(self, factors):
        return np.clip(self.base * factors[self.context], _LEAST, _MOST)


def _fit(codes, axes):
    """Factors as `(number, exponent)` of number * 2**exponent, and P(+1) in 256ths by sign above."""
    rows = [_Row(codes, axes, y) for y in range(len(codes))]
    base, context, sign, its = (
        np.concatenate([np.ravel(part) for part in parts])
        for parts in zip(*((r.base, r.context, r.sign, codes[r.where]) for r in rows), strict=True)
    )
    factors, there = np.full(CONTEXTS, 1 / max(base.sum(), 1)), its != 0
    wanted = np.bincount(context[there], minlength=CONTEXTS) + 0.25
    for _ in range(8):
        likely = np.clip(base * factors[context], _LEAST, _MOST)
        factors *= wanted / np.maximum(np.bincount(context, likely, CONTEXTS), 0.25)
    numbers, exponents = np.frexp(factors)
    numbers = np.clip(np.round(numbers * 256), 128, 255).astype(int)
    plus = [
        np.mean(its[there & (sign == value)] > 0) if (there & (sign == value)).any() else 0.5 for value in (-1, 0, 1)
    ]
    plus = np.clip(np.round(256 * np.array(plus)), 1, 255).astype(int)
    return numbers.tolist(), (exponents - 8).tolist(), plus.tolist()


def _model(histogram):
    counts = np.array(histogram, float)
    return constriction.stream.model.Categorical(counts / counts.sum(), perfect=False)


def encode(codes, encoder):
    """Codes `(h, w, channels, units)` int8 into a constriction RangeEncoder; returns the parameters that decoding needs."""
    axes = _axes(codes)
    histograms = [np.bincount(its.ravel(), minlength=2).tolist() for its in axes]
    for its, histogram in zip(axes, histograms, strict=True):
        encoder.encode(its.ravel(), _model(histogram))
    numbers, exponents, plus = _fit(codes, axes)
    factors = np.ldexp(np.array(numbers, float), exponents)
    for y in range(len(codes)):
        row = _Row(codes, axes, y)
        its = codes[row.where][0]
        there = its != 0
        encoder.encode(there.ravel().astype(np.int32), _BERNOULLI, row.likely(factors).ravel())
        encoder.encode((its[there] > 0).astype(np.int32), _BERNOULLI, np.array(plus)[row.sign[there] + 1] / 256)
    return [histograms, numbers, exponents, plus]


def decode(shape, parameters, decoder):
    """The codes that `encode` has put into what a constriction RangeDecoder reads."""
    histograms, numbers, exponents, plus = parameters
    sizes = [shape[:2], shape[2:3], shape[3:]]
    axes = [
        decoder.decode(_model(histogram), int(np.prod(size))).reshape(size)
        for histogram, size in zip(histograms, sizes, strict=True)
    ]
    codes, factors = np.zeros(shape, np.int8), np.ldexp(np.array(numbers, float), exponents)
    for y in range(shape[0]):
        row = _Row(codes, axes, y)
        likely = row.likely(factors)
        there = decoder.decode(_BERNOULLI, likely.ravel()).reshape(likely.shape) == 1
        signs = decoder.decode(_BERNOULLI, np.array(plus)[row.sign[there] + 1] / 256)
        its = np.zeros(likely.shape, np.int8)
        its[there] = 2 * signs - 1
        codes[row.where] = its
    return codes


def codes_of(kernel):
    """`(codes, scale)` of a kernel that is codes * scale, with int8 codes of -1, 0, +1; None of any other."""
    scale, codes = np.abs(kernel).max(initial=0), np.sign(kernel).astype(np.int8)
    return (codes, scale) if np.array_equal(codes * scale, kernel) else None


def entropy_bytes(codes):
    """Bytes of the codes of one layer at the entropy of independent symbols, for comparison."""
    shares = np.bincount(np.ravel(codes) + 1, minlength=3) / np.size(codes)
    shares = shares[shares > 0]
    return float(-np.size(codes) * np.sum(shares * np.log2(shares)) / 8)
