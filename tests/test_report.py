import copy
import subprocess
import sys

import pytest
from conftest import ROOT

from tf_supermask import records, report, tables, training
from tf_supermask.errors import InputError
from tf_supermask.spec import Spec

SPEED = ROOT / "benchmarks" / "train_step.json"
QUIET = training.Options(progress=0, say=lambda line: None)


@pytest.fixture(scope="module")
def experiments(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for mode, seeds in (("signed", (0, 1)), ("baseline", (0,))):
        for seed in seeds:
            spec = Spec.of(mode=mode, epochs=2, batch_size=16, seed=seed)
            training.train(spec, tiny, records.Run(folder, f"x_{mode}", seed), QUIET)
    return report.collect(folder)


def test_records_are_collected_by_experiment_and_seed(experiments):
    assert {name: [r["spec"]["seed"] for r in its] for name, its in experiments.items()} == {
        "x_baseline": [0],
        "x_signed": [0, 1],
    }
    assert report.collect("nowhere") == {}


def test_overview_has_ours_beside_the_papers(experiments):
    made = copy.deepcopy(experiments["x_signed"][:1])
    made[0]["spec"] = Spec.of().__dict__  # as if at the paper's settings
    made[0]["final"] = {
        "test_accuracy": 97.5,
        "remaining": 3.8,
        "csr_compression": 92.0,
        "test_loss": 0.1,
        "seconds_per_epoch": 1.0,
    }
    (row,) = report.overview({"x": made}).to_dict("records")
    assert row["test accuracy, %"] == "97.50" and row["paper: test accuracy, %"] == "97.48 [97.30, 97.70]"
    assert row["paper: remaining weights, %"] == "3.77 [3.70, 3.80]" and row["paper: CSR compression, %"] == "92.01"
    assert report.overview(experiments)["paper: test accuracy, %"].tolist() == ["-", "-"]  # other settings


def test_mean_and_quantiles():
    runs = [{"final": {"test_accuracy": float(value)}} for value in range(101)]
    assert tables.summary(runs, "test_accuracy") == (50, 5, 95)
    assert tables.show((50, 5, 95), 1) == "50.0 [5.0, 95.0]"


def test_the_papers_rows_are_networks_and_modes_of_ours():
    for model, mode, scheme in tables.PAPER:
        Spec.of(model=model, mode=mode, weight_scheme=scheme)


def test_readme_and_picture_follow_the_records(experiments, tmp_path):
    readme, figure = tmp_path / "README.md", tmp_path / "x.svg"
    marked = "".join(f"{report.BEGIN.format(name)}\nold\n{report.END.format(name)}\n" for name in ("results", "speed"))
    readme.write_text(f"before\n{marked}after\n")
    assert report.stale(experiments, SPEED, readme, figure) == [figure, readme]
    assert list(report.update(experiments, SPEED, readme, figure)) == [readme, figure]
    assert report.stale(experiments, SPEED, readme, figure) == []
    text = readme.read_text()
    assert (
        text.startswith("before\n")
        and text.endswith("after\n")
        and "old" not in text
        and "| x_signed | 2 | 2 |" in text
    )
    first = figure.read_bytes()
    list(report.update(experiments, SPEED, readme, figure))
    assert figure.read_bytes() == first and readme.read_text() == text
    other = copy.deepcopy(experiments)
    other["x_signed"][0]["final"]["test_accuracy"] += 1
    assert report.stale(other, SPEED, readme, figure) == [figure, readme]


def test_bad_input(experiments, tmp_path):
    (tmp_path / "README.md").write_text("no markers")
    with pytest.raises(InputError, match="no lines"):
        list(report.update(experiments, SPEED, tmp_path / "README.md", None))
    with pytest.raises(InputError, match="must end in .svg or .png"):
        list(report.update(experiments, SPEED, None, tmp_path / "x.jpg"))
    command = [sys.executable, "-m", "tf_supermask.report", f"--results_dir={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and "no records in" in done.stderr


def test_committed_readme_and_figures_are_not_stale():
    experiments = report.collect(ROOT / "results")
    assert report.stale(experiments, SPEED, ROOT / "README.md", ROOT / "figures" / "training.svg") == []
