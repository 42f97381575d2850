"""Masks for any Keras model, and back: mask_model, strip_masks, summary."""

import functools
import numbers
import random

import constriction
import keras
import numpy as np

from tf_supermask import graph, initializers, models, sparsity, ternary
from tf_supermask.channels import convertible
from tf_supermask.compaction import Analysis
from tf_supermask.container import kernel_views
from tf_supermask.export import carry, checked, cloned, copied
from tf_supermask.export import plain as strip_masks
from tf_supermask.export import refused_in_one_line
from tf_supermask.layers import SignedMask, SignedMaskConv2D, SignedMaskDense

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
            return models.layer_seed(seed, str(chosen[layer]), role)

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
            f"{model.name}: {sum(left.values()):,} weights stay without a mask, in {_listed(left)}; masks are for Dense and "
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


def summary(model, print_fn=print):
    """Prints what is left of a model, a line per kernel, and returns the same as a dict: layer name -> column -> number.

    Columns: shape; minus, zero, plus (weights by sign of the kernel); remaining, percent; dead_units and units; csr_bytes and
    coded_bytes (scipy's CSR of the kernel, and its codes in a container; None for kernels that are not ternary); macs and
    compact_macs (multiplications per image before and after `compact`). What is not known is None: dead units of layers that
    `compact` keeps whole, multiplications where the size of images is open, and inside a user's own layer. Kernels inside a layer
    have its name before theirs: block/dense. Of a rule that samples, the masks are those of the next use.

    Further lines say which dead units `compact` keeps and why, and how many weights other layers have in matrices. `print_fn`
    gets one line at a time. Raises ValueError for a model without dense layers and convolutions.
    """
    folded = strip_masks(model)
    found = sparsity.kernels(folded)
    if not found:
        raise ValueError(f"{model.name} has no dense layer and no convolution")
    views, analysis = kernel_views(folded), Analysis(folded)
    macs, compact_macs = (list(sparsity.macs(its).values()) for its in (folded, analysis.compacted()))
    report = analysis.report()
    lines = {}
    # Layers inside a user's own layer have other names in a clone.
    for number, (name, layer) in enumerate(zip(sparsity.kernels(model), found.values(), strict=True)):
        kernel = np.asarray(layer.kernel)
        minus, zero, plus = sparsity.counts(np.sign(kernel))
        alive, units = report[name]["units"] if layer in analysis.kernels else (None, kernel.shape[-1])
        lines[name] = {
            "shape": kernel.shape,
            "minus": minus,
            "zero": zero,
            "plus": plus,
            "remaining": 100 * (minus + plus) / kernel.size,
            "dead_units": None if alive is None else units - alive,
            "units": units,
            "csr_bytes": sparsity.csr_bytes(kernel),
            "coded_bytes": _coded(kernel, views.get(name, (1,) * (4 - kernel.ndim) + kernel.shape)),
            "macs": macs[number],
            "compact_macs": compact_macs[number],
        }
    _print(lines, model, print_fn)
    for name, its in report.items():
        if its["kept"]:
            print_fn(f"compact keeps all units of {name}: {its['kept']}")
    left = sparsity.others(folded, found.values())
    if left:
        print_fn(f"{sum(left.values()):,} more weights are in other layers: {_listed(left)}")
    return lines


def _listed(names):
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


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
    known = [its for its in lines.values() if its["macs"] is not None]
    macs, after = (f"{sum(its[key] for its in known):,}" if known else "-" for key in ("macs", "compact_macs"))
    without = _listed(name for name, its in lines.items() if its["macs"] is None) if known else ""
    print_fn(
        f"{left:,} of {total:,} weights remain ({100 * left / total:.2f} %); {macs} multiplications, compact {after}"
        + (f", without {without}" if without else "")
    )
