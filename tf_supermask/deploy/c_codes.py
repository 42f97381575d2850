"""Codes of ternary weights for C: a small program reads them once, in the order in which it uses the weights.

The weights of a layer are those of one unit after another, `inputs` values of -1, 0, +1 each. The shortest of three is used:

    ternary       five weights in a byte, as the base-3 digits of a fraction: each multiplication by 3 yields one
    gaps          for each weight other than 0: the number of zeros before it, and its sign
    runs          the same for the first weight of a run of one sign, and a bit for each weight: whether the run goes on

or, for speed, a code that is not the shortest:

    bytes         a byte for up to four neighbours of one sign, with the distance to the next ones

A gap is a Rice code, or an exponential Golomb code (Elias): its high part as so many ones and a zero, then a binary rest of `low`
bits (Rice), or of `low` bits and one for each of the ones (Elias). c/reader.c and c/fast.c read these codes.
"""

import dataclasses

import numpy as np

_MOST_LOW = 12
_DISTANCE, _RUN = 31, 4  # the largest of a byte


@dataclasses.dataclass(frozen=True)
class Code:
    """The coded weights of a layer. `longest`: the longest gap. `ternary`, `runs`, `elias`, `fast`: the kind of the code. `low`:
    bits of a rest; of bytes, the input at which the first one begins."""

    data: bytes
    longest: int
    ternary: bool = False
    runs: bool = False
    elias: bool = False
    low: int = 0
    fast: bool = False

    @property
    def form(self):
        """The number of the kind in C."""
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
    candidates = [Code(_ternary(flat), int(gaps.max()), ternary=True)]
    for runs in (False, True):
        begins = (gaps[:-1] > 0) | turns if runs else np.ones(len(places), bool)
        begins = np.append(begins, True)
        kinds = [(elias, low) for elias in (False, True) for low in range(_MOST_LOW + 1)]
        elias, low = min(kinds, key=lambda kind: _lengths(gaps[begins], *kind).sum())
        data = _bits(gaps, np.append(flat[places] < 0, False), begins, runs, elias, low)
        candidates.append(Code(data, int(gaps.max()), False, runs, elias, low))
    return min(candidates, key=lambda code: len(code.data))


def encode_bytes(codes):
    """The Code of int8 `codes`, `(units, inputs)`, in bytes.

    A byte has the distance to the next weights, their number minus 1, and their sign, in 5, 2 and 1 bits. If the distance is 0,
    it has no weights: the number in the other bits, plus 1, times 31 inputs are skipped. No byte has weights of two units.
    """
    flat, inputs = np.ravel(codes), codes.shape[-1]
    places = np.flatnonzero(flat)
    gaps = np.diff(places, prepend=-1, append=flat.size) - 1
    begins = (gaps[:-1] > 0) | (np.diff(flat[places], prepend=0) != 0) | (places % inputs == 0)
    starts, negative, gaps = np.flatnonzero(begins).tolist(), (flat[places] < 0).tolist(), gaps.tolist()
    skips, first = divmod(gaps[0], _DISTANCE)
    parts = _skips(skips)
    for start, end in zip(starts, [*starts[1:], len(places)]):
        whole, rest = divmod(end - start - 1, _RUN)
        parts += [_RUN << 3 | _RUN - 1 << 1 | negative[start]] * whole
        skips, distance = divmod(rest + gaps[end], _DISTANCE)
        parts += [distance + 1 << 3 | rest << 1 | negative[start], *_skips(skips)]
    return Code(bytes(parts or [0]), max(gaps), low=first, fast=True)


def _skips(count):
    """Bytes that skip `count` times the largest distance."""
    return [7] * (count // 8) + [count % 8 - 1] * (count % 8 > 0)


def _ternary(flat):
    """The bytes of the ternary code, with a +1 after the last weight, at which reading stops."""
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
    """The bits that `advance` in c/reader.c reads: gap and sign for a weight that begins a run, a bit for one that continues it;
    at the end the gap to the end."""
    parts = []
    for gap, minus, begin in zip(gaps.tolist(), negative.tolist(), begins.tolist(), strict=True):
        parts.append("0" * runs + _gap(gap, elias, low) + str(int(minus)) if begin else "1")
    bits = np.frombuffer("".join(parts).encode(), np.uint8) - ord("0")
    return np.packbits(bits, bitorder="little").tobytes()
