"""The command that exports a committed run."""

import keras
import numpy as np
import pytest
from absl import flags
from conftest import ROOT

from tf_supermask import compact, export
from tf_supermask.experiments import runs

RECORD = "results/koster_table1_fcn_signed_elus/seed0"


@pytest.fixture
def command(monkeypatch):
    """command(*flags): the command in this process."""
    values = flags.FlagValues()
    export.define_flags(values)
    monkeypatch.setattr(export, "FLAGS", values)
    monkeypatch.chdir(ROOT)
    return lambda *given: export.main(values(["export", *map(str, given)]))


def test_a_run_is_exported_without_its_dead_units(command, tmp_path, capsys):
    """Oracle: `compact` of the run."""
    command(f"--run={RECORD}", "--format=keras", "--compact", f"--output={tmp_path}/x.keras")
    expected, x = compact(runs.load_run(RECORD)), np.random.default_rng(0).random((3, 28, 28, 1), np.float32)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "x.keras")(x), expected(x))
    size = (tmp_path / "x.keras").stat().st_size
    assert capsys.readouterr().out.startswith(f"wrote {tmp_path}/x.keras: {size:,} bytes; the dense network has 1,064,")


def test_products_are_measured_for_a_saved_model(command, tmp_path, capsys):
    command(f"--run={RECORD}", "--compact", "--images=1", f"--output={tmp_path}/saved")
    assert "out: " in capsys.readouterr().out and (tmp_path / "saved" / "saved_model.pb").exists()


@pytest.mark.parametrize(
    "given, message",
    [
        ([], "--run is missing; name a record: --run=results/EXPERIMENT/seed0"),
        ([f"--run={RECORD}", "--format=onnx"], "--format=onnx is unknown; choose from saved_model, keras, tflite"),
        ([f"--run={RECORD}", "--format=keras", "--int8"], "--int8 is for --format=tflite, not keras"),
        ([f"--run={RECORD}", "--format=supermask", "--compact"], "--compact has no effect on a container"),
        ([f"--run={RECORD}", "--format=tflite", "--images=1"], "--images takes 1 or more, with --format=saved_model"),
        (
            [f"--run={RECORD}", "--images=0"],
            "--images takes 1 or more, with --format=saved_model. Received: --images=0",
        ),
    ],
)
def test_bad_input_is_one_line(given, message, command, capsys, tmp_path):
    with pytest.raises(SystemExit) as stop:
        command(*given, f"--output={tmp_path}/x")
    error = capsys.readouterr().err
    assert stop.value.code == 2 and error.startswith(f"error: {message}") and error.count("\n") == 1
    assert not list(tmp_path.iterdir())
