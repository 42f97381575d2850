"""Masks for any Keras model, and back: mask_model, strip_masks."""

from tf_supermask import arguments, choosing, cloning, graph, replacing
from tf_supermask.forms import Forms
from tf_supermask.masked import Masked
from tf_supermask.signed_mask import SignedMask


def mask_model(
    model, rule="signed", filter=choosing.all_layers, scheme=None, distribution=None, keep_weights=False, seed=0,
    threshold=None, relative_threshold=None, rescale=False, score_initializer="glorot_uniform", use_bias=None, verbose=True,
    density=None, weight_fan=None,
):  # fmt: skip
    """A clone of a Sequential or functional model with masks: frozen weights, trained scores. Compile it before training.

    Dense and Conv2D layers become `SignedMaskDense` and `SignedMaskConv2D`, those with a regularizer or constraint of the kernel
    and all others with kernels `Masked`, also in models inside. Embeddings have no kernel; `Masked` masks one by name.

    Args:
        model: built Sequential or functional model; it is not changed.
        filter: `layer -> bool`, which of the layers with kernels get masks, or `(layer, name of the kernel) -> bool`, which of
            their kernels do. All others keep their weights.
        scheme: size of the weights, "elus" (default), "elu", "he", "xavier", "elus_resnet" or "pytorch".
        distribution: theirs, "signed_constant" (default), "uniform", "normal" or "truncated_normal". Rules that train weights, as
            "sparse" does, have the defaults "he" and "normal", BinaryConnect "pytorch" and "uniform".
        weight_fan: inputs of a unit that the variance of frozen weights counts: "all", or "kept", the share that `density` keeps,
            which is the default of rules that need a density (Ramanujan et al. 2020).
        keep_weights: freeze the kernels of the model in place of new ones; `scheme` is then only that which IteRand draws with.
        seed: int >= 0; each layer gets its own from it and from the position of the layer among the model's Dense and Conv2D
            layers, or among its others. None draws one, which `keras.utils.set_random_seed` makes reproducible.
        rule, threshold: name of the mask rule; scores beyond the threshold keep their weights, by default that of the rule.
        relative_threshold: in its place, a share of the largest absolute score of each layer right after initialization.
        density: in its place, the share of weights that remain in each layer.
        rescale, score_initializer: as in `SignedMaskDense`; scores without a seed get that of each layer.
        use_bias: of Dense and Conv2D layers; by default as in `model`, whose biases stay; new ones have its `bias_initializer`.
        verbose: print a line that names the kernels that get no mask although `filter` lets them have one.

    Raises ValueError for any other model, for arguments that are not supported, and if there is no kernel to mask.
    """
    cloning.checked(model)
    verbose = arguments.verbosity(verbose)
    limits = {"threshold": threshold, "relative_threshold": relative_threshold, "density": density}
    drawn = scheme, distribution, weight_fan, score_initializer, seed, keep_weights, use_bias
    forms = Forms(*drawn, rule=rule, rescale=rescale, **limits)
    chosen = choosing.chosen(model, filter)
    if verbose:
        choosing.print_unmasked(model, chosen, filter)
    return masked_clone(model, forms, chosen)


def masked_clone(model, forms, chosen):
    """The clone of a model in which the layers of `chosen`, of `choosing.choices`, have the masked forms of a `Forms`."""

    def make(layer):
        return forms.of(layer, chosen[layer]) if layer in chosen else cloning.copied(layer)

    def fill(source, target):
        if source in chosen:
            forms.fill(source, target, chosen[source])
        else:
            cloning.carry(source, target)

    return _remade(model, make, fill, lambda inner: any(layer in chosen for layer in graph.leaves(inner)))


def strip_masks(model):
    """The same function in ordinary Keras layers: every `weight * mask(score)` becomes one kernel.

    `model`: a Sequential or functional model with any mix of masked and other layers, also inside models, wrappers and a user's
    own layers; it is not changed. Raises ValueError for any other model, and for a user's own layer whose parts cannot be
    replaced.
    """
    return stripped(model)[0]


def stripped(model):
    """`(plain, kernels)`: what `strip_masks` returns, and id -> MaskedKernel of those of its variables that had masks."""
    cloning.checked(model)
    kernels = {}

    def fill(source, target):
        if isinstance(source, (SignedMask, Masked)):
            kernels.update(_fill_plain(source, target))
        elif _has_masks(source):
            _fill_parts(source, target, fill)
        else:
            cloning.carry(source, target)

    return _remade(model, _plain, fill, _has_masks), kernels


def _has_masks(layer):
    return any(isinstance(part, (SignedMask, Masked)) for part in graph.inside(layer))


def _plain(layer):
    """The plain form of a layer, not built."""
    if isinstance(layer, Masked):
        return cloning.copied(layer.layer, name=layer.name)
    if isinstance(layer, SignedMask):
        return layer.plain()
    copy = cloning.copied(layer)
    if _has_masks(layer):
        replacing.replace(copy, lambda part, path: _plain_part(part))
    return copy


def _plain_part(part):
    """What takes the place of a part of a layer: its plain form, or None where masks are further inside."""
    if isinstance(part, (SignedMask, Masked)):
        return _plain(part)
    if graph.is_model(part) and _has_masks(part):
        return strip_masks(part)
    return None if _has_masks(part) else part


def _fill_plain(source, target):
    """Gives the plain form of a masked layer its variables. Returns id -> MaskedKernel of those that had masks."""
    if isinstance(source, SignedMask):
        (kernel,) = source.masked_kernels.values()
        target.kernel.assign(kernel.array())
        if source.bias is not None:
            target.bias.assign(source.bias)
        return {id(target.kernel): kernel}
    cloning.carry(source.layer, target)
    places = {id(v): place for v, place in zip(source.layer.weights, target.weights, strict=True)}
    kernels = {id(places[id(kernel.weight)]): kernel for kernel in source.masked_kernels.values()}
    for kernel in source.masked_kernels.values():
        places[id(kernel.weight)].assign(kernel.array())
    return kernels


def _fill_parts(source, target, fill):
    """Gives a layer with masked parts its variables: those of each part, and its own."""
    pairs = list(zip(replacing.parts(source), replacing.parts(target), strict=True))
    for one, other in pairs:
        fill(one, other)
    ours, theirs = (
        [v for v in layer.variables if not any(v is inner for part in parts for inner in part.variables)]
        for layer, parts in zip((source, target), zip(*pairs, strict=True), strict=True)
    )
    for one, other in zip(ours, theirs, strict=True):
        other.assign(one)
    if not source.trainable:
        target.trainable = False


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
