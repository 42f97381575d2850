"""The masked form of a layer: of a Dense or Conv2D layer the special one, of all others Masked; and the numbers that it draws."""

import inspect
import random

import keras

from tf_supermask import arguments, choosing, cloning, initializers, maskable, masks
from tf_supermask.layers import SignedMaskConv2D, SignedMaskDense
from tf_supermask.masked import Masked

_SPECIAL = {keras.layers.Dense: SignedMaskDense, keras.layers.Conv2D: SignedMaskConv2D}


def has_special_form(layer):
    """Whether a layer can become a SignedMaskDense or SignedMaskConv2D: those have no kernel to regularize or constrain."""
    return (
        choosing.convertible(layer)
        and layer.kernel_regularizer is None
        and layer.kernel_constraint is None
        and not isinstance(layer.activation, keras.layers.PReLU)
    )


class Forms:
    """Makes the masked forms of the layers of a model. Arguments are those of `mask_model`; `masked` are those of the layers."""

    def __init__(self, scheme, distribution, weight_fan, score_initializer, seed, keep_weights, use_bias=None, **masked):
        rule, self.keep_weights = masks.rule(masked["rule"]), arguments.switch("keep_weights", keep_weights)
        if keep_weights and not (scheme is None and distribution is None) and masked["rule"] != "iterand":
            raise ValueError("`keep_weights=True` freezes the weights that there are; leave `scheme` and `distribution` out.")
        self.density = _density(weight_fan, rule, masked["density"], keep_weights)
        usual = ("he", "normal") if rule.latent or rule.given else ("elus", "signed_constant")
        usual = ("pytorch", "uniform") if rule.clipped else usual  # most of it within the bound
        scheme, distribution = (its if given is None else given for given, its in zip((scheme, distribution), usual, strict=True))
        self.scheme = arguments.choice("scheme", scheme, initializers.SCHEMES)
        self.distribution, self.score_initializer = distribution, score_initializer
        self.seed, self.masked = seed_of(seed), masked
        self.use_bias = {} if use_bias is None else {"use_bias": arguments.switch("use_bias", use_bias)}

    def drawn(self, position):
        """The arguments of a masked layer that draw random numbers, from its position in the model."""
        weight, score, sample = (
            initializers.layer_seed(self.seed, str(position), role) for role in ("weight", "score", "sample")
        )
        return {
            "weight_initializer": initializers.SCHEMES[self.scheme](self.distribution, weight, density=self.density),
            "score_initializer": _seeded(self.score_initializer, score),
            "sample_seed": sample,
        }

    def special(self, layer, position, **changes):
        """The special form of a Dense or Conv2D layer, not built: its own arguments, and those of masks. Raises ValueError if
        Keras cannot make the layer again."""
        with cloning.refused_in_one_line(layer):
            config = layer.get_config()
        made = _SPECIAL[type(layer)]
        # Attributes rather than their configurations: Keras does not find functions again that are not registered.
        shared = {name: getattr(layer, name) for name in inspect.signature(made).parameters if name in config}
        shared |= {"activity_regularizer": layer.activity_regularizer, "trainable": layer.trainable}
        shared |= {"name": layer.name, "dtype": layer.dtype_policy} | self.use_bias
        return made(**shared | self.drawn(position) | self.masked | changes)

    def general(self, layer, position, kernels=None, keep_weights=True):
        """Masked around a layer, which it takes over. `keep_weights`: its weights are those that it draws, or has."""
        drawn = self.drawn(position) | ({"weight_initializer": None} if keep_weights else {})
        return Masked(layer, kernels=kernels, **drawn | self.masked)

    def of(self, layer, choice):
        """The masked form of a built layer, not built; `choice`: a `choosing.Choice`."""
        if has_special_form(layer):
            return self.special(layer, choice.position)
        return self.general(cloning.copied(layer), choice.position, choice.kernels, self.keep_weights)

    def fill(self, source, target, choice):
        """Gives the built masked form of a layer the variables of the layer and, without `keep_weights`, new kernels."""
        if isinstance(target, Masked):
            return self._fill_general(source, target, choice.position)
        if self.keep_weights:
            target.masked_kernels["kernel"].start_from(source.kernel)
        if source.use_bias and target.use_bias:
            target.bias.assign(source.bias)

    def _fill_general(self, source, target, position):
        cloning.carry(source, target.layer)
        before = maskable.kernels_of(source)
        for i, (name, kernel) in enumerate(target.masked_kernels.items()):
            kernel.trained.trainable = before[name].trainable and source.trainable
            values = before[name]
            if not self.keep_weights:
                initializer = self.drawn(f"{position}.{i}" if i else position)["weight_initializer"]
                fans = maskable.fan_shape(target, kernel.weight)
                values = initializers.reshaped(initializer, fans)(kernel.weight.shape, "float32")
            kernel.start_from(values)


def _density(weight_fan, rule, density, keep_weights):
    """The share of a unit's inputs that the variance of its weights counts."""
    drawn = density is not None and rule.chooses and not keep_weights
    if weight_fan is None:
        return density if rule.needs_density and drawn else 1.0
    if arguments.choice("weight_fan", weight_fan, initializers.FANS) == "kept" and not drawn:
        raise ValueError("`weight_fan='kept'` needs a `density` and frozen weights that are drawn; leave `weight_fan` out.")
    return density if weight_fan == "kept" else 1.0


def seed_of(seed):
    """The seed that an argument says, an int >= 0; drawn where it is None."""
    if seed is None:
        return random.randrange(2**31)  # Python's generator, as Keras uses for the seeds of layers
    return arguments.integer("seed", seed, low=0, optional=True)


def _seeded(initializer, seed):
    """The initializer of one layer: with `seed` if it has none."""
    initializer = keras.initializers.get(initializer)
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    config = initializer.get_config()
    return type(initializer).from_config(config | {"seed": seed}) if config.get("seed", seed) is None else initializer
