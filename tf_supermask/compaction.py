"""Exact removal of dead units: a smaller plain Keras model with the same outputs.

A unit without incoming weights has one value whatever the image, 0 where there is no bias; one that nothing reads does not
matter. Both go, and with them all that only served them. A constant that is not 0 goes into the bias of the next dense layer.

    constants     forward, layer by layer: which channels have one value, and which
    needed        from the outputs back, until nothing changes: which channels reach them

Tensors that elementwise layers and additions join have one set of channels, so that a channel of a ResNet's stage stays as long
as any of its blocks needs it. What is read at the input is not removed: images stay as they are.
"""

import math

import keras
import numpy as np

from tf_supermask import export

# Layers that treat every channel by itself, and keep a channel of one value so; classes made of them may not.
_POOLS = (
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
)
_RANDOM = (keras.layers.Dropout, keras.layers.SpatialDropout2D, keras.layers.GaussianNoise)  # nothing in inference
_SEPARATE = (keras.layers.ReLU, keras.layers.ELU, keras.layers.LeakyReLU)  # activations of each channel by itself
_JOINT = ("softmax", "log_softmax", "sparsemax", "glu")  # Keras' activations of all channels together


class Channels:
    """The channels of joined tensors: which are needed, and why all are, where they cannot be told apart."""

    def __init__(self, size, reason=None):
        self.size, self.reason, self.joined = size, reason, None
        self.needed = np.full(size, reason is not None)

    def root(self):
        return self if self.joined is None else self.joined.root()

    def join(self, other):
        ours, theirs = self.root(), other.root()
        if ours is not theirs:
            theirs.joined = ours
            ours.reason = ours.reason or theirs.reason
            ours.needed |= theirs.needed

    def keep(self):
        """Bool array of the channels that stay; at least one does."""
        needed = self.root().needed.copy()
        needed[0] |= not needed.any()
        return needed

    def require(self, which):
        """Marks channels as needed; whether that was news."""
        before = self.root().needed
        self.root().needed = before | which
        return not np.array_equal(before, self.root().needed)


class Tensor:
    """A tensor of the graph: its channels, at how many places each stands in the last axis, and the values of those that
    have one value (the others are nan)."""

    def __init__(self, channels, values=None, places=1):
        self.channels, self.places = channels, places
        self.values = np.full(channels.size, np.nan) if values is None else values

    def features(self, of_channels):
        """An array over channels as one over the last axis."""
        return np.tile(of_channels, self.places)


def pinned(tensors, reason):
    """Marks all channels of tensors as needed."""
    for tensor in tensors:
        channels = tensor.channels.root()
        channels.reason, channels.needed = channels.reason or reason, np.ones(channels.size, bool)


class Analysis:
    """Which units of a plain functional or Sequential model are dead. Raises ValueError for a model that shares layers."""

    def __init__(self, model):
        self.model, self.tensors, self.kernels = model, {}, []
        for tensor in model.inputs:
            self.tensors[id(tensor)] = Tensor(Channels(_last(tensor), "they are the input"))
        for layer in getattr(model, "operations", model.layers):
            if not isinstance(layer, keras.layers.InputLayer):
                self._forward(layer)
        pinned([self._tensor(output) for output in model.outputs], "they are the output")
        while any([self._backward(layer) for layer in self.kernels]):
            pass

    def _tensor(self, tensor):
        if id(tensor) not in self.tensors:
            raise ValueError(
                f"cannot compact {self.model.name}: {tensor.name} comes from a layer that is used more than once, is a "
                "functional model, or passes a padding mask on; give each use layers of its own"
            )
        return self.tensors[id(tensor)]

    def source(self, layer):
        """What a layer with one input reads."""
        return self._tensor(layer.input)

    def result(self, layer):
        return self._tensor(layer.output)

    def _forward(self, layer):
        inputs = layer.input if isinstance(layer.input, (list, tuple)) else [layer.input]
        inputs = [self._tensor(tensor) for tensor in inputs]
        if convertible(layer):
            self.kernels.append(layer)
            result = self._kernel_layer(layer, inputs[0])
        elif not channels_last(layer):
            return self._unknown(layer, inputs)
        elif type(layer) is keras.layers.Flatten and None not in layer.input.shape[1:]:
            places = inputs[0].places * math.prod(layer.input.shape[1:-1])
            result = Tensor(inputs[0].channels, inputs[0].values, places)
        elif type(layer) in (*_POOLS, *_RANDOM):
            result = Tensor(inputs[0].channels, inputs[0].values, inputs[0].places)
        elif type(layer) in (keras.layers.Activation, *_SEPARATE) and elementwise(layer):
            result = Tensor(inputs[0].channels, applied(layer, inputs[0].values), inputs[0].places)
        elif type(layer) is keras.layers.BatchNormalization and inputs[0].places == 1 and _last_axis(layer):
            result = Tensor(inputs[0].channels, applied(layer, inputs[0].values))
        elif (
            type(layer) is keras.layers.Add
            and len({(tuple(t.shape), its.places) for t, its in zip(layer.input, inputs, strict=True)}) == 1
        ):
            for other in inputs[1:]:
                inputs[0].channels.join(other.channels)
            result = Tensor(inputs[0].channels, sum(its.values for its in inputs), inputs[0].places)
        else:
            return self._unknown(layer, inputs)
        self.tensors[id(layer.output)] = result

    def _unknown(self, layer, inputs):
        reason = f"{layer.name} ({type(layer).__name__}) may use any of them"
        pinned(inputs, reason)
        for output in layer.output if isinstance(layer.output, (list, tuple)) else [layer.output]:
            self.tensors[id(output)] = Tensor(Channels(_last(output), reason))

    def _kernel_layer(self, layer, source):
        kernel, values = self.kernel(layer), source.features(self.folded(layer))
        units = Channels(kernel.shape[-1])
        known = ~np.isnan(values)
        constant = (kernel[:, ~known] == 0).all(axis=(0, 1))
        outputs = np.tensordot(values[known], kernel[:, known].sum(axis=0), 1) + bias_of(layer)
        if not elementwise(layer):
            pinned([Tensor(units)], f"the activation of {layer.name} mixes them")
            constant[:] = False
        outputs = np.asarray(layer.activation(outputs.astype(np.float32))) if constant.any() else outputs
        return Tensor(units, np.where(constant, outputs, np.nan))

    def folded(self, layer):
        """Values of the input channels that can go into the bias of `layer`, nan for the others."""
        values = self.source(layer).values
        padded = isinstance(layer, keras.layers.Conv2D) and layer.padding == "same" and math.prod(layer.kernel_size) > 1
        return np.where(values == 0, 0, np.nan) if padded else values  # beyond the border there are zeros

    def _backward(self, layer):
        source = self.source(layer)
        return source.channels.require(self.reads(layer).reshape(source.places, -1).any(axis=0))

    def reads(self, layer):
        """Bool array over the input features: those that vary and have a weight to a unit that stays."""
        used = (self.kernel(layer)[:, :, self.result(layer).channels.keep()] != 0).any(axis=(0, 2))
        return used & np.isnan(self.source(layer).features(self.folded(layer)))

    @staticmethod
    def kernel(layer):
        """The kernel as (window, input features, units)."""
        kernel = np.asarray(layer.kernel)
        return kernel.reshape(-1, *kernel.shape[-2:])

    def report(self):
        """Layer name -> dict: units and input features, alive and in all, and why dead units stay, if some do."""
        found = {}
        for layer in self.kernels:
            units, reads = self.result(layer).channels, self.reads(layer)
            dead = self.result(layer).values == 0
            found[layer.name] = {
                "units": [int(units.keep().sum()), units.size],
                "inputs": [int(reads.sum()), reads.size],
                "kept": units.root().reason if (dead & units.keep()).any() else None,
            }
        return found

    def compacted(self):
        """The model without its dead units."""
        made = {layer.name: _smaller(self, layer) for layer in self.model.layers}

        def shrink(layer):
            config = made.get(layer.name, (None,))[0]
            return type(layer).from_config(config) if config else export.copied(layer)

        small = keras.models.clone_model(self.model, clone_function=shrink)
        for layer in small.layers:
            export.fill(layer, made[layer.name][1])
        return small


def convertible(layer):
    """Whether a layer has a kernel from channels to units, every one used with every other."""
    dense = type(layer) is keras.layers.Dense and layer.lora_rank is None
    conv = type(layer) is keras.layers.Conv2D and layer.groups == 1 and layer.data_format == "channels_last"
    return dense or conv


def elementwise(layer):
    """Whether the activation of a layer is known to treat every channel by itself."""
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", None)
    ours = name and getattr(keras.activations, name, None) is activation
    return activation is None or type(activation) in _SEPARATE or bool(ours and name not in _JOINT)


def _last(tensor):
    """Size of the last axis, 1 where it is open or there is none."""
    return (tensor.shape and tensor.shape[-1]) or 1


def channels_last(layer):
    return getattr(layer, "data_format", None) in (None, "channels_last")


def bias_of(layer):
    return np.asarray(layer.bias) if layer.use_bias else np.zeros(layer.kernel.shape[-1], np.float32)


def applied(layer, values):
    """What a layer that treats channels by themselves makes of channels of one value; nan stays nan."""
    shape = (1,) * (len(layer.input.shape) - 1) + values.shape
    made = layer(np.nan_to_num(values).astype(np.float32).reshape(shape), training=False)
    return np.where(np.isnan(values), np.nan, np.ravel(made))


def _last_axis(layer):
    return layer.axis in (-1, len(layer.input.shape) - 1)


def compact(model):
    """`model` without its dead units, as a plain Keras model whose outputs are the same but for rounding.

    `model`: Sequential or functional, with masked and plain layers; it is left as it is. Layers that are neither dense,
    convolution, pooling, normalization, activation, addition nor flattening keep all that they touch. Every layer keeps at
    least one unit. Raises ValueError for a model that uses a layer more than once.
    """
    return Analysis(export.plain(model)).compacted()


def _smaller(found, layer):
    """(config, weights) of a layer with only the channels that stay; config None where all do."""
    config, weights = layer.get_config(), layer.get_weights()
    if layer in found.kernels:
        source, units = found.source(layer), found.result(layer).channels.keep()
        stay = source.features(source.channels.keep())
        values = np.nan_to_num(source.features(found.folded(layer)))
        kernel, bias = np.asarray(layer.kernel), bias_of(layer)
        bias = bias + np.tensordot(np.where(stay, 0, values), found.kernel(layer).sum(axis=0), 1).astype(np.float32)
        size = "units" if isinstance(layer, keras.layers.Dense) else "filters"
        config |= {size: int(units.sum()), "use_bias": bool(layer.use_bias or bias[units].any())}
        kernel = kernel[..., stay, :][..., units]
        return config, [kernel, bias[units]] if config["use_bias"] else [kernel]
    if isinstance(layer, keras.layers.BatchNormalization) and id(layer.output) in found.tensors:
        stay = found.result(layer).channels.keep()
        return config, [values[stay] for values in weights]
    return None, weights
