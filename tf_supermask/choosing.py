"""Which kernels of a model get masks: those that can have one and that the user's filter lets pass."""

import collections
import inspect
import math
from typing import NamedTuple

import keras
import numpy as np

from tf_supermask import graph, maskable, sparsity
from tf_supermask.errors import printable


def all_layers(layer):
    """The filter that lets all layers have masks."""
    return True


def convertible(layer):
    """Whether a layer is a Dense without LoRA, or a Conv2D without groups and with channels last."""
    dense = type(layer) is keras.layers.Dense and layer.lora_rank is None
    conv = type(layer) is keras.layers.Conv2D and layer.groups == 1 and layer.data_format == "channels_last"
    return dense or conv


def passing_of(filter):
    """The user's filter as `(layer, names of kernels) -> names`, whose answers are checked."""
    if not callable(filter):
        raise ValueError(
            "`filter` must be a function from a layer, or from a layer and the name of a kernel, to True or False, such as "
            f"lambda layer: layer.name in names. Received: {filter!r}"
        )
    by_kernel = takes_two(filter)

    def passes(layer, *name):
        answer = filter(layer, *name)
        if not isinstance(answer, (bool, np.bool_)):
            raise ValueError(
                f"`filter` must return True or False. It returned {answer!r} for {'/'.join((layer.name, *name))}"
            )
        return answer

    def passing(layer, names):
        if by_kernel:
            return [name for name in names if passes(layer, name)]
        return list(names) if passes(layer) else []

    return passing


def takes_two(function):
    """Whether a filter has to be called with two arguments. Raises ValueError if it has to be with more."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # one of C
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p.name for p in parameters if p.kind in kinds and p.default is p.empty]
    if len(needed) > 2:
        raise ValueError(f"`filter` must take a layer, or a layer and the name of a kernel. Received: {', '.join(needed)}")
    return len(needed) == 2


class Choice(NamedTuple):
    """What is masked of a layer: names of kernels, and the position that their seeds are made of."""

    kernels: list
    position: str


def chosen(model, filter):
    """Layer -> Choice of all layers to mask, those inside models inside among them."""
    found = choices(model, passing_of(filter), "")
    if not found:
        has_masks = any(hasattr(type(layer), "masked_kernels") for layer in graph.leaves(model))
        if has_masks:
            raise ValueError(
                f"{model.name} has masks already, and no other layer to mask that passes the filter; see strip_masks"
            )
        raise ValueError(
            f"{model.name} has no layer to mask: a layer needs a kernel without LoRA, quantization or spectral "
            "normalization, and the filter has to let it pass"
        )
    return found


def choices(model, passing, prefix):
    """Layer -> Choice of all layers that `passing`, of `passing_of`, lets pass; `prefix` begins the positions."""
    chosen, counts = {}, collections.Counter()
    for layer in model.layers:
        kind = "model" if graph.is_model(layer) else "" if convertible(layer) else "other"
        position = f"{prefix}{kind}{counts[kind]}"
        if kind == "model":
            chosen = choices(layer, passing, f"{position}/") | chosen
        else:
            names = [] if maskable.refusal(layer) else list(maskable.chosen(layer))
            kernels = passing(layer, names) if names else []
            if kernels:
                chosen.setdefault(layer, Choice(kernels, position))
            if not names and kind == "other":
                continue
        counts[kind] += 1
    return chosen


def print_unmasked(model, chosen, filter):
    """Prints which kernels have no mask although the filter lets them have one."""
    unmasked, passing = {}, passing_of(filter)
    for layer in graph.leaves(model):
        reason = maskable.refusal(layer)
        kernels = maskable.kernels_of(layer)
        names = passing(layer, list(kernels)) if kernels else []
        left = [name for name in names if layer not in chosen or name not in chosen[layer].kernels]
        if left and not (reason or "").startswith("has masks"):
            what = reason or " and ".join(sorted({maskable.NO_KERNELS[name.split("/")[-1]] for name in left}))
            size = sum(math.prod(kernels[name].shape) for name in left)
            unmasked[f"{layer.name} ({type(layer).__name__}: {what})"] = size
    if unmasked:
        line = f"{model.name}: {sum(unmasked.values()):,} weights stay without a mask, in {sparsity.listed(unmasked)}"
        print(printable(f"{line} (verbose=False hides this line)"))
