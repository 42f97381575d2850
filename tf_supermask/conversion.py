"""Masks for any Keras model, and back: mask_model, strip_masks."""

import inspect
import numbers
import random

import keras

from tf_supermask import choosing, cloning, graph, initializers, maskable, masks
from tf_supermask.layers import SignedMaskConv2D, SignedMaskDense
from tf_supermask.masked import Masked
from tf_supermask.signed_mask import SignedMask


def _has_masked_form(layer):
    """Whether a layer can become a SignedMaskDense or SignedMaskConv2D: those have no kernel to regularize or constrain."""
    return (
        choosing.convertible(layer)
        and layer.kernel_regularizer is None
        and layer.kernel_constraint is None
        and not isinstance(layer.activation, keras.layers.PReLU)
    )


def strip_masks(model):
    """The same function in ordinary Keras layers: every `weight * mask(score)` becomes one kernel.

    `model`: a Sequential or functional model with any mix of masked and other layers, also inside models inside it; it is not
    changed. Raises ValueError for any other model, and for one with masked layers inside a wrapper or a user's own layer.
    """
    return stripped(model)[0]


def stripped(model):
    """`(plain, kernels)`: what `strip_masks` returns, and id -> MaskedKernel of those of its variables that had masks."""
    cloning.checked(model)
    kernels = {}

    def make(layer):
        if isinstance(layer, Masked):
            return cloning.copied(layer.layer, name=layer.name)
        return layer.plain() if isinstance(layer, SignedMask) else cloning.copied(layer)

    def fill(source, target):
        if not isinstance(source, (SignedMask, Masked)):
            return cloning.carry(source, target)
        inner = source.layer if isinstance(source, Masked) else source
        if isinstance(source, Masked):
            cloning.carry(inner, target)
        elif source.bias is not None:
            target.bias.assign(source.bias)
        places = [id(v) for v in inner.weights]
        for kernel in source.masked_kernels.values():
            variable = target.weights[places.index(id(kernel.weight))] if isinstance(source, Masked) else target.kernel
            variable.assign(kernel.array())
            kernels[id(variable)] = kernel

    return _remade(model, make, fill, _not_inside(model)), kernels


def _not_inside(model):
    """Whether a layer has to be made again part by part: a model inside with masks. Raises ValueError for masks inside others."""

    def has_masks(layer):
        return any(isinstance(part, (SignedMask, Masked)) for part in graph.inside(layer))

    for layer in graph.leaves(model):
        if not isinstance(layer, Masked) and has_masks(layer):
            raise ValueError(f"{model.name} has masked layers inside {layer.name}; use the layers inside instead of it")
    return has_masks


def _remade(model, make, fill, opened):
    """A clone of a model: `make(layer)` is a new layer for each layer, `fill(layer, new)` gives it its variables once the clone
    is built. Models inside for which `opened` holds are made again in the same way."""
    made = {}

    def remade(model):
        def made_once(layer):
            if layer not in made:
                made[layer] = remade(layer) if graph.is_model(layer) and opened(layer) else make(layer)
            return made[layer]

        clone, pairs = cloning.cloned(model, made_once)
        for source, target in pairs:
            if not (graph.is_model(source) and opened(source)):
                fill(source, target)
            elif not source.trainable:
                target.trainable = False
        return clone

    return remade(model)


_MASKED = {keras.layers.Dense: SignedMaskDense, keras.layers.Conv2D: SignedMaskConv2D}


def mask_model(
    model, rule="signed", filter=lambda layer: True, scheme="elus", distribution="signed_constant", keep_weights=False, seed=0,
    threshold=None, relative_threshold=None, rescale=False, score_initializer="glorot_uniform", use_bias=None, verbose=True,
    density=None,
):  # fmt: skip
    """A clone of a Sequential or functional model with masks: frozen weights, trained scores. Compile it before training.

    Dense and Conv2D layers become `SignedMaskDense` and `SignedMaskConv2D`, those with a regularizer or constraint of the kernel
    and all other layers with kernels become `Masked`, also in models inside the model. Embeddings have no kernel; `Masked` masks
    one by name.

    Args:
        rule: name of a mask rule, a key of `masks.RULES`.
        filter: `layer -> bool`, which of the layers with kernels get masks, or `(layer, name of the kernel) -> bool`, which of
            their kernels do. All others keep their weights.
        scheme, distribution: initializer of the frozen weights, see `initializers`.
        keep_weights: freeze the kernels of the model in place of new ones.
        seed: seed of weights and scores, int >= 0; each layer gets its own from it and from the position of the layer among the
            model's Dense and Conv2D layers, or among its others. None draws one, which `keras.utils.set_random_seed` makes
            reproducible.
        threshold, relative_threshold, density, rescale: arguments of the masked layers, see `signed_mask.SignedMask`.
        score_initializer: name or initializer of the scores; one without a seed gets that of each layer.
        use_bias: whether SignedMaskDense and SignedMaskConv2D layers have a bias. By default those that have one in `model`.
            Biases keep their values; a new bias starts with the bias_initializer of its layer, 0 by default.
        verbose: print a line that names the kernels that get no mask although `filter` lets them have one.

    Raises:
        ValueError: for any other model, for arguments that are not supported, and if there is no kernel to mask.
    """
    cloning.checked(model)
    masks.switch("keep_weights", keep_weights)
    if use_bias is not None:
        masks.switch("use_bias", use_bias)
    chosen = choosing.chosen(model, filter)
    arguments = {"rule": rule, "threshold": threshold, "relative_threshold": relative_threshold, "rescale": rescale}
    arguments["density"] = density
    initializers_of = _initializers(scheme, distribution, score_initializer, _seed(seed))

    def make(layer):
        if layer not in chosen:
            return cloning.copied(layer)
        drawn = initializers_of(chosen[layer].position)
        if _has_masked_form(layer):
            return _masked(layer, drawn | arguments | ({} if use_bias is None else {"use_bias": use_bias}))
        del drawn["weight_initializer"]
        return Masked(cloning.copied(layer), kernels=chosen[layer].kernels, **drawn | arguments)

    def fill(source, target):
        if source not in chosen:
            cloning.carry(source, target)
        elif isinstance(target, Masked):
            _fill_masked(source, target, None if keep_weights else initializers_of, chosen[source].position)
        else:
            _fill(source, target, keep_weights)

    result = _remade(model, make, fill, lambda inner: any(layer in chosen for layer in graph.leaves(inner)))
    if verbose:
        choosing.print_unmasked(model, chosen, filter)
    return result


def _initializers(scheme, distribution, score_initializer, seed):
    """A function of the position of a layer: the arguments of its masked form that draw random numbers."""
    if not isinstance(scheme, str) or scheme not in initializers.SCHEMES:
        raise ValueError(f"`scheme` must be one of {', '.join(initializers.SCHEMES)}. Received: {scheme!r}")

    def initializers_of(position):
        weight, score, sample = (
            initializers.layer_seed(seed, str(position), role) for role in ("weight", "score", "sample")
        )
        return {
            "weight_initializer": initializers.SCHEMES[scheme](distribution, weight),
            "score_initializer": _seeded(score_initializer, score),
            "sample_seed": sample,
        }

    return initializers_of


def _masked(layer, arguments):
    """The masked form of a Dense or Conv2D layer, not built: its own arguments, and those of masks. Raises ValueError if Keras
    cannot make the layer again."""
    with cloning.refused_in_one_line(layer):
        config = layer.get_config()
    made = _MASKED[type(layer)]
    # Attributes rather than their configurations: Keras does not find functions again that are not registered.
    shared = {name: getattr(layer, name) for name in inspect.signature(made).parameters if name in config}
    shared |= {"activity_regularizer": layer.activity_regularizer, "trainable": layer.trainable}
    return made(**shared | {"name": layer.name, "dtype": layer.dtype_policy} | arguments)


def _fill(source, target, keep_weights):
    """Gives the masked form of a layer the bias of the layer, and with `keep_weights` its kernel."""
    if keep_weights:
        target.masked_kernels["kernel"].start_from(source.kernel)
    if source.use_bias and target.use_bias:
        target.bias.assign(source.bias)


def _fill_masked(source, target, initializers_of, position):
    """Gives a Masked layer the variables of the layer that it was made of and, unless `initializers_of` is None, new kernels."""
    cloning.carry(source, target.layer)
    before = maskable.kernels_of(source)
    for i, (name, kernel) in enumerate(target.masked_kernels.items()):
        kernel.trained.trainable = before[name].trainable and source.trainable
        values = before[name]
        if initializers_of is not None:
            initializer = initializers_of(f"{position}.{i}" if i else position)["weight_initializer"]
            values = initializer(kernel.weight.shape, "float32")
        kernel.start_from(values)


def _seed(seed):
    if seed is None:
        return random.randrange(2**31)  # Python's generator, as Keras uses for the seeds of layers
    if not isinstance(seed, numbers.Integral) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"`seed` must be an integer >= 0 or None. Received: {seed!r}")
    return int(seed)


def _seeded(initializer, seed):
    """The initializer of one layer: with `seed` if it has none."""
    initializer = keras.initializers.get(initializer)
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    config = initializer.get_config()
    return type(initializer).from_config(config | {"seed": seed}) if config.get("seed", seed) is None else initializer
