"""Masks for any Keras model, and back: mask_model, strip_masks, summary."""

import constriction
import keras
import numpy as np

from tf_supermask import initializers, models, sparsity, ternary
from tf_supermask.compaction import Analysis, convertible
from tf_supermask.container import kernel_views
from tf_supermask.export import checked, copied, fill, inside
from tf_supermask.export import plain as strip_masks
from tf_supermask.layers import SignedMaskConv2D, SignedMaskDense

__all__ = ["mask_model", "strip_masks", "summary"]
_MASKED = {keras.layers.Dense: SignedMaskDense, keras.layers.Conv2D: SignedMaskConv2D}


def mask_model(
    model,
    rule="signed",
    filter=lambda layer: True,
    scheme="elus",
    distribution="signed_constant",
    keep_weights=False,
    seed=0,
    **arguments,
):
    """A clone of a Sequential or functional model with masks: frozen weights, trained scores. Compile it anew.

    Args:
        rule: name of a mask rule, a key of `masks.RULES`.
        filter: `layer -> bool`, which of the Dense and Conv2D layers get a mask; the others, and all other layers, stay as
            they are, with their weights.
        scheme, distribution: of the frozen weights, see `initializers`.
        keep_weights: freeze the model's own kernels instead of new ones.
        seed: of weights and scores; each layer has its own, made of it and the layer's name.
        arguments: further arguments of the masked layers (threshold, relative_threshold, rescale, score_initializer).

    Raises ValueError for anything but such a model, and where no layer is left to mask.
    """
    checked(model)
    if scheme not in initializers.SCHEMES:
        raise ValueError(f"`scheme` must be one of {', '.join(initializers.SCHEMES)}. Received: {scheme!r}")
    for nested in model.layers:
        if any(convertible(layer) and filter(layer) for layer in inside(nested)):
            raise ValueError(
                f"{nested.name} inside {model.name} has layers to mask; use the layers inside instead of it, or leave them out: "
                "filter=lambda layer: ..."
            )
    chosen = [layer for layer in model.layers if convertible(layer) and filter(layer)]
    if not chosen:
        raise ValueError(
            f"{model.name} has no layer to mask: only Dense and Conv2D can be, without groups and LoRA, channels last, and the "
            "filter has to let one pass"
        )

    def clone(layer):
        return _masked(layer) if layer in chosen else copied(layer)

    def _masked(layer):
        draw = initializers.SCHEMES[scheme]
        given = {
            "rule": rule,
            "weight_initializer": draw(distribution, models.layer_seed(seed, layer.name, "weight")),
            "score_initializer": keras.initializers.GlorotUniform(models.layer_seed(seed, layer.name, "score")),
            "sample_seed": models.layer_seed(seed, layer.name, "sample"),
        }
        return _MASKED[type(layer)](**_shared_arguments(layer) | given | arguments)

    masked = keras.models.clone_model(model, clone_function=clone)
    for source, target in zip(model.layers, masked.layers, strict=True):
        if source not in chosen:
            fill(target, source.get_weights())
            continue
        if keep_weights:
            target.weight.assign(source.kernel)
        if source.use_bias:
            target.bias.assign(source.bias)
    return masked


def _shared_arguments(layer):
    """The arguments of a layer that its masked counterpart has too. Raises ValueError where that cannot do what it does."""
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


def summary(model, print_fn=print):
    """Prints what is left of a model, a line per kernel, and returns the same as a dict: layer name -> column -> number.

    Columns: shape; minus, zero, plus (weights by sign of the kernel); remaining, percent; dead_units and units; csr_bytes and
    coded_bytes (scipy's CSR of the kernel, and its codes in a container; None for kernels that are not ternary); macs and
    compact_macs (multiplications per image before and after `compact`). What is not known is None: units alive where `compact`
    refuses a model, which the last line then says, multiplications where the size of images is open. Layers inside a layer, such
    as those of a model in the model, are not counted, which a line says. `print_fn` gets one line at a time. Raises ValueError
    for a model without dense layers and convolutions.
    """
    folded = strip_masks(model)
    if not sparsity.kernel_layers(folded):
        raise ValueError(f"{model.name} has no dense layer and no convolution")
    views, refused = kernel_views(folded), None
    try:
        analysis = Analysis(folded)
        report, small = analysis.report(), {layer.name: layer for layer in analysis.compacted().layers}
    except ValueError as error:
        report, small, refused = {}, {}, error
    lines = {}
    for layer in sparsity.kernel_layers(folded):
        kernel = np.asarray(layer.kernel)
        minus, zero, plus = sparsity.counts(np.sign(kernel))
        alive, units = report[layer.name]["units"] if layer.name in report else (None, layer.kernel.shape[-1])
        lines[layer.name] = {
            "shape": kernel.shape,
            "minus": minus,
            "zero": zero,
            "plus": plus,
            "remaining": 100 * (minus + plus) / kernel.size,
            "dead_units": None if alive is None else units - alive,
            "units": units,
            "csr_bytes": sparsity.csr_bytes(kernel),
            "coded_bytes": _coded(kernel, views[layer.name]),
            "macs": _macs(layer),
            "compact_macs": _macs(small.get(layer.name)),
        }
    _print(lines, model, print_fn)
    unseen = [its.name for its in folded.layers if any(isinstance(layer, tuple(_MASKED)) for layer in inside(its))]
    if unseen:
        print_fn(f"not counted: the layers inside {', '.join(unseen)}")
    if refused:
        print_fn(str(refused))
    return lines


def _macs(layer):
    return None if layer is None or None in layer.output.shape[1:] else sparsity.layer_macs(layer)


def _coded(kernel, view):
    found = ternary.codes_of(kernel)
    if found is None:
        return None
    encoder = constriction.stream.queue.RangeEncoder()
    ternary.encode(found[0].reshape(view), encoder)
    return encoder.get_compressed().nbytes


def _print(lines, model, print_fn):
    rows = [("layer", "shape", "-1", "0", "+1", "left", "dead", "CSR", "coded", "MACs", "compact")]
    for name, its in lines.items():
        dead = "-" if its["dead_units"] is None else f"{its['dead_units']} of {its['units']}"
        shape = "x".join(map(str, its["shape"]))
        counts = [f"{its[key]:,}" for key in ("minus", "zero", "plus")]
        sizes = [
            "-" if its[key] is None else f"{its[key]:,}" for key in ("csr_bytes", "coded_bytes", "macs", "compact_macs")
        ]
        rows.append((name, shape, *counts, f"{its['remaining']:.2f} %", dead, *sizes))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print_fn(model.name)
    for row in rows:
        print_fn(
            "  ".join(
                cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
        )
    total = sum(np.prod(its["shape"]) for its in lines.values())
    left = sum(its["minus"] + its["plus"] for its in lines.values())
    columns = [[its[key] for its in lines.values()] for key in ("macs", "compact_macs")]
    macs, after = ("-" if None in column else f"{sum(column):,}" for column in columns)
    print_fn(
        f"{left:,} of {total:,} weights remain ({100 * left / total:.2f} %); {macs} multiplications, compact {after}"
    )
