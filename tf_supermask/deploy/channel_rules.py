"""How layers without units of their own treat channels, for compaction: normalizations, pooling, merging, reshaping.

RULES is a table: class of a layer -> rule. A rule is a function `(call, inputs, channels) -> Step`, or None where it does not
apply: where channels do not stay apart. Subclasses have no rule, since they may compute something else.
"""

import re

import keras
import numpy as np

from tf_supermask.deploy.channels import Step, Tensor, array

_SEPARATE = (keras.layers.ReLU, keras.layers.ELU, keras.layers.LeakyReLU)  # activations of each channel by itself
_JOINT = ("softmax", "log_softmax", "sparsemax", "glu")  # Keras' activations of all channels together


def elementwise(layer):
    """Whether the activation of a layer is known to act on every channel separately."""
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", None)
    ours = name and getattr(keras.activations, name, None) is activation
    return activation is None or type(activation) in _SEPARATE or bool(ours and name not in _JOINT)


class Normalized(Step):
    """A layer whose variables have a number for each feature."""

    def weights(self):
        return [values[self.keep(self.result)] for values in self.layer.get_weights()]


class Reshaped(Step):
    """A Reshape, whose configuration has the number of features."""

    def __init__(self, call, *args):
        super().__init__(call, *args)
        self._shape = call.outputs[0].shape[1:-1]

    def changes(self):
        return {"target_shape": (*self._shape, int(self.keep(self.result).sum()))}


# ---------------------------------------------------------------------------------------------------------------------
# One input


def _kept(call, inputs, channels):
    """Constant features keep their values."""
    return Step(call, inputs, channels, inputs[0])


def _padded(call, inputs, channels):
    """Zeros are added, so that other constants are constant no more."""
    (x,) = inputs
    return Step(call, inputs, channels, x._replace(values=np.where(x.values == 0, 0, np.nan)))


def _applied(call, inputs, channels, kind=Step):
    """Constant features stay constant; the layer gives their new values."""
    (x,) = inputs
    shape = (1,) * (len(call.inputs[0].shape) - 1) + x.values.shape
    constants = keras.ops.convert_to_tensor(np.nan_to_num(x.values).reshape(shape), call.layer.compute_dtype)
    made = call.layer(constants, training=False)
    return kind(call, inputs, channels, x._replace(values=np.where(np.isnan(x.values), np.nan, np.ravel(array(made)))))


def _activation(call, inputs, channels):
    return _applied(call, inputs, channels) if elementwise(call.layer) else None


def _rescaling(call, inputs, channels):
    scalars = np.ndim(call.layer.scale) == np.ndim(call.layer.offset) == 0
    return _applied(call, inputs, channels) if scalars else None


def _normalization(call, inputs, channels):
    last_axis = call.layer.axis in (-1, len(call.inputs[0].shape) - 1)
    return _applied(call, inputs, channels, Normalized) if last_axis else None


def _dropout(call, inputs, channels):
    noise = getattr(call.layer, "noise_shape", None)
    return _kept(call, inputs, channels) if not noise or noise[-1] in (None, 1) else None


def _upsampling(call, inputs, channels):
    """The weights of the other interpolations have no sum of exactly 1."""
    return _kept(call, inputs, channels) if call.layer.interpolation in ("nearest", "bilinear") else None


def _arranged(arrange, kind=Step):
    """The rule of a layer that only moves numbers: `arrange(layer, array, shape of the result)`. It applies where all places have
    the same channels in the same order afterwards."""

    def rule(call, inputs, channels):
        before, after = call.inputs[0].shape[1:], call.outputs[0].shape[1:]
        if not before or None in (*before, *after):
            return None

        def rows(features):
            return arrange(call.layer, np.broadcast_to(features, before), after).reshape(-1, after[-1])

        numbers, values = rows(inputs[0].channels), rows(inputs[0].values)
        if (numbers != numbers[0]).any():
            return None
        return kind(call, inputs, channels, Tensor(numbers[0], _agreed(values)))

    return rule


def _to_shape(layer, values, shape):
    return values.reshape(shape)


def _permute(layer, values, shape):
    return values.transpose([axis - 1 for axis in layer.dims])


def _repeat(layer, values, shape):
    return np.broadcast_to(values, shape)


# ---------------------------------------------------------------------------------------------------------------------
# Several inputs


def _agreed(values):
    """The values of the first row, nan where another row has another one."""
    return np.where((values == values[0]).all(axis=0), values[0], np.nan)


def _product(values):
    return np.where((values == 0).any(axis=0), 0, values.prod(axis=0))


def _merged(combine):
    """The rule of a layer that computes each feature from the same feature of all inputs; `combine`: their values -> its."""

    def rule(call, inputs, channels):
        if len({(len(x.shape), len(tensor.values)) for x, tensor in zip(call.inputs, inputs, strict=True)}) > 1:
            return None
        for other in inputs[1:]:
            channels.join(inputs[0], other)
        values = combine(np.stack([tensor.values for tensor in inputs]))
        return Step(call, inputs, channels, inputs[0]._replace(values=values))

    return rule


def _concatenated(call, inputs, channels):
    if call.layer.axis not in (-1, len(call.inputs[0].shape) - 1):
        return _merged(_agreed)(call, inputs, channels)
    return Step(call, inputs, channels, Tensor(*(np.concatenate(parts) for parts in zip(*inputs, strict=True))))


# ---------------------------------------------------------------------------------------------------------------------
# The table


def _each(rule, names):
    """Class -> rule, for layers of one, two and three axes where a name ends with ND."""
    names = [re.sub("ND$", f"{axes}D", name) for name in names.split() for axes in (1, 2, 3)]
    return {getattr(keras.layers, name): rule for name in names}


RULES = {
    **_each(_kept, "MaxPoolingND AveragePoolingND GlobalMaxPoolingND GlobalAveragePoolingND CroppingND UpSamplingND"),
    **_each(_kept, "Identity ActivityRegularization SpatialDropoutND GaussianNoise GaussianDropout AlphaDropout"),
    **_each(_padded, "ZeroPaddingND"),
    **_each(_activation, "Activation ReLU ELU LeakyReLU"),
    keras.layers.UpSampling2D: _upsampling,
    keras.layers.Dropout: _dropout,
    keras.layers.Rescaling: _rescaling,
    keras.layers.BatchNormalization: _normalization,
    keras.layers.Flatten: _arranged(_to_shape),
    keras.layers.Reshape: _arranged(_to_shape, Reshaped),
    keras.layers.Permute: _arranged(_permute),
    keras.layers.RepeatVector: _arranged(_repeat),
    keras.layers.Add: _merged(lambda values: values.sum(axis=0)),
    keras.layers.Subtract: _merged(lambda values: values[0] - values[1]),
    keras.layers.Average: _merged(lambda values: values.mean(axis=0)),
    keras.layers.Maximum: _merged(lambda values: values.max(axis=0)),
    keras.layers.Minimum: _merged(lambda values: values.min(axis=0)),
    keras.layers.Multiply: _merged(_product),
    keras.layers.Concatenate: _concatenated,
}
