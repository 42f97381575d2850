"""What masked layers have in common: their counterpart in Keras, and arguments that belong to it."""

import numpy as np
import pytest

from tf_supermask import SignedMaskConv2D, SignedMaskDense
from tf_supermask.signed_mask import SignedMask

LAYERS = [(SignedMaskDense(3, activation="elu"), (2, 4)), (SignedMaskConv2D(3, 2, padding="same"), (2, 4, 5, 2))]


@pytest.mark.parametrize("layer, shape", LAYERS, ids=["dense", "conv"])
def test_the_counterpart_computes_the_same_with_the_effective_kernel(layer, shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    expected = np.asarray(layer(x))
    plain = layer.plain()
    assert type(plain) is layer.keras_class and isinstance(layer, SignedMask) and not plain.use_bias
    plain.build(shape)
    plain.set_weights([np.asarray(layer.effective_kernel)])
    np.testing.assert_allclose(plain(x), expected, rtol=1e-6, atol=1e-6)
    assert layer.compute_output_shape(shape) == plain.compute_output_shape(shape) == expected.shape


@pytest.mark.parametrize("argument", ["kernel_initializer", "kernel_regularizer", "kernel_constraint"])
def test_arguments_of_a_trained_kernel_are_refused(argument):
    with pytest.raises((TypeError, ValueError), match=argument):
        SignedMaskDense(3, **{argument: None})
