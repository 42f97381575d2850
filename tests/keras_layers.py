"""All layers of `keras.layers`, made with small sizes: found by name, so that none is forgotten. And a subclassed model."""

import functools
import inspect

import keras
import numpy as np

from tf_supermask.maskable import kernels_of

layers = keras.layers
# What a layer's parameters without a default are given.
ARGUMENTS = {
    "units": 4,
    "filters": 4,
    "kernel_size": 2,
    "input_dim": 5,
    "output_dim": 4,
    "num_heads": 2,
    "key_dim": 3,
    "head_dim": 3,
    "num_query_heads": 2,
    "num_key_value_heads": 2,
}
MADE = {
    "EinsumDense": lambda: layers.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d"),
    "RNN": lambda: layers.RNN(layers.GRUCell(4)),
    "StackedRNNCells": lambda: layers.StackedRNNCells([layers.GRUCell(4), layers.LSTMCell(3)]),
    "Bidirectional": lambda: layers.Bidirectional(layers.LSTM(4)),
    "TimeDistributed": lambda: layers.TimeDistributed(layers.Dense(4)),
    "SpectralNormalization": lambda: layers.SpectralNormalization(layers.Dense(4)),
    "LayerNormalization": lambda: layers.LayerNormalization((1, 2)),
    "SeparableConv1D": lambda: layers.SeparableConv1D(3, 2, depth_multiplier=2),
    "SeparableConv2D": lambda: layers.SeparableConv2D(3, 2, depth_multiplier=2),
    "DepthwiseConv2D": lambda: layers.DepthwiseConv2D(2, depth_multiplier=2),
}
SEVERAL = {"MultiHeadAttention", "GroupQueryAttention"}
# Layers that need more to be made than a size. None has a kernel.
WITHOUT = set("""
Activation AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D
AdaptiveMaxPooling3D Add AdditiveAttention AlphaDropout Attention Average AveragePooling1D AveragePooling2D AveragePooling3D
CategoryEncoding CenterCrop Concatenate Discretization Dot Dropout FlaxLayer GaussianDropout GaussianNoise GroupNormalization
HashedCrossing Hashing InputLayer JaxLayer Lambda Layer MaxNumBoundingBoxes Maximum Minimum Multiply Permute Pipeline
RandomBrightness RandomColorDegeneration RandomContrast RandomCrop RandomHue RandomPosterization RandomRotation RandomSaturation
RandomSharpness RandomTranslation RandomZoom RepeatVector Rescaling Reshape Resizing STFTSpectrogram SpatialDropout1D
SpatialDropout2D SpatialDropout3D Subtract TFSMLayer TorchModuleWrapper Wrapper
""".split())
SHAPES = ((2, 4), (2, 6, 4), (2, 6, 6, 4), (2, 6, 6, 6, 4), (2, 3, 6, 6, 6, 4))
RANKS = {
    "RNN": 3,
    "MultiHeadAttention": 3,
    "GroupQueryAttention": 3,
    "ConvLSTM1D": 4,
    "ConvLSTM2D": 5,
    "ConvLSTM3D": 6,
    "PReLU": 4,
    "Dense": 2,
    "EinsumDense": 3,
}


def classes():
    """Name -> class of all layers of Keras, each under its first name."""
    found = {}
    for name, value in vars(layers).items():
        if inspect.isclass(value) and issubclass(value, layers.Layer) and value not in found.values():
            found[name] = value
    return found


def make(name):
    """A new layer of a class."""
    if name in MADE:
        return MADE[name]()
    parameters = inspect.signature(classes()[name]).parameters.values()
    needed = [its.name for its in parameters if its.default is its.empty and its.kind is its.POSITIONAL_OR_KEYWORD]
    return classes()[name](**{its: ARGUMENTS[its] for its in needed})


def arguments(name, layer, shape):
    """Arrays that a layer of a class is called with."""
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    if "Embedding" in name:
        x = np.random.default_rng(0).integers(0, 5, shape[:2], "int32")
    if hasattr(layer, "state_size") and not hasattr(layer, "cell"):
        return x, _states(layer.state_size)
    return (x, x) if name in SEVERAL else (x,)


def _states(sizes):
    return np.ones((2, sizes), "float32") if isinstance(sizes, int) else [_states(size) for size in sizes]


@functools.cache
def with_kernels():
    """Name -> shape of the inputs, of all layers that have a trained variable of two axes or more that is no bias."""
    shapes = {name: _shape(name) for name in classes() if name not in WITHOUT}
    return {name: shape for name, shape in shapes.items() if shape}


def _shape(name):
    """Shape of the inputs of a layer that has a kernel, None of one that has none."""
    errors = []
    for shape in SHAPES:
        if len(shape) == RANKS.get(name, len(shape)):
            layer = make(name)
            inputs = keras.tree.map_structure(_symbol, arguments(name, layer, shape))
            try:
                layer(*inputs)
            except Exception as error:  # of another rank
                errors.append(error)
                continue
            return shape if kernels_of(layer) else None
    raise AssertionError(f"keras.layers.{name} has no row in tests/keras_layers.py: {errors}")


def _symbol(x):
    return keras.KerasTensor(x.shape, str(x.dtype))


class Subclassed(keras.Model):
    """A model that has no weights before its first call."""

    def __init__(self):
        super().__init__()
        self.out = layers.Dense(4)

    def call(self, x):
        return self.out(x)
