"""summary: what is left of a model, a line per kernel."""

import constriction
import numpy as np

from tf_supermask import arguments, graph, sparsity
from tf_supermask.conversion import stripped
from tf_supermask.deploy import coding, level_codes, own_weights
from tf_supermask.deploy.compaction import Analysis
from tf_supermask.deploy.container import kernel_views, view_of
from tf_supermask.errors import printable


def summary(model, print_fn=print):
    """Prints what is left of a model, a line per kernel, and returns the same as a dict: layer name -> column -> number.

    Columns: shape; minus, zero, plus (weights by sign of the kernel); levels (of rules with several: weights at each; else
    None); remaining, percent; dead_units and units; csr_bytes and
    coded_bytes (scipy's CSR of the kernel, and its codes in a container; None for kernels that are not ternary); macs and
    compact_macs (multiplications per image before and after `compact`). Unknown values are None: dead units of layers that
    `compact` keeps whole, multiplications if the size of images is open, and of other layers than Dense and Conv2D. The names
    of the kernels of a layer with several, and of layers inside a model, begin with its name: lstm/recurrent_kernel. Rows are
    of kernels with and without masks. If the rule samples, the masks are those of the next call.

    Further lines name the kernels without masks, dead units that `compact` keeps, and why, and the number of weights in other
    matrices, such as embeddings, and in variables of TensorFlow that a layer keeps itself. `print_fn` gets one line at a time.
    Raises ValueError for a model without kernels.
    """
    print_fn = _escaping(print_fn)
    plain, masked = stripped(model)
    kernels = sparsity.kernels(plain, also=masked)
    if not kernels:
        raise ValueError(f"{model.name} has no kernel")
    analysis = Analysis(plain)
    table = dict(zip(kernels, _rows(plain, kernels, masked, analysis), strict=True))
    _print(table, model, print_fn)
    for name, row in analysis.report().items():
        if row["kept"]:
            print_fn(f"compact keeps all units of {name}: {row['kept']}")
    for name, row in table.items():
        if row["levels"]:
            print_fn(
                f"{name}: {', '.join(f'{count:,}' for count in row['levels'])} weights at levels 1 to {len(row['levels'])}"
            )
    without = [name for name, (_, variable) in kernels.items() if id(variable) not in masked]
    if masked and without:
        print_fn(f"without a mask: {sparsity.listed(without)}")
    for line in _elsewhere(model, plain, kernels):
        print_fn(line)
    return table


def _escaping(print_fn):
    """`print_fn` for lines in which names of layers contain line breaks."""
    arguments.function("print_fn", print_fn, "a function of one line of text")
    return lambda line: print_fn(printable(line))


def _elsewhere(model, plain, kernels):
    """Yields a line on the weights in other matrices than `kernels`, and one on variables of TensorFlow, where there are any."""
    others = sparsity.others(plain, [variable for _, variable in kernels.values()])
    kept = _variables_of_tensorflow(model)
    if others:
        yield f"{sum(others.values()):,} more weights are in other matrices of: {sparsity.listed(others)}"
    if kept:
        yield (
            f"{sum(kept.values()):,} more weights are variables of TensorFlow, which Keras neither counts nor saves: "
            + sparsity.listed(kept)
        )


def _variables_of_tensorflow(model):
    """`NAME (TYPE)` of each layer that keeps some itself, and of the model -> their number of values."""
    sizes, seen = {}, set()
    for layer in (*model.layers, model):
        kept = {id(variable): np.size(variable) for variable in graph.own_variables(layer) if id(variable) not in seen}
        seen.update(kept)
        if kept:
            sizes[f"{layer.name} ({type(layer).__name__})"] = sum(kept.values())
    return sizes


def _rows(plain, kernels, masked, analysis):
    """A dict of columns for each kernel of a plain model."""
    views = kernel_views(plain)
    macs, compact_macs = (sparsity.macs(model) for model in (plain, analysis.compacted()))
    for name, (layer, variable) in kernels.items():
        kernel = np.asarray(variable)
        levels = masked[id(variable)].rule.levels if id(variable) in masked else 1
        coded, signs = level_codes.codes_of(kernel, levels), np.sign(kernel).astype(np.int8)
        if coded is None and own_weights.sizes_by_sign(signs, kernel) is not None:
            coded = signs, None
        minus, zero, plus = sparsity.counts(kernel)
        makes_units = getattr(layer, "kernel", None) is variable
        alive, units = makes_units and analysis.units(layer) or (None, kernel.shape[-1])
        yield {
            "shape": kernel.shape,
            "minus": minus,
            "zero": zero,
            "plus": plus,
            "remaining": 100 * (minus + plus) / kernel.size,
            "dead_units": None if alive is None else units - alive,
            "units": units,
            "csr_bytes": sparsity.csr_bytes(kernel),
            "levels": _levels(coded, levels),
            "coded_bytes": _coded(coded, views.get(name, view_of(kernel.shape))),
            "macs": macs.get(name),
            "compact_macs": compact_macs.get(name),
        }


def _levels(coded, levels):
    """Numbers of weights at each level, from the lowest; None for rules of one level, and if the kernel is not of codes."""
    if levels == 1 or coded is None:
        return None
    codes = np.abs(coded[0]) * (levels // max(1, int(np.abs(coded[0]).max())))
    return [int(np.count_nonzero(codes == level)) for level in range(1, levels + 1)]


def _coded(coded, view):
    """Bytes of the codes of a kernel in a container; None if it is not of codes."""
    if coded is None:
        return None
    encoder = constriction.stream.queue.RangeEncoder()
    coding.encode(np.sign(coded[0]).reshape(view), encoder)
    level_codes.encode(coded[0], encoder)
    return encoder.get_compressed().nbytes


def _print(table, model, print_fn):
    lines = [("layer", "shape", "-1", "0", "+1", "left", "dead", "CSR", "coded", "MACs", "compact")]
    lines += [_cells(name, row) for name, row in table.items()]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print_fn(model.name)
    for line in lines:
        cells = enumerate(zip(line, widths, strict=True))
        print_fn("  ".join(cell.ljust(width) if i < 2 else cell.rjust(width) for i, (cell, width) in cells))
    print_fn(_total(table))


def _cells(name, row):
    """A row as text."""
    dead = "-" if row["dead_units"] is None else f"{row['dead_units']} of {row['units']}"
    counts = [f"{row[column]:,}" for column in ("minus", "zero", "plus")]
    sizes = [row[column] for column in ("csr_bytes", "coded_bytes", "macs", "compact_macs")]
    sizes = ["-" if size is None else f"{size:,}" for size in sizes]
    return printable(name), "x".join(map(str, row["shape"])), *counts, f"{row['remaining']:.2f} %", dead, *sizes


def _total(table):
    """The last line of the table."""
    size = sum(np.prod(row["shape"]) for row in table.values())
    remaining = sum(row["minus"] + row["plus"] for row in table.values())
    known = [row for row in table.values() if row["macs"] is not None]
    before, after = (f"{sum(row[name] for row in known):,}" if known else "-" for name in ("macs", "compact_macs"))
    without = sparsity.listed(name for name, row in table.items() if row["macs"] is None) if known else ""
    return (
        f"{remaining:,} of {size:,} weights remain ({100 * remaining / size:.2f} %); {before} multiplications, compact {after}"
        + (f", without {without}" if without else "")
    )
