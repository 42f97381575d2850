"""Codes of several levels: what is encoded is decoded, and kernels that are codes * scale are found."""

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_supermask.deploy import level_codes


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=200))
@settings(max_examples=50, deadline=None)
def test_sizes_come_back(values):
    codes = np.array(values, np.int8)
    encoder = constriction.stream.queue.RangeEncoder()
    histogram = level_codes.encode(codes, encoder)
    if not histogram:
        assert np.abs(codes).max() <= 1
        return
    assert histogram == [np.count_nonzero(np.abs(codes) == size) for size in range(1, np.abs(codes).max() + 1)]
    decoder = constriction.stream.queue.RangeDecoder(encoder.get_compressed())
    np.testing.assert_array_equal(level_codes.decode(np.sign(codes), histogram, decoder), codes)


@pytest.mark.parametrize("largest, levels", [(1, 1), (1, 4), (2, 2), (3, 4), (4, 4)])
def test_the_fewest_levels_are_found(largest, levels):
    expected = np.array([0, 1, -1, largest, -largest], np.int8)
    scale = np.float32(0.037)
    codes, of_one = level_codes.codes_of((expected * scale).astype(np.float32), levels)
    np.testing.assert_array_equal(codes, expected)
    assert of_one == pytest.approx(scale) and codes.dtype == np.int8


def test_other_kernels_have_no_codes():
    assert level_codes.codes_of(np.float32([0.5, 0.3, 0]), levels=4) is None
    assert level_codes.codes_of(np.float32([2, -1, 0]), levels=1) is None
    codes, _ = level_codes.codes_of(np.zeros(3, np.float32))
    assert not codes.any()
