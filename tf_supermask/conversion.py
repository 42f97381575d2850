"""Masks for any Keras model, and back: mask_model, strip_masks."""

import functools
import numbers
import random

import keras
import numpy as np

from tf_supermask import cloning, graph, initializers, sparsity
from tf_supermask.cloning import carry, checked, cloned, copied, refused_in_one_line
from tf_supermask.graph import inside
from tf_supermask.layers import SignedMaskConv2D, SignedMaskDense
from tf_supermask.signed_mask import SignedMask


def convertible(layer):
    """Whether a layer has a kernel from channels to units, every one used with every other."""
    dense = type(layer) is keras.layers.Dense and layer.lora_rank is None
    conv = type(layer) is keras.layers.Conv2D and layer.groups == 1 and layer.data_format == "channels_last"
    return dense or conv


def strip_masks(model):
    """The same function in ordinary Keras layers: every `weight * mask(score)` folded into one kernel.

    `model`: a Sequential or functional model with any mix of masked and other layers; it is left as it is. Raises ValueError for
    anything else, and for a model with masked layers inside another model.
    """
    cloning.checked(model)
    inner = [its.name for its in model.layers if any(isinstance(layer, SignedMask) for layer in inside(its))]
    if inner:
        raise ValueError(f"{model.name} has masked layers inside {inner[0]}; use the layers inside instead of it")

    def unmask(layer):
        return layer.plain() if isinstance(layer, SignedMask) else cloning.copied(layer)

    folded, pairs = cloning.cloned(model, unmask)
    for source, target in pairs:
        if isinstance(source, SignedMask):
            bias = [] if source.bias is None else [np.asarray(source.bias)]
            target.set_weights([np.asarray(source.effective_kernel), *bias])
        else:
            cloning.carry(source, target)
    return folded


_MASKED = {keras.layers.Dense: SignedMaskDense, keras.layers.Conv2D: SignedMaskConv2D}


def mask_model(
    model,
    rule="signed",
    filter=lambda layer: True,
    scheme="elus",
    distribution="signed_constant",
    keep_weights=False,
    seed=0,
    threshold=None,
    relative_threshold=None,
    rescale=False,
    score_initializer="glorot_uniform",
    use_bias=None,
    verbose=True,
):
    """A clone of a Sequential or functional model with masks: frozen weights, trained scores. Compile it anew.

    Args:
        rule: name of a mask rule, a key of `masks.RULES`.
        filter: `layer -> bool`, which of the Dense and Conv2D layers get a mask; the others, and all other layers, stay as
            they are, with their weights.
        scheme, distribution: of the frozen weights, see `initializers`.
        keep_weights: freeze the model's own kernels instead of new ones.
        seed: of weights and scores, int >= 0; each layer has its own, made of it and of the layer's position among the model's
            Dense and Conv2D layers. None draws one, which `keras.utils.set_random_seed` decides.
        threshold, relative_threshold, rescale: of the masked layers, see `layers.SignedMask`.
        score_initializer: name or initializer of the scores; one without a seed gets that of each layer.
        use_bias: whether masked layers have a bias; as those of the model by default, with their values, and zeros where a layer
            has none.
        verbose: print a line that says which kernels get no mask, where others than those that `filter` leaves out.

    Raises ValueError for anything but such a model, for arguments that cannot be honoured, where no layer is left to mask, and
    where a model or wrapper inside the model has layers that `filter` lets pass. Those in a user's own layer stay as they are.
    """
    checked(model)
    if scheme not in initializers.SCHEMES:
        raise ValueError(f"`scheme` must be one of {', '.join(initializers.SCHEMES)}. Received: {scheme!r}")
    seed = _seed(seed)
    passes = _passing(filter)
    chosen = _chosen(model, passes)
    arguments = {"threshold": threshold, "relative_threshold": relative_threshold, "rescale": rescale, "rule": rule}
    arguments |= {} if use_bias is None else {"use_bias": use_bias}

    def clone(layer):
        return _masked(layer) if layer in chosen else copied(layer)

    def _masked(layer):
        def drawn(role):
            return initializers.layer_seed(seed, str(chosen[layer]), role)

        own = {
            "weight_initializer": initializers.SCHEMES[scheme](distribution, drawn("weight")),
            "score_initializer": _seeded(score_initializer, drawn("score")),
            "sample_seed": drawn("sample"),
        }
        return _MASKED[type(layer)](**_shared_arguments(layer) | own | arguments)

    masked, pairs = cloned(model, clone)
    for source, target in pairs:
        if source not in chosen:
            carry(source, target)
            continue
        if keep_weights:
            target.weight.assign(source.kernel)
        if source.use_bias and target.use_bias:
            target.bias.assign(source.bias)
    if verbose:
        _tell(model, passes)
    return masked


def _seed(seed):
    if seed is None:
        return random.randrange(2**31)  # Python's generator, from which Keras draws the seeds of layers too
    if not isinstance(seed, numbers.Integral) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"`seed` must be an integer >= 0 or None. Received: {seed!r}")
    return int(seed)


def _passing(filter):
    """The user's filter, checked, and asked once for each layer: `layer -> bool`."""
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
        masks = ", and has masks already" if sparsity.masked_layers(model) else ""
        raise ValueError(
            f"{model.name} has no layer to mask{masks}: only Dense and Conv2D can be, without groups and LoRA, channels last, "
            "and the filter has to let one pass"
        )
    return chosen


def _seeded(initializer, seed):
    """An initializer of its own for a layer: with `seed`, where it has none."""
    found = keras.initializers.get(initializer)
    config = found.get_config() if isinstance(found, keras.initializers.Initializer) else {}
    return type(found).from_config(config | {"seed": seed}) if config.get("seed", seed) is None else found


def _tell(model, passes):
    """Prints which kernels have no mask although the filter would have let them have one."""
    masked = [layer for layer in graph.inside(model) if isinstance(layer, SignedMask)]
    convertibles = [layer for layer in graph.inside(model) if convertible(layer)]
    known = [layer for layer in convertibles if layer in model.layers or not passes(layer)]
    left = sparsity.others(model, masked + known)
    if left:
        print(
            f"{model.name}: {sum(left.values()):,} weights stay without a mask, in {sparsity.listed(left)}; masks are for Dense and "
            "Conv2D layers of the model itself (verbose=False hides this line)"
        )


def _shared_arguments(layer):
    """The arguments of a layer that its masked counterpart has too. Raises ValueError where that cannot do what it does."""
    with refused_in_one_line(layer):
        config = layer.get_config()
    lost = [
        key
        for key in config
        if key.endswith(("_regularizer", "_constraint")) and not key.startswith("activity") and config[key]
    ]
    if lost:
        raise ValueError(
            f"{layer.name} has a {lost[0]}, which its masked counterpart has not; leave it out: filter=lambda layer: ..."
        )
    names = (
        "name",
        "dtype",
        "trainable",
        "units",
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "data_format",
        "dilation_rate",
        "use_bias",
    )
    its = {name: config[name] for name in names if name in config}
    return its | {"activation": layer.activation, "activity_regularizer": layer.activity_regularizer}
