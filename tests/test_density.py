"""Densities that are set: thresholds against sorting, layers, errors."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tf_supermask import SignedMaskDense, mask_model, masks, strip_masks
from tf_supermask.density import density_threshold, kept

few = st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5])
any_size = st.floats(-2, 2, width=32, allow_subnormal=False)


@settings(max_examples=60)
@given(
    score=st.one_of(
        *(hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=9), elements=its) for its in (few, any_size))
    ),
    density=st.one_of(st.floats(0.001, 1), st.sampled_from([1.0, 0.5, 0.1, 0.9])),
    by_size=st.booleans(),
)
def test_exactly_as_many_weights_remain_as_the_reference_keeps(score, density, by_size):
    """Oracle: a stable sort. Equal scores remain in the order of their indices; Ramanujan et al. 2020 prune int((1 - k) n)."""
    sizes = np.abs(score) if by_size else score
    remain = sizes > np.asarray(density_threshold(sizes, density))
    expected = np.zeros(score.size, bool)
    expected[np.argsort(-sizes, axis=None, kind="stable")[: score.size - int((1 - density) * score.size)]] = True
    np.testing.assert_array_equal(remain.ravel(), expected)


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_scores_of_very_different_sizes_are_told_apart(scale):
    score = (scale * np.geomspace(1e-6, 1, 300)).astype(np.float32)
    for jit in (False, True):
        threshold = tf.function(lambda: density_threshold(tf.constant(score), 0.9), jit_compile=jit)()
        np.testing.assert_array_equal(score > threshold.numpy(), np.arange(300) >= int((1 - 0.9) * 300))


def test_scores_that_are_no_numbers_end_the_search():
    for value in (np.nan, np.inf):
        density_threshold(np.full(5, value, np.float32), 0.5)


@pytest.mark.parametrize(
    "size, density, count",
    [(1000, 0.1, 100), (1000, 0.9, 901), (235_200, 0.01, 2352), (7, 1e-9, 1), (5, 1, 5), (1728, 0.006, 11)],
)
def test_counts(size, density, count):
    assert kept(size, density) == count


@pytest.mark.parametrize("rule", [name for name, rule in masks.RULES.items() if rule.chooses])
@pytest.mark.parametrize("density", [1.0, 0.99, 0.95, 0.5, 0.1])
@pytest.mark.parametrize(
    "scores", ["glorot_uniform", "zeros", keras.initializers.Constant(-0.3)], ids=["random", "zeros", "constant"]
)
def test_every_rule_leaves_as_many_weights_as_its_density_says(rule, density, scores):
    """Also where scores are equal, or 0: then signs of masks are those of the scores, + for 0."""
    layer = SignedMaskDense(7, rule=rule, density=density, score_initializer=scores)
    layer.build((None, 5))
    assert np.count_nonzero(layer.mask) == kept(35, density)
    if masks.rule(rule).signed:
        expected = np.where(layer.score < 0, -1, 1) * (layer.mask != 0)
        np.testing.assert_array_equal(np.sign(layer.mask), expected)


@pytest.mark.parametrize("rule", ["signed", "iterand", "edge_popup"])
def test_layers_of_a_density(rule, tmp_path):
    """The share stays what it is, whatever the scores become; a mask that is read is the one that is used."""
    network = keras.Sequential([keras.Input((30,)), keras.layers.Dense(20, "relu"), keras.layers.Dense(10)])
    model, x = mask_model(network, rule, density=0.1), np.random.default_rng(0).normal(size=(64, 30)).astype(np.float32)
    model.compile(keras.optimizers.SGD(0.1, 0.9), "mse")
    for _ in range(2):
        assert [np.count_nonzero(layer.mask) for layer in model.layers] == [60, 20]
        model.fit(x, x[:, :10], verbose=0)
    model.save(tmp_path / "x.keras")
    again = keras.models.load_model(tmp_path / "x.keras")
    np.testing.assert_array_equal(again(x), model(x))
    np.testing.assert_allclose(strip_masks(model)(x), model(x), rtol=1e-5, atol=1e-6)
    assert again.layers[0].density == 0.1 and again.layers[0].threshold is None


@pytest.mark.parametrize(
    "given, message",
    [
        ({"density": 0}, "`density` must be a number above 0 and up to 1. Received: 0"),
        ({"density": "half"}, "`density` must be a number above 0 and up to 1. Received: 'half'"),
        ({"density": 0.1, "threshold": 0.2}, "Give one of .* Received: threshold=0.2, density=0.1"),
        ({"density": 1.001}, "`density` must be a number above 0 and up to 1. Received: 1.001"),
        ({"density": 0.1, "rule": "bernoulli"}, "draws its thresholds. Received: density=0.1"),
        ({"density": 0.1, "rule": "twn"}, "'twn' gets its density by itself. Received: density=0.1"),
        (
            {"density": 0.1, "rule": "sparse"},
            "from the callback MaskUpdates: give it the density. Received: density=0.1",
        ),
        (
            {"threshold": 1.0, "rule": "sparse"},
            "has masks that the callback MaskUpdates sets, no threshold. Received: threshold=1.0",
        ),
        ({"rule": "edge_popup"}, "'edge_popup' needs `density`, the share of weights to keep, such as density=0.1"),
    ],
)
def test_densities_that_cannot_be_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        SignedMaskDense(3, **given)
