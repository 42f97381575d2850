"""A chain of Keras layers as stages: one for each kernel, with the layers that follow it.

    value = activation(factor * (codes applied to the input) + bias), then pooling

A stage begins with a dense layer or a convolution, whose kernel is codes -1, 0, +1 times one factor per unit. A normalization, an
activation and a pooling that follow belong to the stage. If they follow another layer, a normalization is a stage with one weight
per unit, and an activation or pooling is a stage that copies. Factors are positive: factor and activation keep the order of
values, so that max pooling can be computed before them.
"""

import dataclasses
import math
from typing import NamedTuple

import keras
import numpy as np

from tf_supermask.errors import InputError

_POOLS = {
    keras.layers.MaxPooling2D: "max",
    keras.layers.AveragePooling2D: "average",
    keras.layers.GlobalMaxPooling2D: "max",
    keras.layers.GlobalAveragePooling2D: "average",
}
_IDENTITY = (  # layers that return their input in inference
    keras.layers.InputLayer,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.GaussianNoise,
)
_LINEAR, _RELU = None, 0.0  # an activation is given by the alpha of an ELU
_ACTIVATIONS = {keras.activations.linear: _LINEAR, keras.activations.relu: _RELU, keras.activations.elu: 1.0}
_MOST_PLACES = 4096  # of a padded window: 128 times its square fits in an int32
KNOWN = "Dense, Conv2D, pooling, Flatten, BatchNormalization, ELU, ReLU, Dropout, and softmax at the end"


class Window(NamedTuple):
    """A window that slides over an axis: its size, its step, the padding before the axis, and the number of its places."""

    size: int
    step: int
    before: int
    outputs: int

    @classmethod
    def over(cls, length, size, step, padding):
        if padding == "valid":
            return cls(size, step, 0, (length - size) // step + 1)
        outputs = -(-length // step)
        return cls(size, step, max(0, (outputs - 1) * step + size - length) // 2, outputs)

    def padding(self, length):
        """`(before, after)` of an axis of this length."""
        return self.before, max(0, (self.outputs - 1) * self.step + self.size - self.before - length)


@dataclasses.dataclass
class Stage:
    """A step of the network. `kind`: dense, conv, or copy, which has no codes, factor 1 and bias 0.

    `shape`: of the input, `(height, width, channels)` or `(features,)`. `codes`: int8 `(height, width, channels, units)` of a
    convolution, `(inputs, units)` of a dense layer. `factor`, `bias`: float64 `(units,)`, factors positive. `alpha`: of the ELU,
    0 for a ReLU, None without activation. `tensors`: the tensors of Keras before the pooling and at the end of the stage.
    """

    kind: str
    name: str
    shape: tuple
    factor: np.ndarray
    bias: np.ndarray
    codes: np.ndarray | None = None
    conv: tuple = ()  # the kernel's Window down and across
    alpha: float | None = _LINEAR
    pool: str | None = None
    pooling: tuple = ()  # the Windows of `pool`
    tensors: list = dataclasses.field(default_factory=list)

    @property
    def units(self):
        return len(self.factor)

    @property
    def places(self):
        """Numbers of rows and columns before pooling."""
        return tuple(window.outputs for window in self.conv) or (self.shape[:2] if len(self.shape) == 3 else (1, 1))

    @property
    def outputs(self):
        """Number of outputs of each unit, after pooling."""
        return math.prod(window.outputs for window in self.pooling) if self.pool else math.prod(self.places)


def stages_of(model):
    """The Stages of a plain Sequential or functional model. Raises InputError that names a layer that is not supported."""
    chain = _Chain(model)
    for layer in getattr(model, "operations", model.layers):
        chain.add(layer)
    if not chain.stages:
        raise InputError(f"{model.name} has no layer to compute")
    return chain.stages


class _Chain:
    """The stages so far, and the output of the last layer."""

    def __init__(self, model):
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise InputError(
                f"{model.name} has {len(model.inputs)} inputs and {len(model.outputs)} outputs; C has one of each"
            )
        self.stages, self.tensor, self.shape = [], model.inputs[0], _image(model.inputs[0].shape[1:], model)
        self.ended = False

    def add(self, layer):
        kind = type(layer)
        if kind is keras.layers.InputLayer:
            return
        if isinstance(layer, keras.Model):
            raise _unsupported(layer, "is a model inside a model; put its layers into the outer one")
        if layer.input is not self.tensor:
            raise _unsupported(
                layer, "does not read what the layer before it puts out; C has chains of layers, without branches"
            )
        if not all(np.isfinite(np.asarray(variable)).all() for variable in layer.weights):
            raise _unsupported(layer, "has weights that are not finite: training diverged; take a smaller learning rate")
        if self.ended:
            raise _unsupported(layer, "follows softmax, which C leaves out; it belongs to the end")
        if kind in (keras.layers.Dense, keras.layers.Conv2D):
            self._kernel(layer)
        elif kind is keras.layers.BatchNormalization:
            self._normalization(layer)
        elif kind in _POOLS:
            self._pooling(layer, _POOLS[kind])
        elif kind in (keras.layers.Activation, keras.layers.ReLU, keras.layers.ELU, keras.layers.Softmax):
            self._activation(layer, layer.activation if kind is keras.layers.Activation else layer)
        elif kind is not keras.layers.Flatten and kind not in _IDENTITY:
            raise _unsupported(layer, f"has no C; what has: {KNOWN}")
        if kind is keras.layers.Flatten and layer.data_format != "channels_last":
            raise _unsupported(layer, "has channels first; C takes them last")
        self.tensor, self.shape = layer.output, _image(layer.output.shape[1:], layer)
        if self.stages and not self.ended:
            self.stages[-1].tensors[-1] = layer.output

    def _kernel(self, layer):
        if getattr(layer, "data_format", "channels_last") != "channels_last" or getattr(layer, "groups", 1) != 1:
            raise _unsupported(layer, "has groups, or channels first; C has neither")
        if getattr(layer, "dilation_rate", (1, 1)) != (1, 1):
            raise _unsupported(layer, f"has a dilation of {layer.dilation_rate}; C has none")
        codes, factor = _ternary(layer)
        bias = np.asarray(layer.bias, np.float64) if layer.use_bias else np.zeros(len(factor))
        stage = Stage("dense", layer.name, self.shape, factor, bias, codes, tensors=[layer.output] * 2)
        self._begin(stage, getattr(layer, "strides", (1, 1)), getattr(layer, "padding", "valid"))
        self._activation(layer, layer.activation)

    def _begin(self, stage, strides=(1, 1), padding="valid"):
        """Adds a stage with codes. A dense layer on an image is a convolution of size 1x1."""
        if len(self.shape) == 3:
            stage.kind, stage.codes = "conv", stage.codes.reshape((1, 1, *stage.codes.shape)[-4:])
            axes = zip(self.shape[:2], stage.codes.shape[:2], strides, strict=True)
            stage.conv = tuple(Window.over(*axis, padding) for axis in axes)
        self.stages.append(stage)

    def _copy(self, layer):
        units = self.shape[-1]
        stage = Stage("copy", layer.name, self.shape, np.ones(units), np.zeros(units), tensors=[layer.output] * 2)
        self.stages.append(stage)
        return stage

    def _normalization(self, layer):
        if layer.axis not in (-1, len(layer.input.shape) - 1):
            raise _unsupported(layer, f"normalizes axis {layer.axis}; C has the last one")
        stage, units = self.stages[-1] if self.stages else None, self.shape[-1]
        if stage is None or stage.alpha is not None or stage.pool or stage.units != units:
            stage = Stage(
                "dense", layer.name, self.shape, np.ones(units), np.zeros(units), np.eye(units, dtype=np.int8)
            )
            stage.tensors = [layer.output] * 2
            self._begin(stage)
        mean, variance = np.asarray(layer.moving_mean, np.float64), np.asarray(layer.moving_variance, np.float64)
        factor = 1 / np.sqrt(variance + layer.epsilon)
        factor = factor * np.asarray(layer.gamma, np.float64) if layer.scale else factor
        stage.bias = (stage.bias - mean) * factor + (np.asarray(layer.beta, np.float64) if layer.center else 0)
        stage.codes = stage.codes * np.sign(factor).astype(np.int8)
        stage.factor = stage.factor * np.where(factor == 0, 1, np.abs(factor))

    def _activation(self, layer, activation):
        if activation is keras.activations.softmax or type(activation) is keras.layers.Softmax:
            if getattr(activation, "axis", -1) not in (-1, len(layer.output.shape) - 1):
                raise _unsupported(layer, f"is a softmax over axis {activation.axis}; C has the last one")
            self.ended = True
            return
        alpha = _alpha(layer, activation)
        if alpha is _LINEAR:
            return
        if alpha < 0:
            raise _unsupported(layer, f"has an alpha of {alpha}; C has those that are not negative")
        stage = self.stages[-1] if self.stages else None
        if stage is None or stage.alpha is not None or stage.pool == "average":
            stage = self._copy(layer)
        stage.alpha = alpha

    def _pooling(self, layer, pool):
        if layer.data_format != "channels_last":
            raise _unsupported(layer, "has channels first; C takes them last")
        stage = self.stages[-1] if self.stages else None
        if stage is None or stage.pool:
            stage = self._copy(layer)
        size = getattr(layer, "pool_size", self.shape[:2])
        steps, padding = getattr(layer, "strides", size), getattr(layer, "padding", "valid")
        stage.pool, stage.tensors = pool, [layer.input, layer.output]
        axes = zip(self.shape[:2], size, steps, strict=True)
        stage.pooling = tuple(Window.over(*axis, padding) for axis in axes)
        if math.prod(size) > _MOST_PLACES and padding == "same":
            raise _unsupported(layer, f"pools {math.prod(size)} places and pads them; C pads at most {_MOST_PLACES}")


def _image(shape, layer):
    """A shape without the batch as a tuple. Raises InputError if it is open, or neither that of an image nor flat."""
    if None in shape or len(shape) not in (1, 3) or 0 in shape:
        raise _unsupported(layer, f"has the shape {tuple(shape)}; C has (features,) and (height, width, channels)")
    return tuple(shape)


def _ternary(layer):
    """`(codes, factors)` of a kernel, one factor per unit."""
    kernel = np.asarray(layer.kernel)
    over = tuple(range(kernel.ndim - 1))
    codes, factor = np.sign(kernel).astype(np.int8), np.abs(kernel).max(axis=over)
    if not np.array_equal(codes * factor, kernel):
        raise _unsupported(layer, "has weights of several sizes in one unit; C has -1, 0, +1 times a number for each")
    return codes, np.where(factor > 0, factor, factor.max() or 1).astype(np.float64)


def _alpha(layer, activation):
    """The alpha of an activation, which is a function of Keras or a layer."""
    if type(activation) is keras.layers.ELU:
        return float(activation.alpha)
    if type(activation) is keras.layers.ReLU:
        if (activation.max_value, float(activation.negative_slope), float(activation.threshold)) != (None, 0.0, 0.0):
            raise _unsupported(layer, "is a ReLU with a largest value, a slope or a threshold; C has the plain one")
        return _RELU
    if activation not in _ACTIVATIONS:
        name = getattr(activation, "__name__", type(activation).__name__)
        raise _unsupported(layer, f"has the activation {name}; C has elu, relu, none, and softmax at the end")
    return _ACTIVATIONS[activation]


def _unsupported(layer, reason):
    return InputError(f"{layer.name} ({type(layer).__name__}) {reason}")
