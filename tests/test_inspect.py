"""The command that prints the content of records, containers and exports."""

import json

import keras
import pytest
from absl import flags
from conftest import ROOT

from tf_supermask import inspect
from tf_supermask.deploy.saved_model import export_saved_model

RUN = "koster_table1_fcn_signed_elus"


@pytest.fixture
def shown(monkeypatch, capsys):
    """shown(file, *flags): what the command prints, in this process."""
    values = flags.FlagValues()
    inspect.define_flags(values)
    monkeypatch.setattr(inspect, "FLAGS", values)

    def run(path, *given):
        inspect.main(values(["inspect", str(path), *given]))
        return capsys.readouterr().out

    return run


def test_products_of_an_export_without_layers_cannot_be_measured(shown, tmp_path, capsys):
    (tmp_path / "x.tflite").touch()
    with pytest.raises(SystemExit):
        shown(tmp_path / "x.tflite", "--images=1")
    assert "--images is for records, containers and Keras files" in capsys.readouterr().err


def network():
    """Dense kernel of -1, 0, 0, 1 times 2."""
    model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(1, use_bias=False, name="dense")])
    model.layers[0].kernel.assign([[-2], [0], [0], [2]])
    return model


def test_a_container_is_described_and_measured(shown):
    text = shown(ROOT / "results" / RUN / "seed0.supermask", "--images=1")
    assert "  fc1: signs and a scale, view " in text and "product with 1 image per call" in text


def test_a_record_has_its_settings_results_and_network(shown):
    record = json.loads((ROOT / "results" / RUN / "seed0.json").read_text())
    text = shown(ROOT / "results" / RUN / "seed0")
    finals = [f"{name} {value:.4g}" for name, value in record["final"].items() if isinstance(value, float)]
    assert finals and all(final in text for final in finals)
    assert all(f"{name}={value}" in text for name, value in record["spec"].items() if value is not None)
    assert "weights remain" in text


def test_exports_have_the_arrays_of_the_model(shown, tmp_path):
    model = network()
    model.save(tmp_path / "x.keras")
    text = shown(tmp_path / "x.keras")
    assert "2 of 4 weights remain (50.00 %)" in text
    export_saved_model(model, tmp_path / "saved")
    text = shown(tmp_path / "saved")
    assert "x (None, 4) -> (None, 1)" in text and "4x1 float32, 50.00 % zero, 3 values" in text


@pytest.mark.parametrize("name", ["x.keras", "x.supermask", "x.txt"])
def test_files_of_other_content_are_one_line(name, shown, tmp_path, capsys):
    (tmp_path / name).write_text("text")
    with pytest.raises(SystemExit):
        shown(tmp_path / name)
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / name} ") and error.count("\n") == 1


def test_a_file_to_inspect_may_be_in_the_home_of_the_user(shown, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SystemExit):
        shown("~/x.supermask")
    assert capsys.readouterr().err == f"error: {tmp_path}/x.supermask does not exist\n"
