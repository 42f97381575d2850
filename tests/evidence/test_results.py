"""Records as evidence."""

import dataclasses
import json

import numpy as np
from quiet import QUIET

from tf_supermask.evidence import results
from tf_supermask.experiments import records, training
from tf_supermask.experiments.spec import Spec


def test_equality_and_uses():
    a, b = np.array([[1, 0], [-1, 0]], np.int8), np.array([[1, 0], [1, 1]], np.int8)
    assert results.equality([a, b]) == 0.5 and results.equality([a, b], absolute=True) == 0.75
    np.testing.assert_array_equal(results.uses([a, b]), [[2, 0], [2, 1]])


def test_records_know_their_scale(tiny, tmp_path):
    spec = dataclasses.replace(Spec.of(epochs=1, batch_size=32), scale="reduced")
    _, record = training.train(spec, tiny, records.Run(tmp_path, "x", 0), QUIET)
    assert (
        json.loads((tmp_path / "x" / "seed0.json").read_text())["spec"]["scale"] == record["spec"]["scale"] == "reduced"
    )
