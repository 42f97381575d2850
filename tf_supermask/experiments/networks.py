"""The networks of both papers as tables of widths. Layers are injected, so that a baseline, a signed and a binary network
are one builder called with other layers.

Every network ends in logits, `(batch, classes)`; the loss applies the softmax. Kernel layers are numbered in the order
of the papers' figures: conv1, conv2, ..., fc1, fc2, out (ResNets: conv000, shortcut before main path).
"""

import functools
import itertools
from typing import Callable, NamedTuple

import keras
import numpy as np

from tf_supermask import initializers, layers, masks, signed_mask
from tf_supermask.experiments import choices, conditions, settings


class Layers(NamedTuple):
    """What a builder is given: `dense(units, name=)`, `conv(filters, size, strides=, padding=, name=)`,
    `norm(name=)` and the name of the activation. Activations are separate layers."""

    dense: Callable
    conv: Callable
    norm: Callable
    activation: str

    def active(self, x):
        return keras.layers.Activation(self.activation)(x)


def stack(x, classes, make, convs, hidden, repeat=2, padding="same"):
    """FCN and Conv2-8: pairs of 3x3 convolutions, each pair followed by 2x2 max-pooling, then dense layers.

    `repeat`: convolutions before each pooling, whose `padding` is given.
    """
    number = itertools.count(1)
    for filters in convs:
        for _ in range(repeat):
            x = make.active(make.conv(filters, 3, padding="same", name=f"conv{next(number)}")(x))
        x = keras.layers.MaxPooling2D(2, padding=padding)(x)
    x = keras.layers.Flatten()(x)
    for i, units in enumerate(hidden, 1):
        x = make.active(make.dense(units, name=f"fc{i}")(x))
    return make.dense(classes, name="out")(x)


def resnet(x, classes, make, blocks, width=1.0):
    """ResNets of Koster et al. 2022 (not those of He et al.): `blocks` is one stage, C = projection, I = identity.

    C: main path 1x1 (strided) -> norm -> ELU -> 3x3 -> norm -> ELU, shortcut 1x1 (strided) -> norm; sum; ELU.
    I: 3x3 -> norm -> ELU -> 3x3 -> norm; plus input; ELU.
    The stem is followed by a 3x3 max-pooling of stride 1; stages 2 and 3 halve the resolution in every C.
    """
    names = (f"conv{i:03d}" for i in itertools.count())

    def conv(x, filters, size, strides=1, padding="same"):
        name = next(names)
        return make.norm(name=f"{name}_norm")(make.conv(filters, size, strides=strides, padding=padding, name=name)(x))

    def projection(x, filters, strides):
        shortcut = conv(x, filters, 1, strides, "valid")
        main = make.active(conv(x, filters, 1, strides, "valid"))
        main = make.active(conv(main, filters, 3))
        return make.active(keras.layers.add([main, shortcut]))

    def identity(x, filters, strides):
        main = make.active(conv(x, filters, 3))
        return make.active(keras.layers.add([conv(main, filters, 3), x]))

    build_block = {"C": projection, "I": identity}
    x = make.active(conv(x, int(16 * width), 3))
    x = keras.layers.MaxPooling2D(3, strides=1, padding="same")(x)
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        for block in blocks:
            x = build_block[block](x, int(filters * width), strides)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return make.dense(classes, name="out")(x)


@settings.needed()
def network(name, input_shape, classes, make):
    """Functional Keras model `name`, a key of choices.NETWORKS, for images of `input_shape` (height, width, channels).

    It has channels last and float32 whatever Keras' global settings are.
    """
    inputs = keras.Input(input_shape, name="images")
    widths = choices.NETWORKS[name]
    build = resnet if "blocks" in widths else stack
    return keras.Model(inputs, build(inputs, classes, make, **widths), name=name.replace(".", "_"))


def initializer(spec, name, role):
    """The initializer of the weights (`role="weight"`) or scores (`role="score"`) of the layer `name`, with a seed of its own."""
    scheme, distribution = getattr(spec, f"{role}_scheme"), getattr(spec, f"{role}_distribution")
    kept = {"density": spec.density} if role == "weight" and spec.weight_fan == "kept" else {}
    return initializers.SCHEMES[scheme](distribution, initializers.layer_seed(spec.seed, name, role), **kept)


def plain_layers(spec):
    """Trained kernels: the baseline. Weights start from the spec's weight initializer."""
    activation, use_bias = choices.VARIANTS[spec.dialect]

    def make(layer_class):
        def layer(*args, name, **kwargs):
            start = initializer(spec, name, "weight")
            return layer_class(*args, kernel_initializer=start, use_bias=use_bias, name=name, **kwargs)

        return layer

    return Layers(make(keras.layers.Dense), make(keras.layers.Conv2D), _norm(spec), activation)


def masked_layers(spec):
    """Frozen weights, trained scores, the mask rule that the spec's mode names."""
    activation, use_bias = choices.VARIANTS[spec.dialect]

    def make(layer_class):
        def layer(*args, name, **kwargs):
            score = "zeros"  # of latent weights, which start as weights do, and of masks that are given
            if spec.score_scheme is not None:
                score = initializer(spec, name, "score")
            elif spec.score_value is not None:
                score = keras.initializers.Constant(spec.score_value)
            return layer_class(
                *args,
                rule=spec.mode,
                weight_initializer=initializer(spec, name, "weight"),
                score_initializer=score,
                **_limits(spec),
                rescale=bool(spec.rescale),
                sample_seed=initializers.layer_seed(spec.seed, name, "sample"),
                use_bias=use_bias,
                name=name,
                **kwargs,
            )

        return layer

    return Layers(make(layers.SignedMaskDense), make(layers.SignedMaskConv2D), _norm(spec), activation)


def _limits(spec):
    """What decides which scores a masked layer keeps, as its arguments."""
    if spec.mode == choices.SPARSE:
        return {}
    if spec.allocation == "global":
        return {"relative_threshold": 0.5}  # a variable, which `MaskUpdates` sets
    return {name: getattr(spec, name) for name in conditions.LIMITS}


def _norm(spec):
    # A frozen batch normalization in Keras runs in inference mode with its initial statistics: nearly the identity.
    return functools.partial(keras.layers.BatchNormalization, trainable=spec.batch_norm == "trainable")


def build(spec, input_shape, classes):
    """The model that `spec` (a `spec.Spec`) describes, for images of `input_shape` and `classes` classes."""
    make = masked_layers(spec) if spec.masked else plain_layers(spec)
    return network(spec.model, input_shape, classes, make)


def outline(name, input_shape, classes=10):
    """The network `name` with kernels of zeros, to count with: to draw those of Conv2 takes a second."""
    dense, conv = (functools.partial(its, kernel_initializer="zeros") for its in (keras.layers.Dense, keras.layers.Conv2D))
    return network(name, input_shape, classes, Layers(dense, conv, keras.layers.BatchNormalization, "relu"))


def _trained(model):
    """`(name, layer, variable)` of all that training changes: scores (named mask), biases, kernels, normalizations, and of layers
    with masks whose weights change, weights and scales."""
    for layer in model.layers:
        for variable in layer.weights:
            if not isinstance(layer, signed_mask.SignedMask) or variable is layer.bias or variable is layer.scales:
                yield f"{layer.name}/{variable.name}", layer, variable
            elif variable is layer.score:
                rule = masks.rule(layer.rule)
                yield f"{layer.name}/{'score' if rule.sampled or rule.latent else 'mask'}", layer, variable
            elif variable is layer.weight and layer.rule in choices.REDRAWN:
                yield f"{layer.name}/weight", layer, variable


def snapshot(model):
    """What training changed, by `layer/variable`: arrays of all trained variables, int8 masks in place of scores."""
    return {
        name: layer.mask if name.endswith("/mask") else np.asarray(variable)
        for name, layer, variable in _trained(model)
    }


def _scores(mask, layer):
    """Scores whose mask is `mask`: between two thresholds of a rule with levels, else beyond the only one."""
    if layer.density is not None:  # as many are largest as the density keeps
        return mask
    threshold = np.asarray(layer.threshold)
    if masks.rule(layer.rule).levels > 1:
        return (mask + 0.5 * np.sign(mask)) * threshold
    return mask * 2 * np.maximum(threshold, 1)


def restore(model, arrays):
    """Puts a snapshot into a freshly built `model` of the same spec; scores become values that give the stored masks."""
    for name, layer, variable in _trained(model):
        value = arrays[name]
        if name.endswith("/mask"):
            value = _scores(value, layer)
        variable.assign(value)
    return model
