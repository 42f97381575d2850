"""The figure of accuracy over bytes: drawn from the measurements, and again when they change."""

import json

import pytest
from conftest import ROOT

from tf_supermask.evidence import small_networks


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rows = {
        "results/koster_a/seed0.json": {"data": "mnist", "size": {"weights": 1500, "test_accuracy": 96.5}},
        "results/koster_b/seed0.json": {"data": "cifar10", "size": {"weights": 9000, "test_accuracy": 69.0}},
    }
    (tmp_path / "microcontroller.json").write_text(json.dumps(rows | {"environment": {}}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_points_are_those_of_mnist(folder):
    assert small_networks.points(folder) == {"a": (1500, 96.5)}
    assert small_networks.points(folder / "none") == {} and not small_networks.stale(folder / "none")


def test_it_is_drawn_again_when_the_measurements_change(folder):
    assert small_networks.stale(folder)
    small_networks.write(folder)
    assert not small_networks.stale(folder) and "BitNetMCU" in (folder / small_networks.FILE).read_text()
    text = (folder / "microcontroller.json").read_text()
    (folder / "microcontroller.json").write_text(text.replace("96.5", "96.6"))
    assert small_networks.stale(folder)


def test_the_committed_figure_shows_the_committed_measurements(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert not small_networks.stale("benchmarks")
