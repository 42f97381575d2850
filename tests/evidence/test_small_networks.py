"""The figure of accuracy over bytes: drawn from the measurements, and again when they change."""

import json

import pytest
from conftest import ROOT

from tf_supermask.evidence import small_networks


@pytest.fixture
def folder(tmp_path, monkeypatch):
    seeds = {"seed0": {"weights": 1500, "test_accuracy": 96.5}, "seed1": {"weights": 1700, "test_accuracy": 96.0}}
    rows = {
        "results/koster_a/seed0.json": {"data": "mnist", "kind": "dense", "seeds": seeds},
        "results/koster_b/seed0.json": {"data": "cifar10", "kind": "convolutions", "seeds": seeds},
        "results/zoo_mnist_c/seed0.json": {"data": "mnist", "kind": "convolutions", "seeds": {"seed0": seeds["seed0"]}},
    }
    (tmp_path / "microcontroller.json").write_text(json.dumps(rows | {"environment": {}}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_points_are_those_of_mnist(folder):
    expected = {"dense": {"a": (1600, 96.25)}, "convolutions": {"c": (1500, 96.5)}}
    assert small_networks.points(folder) == expected
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


def test_a_line_for_each_decay_tried():
    layers = [{"counts": [1, 5, 2]}, {"counts": [0, 4, 0]}]

    def record(decay, accuracy):
        spec = {"model": "small16", "affine": 0.5, "weight_decay": decay}
        return [{"spec": spec, "layers": layers, "final": {"test_accuracy": accuracy}}]

    experiments = {"zoo_grid_a_0.01": record(0.01, 98.0), "zoo_grid_a_0.002": record(0.002, 99.0), "zoo_a": record(1, 1)}
    table = small_networks.tried(experiments)
    assert list(table["decay"]) == ["0.002", "0.01"] and set(table["weights"]) == {"3 of 12"}
    assert list(table["accuracy on held-out images, %"]) == ["99.00", "98.00"]
