"""How densities are shared among layers, against published numbers and numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_supermask.rivals import allocation

CONV2 = {"conv1": (3, 3, 3, 64), "conv2": (3, 3, 64, 64), "fc1": (16384, 256), "fc2": (256, 256), "out": (256, 10)}


def test_erk_of_conv2_at_the_density_of_koster_et_al():
    """Numbers of a computation outside this package, by the formula of Evci et al. 2020."""
    expected = [0.062, 0.0053, 0.0058, 0.0114, 0.152]
    np.testing.assert_allclose(list(allocation.erk(CONV2, 0.006).values()), expected, rtol=0.02)


@given(density=st.floats(0.001, 1))
def test_erk_has_the_density_in_all_and_no_layer_more_than_its_weights(density):
    shares = allocation.erk(CONV2, density)
    sizes = {name: np.prod(shape) for name, shape in CONV2.items()}
    assert sum(shares[name] * sizes[name] for name in sizes) == pytest.approx(density * sum(sizes.values()), rel=1e-6)
    assert all(0 < share <= 1 for share in shares.values())
    open_ = [name for name in shares if shares[name] < 1]
    raw = [shares[name] * sizes[name] / sum(CONV2[name]) for name in open_]
    np.testing.assert_allclose(raw, raw[:1] * len(raw), rtol=1e-6)  # one factor for all that are not full


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, -1.0]), min_size=1, max_size=30), st.data())
def test_top_takes_the_first_of_equal_scores(score, data):
    score = np.array(score)
    count = data.draw(st.integers(0, score.size))
    expected = np.zeros(score.size, bool)
    expected[np.argsort(-score, kind="stable")[:count]] = True
    np.testing.assert_array_equal(allocation.top(score, count), expected)


@pytest.mark.parametrize("density, counts", [(1, (6, 4)), (0.5, (3, 2)), (0.01, (1, 1))])
def test_uniform(density, counts):
    scores = {"a": np.arange(6.0).reshape(2, 3), "b": np.zeros(4)}
    masks = allocation.largest(scores, density, "uniform")
    assert tuple(mask.sum() for mask in masks.values()) == counts and masks["a"][1, 2] and masks["b"][0]


def test_one_ranking_of_all_weights_leaves_each_layer_its_best():
    scores = {"a": np.array([[5.0, 6.0], [7.0, 8.0]]), "b": np.array([0.1, 0.3, 0.2, 0.0]), "c": np.zeros(4)}
    masks = allocation.largest(scores, 4 / 12, "global")
    assert [mask.ravel().tolist() for mask in masks.values()] == [
        [False, False, True, True], [False, True, False, False], [True, False, False, False]
    ]  # fmt: skip


@pytest.mark.parametrize("density", [0, -0.1, 1.1, True, "half", float("nan")])
@pytest.mark.parametrize("way", ["uniform", "erk", "global"])
def test_densities_that_cannot_be(way, density):
    with pytest.raises(ValueError, match="^`density` must be a number above 0 and up to 1. Received: "):
        allocation.largest({"a": np.zeros((2, 3))}, density, way)


def test_fewer_weights_than_layers():
    scores = {name: np.zeros((2, 2)) for name in "abc"}
    with pytest.raises(
        ValueError, match="^density=0.1 leaves 2 weights to 3 layers, each of which needs one; give a larger density$"
    ):
        allocation.largest(scores, 0.1, "global")
