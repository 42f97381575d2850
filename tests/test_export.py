"""The command that exports a committed run."""

import re

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


def test_c_code_of_a_run(command, tmp_path, capsys, real_data):
    """Oracles: the record's accuracy, and the program that `export_c` makes of the same model."""
    arguments = (f"--run={RECORD}", "--format=c", "--main", "--favor=speed", f"--data_dir={real_data}")
    command(*arguments, f"--output={tmp_path}/c")
    printed = capsys.readouterr().out
    assert "weights as bytes" in printed  # the code for speed
    recorded = runs.find_run(RECORD)[1]["final"]["test_accuracy"]
    accuracies = [float(percent) for percent in re.findall(r"test accuracy as \w+: ([\d.]+) %", printed)]
    assert accuracies == [pytest.approx(recorded, abs=0.011), pytest.approx(recorded, abs=0.2)]
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["Makefile", "main.c", "network.c", "network.h"]
    assert "uint8_t" in (tmp_path / "c" / "main.c").read_text()  # pixels, prepared as for the run
    constants = int(re.search(r"([\d,]+) bytes of constants", printed)[1].replace(",", ""))
    assert f"NETWORK_CONSTANTS {constants} " in (tmp_path / "c" / "network.h").read_text()


@pytest.mark.parametrize(
    "given, message",
    [
        ([f"--run={RECORD}", "further"], "unexpected argument 'further'; flags are written --name=value"),
        ([f"--run={RECORD}", "--compact", "False"], "unexpected argument 'False'; flags are written --name=value"),
        ([], "--run is missing; name a record: --run=results/EXPERIMENT/seed0"),
        ([f"--run={RECORD}", "--format=h5"], "--format=h5 is unknown; choose from saved_model, keras, tflite, onnx"),
        ([f"--run={RECORD}", "--format=keras", "--int8"], "--int8 is for --format=tflite, not keras"),
        (
            [f"--run={RECORD}", "--format=supermask", "--compact"],
            "--compact is for --format=saved_model or keras or tflite or onnx, not supermask; a container has",
        ),
        (
            [f"--run={RECORD}", "--format=c", "--compact"],
            "--compact is for --format=saved_model or keras or tflite or onnx, not c",
        ),
        ([f"--run={RECORD}", "--format=tflite", "--images=1"], "--images is for --format=saved_model, not tflite"),
        ([f"--run={RECORD}", "--format=keras", "--most_ram=0"], "--most_ram is for --format=c, not keras"),
        ([f"--run={RECORD}", "--format=keras", "--main"], "--main is for --format=c, not keras"),
        ([f"--run={RECORD}", "--format=keras", "--arithmetic=int8"], "--arithmetic is for --format=c, not keras"),
        (
            [f"--run={RECORD}", "--format=c", "--arithmetic=int4"],
            "--arithmetic=int4 is unknown; choose from int8, float",
        ),
        ([f"--run={RECORD}", "--format=keras", "--favor=size"], "--favor is for --format=c, not keras"),
        ([f"--run={RECORD}", "--format=c", "--favor=style"], "--favor=style is unknown; choose from size, speed"),
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


@pytest.mark.parametrize("given, message", [("flash", "bytes of constants"), ("ram", "bytes of buffers")])
def test_c_code_that_is_too_large_is_refused_layer_by_layer(given, message, command, tmp_path, capsys, real_data):
    with pytest.raises(SystemExit) as stop:
        command(
            f"--run={RECORD}", "--format=c", f"--most_{given}=100", f"--data_dir={real_data}", f"--output={tmp_path}/x"
        )
    error = capsys.readouterr().err
    assert stop.value.code == 2 and re.fullmatch(rf"error: network has [\d,]+ {message}, more than 100.*\n", error)
    assert ("table of layers" in error) == (given == "flash")
    assert all(re.search(rf"{layer} [\d,]+", error) for layer in ("fc1", "fc2")) and not (tmp_path / "x").exists()
