"""Masks for any Keras model, and back: mask_model, strip_masks."""

import functools
import inspect
import numbers
import random

import keras
import numpy as np

from tf_supermask import cloning, graph, initializers, sparsity
from tf_supermask.layers import SignedMaskConv2D, SignedMaskDense
from tf_supermask.signed_mask import SignedMask


def convertible(layer):
    """Whether `mask_model` can give a layer a mask: Dense without LoRA, Conv2D without groups and with channels last."""
    dense = type(layer) is keras.layers.Dense and layer.lora_rank is None
    conv = type(layer) is keras.layers.Conv2D and layer.groups == 1 and layer.data_format == "channels_last"
    return dense or conv


def strip_masks(model):
    """The same function in ordinary Keras layers: every `weight * mask(score)` becomes one kernel.

    `model`: a Sequential or functional model with any mix of masked and other layers; it is not changed. Raises ValueError for
    any other model, and for a model with masked layers inside another model or layer.
    """
    cloning.checked(model)
    for outer in model.layers:
        if any(isinstance(layer, SignedMask) for layer in graph.inside(outer)):
            raise ValueError(f"{model.name} has masked layers inside {outer.name}; use the layers inside instead of it")

    def unmasked(layer):
        return layer.plain() if isinstance(layer, SignedMask) else cloning.copied(layer)

    plain, pairs = cloning.cloned(model, unmasked)
    for source, target in pairs:
        if isinstance(source, SignedMask):
            bias = [] if source.bias is None else [np.asarray(source.bias)]
            target.set_weights([np.asarray(source.effective_kernel), *bias])
        else:
            cloning.carry(source, target)
    return plain


_MASKED = {keras.layers.Dense: SignedMaskDense, keras.layers.Conv2D: SignedMaskConv2D}


def mask_model(
    model, rule="signed", filter=lambda layer: True, scheme="elus", distribution="signed_constant", keep_weights=False, seed=0,
    threshold=None, relative_threshold=None, rescale=False, score_initializer="glorot_uniform", use_bias=None, verbose=True,
):  # fmt: skip
    """A clone of a Sequential or functional model with masks: frozen weights, trained scores. Compile it before training.

    Args:
        rule: name of a mask rule, a key of `masks.RULES`.
        filter: `layer -> bool`, which of the Dense and Conv2D layers get a mask; all other layers keep their weights.
        scheme, distribution: initializer of the frozen weights, see `initializers`.
        keep_weights: freeze the kernels of the model in place of new ones.
        seed: seed of weights and scores, int >= 0; each layer gets its own from it and from the position of the layer among the
            model's Dense and Conv2D layers. None draws one, which `keras.utils.set_random_seed` makes reproducible.
        threshold, relative_threshold, rescale: arguments of the masked layers, see `signed_mask.SignedMask`.
        score_initializer: name or initializer of the scores; one without a seed gets that of each layer.
        use_bias: whether masked layers have a bias. By default those that have one in `model`. Biases keep their values; a new
            bias starts with the bias_initializer of its layer, 0 by default.
        verbose: print a line that names the kernels that get no mask although `filter` lets them have one.

    Raises:
        ValueError: for any other model; for arguments that are not supported; if there is no layer to mask; if a model or
            wrapper inside the model has layers that pass `filter`. Layers inside a user's own layer stay as they are.
    """
    cloning.checked(model)
    passes = _passing(filter)
    chosen = _chosen(model, passes)
    arguments = {"rule": rule, "threshold": threshold, "relative_threshold": relative_threshold, "rescale": rescale}
    arguments |= {} if use_bias is None else {"use_bias": use_bias}
    initializers_of = _initializers(scheme, distribution, score_initializer, _seed(seed))

    def make(layer):
        return _masked(layer, initializers_of(chosen[layer]) | arguments) if layer in chosen else cloning.copied(layer)

    masked, pairs = cloning.cloned(model, make)
    for source, target in pairs:
        _fill(source, target, keep_weights) if source in chosen else cloning.carry(source, target)
    if verbose:
        _print_unmasked(model, passes)
    return masked


def _initializers(scheme, distribution, score_initializer, seed):
    """A function of the position of a layer: the arguments of its masked form that draw random numbers."""
    if scheme not in initializers.SCHEMES:
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
    """The masked form of a layer, not built: its own arguments, and those of masks. Raises ValueError for a layer with a
    regularizer or constraint of its kernel, and for one that Keras cannot make again."""
    with cloning.refused_in_one_line(layer):
        config = layer.get_config()
    for name in ("kernel_regularizer", "kernel_constraint"):
        if config[name]:
            raise ValueError(
                f"{layer.name} has a {name}, which its masked counterpart has not; leave it out: filter=lambda layer: ..."
            )
    made = _MASKED[type(layer)]
    # Attributes rather than their configurations: Keras does not find functions again that are not registered.
    shared = {name: getattr(layer, name) for name in inspect.signature(made).parameters if name in config}
    shared |= {"activity_regularizer": layer.activity_regularizer, "trainable": layer.trainable}
    return made(**shared | {"name": layer.name, "dtype": layer.dtype_policy} | arguments)


def _fill(source, target, keep_weights):
    """Gives the masked form of a layer the bias of the layer, and with `keep_weights` its kernel."""
    if keep_weights:
        target.weight.assign(source.kernel)
    if source.use_bias and target.use_bias:
        target.bias.assign(source.bias)


def _seed(seed):
    if seed is None:
        return random.randrange(2**31)  # Python's generator, as Keras uses for the seeds of layers
    if not isinstance(seed, numbers.Integral) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"`seed` must be an integer >= 0 or None. Received: {seed!r}")
    return int(seed)


def _passing(filter):
    """The user's filter as `layer -> bool` that is called once for each layer and whose answers are checked."""
    if not callable(filter):
        raise ValueError(
            "`filter` must be a function from a layer to True or False, such as lambda layer: layer.name in names. "
            f"Received: {filter!r}"
        )

    @functools.cache
    def passes(layer):
        answer = filter(layer)
        if not isinstance(answer, (bool, np.bool_)):
            raise ValueError(f"`filter` must return True or False. It returned {answer!r} for {layer.name}")
        return answer

    return passes


def _chosen(model, passes):
    """Layers to mask -> their positions among those that can be masked."""
    for nested in model.layers:
        if isinstance(nested, (keras.Model, keras.layers.Wrapper)):
            if any(convertible(layer) and passes(layer) for layer in graph.inside(nested)):
                raise ValueError(
                    f"{nested.name} inside {model.name} has layers to mask; use the layers inside instead of it, or leave them "
                    "out: filter=lambda layer: ..."
                )
    layers = [layer for layer in model.layers if convertible(layer)]
    chosen = {layer: position for position, layer in enumerate(layers) if passes(layer)}
    if not chosen:
        already = ", and has masks already" if sparsity.masked_layers(model) else ""
        raise ValueError(
            f"{model.name} has no layer to mask{already}: only Dense and Conv2D can be, without groups and LoRA, channels last, "
            "and the filter has to let one pass"
        )
    return chosen


def _seeded(initializer, seed):
    """The initializer of one layer: with `seed` if it has none."""
    initializer = keras.initializers.get(initializer)
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    config = initializer.get_config()
    return type(initializer).from_config(config | {"seed": seed}) if config.get("seed", seed) is None else initializer


def _print_unmasked(model, passes):
    """Prints which kernels have no mask although the filter lets them have one."""
    layers = list(graph.inside(model))
    masked = [layer for layer in layers if isinstance(layer, SignedMask)]
    convertibles = [layer for layer in layers if convertible(layer)]
    known = [layer for layer in convertibles if layer in model.layers or not passes(layer)]
    unmasked = sparsity.others(model, masked + known)
    if unmasked:
        print(
            f"{model.name}: {sum(unmasked.values()):,} weights stay without a mask, in {sparsity.listed(unmasked)}; masks are "
            "for Dense and Conv2D layers of the model itself (verbose=False hides this line)"
        )
