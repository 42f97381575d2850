"""How layers with kernels treat channels, for compaction.

A kernel is seen as an array `(window, input features, units)`. A unit without weights to features that vary is constant.
Constants that are not needed otherwise move into the bias. Rules are as in channel_rules.
"""

import math

import keras
import numpy as np

from tf_supermask.deploy.channel_rules import elementwise
from tf_supermask.deploy.channels import Step, array


class Linear(Step):
    """A layer that computes activation(kernel applied to its input + bias); the class attributes are those of a Dense layer.

    Attributes: kernel, as the module says; folded, array of the values of input features that can move into the bias, else nan.
    """

    makes_units = has_kernel = True
    variables = 1  # number of its kernels
    size = "units"  # name of its argument for the number of units

    def __init__(self, call, inputs, channels):
        layer, (x,) = call.layer, inputs
        self.kernel = self.seen(layer)
        self.folded = foldable(layer, self.kernel, x.values)
        self._links = (self.kernel != 0).any(axis=0)
        constant = ~self._links[np.isnan(self.folded)].any(axis=0)
        outputs = np.tensordot(np.nan_to_num(self.folded), self.kernel.sum(axis=0), 1) + bias_of(layer)
        result = _activated(layer, channels.new(len(outputs)), constant, outputs, channels)
        super().__init__(call, inputs, channels, result)

    @staticmethod
    def seen(layer):
        """The kernel as `(window, input features, units)`."""
        return _window_first(array(layer.kernel))

    def cut(self, inputs, units):
        """The kernels of the layer, of some of its input features and units."""
        return [array(self.layer.kernel)[..., inputs, :][..., units]]

    def sized(self, units, biased):
        """The changes to the configuration for a number of units, and whether there is a bias."""
        return {self.size: units, "use_bias": biased}

    def reads(self):
        return [self._links[:, self.keep(self.result)].any(axis=1) & np.isnan(self.folded)]

    def changes(self):
        units = self.keep(self.result)
        return self.sized(int(units.sum()), self._biased(units))

    def weights(self):
        inputs, units = self.keep(self.inputs[0]), self.keep(self.result)
        return self.cut(inputs, units) + ([self._bias()[units]] if self._biased(units) else [])

    def _biased(self, units):
        return bool(self.layer.bias is not None or self._bias()[units].any())

    def _bias(self):
        """Biases of all units, with the constants of the features that go."""
        gone = np.where(self.keep(self.inputs[0]), 0, np.nan_to_num(self.folded))
        return (bias_of(self.layer) + np.tensordot(gone, self.kernel.sum(axis=0), 1)).astype(self.kernel.dtype)


class Convolution(Linear):
    """Of one, two or three axes."""

    size = "filters"


class Separable(Linear):
    """Both kernels together are one of a convolution."""

    variables = 2
    size = "filters"

    @staticmethod
    def seen(layer):
        depthwise, pointwise = _window_first(array(layer.depthwise_kernel)), array(layer.pointwise_kernel)
        pointwise = pointwise.reshape(*depthwise.shape[1:], -1)
        return np.einsum("wcm,cmu->wcu", depthwise, pointwise)

    def cut(self, inputs, units):
        depthwise, pointwise = array(self.layer.depthwise_kernel), array(self.layer.pointwise_kernel)
        return [
            depthwise[..., inputs, :],
            pointwise[..., np.repeat(inputs, self.layer.depth_multiplier), :][..., units],
        ]


class Einsum(Linear):
    """An EinsumDense layer that does what a Dense layer does, with the kernel as (inputs, units) or transposed."""

    @staticmethod
    def seen(layer):
        return _as_matrix(layer, array(layer.kernel))[None]

    def cut(self, inputs, units):
        kernel = _as_matrix(self.layer, array(self.layer.kernel))[inputs][:, units]
        return [_as_matrix(self.layer, kernel)]

    def sized(self, units, biased):
        before, after = self.layer.partial_output_shape[:-1], _labels(self.layer)[2][-1]
        return {"output_shape": (*before, units), "bias_axes": after if biased else None}


class Depthwise(Step):
    """A convolution of each channel by itself: `depth_multiplier` features of the result stay or go with one of the input."""

    has_kernel = True

    def __init__(self, call, inputs, channels):
        layer, (x,) = call.layer, inputs
        kernel = _window_first(array(layer.kernel))
        values = foldable(layer, kernel, x.values)
        constant = np.ravel((kernel == 0).all(axis=0) | ~np.isnan(values)[:, None])
        outputs = np.ravel(np.nan_to_num(values)[:, None] * kernel.sum(axis=0)) + bias_of(layer)
        result = x._replace(channels=np.repeat(x.channels, layer.depth_multiplier))
        super().__init__(call, inputs, channels, _activated(layer, result, constant, outputs, channels))

    def weights(self):
        kernel, *bias = self.layer.get_weights()
        return [kernel[..., self.keep(self.inputs[0]), :], *(values[self.keep(self.result)] for values in bias)]


def _activated(layer, result, constant, outputs, channels):
    """`result` with the values of the units that are constant before the activation of a layer."""
    if not elementwise(layer):
        channels.pin([result], f"the activation of {layer.name} mixes them")
        return result._replace(values=np.full(len(outputs), np.nan))
    if layer.activation is not None and constant.any():
        outputs = array(layer.activation(keras.ops.convert_to_tensor(outputs, layer.compute_dtype)))
    return result._replace(values=np.where(constant, outputs, np.nan))


def foldable(layer, kernel, values):
    """Values of the input features that can move into the bias of a layer, nan for the others: padding adds zeros, not the
    constant."""
    padded = getattr(layer, "padding", "valid") != "valid" and len(kernel) > 1
    return np.where(values == 0, 0, np.nan) if padded else values


def bias_of(layer):
    """The bias of all units, 0 if the layer has none."""
    return 0 if layer.bias is None else array(layer.bias)


def _window_first(kernel):
    return kernel.reshape(math.prod(kernel.shape[:-2]), *kernel.shape[-2:])


def _labels(layer):
    """The axes of input, kernel and output that the equation of an EinsumDense layer names."""
    inputs, _, rest = layer.equation.replace(" ", "").partition(",")
    return inputs, *rest.split("->")


def _as_matrix(layer, kernel):
    """The kernel of an EinsumDense layer with inputs first, or back."""
    inputs, axes, _ = _labels(layer)
    return kernel if axes[0] == inputs[-1] else kernel.T


# ---------------------------------------------------------------------------------------------------------------------
# The table


def _unchanged(layer):
    return True


def _without_groups(layer):
    return layer.groups == 1


def _dense_like(layer):
    """Whether the equation contracts the last axis of the input, and makes the last one of the result in its place; a bias is
    of this axis."""
    inputs, kernel, outputs = _labels(layer)
    ends = {inputs[-1], outputs[-1]}
    if layer.bias is not None and layer.bias_axes != outputs[-1]:
        return False  # not one number per unit
    return inputs[:-1] == outputs[:-1] and len(kernel) == 2 and set(kernel) == ends and not ends & set(inputs[:-1])


def _linear(kind, fits=_unchanged):
    """The rule of a layer with kernels and a bias, and no other weights: LoRA and activations with weights add some."""

    def rule(call, inputs, channels):
        layer = call.layer
        alone = len(layer.weights) == getattr(kind, "variables", 1) + (layer.bias is not None)
        return kind(call, inputs, channels) if alone and fits(layer) else None

    return rule


RULES = {
    keras.layers.Dense: _linear(Linear),
    keras.layers.EinsumDense: _linear(Einsum, _dense_like),
    **{
        kind: _linear(Convolution, _without_groups)
        for kind in (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
    },
    **{kind: _linear(Depthwise) for kind in (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)},
    **{kind: _linear(Separable) for kind in (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)},
}
