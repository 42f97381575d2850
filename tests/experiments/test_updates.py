"""Runs of the methods that supermasks are compared with: records, files, models that are read again, runs that go on, errors."""

import json

import keras
import numpy as np
import pytest

from tf_supermask.deploy import loading
from tf_supermask.errors import InputError
from tf_supermask.experiments import choices, final_masks, records, runs, training, updates
from tf_supermask.experiments.spec import Spec

QUIET = training.Options(progress=0, log=lambda line: None, jit_compile=False, checkpoint_seconds=0)
SCORES = {mode: {"density": 0.1} for mode in choices.DENSITY}
RUNS = {mode: {"mode": mode, **SCORES.get(mode, {})} for mode in (*choices.DENSITY, *choices.LATENT)}
RUNS |= {"sparse": {"mode": "sparse", "density": 0.1}, "signed": {"mode": "signed", "density": 0.1}}
RUNS["global"] = {"mode": "edge_popup", "density": 0.1, "allocation": "global"}


def spec_of(mode, **given):
    every = (
        {"update_every": 4} if mode in ("sparse", "iterand") and given.get("method") not in ("snip", "static") else {}
    )
    return Spec.of(**({"mode": mode, "epochs": 2, "batch_size": 16, "seed": 3} | every | given))


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """Without compilation, which takes longer than the eight steps of a run."""
    compile_ = keras.Model.compile
    monkeypatch.setattr(
        keras.Model, "compile", lambda self, *args, **its: compile_(self, *args, **its | {"run_eagerly": True})
    )


@pytest.mark.parametrize("name", RUNS)
def test_a_run_its_files_and_the_model_that_is_read_again(name, tiny, tmp_path):
    spec = spec_of(**RUNS[name])
    run = records.Run(tmp_path, name, 3)
    model, record = training.train(spec, tiny, run, QUIET)
    assert (
        record == json.loads(run.record.read_text()) | {"spec": record["spec"]} and records.find(run, spec) is not None
    )
    kept = record["final"]["remaining"]
    assert kept == pytest.approx(10, abs=0.1) if spec.density else kept == 100 or spec.mode in ("twn", "ttq")
    again, x = runs.load_run(run.record), np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)
    has_codes = name not in ("binaryconnect_stochastic", "sparse")
    assert run.container.exists() == has_codes
    if not spec.sampled:
        np.testing.assert_allclose(again(x), model(x), rtol=1e-4, atol=1e-5)
    if has_codes:
        np.testing.assert_allclose(loading.load(run.container)(x), model(x), rtol=1e-4, atol=1e-5)
        agrees, text = runs.verified(run, record, lambda *_: tiny)
        assert agrees, text
        for layer, mask in final_masks.masks_of(run, record).items():
            np.testing.assert_array_equal(mask, model.get_layer(layer).mask)


@pytest.mark.parametrize("given", [RUNS["sparse"], RUNS["iterand"], RUNS["binaryconnect_stochastic"], RUNS["global"]])
def test_a_killed_run_goes_on_to_the_same_end(given, tiny, tmp_path, monkeypatch):
    spec = spec_of(**given)
    whole = training.train(spec, tiny, records.Run(tmp_path, "whole", 3), QUIET)[1]
    run = records.Run(tmp_path, "killed", 3)
    fit = keras.Model.fit
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "fit", lambda self, *args, **its: (fit(self, *args, **its | {"epochs": 1}), 1 / 0))
        with pytest.raises(ZeroDivisionError):
            training.train(spec, tiny, run, QUIET)
    parts = training.train(spec, tiny, run, QUIET)[1]
    for its in (whole, parts):
        its["history"].pop("seconds")
    assert parts["history"] == whole["history"] and parts["layers"] == whole["layers"]


def test_methods_of_one_spec_differ_in_their_masks(tiny):
    tables = {
        method: training.train(spec_of("sparse", density=0.2, method=method), tiny, None, QUIET)[1]["layers"]
        for method in ("static", "snip", "magnitude")
    }
    hashes = {tuple(row["mask_sha256"] for row in table) for table in tables.values()}
    assert len(hashes) == 3


@pytest.mark.parametrize(
    "given, message",
    [
        (
            {"method": "magnitude", "update_every": 50},
            "magnitude would change nothing: .*; give a smaller --update_every",
        ),
        ({"method": "snip", "density": 1e-5}, "density=1e-05 leaves 1 weights to 3 layers, each of which needs one"),
        ({"mode": "edge_popup", "density": 1e-5}, "density=1e-05 leaves 1 weights to 3 layers, each of which needs one"),
    ],
)
def test_densities_that_cannot_be_reached_are_one_line(given, message, tiny):
    with pytest.raises(InputError, match=f"^{message}[^\n]*$"):
        training.train(spec_of(**{"mode": "sparse", "density": 0.1} | given), tiny, None, QUIET)


def test_steps_at_a_time_end_where_masks_change(tiny):
    spec = spec_of("sparse", density=0.1, update_every=6)  # 4 steps an epoch
    assert training.compiled(spec, tiny, QUIET).steps_per_execution == 2 and updates.interval(spec) == 6
    with pytest.raises(
        InputError, match="^--steps_per_execution=4 must divide the 4 steps of an epoch and the 6 between"
    ):
        training.compiled(spec, tiny, training.Options(jit_compile=False, steps_per_execution=4))
    assert training.compiled(spec_of(**RUNS["global"]), tiny, QUIET).steps_per_execution == 1
    assert training.compiled(spec_of("sparse", density=0.1, method="snip"), tiny, QUIET).steps_per_execution == 4
