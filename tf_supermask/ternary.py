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


class _Rows:
    """How likely weights are in the rows of a kernel, of which only the channels and units with any weight are looked at."""

    def __init__(self, axes):
        self.places, channels, units = axes
        self.channels, self.units = np.flatnonzero(channels), np.flatnonzero(units)
        self.base = np.multiply.outer(*(np.ldexp(1.0, its[its > 0]) for its in (channels, units)))

    def framed(self):
        """Zeros for the live codes, with a row above and a column on both sides."""
        height, width = self.places.shape
        return np.zeros((height + 1, width + 2, *self.base.shape), np.int8)

    def row(self, framed, y):
        """Of row `y`, when framed codes are known above it: `(places, base, weights above each place and beside that)`."""
        places = np.flatnonzero(self.places[y])
        base = np.ldexp(1.0, self.places[y, places] - 3)[:, None, None] * self.base
        return (y + 1, places + 1), base, [framed[y, places + shift] for shift in (1, 0, 2)]


def _context(near):
    above, *beside = near
    return 2 * np.abs(above) + sum(np.abs(its) for its in beside)


def _sign(near, there):
    return np.sign(sum(its[there] for its in near))


def _likely(base, factors, context):
    return np.clip(base * factors[context], _LEAST, _MOST)


def _fit(framed, rows):
    """Factors as `(number, exponent)` of number * 2**exponent, and P(+1) in 256ths by sign above."""
    parts = []
    for y in range(len(rows.places)):
        places, base, near = rows.row(framed, y)
        there = framed[places] != 0
        parts.append((base, _context(near), there, _sign(near, there), framed[places][there] > 0))
    base, context, there, sign, positive = (
        np.concatenate([np.ravel(part) for part in its]) for its in zip(*parts, strict=True)
    )
    factors = np.full(CONTEXTS, 1 / max(base.sum(), 1))
    wanted = np.bincount(context[there], minlength=CONTEXTS) + 0.25
    for _ in range(8):
        factors *= wanted / np.maximum(np.bincount(context, _likely(base, factors, context), CONTEXTS), 0.25)
    numbers, exponents = np.frexp(factors)
    numbers = np.clip(np.round(numbers * 256), 128, 255).astype(int)
    plus = [positive[sign == value].mean() if (sign == value).any() else 0.5 for value in (-1, 0, 1)]
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
    rows = _Rows(axes)
    framed = rows.framed()
    framed[1:, 1:-1] = codes[:, :, rows.channels][..., rows.units]
    numbers, exponents, plus = _fit(framed, rows)
    factors = np.ldexp(np.array(numbers, float), exponents)
    for y in range(len(codes)):
        places, base, near = rows.row(framed, y)
        its = framed[places]
        there = its != 0
        encoder.encode(there.ravel().astype(np.int32), _BERNOULLI, _likely(base, factors, _context(near)).ravel())
        encoder.encode((its[there] > 0).astype(np.int32), _BERNOULLI, np.array(plus)[_sign(near, there) + 1] / 256)
    return [histograms, numbers, exponents, plus]


def decode(shape, parameters, decoder):
    """The codes that `encode` has put into what a constriction RangeDecoder reads."""
    histograms, numbers, exponents, plus = parameters
    sizes = [shape[:2], shape[2:3], shape[3:]]
    axes = [
        decoder.decode(_model(histogram), int(np.prod(size))).reshape(size)
        for histogram, size in zip(histograms, sizes, strict=True)
    ]
    rows, factors = _Rows(axes), np.ldexp(np.array(numbers, float), exponents)
    framed = rows.framed()
    for y in range(shape[0]):
        places, base, near = rows.row(framed, y)
        likely = _likely(base, factors, _context(near))
        there = decoder.decode(_BERNOULLI, likely.ravel()).reshape(likely.shape) == 1
        signs = decoder.decode(_BERNOULLI, np.array(plus)[_sign(near, there) + 1] / 256)
        its = np.zeros(likely.shape, np.int8)
        its[there] = 2 * signs - 1
        framed[places] = its
    codes, live = np.zeros(shape, np.int8), framed[1:, 1:-1]
    y, x, channel, unit = where = np.nonzero(live)
    codes[y, x, rows.channels[channel], rows.units[unit]] = live[where]
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
