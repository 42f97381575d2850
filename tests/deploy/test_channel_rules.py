"""What layers do with channels: those that compaction understands let dead units before them go, and others keep them."""

import keras
import numpy as np
import pytest

from tf_supermask import compact
from tf_supermask.deploy import channel_rules


def test_no_activation_of_keras_is_taken_for_another_kind():
    """Oracle: whether a channel's value changes with another channel's."""
    names = [name for name in dir(keras.activations) if name not in ("get", "serialize", "deserialize", "threshold")]
    functions = [getattr(keras.activations, name) for name in names if name.islower() and name[0] != "_"]
    x = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    other = np.concatenate([x[:, :4], x[:, 4:] + 1], 1)
    for function in functions:
        one, two = (keras.ops.convert_to_numpy(function(its)) for its in (x, other))
        joint = any(not np.array_equal(one[:, :k], two[:, :k]) for k in (1, 4))
        assert channel_rules.elementwise(keras.layers.Activation(function)) == (not joint), function


L = keras.layers
sequence = L.Reshape((16, 4))
volume = L.Reshape((2, 2, 4, 4))


def gated(x):
    """Squeeze and excitation."""
    gate = L.Dense(4, "sigmoid")(L.Dense(2, "relu")(L.GlobalAveragePooling2D(keepdims=True)(x)))
    return L.Multiply()([x, gate])


def inside(x):
    """A functional model in a Sequential one."""
    inputs = keras.Input(x.shape[1:])
    y = L.Activation("elu")(L.BatchNormalization()(L.DepthwiseConv2D(2)(inputs)))
    inner = keras.Model(inputs, [y, L.Conv2D(3, 2)(inputs)], name="inner")
    block = keras.Sequential([keras.Input((3, 3, 7)), L.Conv2D(5, 1), L.ReLU()], name="block")
    return block(L.Concatenate()(inner(x)))


# What follows a convolution of four filters, two of them dead: one is 0, the other 0.7. Then the filters that are left. Where
# zeros are added to it, 0.7 is a constant no more.
KINDS = {
    "zero padding": (L.ZeroPadding2D(1), 3),
    "cropping": (L.Cropping2D(1), 2),
    "upsampling": (L.UpSampling2D(2), 2),
    "upsampling, linear": (L.UpSampling2D(2, interpolation="bilinear"), 2),
    "upsampling, cubic": (L.UpSampling2D(2, interpolation="bicubic"), 4),
    "reshape": (lambda x: L.Reshape((2, -1, 4))(L.Reshape((64,))(x)), 2),
    "reshape across channels": (L.Reshape((32, 2)), 4),
    "permute": (L.Permute((2, 1, 3)), 2),
    "permute channels": (L.Permute((3, 1, 2)), 4),
    "repeat": (lambda x: L.RepeatVector(3)(L.GlobalMaxPooling2D()(x)), 2),
    "pooling of sequences": (lambda x: L.GlobalAveragePooling1D()(L.MaxPooling1D(2)(sequence(x))), 2),
    "pooling of volumes": (lambda x: L.GlobalMaxPooling3D(keepdims=True)(L.AveragePooling3D(1)(volume(x))), 2),
    "padding of sequences": (lambda x: L.UpSampling1D(2)(L.Cropping1D(1)(L.ZeroPadding1D(2)(sequence(x)))), 3),
    "dropout": (L.Dropout(0.5, noise_shape=(None, 1, 1, 1)), 2),
    "dropout of single channels": (L.Dropout(0.5, noise_shape=(None, 1, 1, 4)), 4),
    "rescaling": (L.Rescaling(2.0, offset=1.0), 2),
    "rescaling of channels": (L.Rescaling([1.0, 2.0, 3.0, 4.0]), 4),
    "convolution": (L.Conv2D(5, 2, activation="relu"), 2),
    "padded convolution": (L.Conv2D(5, 2, padding="same", use_bias=False), 3),
    "convolution of sequences": (lambda x: L.Conv1D(5, 3, strides=2)(sequence(x)), 2),
    "causal convolution": (lambda x: L.Conv1D(5, 3, padding="causal")(sequence(x)), 3),
    "convolution of volumes": (lambda x: L.Conv3D(5, 2)(volume(x)), 2),
    "grouped convolution": (L.Conv2D(4, 2, groups=2), 4),
    "transposed convolution": (L.Conv2DTranspose(4, 2), 4),
    "depthwise": (L.DepthwiseConv2D(2, depth_multiplier=3, activation="elu"), 2),
    "depthwise, padded": (L.DepthwiseConv2D(2, padding="same", use_bias=False), 3),
    "depthwise, softmax": (L.DepthwiseConv2D(2, activation="softmax"), 4),
    "depthwise of sequences": (lambda x: L.DepthwiseConv1D(2)(sequence(x)), 2),
    "separable": (L.SeparableConv2D(5, 2, depth_multiplier=3, activation="relu"), 2),
    "separable, padded": (L.SeparableConv2D(5, 2, padding="same"), 3),
    "separable of sequences": (lambda x: L.SeparableConv1D(5, 2, use_bias=False)(sequence(x)), 2),
    "einsum": (L.EinsumDense("abcx,xy->abcy", (4, 4, 5), activation="relu"), 2),
    "einsum, transposed": (L.EinsumDense("...x,yx->...y", 5, bias_axes="y"), 2),
    "einsum of several axes": (L.EinsumDense("abcx,xyz->abcyz", (4, 4, 5, 2)), 4),
    "concatenation": (lambda x: L.Concatenate()([L.Activation("tanh")(x), L.Conv2D(3, 1)(x), x]), 2),
    "concatenation of rows": (lambda x: L.Concatenate(axis=1)([x, L.Activation("tanh")(x)]), 3),
    "normalized concatenation": (lambda x: L.BatchNormalization()(L.Concatenate()([x, x])), 2),
    "normalized branches": (lambda x: L.Add()([L.BatchNormalization()(x), L.BatchNormalization()(x), x]), 2),
    "subtraction": (lambda x: L.Subtract()([x, L.Activation("tanh")(x)]), 2),
    "average": (lambda x: L.Average()([x, L.Activation("tanh")(x), x]), 2),
    "maximum": (lambda x: L.Minimum()([L.Maximum()([x, L.Activation("tanh")(x)]), x]), 2),
    "merging of other shapes": (lambda x: L.Add()([x, L.Conv2D(1, 1)(x)]), 4),
    "gates": (gated, 3),
    "models inside": (inside, 2),
    "layer normalization": (L.LayerNormalization(), 4),
    "group normalization": (L.GroupNormalization(2), 4),
    "a bias of two axes": (L.EinsumDense("abcd,de->abce", (4, 4, 4), bias_axes="ce"), 4),
    "a wrapper": (L.TimeDistributed(L.Dense(3)), 4),
}


@pytest.mark.parametrize("name", KINDS)
def test_dead_units_before_a_layer_of_each_kind(name):
    """Oracle: the model itself. All variables are random, those of normalizations too."""
    kind, filters = KINDS[name]
    inputs, random = keras.Input((4, 4, 3)), np.random.default_rng(1)
    x = L.Flatten()(kind(L.Conv2D(4, 1, name="before")(inputs)))
    model = keras.Model(inputs, L.Dense(3)(L.Dense(6, "relu")(x)))
    for variable in model.weights:
        signs = 1 if "variance" in variable.name else random.choice([-1, 1], variable.shape)
        variable.assign(random.uniform(0.5, 1.5, variable.shape) * signs)
    before = model.get_layer("before")
    before.kernel.assign(before.kernel * [0.0, 1.0, 0.0, 1.0])
    before.bias.assign([0.0, 0.2, 0.7, -0.1])
    small = compact(model)
    images = random.normal(size=(5, 4, 4, 3)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(model(images))
    seen = keras.ops.convert_to_numpy(small(images))
    np.testing.assert_allclose(seen, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    assert small.get_layer("before").filters == filters
