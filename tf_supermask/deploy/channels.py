"""How layers transform channels, for compaction: rules `(call, inputs) -> Tensor`, and the calls that they apply to.

A channel is constant, with the same value for all images, or it varies. Tensors that elementwise layers and additions join share
one set of channels. A layer without a rule is not understood.
"""

import math

import keras
import numpy as np

from tf_supermask import choosing

_SEPARATE = (keras.layers.ReLU, keras.layers.ELU, keras.layers.LeakyReLU)  # activations of each channel by itself
_JOINT = ("softmax", "log_softmax", "sparsemax", "glu")  # Keras' activations of all channels together


class Channels:
    """The channels of joined tensors: which are needed, and the reason if all have to stay."""

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
        """Bool array of the channels that stay, at least one."""
        needed = self.root().needed.copy()
        needed[0] |= not needed.any()
        return needed

    def require(self, which):
        """Marks channels as needed. Returns whether one of them was not marked before."""
        before = self.root().needed
        self.root().needed = before | which
        return not np.array_equal(before, self.root().needed)


class Tensor:
    """A tensor of the graph: its channels, the number of places of each in the last axis, and the values of constant channels
    (nan for those that vary)."""

    def __init__(self, channels, values=None, places=1):
        self.channels, self.places = channels, places
        self.values = np.full(channels.size, np.nan) if values is None else values

    def features(self, of_channels):
        """Repeats an array over channels over the last axis."""
        return np.tile(of_channels, self.places)


def pinned(tensors, reason):
    """Marks all channels of tensors as needed, for a reason."""
    for tensor in tensors:
        channels = tensor.channels.root()
        channels.reason, channels.needed = channels.reason or reason, np.ones(channels.size, bool)


def elementwise(layer):
    """Whether the activation of a layer is known to act on every channel separately."""
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", None)
    ours = name and getattr(keras.activations, name, None) is activation
    return activation is None or type(activation) in _SEPARATE or bool(ours and name not in _JOINT)


def last(tensor):
    """Size of the last axis; 1 if it is open, and for scalars."""
    return (tensor.shape and tensor.shape[-1]) or 1


def bias_of(layer):
    """The bias of all units, zeros if the layer has none."""
    return np.asarray(layer.bias) if layer.use_bias else np.zeros(layer.kernel.shape[-1], np.float32)


def kernel_of(layer):
    """The kernel as (window, input features, units)."""
    kernel = np.asarray(layer.kernel)
    return kernel.reshape(-1, *kernel.shape[-2:])


def foldable(layer, values):
    """Values of the input features that can be moved into the bias of `layer`, nan for the others."""
    padded = isinstance(layer, keras.layers.Conv2D) and layer.padding != "valid" and math.prod(layer.kernel_size) > 1
    return np.where(values == 0, 0, np.nan) if padded else values  # padding adds zeros, not the constant


# ---------------------------------------------------------------------------------------------------------------------
# Rules. They do not apply to subclasses, which may compute something else.


def _units(call, inputs):
    layer, (source,) = call.layer, inputs
    kernel, values = kernel_of(layer), source.features(foldable(layer, source.values))
    units, known = Channels(kernel.shape[-1]), ~np.isnan(values)
    constant = (kernel[:, ~known] == 0).all(axis=(0, 1))
    outputs = np.tensordot(values[known], kernel[:, known].sum(axis=0), 1) + bias_of(layer)
    if not elementwise(layer):
        pinned([Tensor(units)], f"the activation of {layer.name} mixes them")
        constant[:] = False
    outputs = np.asarray(layer.activation(outputs.astype(np.float32))) if constant.any() else outputs
    return Tensor(units, np.where(constant, outputs, np.nan))


def _kept(call, inputs):
    """Constant channels keep their values."""
    return Tensor(inputs[0].channels, inputs[0].values, inputs[0].places)


def _applied(call, inputs):
    """Constant channels stay constant; the layer gives their new values."""
    values = inputs[0].values
    shape = (1,) * (len(call.inputs[0].shape) - 1) + values.shape
    made = call.layer(np.nan_to_num(values).astype(np.float32).reshape(shape), training=False)
    return Tensor(inputs[0].channels, np.where(np.isnan(values), np.nan, np.ravel(made)), inputs[0].places)


def _flattened(call, inputs):
    places = inputs[0].places * math.prod(call.inputs[0].shape[1:-1])
    return Tensor(inputs[0].channels, inputs[0].values, places)


def _added(call, inputs):
    for other in inputs[1:]:
        inputs[0].channels.join(other.channels)
    return Tensor(inputs[0].channels, sum(tensor.values for tensor in inputs), inputs[0].places)


def _of(*classes, where=lambda call, inputs: True):
    """A condition on a call: its layer is of one of these classes, has its channels last, and fulfills `where`."""

    def fits(call, inputs):
        channels_last = getattr(call.layer, "data_format", None) in (None, "channels_last")
        return type(call.layer) in classes and channels_last and where(call, inputs)

    return fits


def _alone(call, inputs):
    """A kernel and a bias are the only weights: an activation may have weights too."""
    return choosing.convertible(call.layer) and len(call.layer.weights) == 1 + call.layer.use_bias


def _last_axis(call, inputs):
    return inputs[0].places == 1 and call.layer.axis in (-1, len(call.inputs[0].shape) - 1)


def _alike(call, inputs):
    return len({(tuple(x.shape), tensor.places) for x, tensor in zip(call.inputs, inputs, strict=True)}) == 1


RULES = (
    (_of(keras.layers.Dense, keras.layers.Conv2D, where=_alone), _units),
    (_of(keras.layers.Flatten, where=lambda call, inputs: None not in call.inputs[0].shape[1:]), _flattened),
    (_of(keras.layers.MaxPooling2D, keras.layers.AveragePooling2D), _kept),
    (_of(keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D), _kept),
    (_of(keras.layers.Dropout, keras.layers.SpatialDropout2D, keras.layers.GaussianNoise), _kept),  # not in training
    (_of(keras.layers.Activation, *_SEPARATE, where=lambda call, inputs: elementwise(call.layer)), _applied),
    (_of(keras.layers.BatchNormalization, where=_last_axis), _applied),
    (_of(keras.layers.Add, where=_alike), _added),
)
