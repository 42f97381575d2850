"""The sections of pages that are made of the measurements of benchmarks/."""

import json

import keras
import pytest
from conftest import ROOT

from tf_supermask.deploy import compaction, container
from tf_supermask.deploy.c_layers import layers_of
from tf_supermask.deploy.stages import stages_of
from tf_supermask.evidence import benchmarks, speed_sections
from tf_supermask.experiments import runs


@pytest.mark.parametrize("make", speed_sections.SPEED, ids=lambda make: make.__name__)
def test_committed_measurements_make_a_section(make):
    heading, tables, notes = make(ROOT / "benchmarks")
    assert heading and notes and (tables or notes.startswith("Not measured yet"))
    for table in tables.values():
        assert len(table) and not table.isna().any(axis=None)
        assert all(isinstance(value, (str, int)) for value in table.to_numpy().ravel())


def test_measured_bytes_are_those_of_the_present_code(tmp_path):
    """Else a page would tell the sizes of an earlier format."""
    formats = benchmarks.measurements(ROOT / "benchmarks", "formats")
    for run in formats.keys() - {"environment"}:
        keras.backend.clear_session()  # a file has the names of layers, which Keras numbers in a process
        measured = {form["format"]: form["bytes"] for form in formats[run]["forms"]}["supermask"]
        assert container.save(runs.load_run(ROOT / run), tmp_path / "x.supermask") == measured, run
    programs = benchmarks.measurements(ROOT / "benchmarks", "microcontroller")
    for run in programs.keys() - {"environment"}:
        stages = stages_of(compaction.compact(runs.load_run(ROOT / run)))
        for favor in ("size", "speed"):
            codes = [layer.code.data for layer in layers_of(stages, None, favor == "speed") if layer.code]
            assert sum(map(len, codes)) == programs[run][favor]["weights"], (run, favor)


def test_times_are_told_in_percent(tmp_path):
    assert benchmarks.times(tmp_path) == ({}, {})
    rows = {"fcn": {"masked_ms": 2.0, "masked_over_baseline": 1.25}, "fcn_epoch": {"ours_s": 1.0}}
    (tmp_path / "train_step.json").write_text(json.dumps(rows))
    seeds = {f"koster_x/seed{i}": {"shrinking_over_dense": ratio} for i, ratio in ((14, 0.75), (3, 0.5), (20, 1.0))}
    runs = seeds | {"environment": {"threads": 2}}
    (tmp_path / "replay.json").write_text(json.dumps(runs))
    assert benchmarks.times(tmp_path) == ({"fcn": 25.0}, {"koster_x": -25.0})


def test_steps_of_methods_are_by_network(tmp_path):
    methods = {"environment": {"threads": 2}, "fcn": {"set": {"over_dense": 1.5}}}  # kept by a later run of another part
    (tmp_path / "train_step.json").write_text(json.dumps({"methods": methods}))
    assert benchmarks.steps_of_methods(tmp_path) == {"fcn": {"set": 1.5}}


def test_measurements_are_kept_with_their_environment(tmp_path):
    script = tmp_path / "a.py"
    assert benchmarks.load(script) == {}
    benchmarks.save(script, {"ms": 1.5})
    kept = benchmarks.load(script)
    assert kept["ms"] == 1.5 and kept["environment"]["processor"] and benchmarks.measurements(tmp_path, "a") == kept


def test_a_run_of_a_part_keeps_the_others_with_their_environment(tmp_path, monkeypatch):
    def measure(rows, processor):
        machine = {"device": "x86_64", "processor": processor, "threads": 2}
        monkeypatch.setattr(benchmarks, "current_environment", lambda: machine)
        benchmarks.save(tmp_path / "onednn.py", rows)

    row = {"off_ms": 1.0, "on_ms": 0.5, "off_over_on": 2.0}
    measure({"fcn": row, "conv2": row, "conv4": row}, "old")
    measure({"conv2": row | {"on_ms": 0.4}}, "new")
    measure(
        benchmarks.load(tmp_path / "onednn.py") | {"conv4": row | {"on_ms": 0.3}}, "newer"
    )  # a script that loads all
    rows = benchmarks.load(tmp_path / "onednn.py")
    assert [rows[name]["on_ms"] for name in ("fcn", "conv2", "conv4")] == [0.5, 0.4, 0.3]
    assert rows["fcn"]["environment"]["processor"] == "old" and rows["conv2"]["environment"]["processor"] == "new"
    assert "environment" not in rows["conv4"] and rows["environment"]["processor"] == "newer"
    _, tables, notes = speed_sections.onednn(tmp_path)
    assert len(tables[""]) == 3 and "newer, 2 threads; fcn: old, 2 threads; conv2: new, 2 threads." in notes


def test_what_is_faster_shrinking_is_below_one(tmp_path):
    row = {
        "epochs": 9,
        "rounds": 3,
        "dense_s": 80.0,
        "shrinking_s": 40.0,
        "shrinking_over_dense": 0.5,
        "whole_over_dense": 1.1,
    }
    row |= {"shrunk": [{"epoch": 3, "units": {"fc1": 20, "out": 10}}], "test_accuracy": {"dense": 97, "shrinking": 96}}
    environment = {"device": "x86_64", "processor": "made up", "threads": 2}
    (tmp_path / "shrinking.json").write_text(json.dumps({"fcn": row, "environment": environment}))
    _, tables, notes = speed_sections.shrinking(tmp_path)
    line = dict(tables[""].iloc[0])
    assert (line["shrinking / dense"], line["whole / dense"]) == ("0.50", "1.10")
    assert line["units left"] == "after 3 epochs 20-10" and line["turns"] == 3 and "made up" in notes


def test_what_is_faster_than_pytorch_is_below_one(tmp_path):
    row = {"batch_size": 128, "rounds": 9, "signed_ms": 1.5, "dense_ms": 3, "edge_popup_ms": 300, "torch": "2.9.1"}
    row |= {"signed_over_dense": 0.5, "signed_over_edge_popup": 0.005}
    environment = {"tensorflow": "2.21.0", "device": "x86_64", "processor": "made up", "threads": 2}
    (tmp_path / "peers.json").write_text(json.dumps({"fcn": row, "environment": environment}))
    _, tables, notes = speed_sections.peers(tmp_path)
    assert tables[""].iloc[0].tolist() == ["fcn", 128, "1.5", "3", "300", "0.50", "0.01"]
    assert notes.endswith("PyTorch 2.9.1, TensorFlow 2.21.0, made up, 2 threads.")


def test_what_a_committed_run_took_is_by_width(tmp_path):
    stages = [
        {"epochs": 27, "step_over_dense": 1.009, "left": 1, "left_in_tiles": 1},
        {"epochs": 73, "step_over_dense": 0.657, "left": 0.5, "left_in_tiles": 0.687},
    ]
    row = {"stages": stages, "tile": 16, "units": [{"fc1": 46, "out": 10}], "dense_s": 7423, "shrinking_s": 5582}
    environment = {"device": "x86_64", "processor": "of a test", "threads": 2}
    (tmp_path / "replay.json").write_text(
        json.dumps({"row/seed0": row | {"shrinking_over_dense": 0.752}, "environment": environment})
    )
    _, tables, _ = speed_sections.replayed(tmp_path)
    (line,) = tables[""].to_dict("records")
    assert line == {
        "run": "row/seed0",
        "epochs": "27, 73",
        "units": "all; 46-10",
        "multiplications left": "1.00, 0.50",
        "the same, units in tiles of 16": "1.00, 0.69",
        "a step / dense": "1.01, 0.66",
        "dense, s": "7,423",
        "shrinking, s": "5,582",
        "shrinking / dense": "0.75",
    }


def test_epochs_on_a_gpu_are_compared_with_those_of_deterministic_kernels(tmp_path):
    assert speed_sections.gpu(tmp_path)[1:] == ({}, "Not measured yet: `python benchmarks/gpu.py`.")
    row = {
        "seconds_per_epoch": {"deterministic": 4, "plain": 2, "xla": 1, "baseline": 3},
        "equal_bits": {"deterministic": True, "plain": False, "xla": None, "baseline": True},
    }
    jobs = {"runs_per_hour": {"1": 20.4, "4": 60}, "equal_bits": True}
    environment = {"device": "a GPU", "processor": "made up", "threads": 16}
    (tmp_path / "gpu.json").write_text(json.dumps({"jobs": jobs, "conv2": row, "environment": environment}))
    _, tables, notes = speed_sections.gpu(tmp_path)
    (line,) = tables[""].to_numpy().tolist()
    assert line == ["conv2", "4.00", "0.75", "0.50", "0.25", "deterministic, baseline"]
    assert notes == (
        "Short runs per hour: 20 with --jobs=1, 60 with --jobs=4; their bits are equal. a GPU, made up, 16 threads."
    )


def test_models_of_sequences_are_told_by_seed(tmp_path):
    assert benchmarks.sequences(tmp_path)[1:] == ({}, "Not measured yet.")
    row = {"dense": {"learning_rate": 0.001, "test_accuracy": [98.0, 97.0]}, "remaining": [20.0, 30.0]}
    row |= {
        "masked": {"learning_rate": 0.01, "test_accuracy": [96.0, 97.5]},
        "dense_bytes": 4000,
        "container_bytes": 300,
    }
    measured = {"LSTM": row, "epochs": 9, "environment": {"processor": "made up"}}
    (tmp_path / "sequences.json").write_text(json.dumps(measured))
    _, tables, notes = benchmarks.sequences(tmp_path)
    line = dict(tables[""].iloc[0])
    assert (line["dense: test accuracy, %"], line["masked"]) == ("97.50 (98.00, 97.00)", "96.75 (96.00, 97.50)")
    assert (line["remaining weights, %"], line["container"]) == ("25.00 (20.00, 30.00)", "300")
    assert notes == "Masked against dense, points: LSTM -0.75. 9 epochs; made up."
