"""Affine distortion against SciPy."""

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from tf_supermask.experiments.distortion import distorted, transforms


def image():
    """Smooth, so that the border between two pixels matters little."""
    y, x = np.indices((20, 16))
    return (np.sin(y / 3) + np.cos(x / 2)).astype(np.float32)


@pytest.mark.parametrize("kind", range(6))
def test_each_number_is_one_change(kind):
    """Oracle: places (row, column) that a pixel is read from, by SciPy's rules."""
    draws = np.zeros((1, 6))
    draws[0, kind] = 1
    cos, sin = np.cos(0.2), np.sin(0.2)
    matrix = [
        [[cos, sin], [-sin, cos]],
        [[1, 0], [0.15, 1]],
        [[1 / 1.12, 0], [0, 1]],
        [[1, 0], [0, 1 / 1.12]],
        np.eye(2),
        np.eye(2),
    ][kind]
    shift = [(0, 0), (0, 0), (0, 0), (0, 0), (20 / 14, 0), (0, 16 / 14)][kind]
    centre = np.array([9.5, 7.5])
    found = transforms(draws, 20, 16)[0].numpy().astype(float)
    np.testing.assert_allclose(found[[4, 3, 1, 0]], np.ravel(matrix), atol=1e-6)
    np.testing.assert_allclose(found[[5, 2]], centre - matrix @ centre + shift, atol=1e-5)


def test_images_are_moved_as_scipy_moves_them():
    images = tf.constant(np.stack([image()] * 3)[..., None])
    seed = tf.constant([1, 2], tf.int64)
    found = distorted(images, seed, 1.0).numpy()[..., 0]
    draws = tf.random.stateless_uniform([3, 6], seed + [0, 2**49], -1, 1)
    for one, (a, b, left, c, d, top, _, _) in zip(found, transforms(draws, 20, 16).numpy(), strict=True):
        matrix = [[d, c], [b, a]]
        expected = scipy.ndimage.affine_transform(image(), matrix, (top, left), order=1, mode="nearest")
        np.testing.assert_allclose(one[3:-3, 3:-3], expected[3:-3, 3:-3], atol=1e-4)
    assert not np.allclose(found[0], found[1])
    np.testing.assert_allclose(distorted(images, seed, 1e-9), images, atol=1e-5)
