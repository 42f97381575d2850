"""Each script of benchmarks/ measures and writes its file, in small turns."""

import json
import os
import re
import shutil
import subprocess
import sys

import keras
import pytest
from conftest import ROOT

FCN, TURNS = "koster_table1_fcn_signed_elus", ("--rounds=1", "--turn_seconds=0.01")
FEW = {  # script -> flags with which it takes less than two minutes
    "formats": (f"--runs=results/{FCN}/seed0",),
    "gpu": ("--networks=fcn", "--dataset=digits8", "--epochs=2", "--rounds=1", "--jobs=1,2", "--row=", "--minutes=3"),
    "inference": (f"--runs=results/{FCN}/seed0", "--batches=1", *TURNS),
    "jobs": ("--rounds=1", "--runs=1"),
    "lottery": ("--steps=200", *TURNS),
    "masked": ("--models=fcn", *TURNS),
    "microcontroller": ("--runs=results/zoo_mnist_small16_sparse/seed0",),
    "onednn": ("--models=fcn", *TURNS),
    "peers": ("--models=fcn", *TURNS),
    "replay": (f"--runs={FCN}/seed14", *TURNS),
    "sequences": ("--epochs=1", "--seeds=1"),
    "shrinking": ("--networks=fcn", "--epochs=2", "--rounds=1", "--images=2000"),
    "train_step": ("--models=fcn", "--methods=rigl,twn", *TURNS),
}


def test_every_script_is_run():
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if "benchmarks.save(__file__" in path.read_text()}
    assert scripts == FEW.keys()


def test_the_runs_that_are_measured_are_committed():
    scripts = "".join(path.read_text() for path in (ROOT / "benchmarks").glob("*.py"))
    named = re.findall(r'"(?:results/)?([\w/.]+/seed\d+)"', scripts)
    missing = [name for name in named if not (ROOT / "results" / f"{name}.json").exists()]
    assert len(named) > 9 and not missing


def test_multiplications_are_counted_in_whole_tiles(monkeypatch):
    """Of 3-33-10 units: each layer has as many units as its tiles, but its inputs as they are."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import tiles

    network = keras.Sequential([keras.Input((4,)), *map(keras.layers.Dense, (3, 33, 10))])
    assert tiles.multiplications(network) == 4 * 3 + 3 * 33 + 33 * 10
    assert tiles.multiplications(network, 16) == 4 * 16 + 3 * 48 + 33 * 16


@pytest.mark.skipif(not os.environ.get("BENCHMARKS"), reason="BENCHMARKS is not set: takes a quarter of an hour")
@pytest.mark.parametrize("script", FEW)
def test_a_benchmark_measures_and_writes(script, tmp_path):
    """In a copy of the folder, since measurements are written beside the scripts."""
    if script == "peers":
        pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks", ignore=shutil.ignore_patterns("*.json"))
    for name in ("results", "flags"):
        os.symlink(ROOT / name, tmp_path / name)
    done = subprocess.run(
        [sys.executable, f"benchmarks/{script}.py", *FEW[script]], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    written = list((tmp_path / "benchmarks").glob("*.json"))
    assert [path.stem for path in written] == [script] and json.loads(written[0].read_text())["environment"]["processor"]
