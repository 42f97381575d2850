"""The scripts of examples/, each run as a user runs it, but in this process."""

import runpy

import numpy as np
import pytest
from conftest import ROOT

EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """run(name) -> the script's variables; it writes into tmp_path."""
    monkeypatch.chdir(tmp_path)
    return lambda name: runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")


def test_own_model(run, tmp_path, capsys):
    its = run("own_model")
    assert its["accuracy"] > 0.9 and its["size"] < 4 * its["network"].count_params() / 20
    assert (tmp_path / "digits.supermask").stat().st_size == its["size"]
    assert (tmp_path / "exported" / "saved_model.pb").exists()
    assert f"{its['size']:,} bytes" in capsys.readouterr().out


def test_small_model(run):
    its = run("small_model")
    container, compact, dense = (its["sizes"][f"digits{end}"] for end in (".supermask", "_compact.tflite", ".tflite"))
    assert (
        its["accuracy"] > 0.88 and container < compact / 10 and compact < dense / 2 < its["sizes"]["digits.keras"] / 2
    )


def test_microcontroller(run, tmp_path):
    result = run("microcontroller")
    assert result["accuracy"] > 0.9 and result["program"].constants < 2000
    assert (tmp_path / "digits_c" / "network.c").exists()
    if "classes" not in result:
        pytest.skip("no make or C compiler: the exported C was not run")
    assert np.mean(result["classes"] == result["test_y"]) > result["accuracy"] - 0.02


def test_lottery_ticket(run):
    its = run("lottery_ticket")
    ticket, random = (its["accuracies"][criterion, its["ROUNDS"]] for criterion in ("large_final", "random"))
    assert its["accuracies"]["large_final", 0] == its["accuracies"]["random", 0] > 0.93  # one dense network
    assert ticket > 0.85 and ticket > random + 0.1


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_short_and_tested(name):
    assert len((ROOT / "examples" / f"{name}.py").read_text().splitlines()) <= 65
    assert f"test_{name}" in globals()
