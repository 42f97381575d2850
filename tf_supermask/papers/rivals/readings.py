"""Accuracy of a method, and what its networks take to store, from records and from the table of containers."""

import numpy as np

from tf_supermask.evidence import sizes, statistics
from tf_supermask.evidence.tables import show
from tf_supermask.experiments.choices import DENSITY

_FLOAT_BYTES = 4


def accuracy(records):
    """Test accuracy of records as text: mean, 5 and 95 % quantile."""
    return show(statistics.summary(statistics.values(records, "test_accuracy")), 2)


def csr_bytes(record):
    """Bytes of the masked kernels of a record in CSR form; of the dense network those of its floats."""
    dense, compression = _float_bytes(record), record["final"]["csr_compression"]
    return dense if compression is None else round(dense * (1 - compression / 100))


def _float_bytes(record):
    return _FLOAT_BYTES * sum(int(np.prod(row["shape"])) for row in record["layers"])


def for_all_inputs(record):
    """Whether a method that keeps a density of frozen weights had those of a dense network."""
    return record["spec"].get("mode") in DENSITY and record["spec"].get("weight_fan") != "kept"


def stored(records, containers):
    """`(bytes, where)`: the mean size of the containers of an experiment, else of the smaller of its CSR form and its floats.
    `containers`: its lines in the table of containers, None without."""
    if containers is not None:
        return float(containers["container_bytes"].mean()), "container"
    dense = _float_bytes(records[0])
    csr = float(np.mean([csr_bytes(record) for record in records]))
    return (csr, "CSR") if csr < dense else (float(dense), "float")


def containers(file):
    """Experiment -> its lines in the table of containers."""
    return dict(iter(sizes.known(file).groupby("experiment")))
