"""What a record says of each layer."""

import hashlib

import numpy as np

from tf_supermask.experiments import layer_rows, networks
from tf_supermask.experiments.spec import Spec


def test_rows_count_and_hash_masks():
    signed, plain = (
        layer_rows.of_model(networks.build(Spec.of(model="fcn", mode=mode), (8, 8, 1), 10)) for mode in ("signed", "baseline")
    )
    assert [row["shape"] for row in signed] == [row["shape"] for row in plain] == [[64, 300], [300, 100], [100, 10]]
    assert plain[0]["counts"] == [0, 0, 64 * 300] and plain[0]["weight_sha256"] is plain[0]["mask_sha256"] is None
    mask = np.array([[1, -1, 0], [0, 1, 1]], np.int8)
    row = layer_rows.row("x", mask.astype(np.float32), mask)
    assert row["counts"] == [1, 2, 3] and row["mask_sha256"] == hashlib.sha256(mask.tobytes()).hexdigest()
