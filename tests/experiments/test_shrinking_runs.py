"""Runs that shrink: the same record as of the whole network but for rounding, and the same bits when they are resumed."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from processes import weights
from quiet import QUIET

from tf_supermask import sparsity
from tf_supermask.errors import InputError
from tf_supermask.evidence import statistics
from tf_supermask.experiments import flag_files, layer_rows, records, runs, shrinking, training
from tf_supermask.experiments.spec import Spec, differences

FAST = {"model": "fcn", "epochs": 12, "batch_size": 16, "learning_rate": 0.02, "weight_decay": 0.08, "clipnorm": 0.5}
PLATEAU = {"schedule": "plateau", "plateau_patience": 3, "plateau_rest": 1, "plateau_factor": 0.5, "plateau_limit": 50}
RUNS = {
    "fcn": FAST,
    "plateau": FAST | PLATEAU,
    "conv2": FAST | {"model": "conv2", "epochs": 8, "weight_decay": 0.1},
}


@pytest.fixture
def cheap(monkeypatch):
    """Compiling costs nothing, so that a tiny run shrinks, but not often."""
    monkeypatch.setattr(shrinking, "COMPILING", 0)
    monkeypatch.setattr(shrinking, "SHARE", 0.4)


def spec_of(**given):
    return Spec.of(**FAST | given)


def numbers(record):
    history = {name: column for name, column in record["history"].items() if name != "seconds"}
    return json.loads(json.dumps([record["spec"], record["initial"], history, record["layers"], record["shrunk"]]))


class Killed(BaseException):
    pass


def train(spec, dataset, folder, stop_after=None, options=QUIET):
    """Record of a run that may be killed after some epochs; `stop_after`: the moment its checkpoint is written."""
    save, run = records.save_checkpoint, records.Run(folder, "run", 0)

    def save_and_die(run, spec, variables, history, **more):
        save(run, spec, variables, history, **more)
        if len(history["train_loss"]) == stop_after:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "save_checkpoint", save_and_die)
        return training.train(spec, dataset, run, options)[1]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("given", RUNS.values(), ids=RUNS)
def test_a_run_shrinks_and_resumes_to_the_same_bits(tiny, given, tmp_path, cheap):
    spec = Spec.of(**given)
    whole = train(spec, tiny, tmp_path / "whole")
    epochs = [event["epoch"] for event in whole["shrunk"]]
    assert epochs and epochs == sorted(epochs)
    stops = (epochs[0], min(epochs[0] + 1, spec.epochs - 1))  # before the next size is made, and with it
    for stop_after in stops if spec.model == "fcn" else stops[:1]:
        with pytest.raises(Killed):
            train(spec, tiny, tmp_path / "killed", stop_after)
        keras.backend.clear_session()
    resumed = train(spec, tiny, tmp_path / "killed")
    assert numbers(resumed) == numbers(whole)
    one, other = (weights(records.Run(tmp_path / name, "run", 0)) for name in ("whole", "killed"))
    assert one == other


def test_records_masks_and_containers_are_those_of_the_whole_network(tiny, tmp_path, cheap):
    spec, said = spec_of(), []
    shrunk = train(spec, tiny, tmp_path / "True", options=dataclasses.replace(QUIET, log=said.append))
    sizes = ["-".join(map(str, event["units"].values())) for event in shrunk["shrunk"]]
    assert sizes and [line.split()[6] for line in said if line.startswith("  after epoch ")] == sizes
    estimates = [line for line in said if not line.startswith("  after epoch ")]
    assert estimates and all(line.startswith("  one epoch takes about ") for line in estimates)
    plain = train(spec_of(shrink=False), tiny, tmp_path / "False")
    assert shrunk["shrunk"] and "shrunk" not in plain
    units = shrunk["shrunk"][-1]["units"]
    assert list(units) == ["fc1", "fc2", "out"] and units["fc1"] < 300 and units["out"] == 10
    for record in (shrunk, plain):
        assert [row["shape"] for row in record["layers"]] == [[64, 300], [300, 100], [100, 10]]
        counted = sum(sum(row["counts"][::2]) for row in record["layers"])
        assert record["final"]["remaining"] == pytest.approx(100 * counted / (64 * 300 + 300 * 100 + 1000))
    for name in ("train_loss", "test_accuracy", "remaining", "learning_rate"):
        np.testing.assert_allclose(shrunk["history"][name], plain["history"][name], rtol=1e-3)
    assert [row["weight_sha256"] for row in shrunk["layers"]] == [row["weight_sha256"] for row in plain["layers"]]
    run = records.Run(tmp_path / "True", "run", 0)
    model = runs.load_run(run.record)
    assert layer_rows.of_model(model) == shrunk["layers"]
    agrees, text = runs.verified(run, shrunk, lambda *which: tiny)
    assert agrees, text
    dead = model.get_layer("fc1").mask.any(axis=0) | model.get_layer("fc2").mask.any(axis=1)
    assert dead.sum() <= units["fc1"]


def test_where_it_pays_depends_on_spec_and_scores_alone(tiny, monkeypatch):
    spec = spec_of()
    model = training.compiled(spec, tiny, QUIET)
    assert shrinking.Shrinking(spec, model, 64).due(0) is None  # a tiny run never pays for compiling
    monkeypatch.setattr(shrinking, "COMPILING", 0)
    its = shrinking.Shrinking(spec, model, 64)
    assert its.due(0) is None  # all units live
    score = np.array(model.get_layer("fc1").score)
    score[:, 100:] = 0
    model.get_layer("fc1").score.assign(score)
    score = np.array(model.get_layer("fc2").score)
    score[100:] = 0
    model.get_layer("fc2").score.assign(score)
    live = its.due(0)
    assert {name: int(units.sum()) for name, units in live.items()} == {"fc1": 100, "fc2": 100, "out": 10}
    macs = sparsity.multiply_adds(model), 64 * 100 + 100 * 100 + 1000
    saved = (macs[0] - macs[1]) * 3 * 64
    for epochs_left, cost, due in ((3, 3 * saved, True), (2, 3 * saved, False)):
        monkeypatch.setattr(shrinking, "COMPILING", cost)
        assert (its.due(spec.epochs - epochs_left) is not None) == due
    monkeypatch.setattr(shrinking, "COMPILING", 0)
    monkeypatch.setattr(shrinking, "SHARE", macs[1] / macs[0] - 1e-6)
    assert its.due(0) is None
    assert shrinking.Shrinking(spec_of(shrink=False), model, 64).due(0) is None


# ---------------------------------------------------------------------------------------------------------------------
# The field of Spec


@pytest.mark.parametrize(
    "given, shrink",
    [
        ({}, True), ({"mode": "binary"}, True), ({"model": "resnet20"}, True), ({"dialect": "relu"}, True),
        ({"mode": "baseline"}, None), ({"dialect": "zhou"}, None), ({"mode": "bernoulli"}, None), ({"mode": "lottery"}, None),
        ({"optimizer": "adam"}, None), ({"shrink": False}, False), ({"mode": "baseline", "shrink": False}, None),
    ],
    ids=str,
)  # fmt: skip
def test_networks_shrink_by_default_where_they_can(given, shrink):
    assert Spec.of(**given).shrink is shrink


def test_shrink_is_refused_where_it_has_no_effect():
    with pytest.raises(InputError, match="--shrink=True has no effect in this run"):
        Spec.of(mode="baseline", shrink=True)


def old(record):
    """As it was written before the field was there."""
    return {name: value for name, value in record["spec"].items() if name != "shrink"}


def test_older_records_count_as_either(tiny, tmp_path):
    spec = spec_of(epochs=1)
    run = records.Run(tmp_path, "run", 0)
    _, record = training.train(spec, tiny, run, QUIET)
    records.save(run, {key: value for key, value in record.items() if key != "shrunk"} | {"spec": old(record)})
    assert Spec.recorded(old(record), run.record).shrink is None
    for shrink in (True, False):
        assert records.find(run, spec_of(epochs=1, shrink=shrink)) is not None
    records.save(run, record)
    with pytest.raises(InputError, match="other settings: shrink True, not False; give another"):
        records.find(run, spec_of(epochs=1, shrink=False))
    for wrong in ("x", [{"epoch": 1.5, "units": {}}], [{"units": {}}]):
        records.save(run, record | {"shrunk": wrong})
        with pytest.raises(InputError, match="is damaged .*(shrunk|epoch)"):
            records.find(run, spec)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_older_checkpoints_go_on_and_shrink(tiny, tmp_path, cheap):
    spec = spec_of()
    whole = train(spec, tiny, tmp_path / "whole")
    with pytest.raises(Killed):
        train(spec, tiny, tmp_path / "old", 2)
    run = records.Run(tmp_path / "old", "run", 0)
    arrays = records.load_arrays(run.checkpoint)
    note = json.loads(arrays.pop("note").tobytes())
    assert "shrunk" not in note
    note["spec"].pop("shrink")
    with run.checkpoint.open("wb") as file:
        np.savez(file, note=np.frombuffer(json.dumps(note).encode(), np.uint8), **arrays)
    assert numbers(train(spec, tiny, tmp_path / "old")) == numbers(whole)


def test_a_damaged_state_of_a_checkpoint_is_named(tiny, tmp_path):
    spec, run = spec_of(), records.Run(tmp_path, "run", 0)
    records.prepare(run)
    records.save_checkpoint(run, spec, [], {}, shrunk={"events": [{}], "live": {}})
    with pytest.raises(InputError, match="is damaged .without note.shrunk.events"):
        records.shrunk_in_checkpoint(run)


def test_a_run_that_is_not_to_shrink_has_the_name_of_its_row():
    row = flag_files.name_of(Spec.of())
    assert flag_files.name_of(Spec.of(shrink=False)) == row and row.startswith("koster_table1_fcn")
    assert differences(Spec.of(), Spec.of(shrink=False)) == ["shrink"]
    assert differences(Spec.of(), dataclasses.replace(Spec.of(), shrink=None, seed=1)) == ["seed"]


def test_times_are_those_of_the_whole_network():
    environment = {"threads": 1, "load": 0.5}
    record = {"history": {"seconds": [9.0, 2.0, 2.0, 0.5, 0.5]}, "environment": environment}
    assert statistics.timed([record])[1] == [2.0, 2.0, 0.5, 0.5]
    assert statistics.timed([record | {"shrunk": []}])[1] == [2.0, 2.0, 0.5, 0.5]
    assert statistics.timed([record | {"shrunk": [{"epoch": 3, "units": {}}]}])[1] == [2.0, 2.0]


def test_noshrink_is_for_all_rows():
    for row, shrink in (("koster_table1_fcn_signed_elus", False), ("koster_table1_fcn_baseline_elu", None)):
        (experiment,) = flag_files.read(flag_files.ROWS / f"{row}.flags", ["--noshrink"])
        assert {spec.shrink for spec in experiment.specs} == {shrink} and experiment.name == row


def test_committed_records_are_not_trained_again():
    row = "koster_table1_fcn_signed_elus"
    (experiment,) = flag_files.read(flag_files.ROWS / f"{row}.flags", ["--seeds=0"])
    (spec,) = experiment.specs
    assert spec.shrink and records.find(records.Run(flag_files.ROWS.parent / "results", row, 0), spec)
