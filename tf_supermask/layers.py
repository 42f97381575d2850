"""SignedMaskDense and SignedMaskConv2D: Keras layers whose weights are frozen and whose masks are trained."""

import keras
from keras import ops

from tf_supermask import arguments, signed_mask


@keras.saving.register_keras_serializable("tf_supermask")
class SignedMaskDense(signed_mask.SignedMask):
    """Dense layer with a supermask: `activation(x @ (weight * mask(score)) + bias)`.

    Args:
        units: size of the output.
        rule: name of a mask rule, a key of `masks.RULES`: "signed", "binary"...
        weight_initializer, score_initializer: of the frozen weight, ELUS signed constant by default, and of the trained score.
        threshold: scores beyond it keep their weights; >= 0, by default that of the rule, 0.01 for "signed".
        relative_threshold: in its place, a share of the largest absolute score right after initialization.
        density: in its place, the share of weights that remain, those of the largest scores.
        rescale: multiply the kernel by its size / the number of remaining weights (Zhou et al. 2019).
        sample_seed: seed of the thresholds that a rule that samples draws.
        activation and bias arguments, kwargs: as in `keras.layers.Dense`, but `use_bias` is False by default.

    A built layer has `weight`, `score`, `mask` (int8 numpy array: -1, 0, +1) and `effective_kernel` (float32). Raises ValueError
    for an argument that it does not support.

    Input shape `(batch, ..., n_in)`, output shape `(batch, ..., units)`, kernel `(n_in, units)`.
    """

    keras_class = keras.layers.Dense

    def __init__(
        self,
        units,
        activation=None,
        use_bias=False,
        bias_initializer="zeros",
        rule="signed",
        weight_initializer=None,
        score_initializer="glorot_uniform",
        threshold=None,
        relative_threshold=None,
        rescale=False,
        sample_seed=None,
        bias_regularizer=None,
        activity_regularizer=None,
        bias_constraint=None,
        density=None,
        **kwargs,
    ):
        units = arguments.integer("units", units, 1)
        plain = {"units": units, "activation": activation, "use_bias": use_bias, "bias_initializer": bias_initializer}
        plain |= {"bias_regularizer": bias_regularizer, "bias_constraint": bias_constraint}
        mask = {"rule": rule, "threshold": threshold, "relative_threshold": relative_threshold, "density": density}
        mask |= {"weight_initializer": weight_initializer, "score_initializer": score_initializer}
        mask |= {"rescale": rescale, "sample_seed": sample_seed}
        super().__init__(plain, **mask, activity_regularizer=activity_regularizer, **kwargs)

    def build(self, input_shape):
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})
        self._add_variables((input_shape[-1], self.units))

    def call(self, inputs):
        return self._finish(ops.matmul(inputs, self._kernel_of_call()))


@keras.saving.register_keras_serializable("tf_supermask")
class SignedMaskConv2D(signed_mask.SignedMask):
    """2-D convolution with a supermask: `activation(conv(x, weight * mask(score)) + bias)`.

    Args:
        filters, kernel_size, strides, padding, dilation_rate: as in `keras.layers.Conv2D`.
        data_format: "channels_last"; None means Keras' image_data_format, which has to be the same.
        groups: 1.
        rule: name of a mask rule, a key of `masks.RULES`: "signed", "binary"...
        weight_initializer, score_initializer: of the frozen weight, ELUS signed constant by default, and of the trained score.
        threshold: scores beyond it keep their weights; >= 0, by default that of the rule, 0.01 for "signed".
        relative_threshold: in its place, a share of the largest absolute score right after initialization.
        density: in its place, the share of weights that remain, those of the largest scores.
        rescale: multiply the kernel by its size / the number of remaining weights (Zhou et al. 2019).
        sample_seed: seed of the thresholds that a rule that samples draws.
        activation and bias arguments, kwargs: as in `keras.layers.Conv2D`, but `use_bias` is False by default.

    A built layer has `weight`, `score`, `mask` (int8 numpy array: -1, 0, +1) and `effective_kernel` (float32). Raises ValueError
    for an argument that it does not support.

    Input shape `(batch, height, width, c_in)`, output shape `(batch, height', width', filters)`,
    kernel `(kernel_height, kernel_width, c_in, filters)`.
    """

    keras_class = keras.layers.Conv2D

    def __init__(
        self,
        filters,
        kernel_size,
        strides=(1, 1),
        padding="valid",
        data_format=None,
        dilation_rate=(1, 1),
        groups=1,
        activation=None,
        use_bias=False,
        bias_initializer="zeros",
        rule="signed",
        weight_initializer=None,
        score_initializer="glorot_uniform",
        threshold=None,
        relative_threshold=None,
        rescale=False,
        sample_seed=None,
        bias_regularizer=None,
        activity_regularizer=None,
        bias_constraint=None,
        density=None,
        **kwargs,
    ):
        filters = arguments.integer("filters", filters, 1)
        padding = arguments.choice("padding", padding.lower() if isinstance(padding, str) else padding, ("valid", "same"))
        plain = {"filters": filters, "kernel_size": kernel_size, "strides": strides, "padding": padding}
        plain |= {"data_format": _channels_last(data_format), "dilation_rate": dilation_rate, "groups": _one(groups)}
        plain |= {"activation": activation, "use_bias": use_bias, "bias_initializer": bias_initializer}
        plain |= {"bias_regularizer": bias_regularizer, "bias_constraint": bias_constraint}
        mask = {"rule": rule, "threshold": threshold, "relative_threshold": relative_threshold, "density": density}
        mask |= {"weight_initializer": weight_initializer, "score_initializer": score_initializer}
        mask |= {"rescale": rescale, "sample_seed": sample_seed}
        super().__init__(plain, **mask, activity_regularizer=activity_regularizer, **kwargs)

    def build(self, input_shape):
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: input_shape[-1]})
        self._add_variables((*self.kernel_size, input_shape[-1], self.filters))

    def call(self, inputs):
        outputs = ops.conv(
            inputs,
            self._kernel_of_call(),
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        return self._finish(outputs)


def _channels_last(data_format):
    data_format = data_format or keras.config.image_data_format()
    if data_format != "channels_last":
        raise ValueError(
            f'`data_format`, or Keras\' image_data_format, must be "channels_last". Received: {data_format!r}'
        )
    return data_format


def _one(groups):
    if groups != 1:
        raise ValueError(f"`groups` must be 1: grouped convolutions are not supported. Received: {groups}")
    return groups
