"""The codes of weights for C, read as c/reader.c and c/fast.c read them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_supermask.deploy import c_codes


@st.composite
def kernels(draw):
    """Codes `(units, inputs)`, sparse to dense, with neighbours of one sign."""
    units, inputs = draw(st.integers(1, 5)), draw(st.sampled_from([1, 3, 40, 700]))
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    share = draw(st.sampled_from([0, 0.01, 0.1, 0.5, 1]))
    codes = (random.random((units, inputs)) < share) * random.choice([-1, 1], (units, inputs))
    return np.repeat(codes, draw(st.integers(1, 9)), axis=1).astype(np.int8)


@settings(max_examples=60)
@given(kernels())
def test_codes_are_read_again(codes):
    """Both codes, read as c/reader.c and c/fast.c do."""
    for code in (c_codes.encode(codes), c_codes.encode_bytes(codes)):
        weights = {"bytes": whole_bytes, "ternary": digits}.get(str(code), bits)(code)
        found = np.zeros(codes.size, int)
        for at, sign in weights:
            if at >= codes.size:
                break
            found[at] = sign
        np.testing.assert_array_equal(found.reshape(codes.shape), codes)
    assert len(c_codes.encode(codes).data) <= codes.size / 5 + 2


def bits(code):
    """`(place, sign)` of each weight: gaps, or runs."""
    stream = iter("".join(f"{byte:08b}"[::-1] for byte in code.data) + "0" * 99)
    number = lambda size: int("0" + "".join(next(stream) for _ in range(size)), 2)  # noqa: E731
    at, sign = -1, 0
    while True:
        at += 1
        if not (code.runs and number(1)):
            ones = next(n for n in range(99) if next(stream) == "0")
            rest = number(code.low + ones if code.elias else code.low)
            before = (1 << code.low + ones) - (1 << code.low) if code.elias else ones << code.low
            at, sign = at + before + rest, 1 - 2 * number(1)
        yield at, sign


def digits(code):
    place = 0
    for byte in code.data:
        for _ in range(5):
            digit, byte = divmod(byte * 3, 256)
            if digit != 1:
                yield place, digit - 1
            place += 1


def whole_bytes(code):
    at = code.low
    for byte in code.data:
        if byte < 8:
            at += 31 * (byte + 1)
            continue
        for weight in range((byte >> 1 & 3) + 1):
            yield at + weight, 1 - 2 * (byte & 1)
        at += byte >> 3
