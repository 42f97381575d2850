"""Sizes of the containers beside the records: a CSV file with a line per container, and a table of means.

All are those of the present version of the format, which `save` writes, whatever the version of the committed file. A line is
computed again when its container or the version has changed.
"""

import hashlib
import pathlib

import numpy as np
import pandas as pd

from tf_supermask import sparsity
from tf_supermask.deploy import coding, compaction, container, container_format, loading
from tf_supermask.experiments import names

KEY = ["experiment", "seed", "sha256", "version"]


def measured(path):
    """Sizes of the network in a container: bytes dense, in CSR, at the entropy of independent codes, and as `save` writes it;
    multiplications per image, before and after `compact`; units, and live units."""
    contents = loading.read(path)
    model = loading.built(contents)
    kernels = [np.asarray(layer.kernel) for layer in sparsity.kernel_layers(model)]
    analysis = compaction.Analysis(model)
    report = analysis.report().values()
    return {
        "dense_bytes": sparsity.dense_bytes(model),
        "csr_bytes": sum(sparsity.csr_bytes(kernel) for kernel in kernels),
        "entropy_bytes": round(sum(coding.entropy_bytes(np.sign(kernel).astype(np.int8)) for kernel in kernels)),
        "container_bytes": _present_bytes(path, contents),
        "macs": sparsity.multiply_adds(model),
        "compact_macs": sparsity.multiply_adds(analysis.compacted()),
        "units": "-".join(str(layer["units"][1]) for layer in report),
        "live_units": "-".join(str(layer["units"][0]) for layer in report),
        "live_inputs": list(report)[_first_dense(model)]["inputs"][0],
    }


def _present_bytes(path, contents):
    """Bytes of the network in a container, as `save` writes it now. Files of older versions are written again, with masks: of a
    plain model `save` does not know that weights were drawn."""
    if contents.version >= container_format.ONE_SIZE:
        return contents.size
    return len(container.packed(loading.load(path, masked=True)))


def _first_dense(model):
    return next(i for i, layer in enumerate(sparsity.kernel_layers(model)) if layer.kernel.ndim == 2)


def containers(evidence):
    """A data frame with the KEY of each container below the folder of an Evidence; the version is the present one."""
    paths = sorted(pathlib.Path(evidence.folder).glob("*/seed*.supermask"), key=lambda p: (p.parent.name, _seed(p)))
    rows = [(p.parent.name, _seed(p), hashlib.sha256(p.read_bytes()).hexdigest()[:16]) for p in paths]
    return pd.DataFrame(rows, columns=KEY[:-1]).assign(version=container_format.VERSION)


def _seed(path):
    return int(path.stem.removeprefix("seed"))


def known(file):
    """The CSV file as a data frame, empty where there is no file, or one of an earlier version without all of the KEY."""
    found = pd.read_csv(file) if pathlib.Path(file).exists() else pd.DataFrame(columns=KEY)
    return found if set(KEY) <= set(found.columns) else pd.DataFrame(columns=KEY)


def stale(evidence, file):
    """Whether the lines of the file are not those of the containers."""
    return containers(evidence).to_numpy().tolist() != known(file)[KEY].to_numpy().tolist()


def updated(evidence, file):
    """The text of the CSV file for the present containers; only new or changed ones are loaded."""
    present = containers(evidence).merge(known(file), on=KEY, how="left")
    lines = []
    for line in present.to_dict("records"):
        if pd.isna(line.get("dense_bytes")):
            path = pathlib.Path(evidence.folder, line["experiment"], f"seed{line['seed']}.supermask")
            line = {key: line[key] for key in KEY} | measured(path)
        lines.append(line)
    numbers = ["dense_bytes", "csr_bytes", "entropy_bytes", "container_bytes", "macs", "compact_macs", "live_inputs"]
    frame = pd.DataFrame(lines)
    return frame.astype({name: int for name in numbers} if lines else {}).to_csv(index=False)


def parts(file):
    """Name -> data frame of text: bytes stored, and multiplications left after `compact`; {} without containers.

    A line is an experiment, with means over its containers; settings that were only tried have none.
    """
    stored, left = [], []
    for name, rows in known(file).groupby("experiment"):
        if names.trial(name):
            continue
        size, dense = rows["container_bytes"].mean(), rows["dense_bytes"].iloc[0]
        stored.append(
            {
                "experiment": name,
                "n": str(len(rows)),
                "dense, bytes": f"{dense:,}",
                "CSR": f"{rows['csr_bytes'].mean():,.0f}",
                "container": f"{size:,.0f}",
                "dense / container": f"{dense / size:.0f}",
                "container / entropy": f"{size / rows['entropy_bytes'].mean():.2f}",
            }
        )
        left.append(
            {
                "experiment": name,
                "live units of the first run": f"{rows['live_units'].iloc[0]} of {rows['units'].iloc[0]}",
                "multiplications left, %": f"{100 * rows['compact_macs'].mean() / rows['macs'].iloc[0]:.1f}",
            }
        )
    return {"bytes": pd.DataFrame(stored), "after compact": pd.DataFrame(left)} if stored else {}
