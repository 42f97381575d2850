"""compact on small networks with the blocks of well-known ones, and, with APPLICATIONS=1, on those of keras.applications.

Masks are random and kill units. Oracle: the network itself.
"""

import os

import keras
import numpy as np
import pytest

from tf_supermask import compact, mask_model, sparsity

L = keras.layers


def inverted_residual(x):
    """MobileNetV2."""
    y = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(24, 1, use_bias=False)(x)))
    y = L.DepthwiseConv2D(3, use_bias=False)(L.ZeroPadding2D(1)(y))
    y = L.BatchNormalization()(L.Conv2D(x.shape[-1], 1, use_bias=False)(L.ReLU(6.0)(L.BatchNormalization()(y))))
    return L.Add()([x, y])


def preactivated(x):
    """ResNetV2."""
    y = L.Activation("relu")(L.BatchNormalization()(x))
    z = L.Activation("relu")(L.BatchNormalization()(L.Conv2D(8, 1, use_bias=False)(y)))
    z = L.Conv2D(20, 1)(L.Conv2D(8, 3, strides=2, use_bias=False)(L.ZeroPadding2D(1)(z)))
    return L.Add()([L.Conv2D(20, 1)(L.MaxPooling2D(1, strides=2)(y)), z])


def excited(x):
    """EfficientNet."""
    y = L.Activation("swish")(L.BatchNormalization()(L.Conv2D(24, 1, use_bias=False)(x)))
    y = L.Activation("swish")(L.DepthwiseConv2D(3, padding="same", use_bias=False)(y))
    gate = L.Reshape((1, 1, 24))(L.GlobalAveragePooling2D()(y))
    gate = L.Conv2D(24, 1, activation="sigmoid")(L.Conv2D(4, 1, activation="swish")(gate))
    y = L.Conv2D(x.shape[-1], 1, use_bias=False)(L.multiply([y, gate]))
    return L.Add()([L.Dropout(0.2, noise_shape=(None, 1, 1, 1))(y), x])


def dense_block(x):
    """DenseNet."""
    for _ in range(3):
        y = L.Conv2D(16, 1, use_bias=False)(L.Activation("relu")(L.BatchNormalization()(x)))
        y = L.Conv2D(8, 3, padding="same", use_bias=False)(L.Activation("relu")(L.BatchNormalization()(y)))
        x = L.Concatenate()([x, y])
    return L.AveragePooling2D(2)(L.Conv2D(12, 1)(x))


def transformer(x):
    """Attention and a network of two layers, on the rows of an image."""
    x = L.Dense(12)(L.Reshape((8, -1))(x))
    y = L.LayerNormalization()(x)
    x = L.Add()([x, L.MultiHeadAttention(4, 3)(y, y)])
    y = L.Dense(12)(L.Dense(32, "gelu")(L.LayerNormalization()(x)))
    return L.Reshape((8, 1, 12))(L.Add()([x, y]))


BLOCKS = (inverted_residual, preactivated, excited, dense_block, transformer)


def killed(model, seed=0, share=0.5):
    """The model with masks of which each leaves a share of the units: for depthwise kernels of the channels, for projections of
    attention of the heads."""
    masked, draw = mask_model(model, keep_weights=True, verbose=False, seed=1), np.random.default_rng(seed)
    for name, kernel in sparsity.masked_kernels(masked).items():
        axis = {"attention_output": 0, "depthwise": -2, "dwconv": -2, "value": -2}
        axis = next((its for part, its in axis.items() if part in name), -1)
        left = draw.random(kernel.score.shape[axis]) < share
        shape = np.ones(len(kernel.score.shape), int)
        shape[axis] = -1
        kernel.score.assign(0.1 * np.ones(kernel.score.shape) * left.reshape(shape))
    return masked


def assert_the_same_from_less(masked, x):
    small = compact(masked)
    expected = keras.ops.convert_to_numpy(masked(x))
    seen = keras.ops.convert_to_numpy(small(x))
    np.testing.assert_allclose(seen, expected, rtol=1e-3, atol=1e-5 * max(1, np.abs(expected).max()))
    assert small.count_params() < 0.9 * masked.count_params()
    return small


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_blocks_of_known_networks_shrink(block):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = block(L.Conv2D(16, 3, padding="same")(inputs))
    masked = killed(keras.Model(inputs, L.Dense(4)(L.GlobalAveragePooling2D()(x))))
    assert_the_same_from_less(masked, np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype(np.float32))


APPLICATIONS = {
    "MobileNetV2": {"alpha": 0.35},
    "ResNet50V2": {},
    "EfficientNetB0": {},
    "DenseNet121": {},
}


@pytest.mark.skipif(not os.environ.get("APPLICATIONS"), reason="APPLICATIONS is not set: takes minutes")
@pytest.mark.parametrize("name", APPLICATIONS)
def test_networks_of_keras_applications_shrink(name):
    keras.utils.set_random_seed(0)
    network = getattr(keras.applications, name)(input_shape=(32, 32, 3), weights=None, classes=10, **APPLICATIONS[name])
    masked = killed(network)
    small = assert_the_same_from_less(
        masked, np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    )
    print(f"{name}: {small.count_params():,} of {network.count_params():,} parameters")
