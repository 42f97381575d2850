"""Initializers of both papers: the scheme gives the variance of a weight, the distribution its values.

    scheme    variance of a weight            signed constant          uniform bound
    xavier    2 / (fan_in + fan_out)          sqrt(2 / (fi + fo))      sqrt(6 / (fi + fo))
    he        2 / fan_in                      sqrt(2 / fi)             sqrt(6 / fi)
    elu       1.5 / fan_in                    sqrt(1.5 / fi)           sqrt(4.5 / fi)
    elus      factor**2 * 2 / fan_in          sqrt(6 / fi)             sqrt(18 / fi)        factor = sqrt(3)
    pytorch   1 / (3 fan_in)                  sqrt(1 / (3 fi))         sqrt(1 / fi)

ELUS is He times a factor: sqrt(3) for FCN and Conv, sqrt(1.5) for ResNets (Koster et al. 2022, section 2.1, Eq. 3, 16).
Fans are those of Keras: dense (in, out), convolution (kh * kw * c_in, kh * kw * c_out), also of depthwise and transposed
convolutions, of which a unit has fewer inputs, or others. With a `density`, the share of a unit's
inputs that masks will keep, the variance is divided by it, so that sums over the kept inputs have the variance of the scheme
(Ramanujan et al. 2020). Deviation: their code divides by one minus the share, which is the same at one half only.

Deviation: Eq. 3 is printed with fan-out; the paper's results, and this file, use fan-in.
"""

import math
import zlib

import keras
import numpy as np
from keras import ops

from tf_supermask import arguments, draws

FANS = ("all", "kept")  # inputs of a unit that the variance of its weights counts
DISTRIBUTIONS = ("signed_constant", "uniform", "normal", "truncated_normal")
_KERAS_DISTRIBUTION = {
    "signed_constant": "untruncated_normal",
    "uniform": "uniform",
    "normal": "untruncated_normal",
    "truncated_normal": "truncated_normal",
}


class _Scaled(keras.initializers.VarianceScaling):
    """Keras' variance scaling, with the signed constant as one more distribution.

    A signed constant is +c or -c with equal probability; c, one magnitude per tensor, is the standard deviation that the
    scheme prescribes. Its sign is that of a normal draw, so that for one seed `normal` and `signed_constant` agree in sign.
    """

    def __init__(self, scale, mode, distribution, seed=None, density=1.0):
        arguments.choice("distribution", distribution, DISTRIBUTIONS)
        density = float(arguments.share("density", density))
        if isinstance(seed, bool):  # Keras refuses all else that is no seed
            raise arguments.refused("seed", "an integer or None", seed)
        super().__init__(scale=scale / density, mode=mode, distribution=_KERAS_DISTRIBUTION[distribution], seed=seed)
        self.supermask_distribution, self.density = distribution, density

    def __call__(self, shape, dtype=None):
        if self.supermask_distribution != "signed_constant":
            return _tensor(_scaled(self, shape), dtype)
        c = math.sqrt(self.scale / max(1.0, fan(shape, self.mode)))
        return _tensor(c * draws.normal_signs(self.seed, shape), dtype)

    def get_config(self):
        config = {"distribution": self.supermask_distribution, "seed": super().get_config()["seed"]}
        return config | ({"density": self.density} if self.density != 1 else {})  # as in files of earlier versions


def fan(shape, mode):
    """Number of inputs of one output (`fan_in`), of outputs (`fan_out`) or their mean (`fan_avg`), of a kernel of `shape`."""
    *window, c_in, c_out = shape if len(shape) > 1 else 2 * (tuple(shape) or (1,))
    n_in, n_out = math.prod(window) * c_in, math.prod(window) * c_out
    return {"fan_in": n_in, "fan_out": n_out}.get(mode, (n_in + n_out) / 2)


@keras.saving.register_keras_serializable("tf_supermask")
class He(_Scaled):
    """Variance 2 / fan_in. `distribution`: signed_constant, uniform, normal or truncated_normal; `seed`: int or None; `density`:
    share of the inputs of a unit that masks will keep, by which the variance is divided."""

    def __init__(self, distribution="signed_constant", seed=None, density=1.0):
        super().__init__(2.0, "fan_in", distribution, seed, density)


@keras.saving.register_keras_serializable("tf_supermask")
class Xavier(_Scaled):
    """Variance 2 / (fan_in + fan_out). Arguments as in `He`."""

    def __init__(self, distribution="signed_constant", seed=None, density=1.0):
        super().__init__(1.0, "fan_avg", distribution, seed, density)


@keras.saving.register_keras_serializable("tf_supermask")
class ELU(_Scaled):
    """Variance 1.5 / fan_in: keeps the variance through ELU layers without masks (Koster et al. 2022, Eq. 24, p0 = 0)."""

    def __init__(self, distribution="signed_constant", seed=None, density=1.0):
        super().__init__(1.5, "fan_in", distribution, seed, density)


@keras.saving.register_keras_serializable("tf_supermask")
class ELUS(_Scaled):
    """He scaled for ELU layers with a supermask: standard deviation `factor` * sqrt(2 / fan_in).

    `factor`: sqrt(3) for FCN and Conv (the default), sqrt(1.5) for ResNets. Other arguments as in `He`.
    """

    def __init__(self, distribution="signed_constant", seed=None, factor=math.sqrt(3), density=1.0):
        arguments.number("factor", factor, "a number above 0", lambda factor: factor > 0)
        super().__init__(2.0 * factor**2, "fan_in", distribution, seed, density)
        self.factor = factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def elus_resnet(distribution="signed_constant", seed=None, density=1.0):
    """ELUS with the ResNets' factor sqrt(1.5)."""
    return ELUS(distribution, seed, factor=math.sqrt(1.5), density=density)


@keras.saving.register_keras_serializable("tf_supermask")
class PyTorch(_Scaled):
    """Variance 1 / (3 fan_in): what layers of PyTorch start with, and the scores of Ramanujan et al. 2020. Arguments as in
    `He`."""

    def __init__(self, distribution="uniform", seed=None, density=1.0):
        super().__init__(1 / 3, "fan_in", distribution, seed, density)


SCHEMES = {"he": He, "xavier": Xavier, "elu": ELU, "elus": ELUS, "elus_resnet": elus_resnet, "pytorch": PyTorch}


# ---------------------------------------------------------------------------------------------------------------------
# The same numbers on every backend


def _scaled(initializer, shape):
    """Numbers of Keras' variance scaling."""
    variance = initializer.scale / max(1.0, fan(shape, initializer.mode))
    if initializer.distribution == "uniform":
        limit = math.sqrt(3.0 * variance)
        return _between(initializer.seed, shape, -limit, limit)
    if initializer.distribution == "truncated_normal":
        deviation = math.sqrt(variance) / 0.87962566103423978  # that of what is left between -2 and 2
        return _around(draws.truncated_normal(initializer.seed, shape), 0, deviation)
    return _around(draws.normal(initializer.seed, shape), 0, math.sqrt(variance))


def _between(seed, shape, low, high):
    low, high = np.float32(low), np.float32(high)
    return draws.uniform(seed, shape) * (high - low) + low


def _around(values, mean, deviation):
    return values * np.float32(deviation) + np.float32(mean)


# What Keras' initializers do when they are called; those that inherit it are found too.
_DRAWN = {
    keras.initializers.VarianceScaling.__call__: _scaled,
    keras.initializers.RandomUniform.__call__: lambda given, shape: _between(given.seed, shape, given.minval, given.maxval),
    keras.initializers.RandomNormal.__call__: lambda given, shape: _around(
        draws.normal(given.seed, shape), given.mean, given.stddev
    ),
    keras.initializers.TruncatedNormal.__call__: lambda given, shape: _around(
        draws.truncated_normal(given.seed, shape), given.mean, given.stddev
    ),
}


def drawn(initializer, shape, dtype=None):
    """What an initializer gives for a shape: from one seed the same numbers on every backend, those of Keras on TensorFlow.

    Keras' uniform, normal and truncated normal initializers, with variance scaling or without, are drawn here, and rounded from
    float32 where `dtype` is of less; all others, such as Orthogonal, draw what they draw on the backend.
    """
    draw = _DRAWN.get(type(initializer).__call__)
    if draw is None or getattr(initializer, "input_axes", None) is not None:  # fans of other axes than the last two
        return initializer(shape, dtype=dtype)
    return _tensor(draw(initializer, tuple(shape)), dtype)


def reshaped(initializer, fans):
    """An initializer of tensors with the fans of another shape, as `maskable.fan_shape` gives it."""
    return lambda shape, dtype=None: ops.reshape(drawn(initializer, fans, dtype), shape)


def _tensor(values, dtype):
    dtype = keras.backend.standardize_dtype(dtype)
    return ops.cast(ops.convert_to_tensor(values.astype("float64" if dtype == "float64" else "float32")), dtype)


def layer_seed(seed, layer, role):
    """Seed of one tensor, from the seed of the run, the name of the layer, and the role of the tensor: `weight`, `score`...

    So runs with the same seed start from the same scores if only the scheme of their weights differs, and the reverse.
    """
    return int(np.random.SeedSequence([seed, zlib.crc32(f"{layer}/{role}".encode())]).generate_state(1)[0] >> 1)


def needed(name, initializer):
    """The initializer that the argument `name` gives. Raises ValueError for None, which Keras takes for none at all."""
    made = keras.initializers.get(initializer)
    if made is None:
        raise arguments.refused(name, "an initializer or the name of one", initializer)
    return made


def at(position, initializer):
    """The initializer of the scores of the kernel at a position in its layer: of one with a seed, another seed for each."""
    if position == 0 or not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    config = initializer.get_config()
    if isinstance(config.get("seed"), int):
        config["seed"] = layer_seed(config["seed"], str(position), "score")
    return type(initializer).from_config(config)
