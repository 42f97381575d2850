"""How small the trained networks beside the records are: a CSV file with a line per container, and a table of means.

A line is made anew when its container changed.
"""

import hashlib
import pathlib

import numpy as np
import pandas as pd

from tf_supermask import sparsity
from tf_supermask.deploy import coding, compaction, loading

KEY = ["experiment", "seed", "sha256"]


def measured(path):
    """What a container says of its network: bytes dense, in CSR, at the entropy of independent codes and of the file itself;
    multiplications per image, before and after `compact`; units, and those alive."""
    model = loading.load(path)
    kernels = [np.asarray(layer.kernel) for layer in sparsity.kernel_layers(model)]
    analysis = compaction.Analysis(model)
    report = analysis.report().values()
    return {
        "dense_bytes": sparsity.dense_bytes(model),
        "csr_bytes": sum(sparsity.csr_bytes(kernel) for kernel in kernels),
        "entropy_bytes": round(sum(coding.entropy_bytes(np.sign(kernel).astype(np.int8)) for kernel in kernels)),
        "container_bytes": path.stat().st_size,
        "macs": sparsity.multiply_adds(model),
        "compact_macs": sparsity.multiply_adds(analysis.compacted()),
        "units": "-".join(str(its["units"][1]) for its in report),
        "live_units": "-".join(str(its["units"][0]) for its in report),
        "live_inputs": list(report)[_first_dense(model)]["inputs"][0],
    }


def _first_dense(model):
    return next(i for i, layer in enumerate(sparsity.kernel_layers(model)) if layer.kernel.ndim == 2)


def containers(found):
    """A data frame with the KEY of each container below the folder of an Evidence."""
    paths = sorted(pathlib.Path(found.folder).glob("*/seed*.supermask"), key=lambda p: (p.parent.name, _seed(p)))
    rows = [(p.parent.name, _seed(p), hashlib.sha256(p.read_bytes()).hexdigest()[:16]) for p in paths]
    return pd.DataFrame(rows, columns=KEY)


def _seed(path):
    return int(path.stem.removeprefix("seed"))


def known(file):
    """The lines of the CSV file, none where there is no file."""
    return pd.read_csv(file) if pathlib.Path(file).exists() else pd.DataFrame(columns=KEY)


def stale(found, file):
    """Whether the lines of the file are not those of the containers."""
    return containers(found).to_numpy().tolist() != known(file)[KEY].to_numpy().tolist()


def updated(found, file):
    """The text of the CSV file for the containers that there are; only new ones are loaded."""
    there = containers(found).merge(known(file), on=KEY, how="left")
    lines = []
    for line in there.to_dict("records"):
        if pd.isna(line.get("dense_bytes")):
            path = pathlib.Path(found.folder, line["experiment"], f"seed{line['seed']}.supermask")
            line = {key: line[key] for key in KEY} | measured(path)
        lines.append(line)
    numbers = ["dense_bytes", "csr_bytes", "entropy_bytes", "container_bytes", "macs", "compact_macs", "live_inputs"]
    frame = pd.DataFrame(lines)
    return frame.astype({name: int for name in numbers} if lines else {}).to_csv(index=False)


def parts(file):
    """Name -> data frame of text, of both what is stored and what is left to compute: a line per experiment, means over its
    containers; {} without containers."""
    stored, left = [], []
    for name, its in known(file).groupby("experiment"):
        size, dense = its["container_bytes"].mean(), its["dense_bytes"].iloc[0]
        stored.append(
            {
                "experiment": name,
                "n": str(len(its)),
                "dense, bytes": f"{dense:,}",
                "CSR": f"{its['csr_bytes'].mean():,.0f}",
                "container": f"{size:,.0f}",
                "dense / container": f"{dense / size:.0f}",
                "container / entropy": f"{size / its['entropy_bytes'].mean():.2f}",
            }
        )
        left.append(
            {
                "experiment": name,
                "live units of the first run": f"{its['live_units'].iloc[0]} of {its['units'].iloc[0]}",
                "multiplications left, %": f"{100 * its['compact_macs'].mean() / its['macs'].iloc[0]:.1f}",
            }
        )
    return {"bytes": pd.DataFrame(stored), "after compact": pd.DataFrame(left)} if stored else {}
