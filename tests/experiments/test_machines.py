import dataclasses

import numpy as np
import pytest

from tf_supermask.experiments import environment, machines, records
from tf_supermask.experiments.spec import Spec

SPEC = Spec.of(model="fcn")


@pytest.fixture
def on(monkeypatch):
    """`on(name)`: what follows runs on the machine of this name."""
    there = environment.current_environment() | {"processor": "one of two cores", "onednn": "1"}
    return lambda name: monkeypatch.setattr(environment, "current_environment", lambda: there | {"device": name})


def test_a_run_knows_the_other_machines_that_trained_it(tmp_path, on):
    run = records.Run(tmp_path, "moved", 0)
    assert machines.earlier(run.checkpoint) == {}
    for name in ("GPU", "GPU", "x86_64", "GPU", "x86_64"):
        on(name)
        records.save_checkpoint(run, SPEC, [np.zeros(1)], {})
    assert machines.earlier(run.checkpoint) == {"earlier": ["GPU, one of two cores"]}


def test_a_run_of_one_machine_names_no_other(tmp_path):
    run = records.Run(tmp_path, "stayed", 0)
    for _ in range(2):
        records.save_checkpoint(run, dataclasses.replace(SPEC, seed=1), [np.zeros(1)], {})
    assert machines.earlier(run.checkpoint) == {}
