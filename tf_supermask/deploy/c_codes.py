"""Codes of ternary weights that a small program reads once, bit by bit, in the order in which it uses them.

The weights of all units follow one another, `inputs` numbers of -1, 0, +1 each. Of each layer the shortest of:

    ternary       five weights in a byte, as the digits of a fraction of three: one comes out by each multiplication by 3
    gaps          for each weight that is not 0: how many zeros precede it, and its sign
    runs          the same for the first of neighbours of one sign, and a bit for each: whether another one follows

    bytes         not the shortest, but quickly read: one for up to four neighbours of one sign, and the way to the next ones

A gap is a Rice code, or an exponential Golomb code (Elias): ones and a zero, their number in unary, and a binary rest of
`low` bits, or `low` and as many as there are ones. What reads all this is in c/reader.c and c/fast.c.
"""

import dataclasses

import numpy as np

_MOST_LOW = 12
_WAY, _RUN = 31, 4  # the most that a byte holds


@dataclasses.dataclass(frozen=True)
class Code:
    """The coded weights of a layer. `longest`: gap; `ternary`, `runs`, `elias`, `fast`: of which kind; `low`: bits of a rest, or
    where the first byte begins."""

    data: bytes
    longest: int
    ternary: bool = False
    runs: bool = False
    elias: bool = False
    low: int = 0
    fast: bool = False

    @property
    def form(self):
        """The number by which C tells the kinds."""
        return self.ternary + 2 * self.runs + 4 * self.elias

    def __str__(self):
        if self.ternary or self.fast:
            return "ternary" if self.ternary else "bytes"
        return f"{'runs' if self.runs else 'gaps'}, {'Elias' if self.elias else 'Rice'} {self.low}"


def encode(codes):
    """The shortest Code of int8 `codes`, `(units, inputs)`."""
    flat = np.ravel(codes)
    places = np.flatnonzero(flat)
    gaps = np.diff(places, prepend=-1, append=flat.size) - 1
    turns = np.diff(flat[places], prepend=0) != 0
    found = [Code(_ternary(flat), int(gaps.max()), ternary=True)]
    for runs in (False, True):
        begins = (gaps[:-1] > 0) | turns if runs else np.ones(len(places), bool)
        begins = np.append(begins, True)
        kinds = [(elias, low) for elias in (False, True) for low in range(_MOST_LOW + 1)]
        elias, low = min(kinds, key=lambda kind: _lengths(gaps[begins], *kind).sum())
        data = _bits(gaps, np.append(flat[places] < 0, False), begins, runs, elias, low)
        found.append(Code(data, int(gaps.max()), False, runs, elias, low))
    return min(found, key=lambda code: len(code.data))


def encode_bytes(codes):
    """The Code of int8 `codes`, `(units, inputs)`, in bytes.

    A byte is the way to the next weights, the number of these less one, and their sign, in 5, 2 and 1 bits. Where the way is 0
    there are no weights: 31 inputs are skipped, once more often than the other bits say. No byte has weights of two units.
    """
    flat, inputs = np.ravel(codes), codes.shape[-1]
    places = np.flatnonzero(flat)
    gaps = np.diff(places, prepend=-1, append=flat.size) - 1
    begins = (gaps[:-1] > 0) | (np.diff(flat[places], prepend=0) != 0) | (places % inputs == 0)
    starts, negative, gaps = np.flatnonzero(begins).tolist(), (flat[places] < 0).tolist(), gaps.tolist()
    skips, first = divmod(gaps[0], _WAY)
    parts = _skips(skips)
    for start, end in zip(starts, [*starts[1:], len(places)]):
        whole, rest = divmod(end - start - 1, _RUN)
        parts += [_RUN << 3 | _RUN - 1 << 1 | negative[start]] * whole
        skips, way = divmod(rest + gaps[end], _WAY)
        parts += [way + 1 << 3 | rest << 1 | negative[start], *_skips(skips)]
    return Code(bytes(parts or [0]), max(gaps), low=first, fast=True)


def _skips(count):
    """Bytes that skip `count` times the longest way."""
    return [7] * (count // 8) + [count % 8 - 1] * (count % 8 > 0)


def _ternary(flat):
    """With a weight behind the last one, at which reading stops."""
    digits = np.append(flat + 1, 2)
    digits = np.pad(digits, (0, -len(digits) % 5)).reshape(-1, 5)
    numbers = digits.astype(int) @ 3 ** np.arange(4, -1, -1)
    return (-(-numbers * 256 // 243)).astype(np.uint8).tobytes()


def _lengths(gaps, elias, low):
    """Bits of each gap."""
    return 2 * np.frexp((gaps >> low) + 1.0)[1] - 1 + low if elias else (gaps >> low) + 1 + low


def _gap(gap, elias, low):
    rest = gap + (1 << low) if elias else gap
    ones = rest.bit_length() - 1 - low if elias else gap >> low
    size = low + ones if elias else low
    return "1" * ones + "0" + f"{rest & ((1 << size) - 1):0{size}b}" * (size > 0)


def _bits(gaps, negative, begins, runs, elias, low):
    """What `advance` in c/reader.c reads: the gap and sign of a weight that begins a run, a bit for one that goes on with it; at
    last the gap to the end."""
    parts = []
    for gap, minus, begin in zip(gaps.tolist(), negative.tolist(), begins.tolist(), strict=True):
        parts.append("0" * runs + _gap(gap, elias, low) + str(int(minus)) if begin else "1")
    bits = np.frombuffer("".join(parts).encode(), np.uint8) - ord("0")
    return np.packbits(bits, bitorder="little").tobytes()
