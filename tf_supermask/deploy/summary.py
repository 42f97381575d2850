"""What is left of a model, a line per kernel."""

import constriction
import numpy as np

from tf_supermask import sparsity
from tf_supermask.conversion import strip_masks
from tf_supermask.deploy import coding
from tf_supermask.deploy.compaction import Analysis
from tf_supermask.deploy.container import kernel_views


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
        print_fn(f"{sum(left.values()):,} more weights are in other layers: {sparsity.listed(left)}")
    return lines


def _coded(kernel, view):
    found = coding.codes_of(kernel)
    if found is None:
        return None
    encoder = constriction.stream.queue.RangeEncoder()
    coding.encode(found[0].reshape(view), encoder)
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
    without = sparsity.listed(name for name, its in lines.items() if its["macs"] is None) if known else ""
    print_fn(
        f"{left:,} of {total:,} weights remain ({100 * left / total:.2f} %); {macs} multiplications, compact {after}"
        + (f", without {without}" if without else "")
    )
