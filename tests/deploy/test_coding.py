"""The entropy coder: codes come back, and take little more than their entropy."""

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tf_supermask.deploy import coding

KERNELS = hnp.arrays(
    np.int8, hnp.array_shapes(min_dims=4, max_dims=4, max_side=9), elements=st.sampled_from((-1, 0, 0, 0, 1))
)


def through_coder(codes):
    encoder = constriction.stream.queue.RangeEncoder()
    parameters = coding.encode(codes, encoder)
    words = encoder.get_compressed()
    return coding.decode(codes.shape, parameters, constriction.stream.queue.RangeDecoder(words)), words.nbytes


@settings(max_examples=200, deadline=None)
@given(KERNELS)
def test_codes_come_back(codes):
    assert np.array_equal(through_coder(codes)[0], codes)


@settings(max_examples=50, deadline=None)
@given(KERNELS)
def test_passes_may_be_divided(codes):
    """As those over layers of many millions of weights are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coding, "_AT_ONCE", 40)
        assert np.array_equal(through_coder(codes)[0], codes)


@pytest.mark.parametrize("density", [0, 1e-4, 0.03, 0.5, 1])
def test_random_codes_take_about_their_entropy(density):
    """Oracle: no code for random symbols takes less; ours takes little more."""
    draw = np.random.default_rng(0)
    codes = (draw.choice([-1, 1], (8, 8, 64, 50)) * (draw.random((8, 8, 64, 50)) < density)).astype(np.int8)
    found, size = through_coder(codes)
    least = coding.entropy_bytes(codes)
    assert np.array_equal(found, codes) and 0.99 * least <= size <= 1.1 * least + 80


def test_codes_of_one_sign_take_nothing_for_it():
    """As those of binary masks on weights that are drawn again."""
    codes = (np.random.default_rng(0).random((1, 1, 400, 200)) < 0.05).astype(np.int8)
    assert through_coder(codes)[1] <= 1.1 * coding.entropy_bytes(codes) + 80


@pytest.mark.parametrize("counts", [[], [0, 0], np.zeros(3)], ids=repr)
def test_a_histogram_without_a_count_is_refused(counts):
    with pytest.raises(ValueError, match="a histogram without a count"):
        coding.histogram_model(counts)
