"""One kernel of a masked layer against numpy: weight * mask(score), rescaled, constrained, sampled, or replaced."""

import keras
import numpy as np
import pytest

from tf_supermask import SignedMaskDense
from tf_supermask.masked_kernel import kernels_from


def layer_of(score, **settings):
    layer = SignedMaskDense(2, weight_initializer="glorot_normal", **settings)
    layer.build((None, 3))
    layer.score.assign(score)
    return layer, layer.masked_kernels["kernel"]


SCORE = np.float32([[0.5, -0.5], [0.005, -0.005], [0.01, -2]])


def test_weight_times_mask():
    layer, kernel = layer_of(SCORE)
    mask = np.where(np.abs(SCORE) > np.float32(0.01), np.sign(SCORE), 0)
    np.testing.assert_array_equal(kernel.mask(), mask)
    np.testing.assert_array_equal(kernel.array(), layer.weight * mask)
    np.testing.assert_array_equal(kernel.value(), layer.weight * mask)


def test_rescaled_by_the_share_that_remains():
    layer, kernel = layer_of(SCORE, rescale=True)
    np.testing.assert_allclose(
        kernel.array(), layer.weight * kernel.mask() * 6 / np.abs(kernel.mask()).sum(), rtol=1e-6
    )
    layer.score.assign(np.zeros((3, 2)))
    np.testing.assert_array_equal(kernel.array(), np.zeros((3, 2)))  # nothing remains: no division by 0


@pytest.mark.parametrize("density, expected", [(0.5, [1, -1, 0, 0, 0, -1]), (0.17, [1, 0, 0, 0, 0, -1])])
def test_density_keeps_the_largest_scores(density, expected):
    _, kernel = layer_of(SCORE, density=density)
    np.testing.assert_array_equal(kernel.mask().ravel(), expected)


def test_constraints_act_on_the_product():
    layer, kernel = layer_of(SCORE)
    layer.weight.constraint = keras.constraints.NonNeg()
    np.testing.assert_array_equal(kernel.array(), np.maximum(layer.weight * kernel.mask(), 0))


def test_looking_takes_no_sample():
    layer, kernel = layer_of(SCORE, rule="bernoulli", sample_seed=0)
    before = np.array(layer.seed_generator.state)
    seen = kernel.mask()
    np.testing.assert_array_equal(kernel.mask(), seen)
    np.testing.assert_array_equal(layer.seed_generator.state, before)
    used = np.asarray(kernel.value()) != 0
    np.testing.assert_array_equal(used, seen != 0)
    assert (np.array(layer.seed_generator.state) != before).any()


def test_a_kernel_can_be_given_for_a_while():
    layer, kernel = layer_of(SCORE)
    x, other = np.ones((1, 3), np.float32), np.full((3, 2), 2, np.float32)
    with kernels_from(lambda k: other if k == kernel else None):
        np.testing.assert_array_equal(layer(x), x @ other)
    np.testing.assert_allclose(layer(x), x @ np.asarray(kernel.array()), rtol=1e-6)
