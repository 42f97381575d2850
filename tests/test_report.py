"""Tables, figures and the README from records, here of tiny runs under the names of the paper's rows."""

import copy
import dataclasses
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from tf_supermask import claims, evidence, figures, records, report, tables, training
from tf_supermask.errors import InputError
from tf_supermask.spec import Spec

SPEED = ROOT / "benchmarks" / "train_step.json"
QUIET = training.Options(progress=0, say=lambda line: None)
FCN, BINARY = "koster_table1_fcn_signed_elus", "koster_fig3_fcn_binary"


@pytest.fixture(scope="session")
def folder(tiny, tmp_path_factory):
    """One run each of what needs a network of its own, copied under the names of all rows, with other seeds beside it."""
    made, results = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("results")
    names = report.in_tables() | {name for drawing in figures.FIGURES.values() for name in drawing.experiments}
    for name in names:
        mode = "baseline" if "baseline" in name else "binary" if name == BINARY else "signed"
        model = "fcn" if "_fcn_" in name else "conv2" if "_conv" in name else "resnet20"
        run = records.Run(made, f"{model}_{mode}", 0)
        if not run.record.exists():
            spec = Spec.of(model=model, mode=mode, epochs=2, batch_size=32)
            training.train(spec, tiny, run, QUIET)
        for seed in range(6):
            copied = records.Run(results, name, seed)
            record = records.read(run.record)
            record["spec"]["seed"] = seed
            record["final"]["test_accuracy"] += seed
            records.save(copied, record)
            shutil.copy(run.final, copied.final)
    return results


@pytest.fixture
def found(folder):
    return evidence.Evidence(folder, "paper")


@pytest.fixture
def nothing(tmp_path):
    return evidence.Evidence(tmp_path / "nothing", "paper")


def test_every_table_figure_and_claim_can_be_made(found, monkeypatch):
    for name in tables.TABLES:
        frame = tables.frame(name, found.experiments)
        assert len(frame) >= len(tables.TABLES[name].rows) and not frame.isna().any().any()
    for name in figures.FIGURES:
        assert figures.draw(name, found).axes
    assert report.rendered(figures.draw("koster_fig5", found), "x").startswith(b"<?xml")
    for name in ("TESTED", "ORDERED", "MANY", "FEW"):
        monkeypatch.setattr(claims, name, 6)  # as many runs as there are
    for its in found.experiments.values():
        for record in its:
            record["environment"]["load"] = 1.0
    findings = claims.ledger(found)
    assert [finding.number for finding in findings] == list(range(1, 38))
    assert {finding.verdict for finding in findings} <= {claims.HOLDS, claims.FAILS}
    assert all(finding.runs for finding in findings)


def test_without_records_everything_says_what_it_needs(nothing, tmp_path):
    assert nothing.experiments == {} and report.all_tables(nothing) == "No records yet."
    assert {finding.verdict for finding in claims.ledger(nothing)} == {claims.OPEN}
    assert all("needs " in finding.numbers for finding in claims.ledger(nothing))
    lines = list(report.draw(nothing, tmp_path))
    assert len(lines) == len(figures.FIGURES) and all("not drawn, needs " in line for line in lines)
    assert report.table_files(nothing, tmp_path) == {} and report.checks(nothing) == "None yet."
    for name in tables.TABLES:
        assert (tables.frame(name, {})["n"] == "-").all()
    done = command(f"--results_dir={tmp_path}/none", f"--figures_dir={tmp_path}/f")
    assert done.returncode == 0 and "no records of paper scale" in done.stdout


def command(*flags):
    given = [sys.executable, "-m", "tf_supermask.report", *flags]
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(given, capture_output=True, text=True, cwd=ROOT, env=environment)


def test_ours_beside_the_papers(found):
    made = copy.deepcopy(found.experiments)
    for number, record in enumerate(made[FCN]):
        record["final"] |= {"test_accuracy": 97.4 + 0.02 * number, "remaining": 3.2}
    row = tables.frame("koster_table1", made).set_index("").loc["FCN signed, ELUS"]
    assert row["test accuracy, %"] == "97.45 [97.41, 97.50]" and row["overlap: test accuracy, %"] == "yes"
    assert (
        row["paper: test accuracy, %"] == "97.48 [97.30, 97.70]"
        and row["paper: remaining weights, %"] == "3.77 [3.70, 3.80]"
    )
    assert row["overlap: remaining weights, %"] == "no" and row["n"] == "6"
    assert float(row["Welch p, accuracy against its baseline"].removeprefix("< ")) < 0.01


def test_mean_and_quantiles():
    assert tables.summary(range(101)) == (50, 5, 95)
    assert tables.summary([3.0]) == (3.0,) and tables.summary([]) == ()
    assert tables.show((50, 5, 95), 1) == "50.0 [5.0, 95.0]" and tables.show((), 1) == "-"


@pytest.mark.parametrize(
    "ours, printed, expected",
    [
        ((5, 4, 6), (7, 6, 8), True),
        ((5, 4, 5.4), (7, 6, 8), False),
        ((9, 8.4, 10), (7, 6, 8), True),  # 8 may be a rounded 8.4
        ((9, 8.6, 10), (7, 6, 8), False),
        ((97.034,), (97.03,), True),
        ((97.036,), (97.03,), False),
        ((1,), (), None),
    ],
)
def test_overlap(ours, printed, expected):
    assert tables.overlap(ours, printed) is expected


def test_welch_is_students_test_without_equal_variances():
    a, b = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 4.0, 9.0])
    t = (a.mean() - b.mean()) / np.sqrt(a.var(ddof=1) / 4 + b.var(ddof=1) / 3)
    variances = np.array([a.var(ddof=1) / 4, b.var(ddof=1) / 3])
    freedom = variances.sum() ** 2 / np.sum(variances**2 / [3, 2])
    import scipy.stats

    assert tables.welch(a, b) == pytest.approx(2 * scipy.stats.t.sf(abs(t), freedom))
    assert tables.welch(a, [1.0]) is None


def test_additional_time_compares_equal_devices_only(found):
    def runs(seconds, threads, load=1.2):
        record = copy.deepcopy(found.need(FCN)[0])
        record["history"]["seconds"] = [100.0, *seconds]
        record["environment"] |= {"threads": threads, "load": load}
        return [record]

    assert tables.additional_time(runs([1.1] * 9, 2), runs([1.0] * 9, 2)) == pytest.approx((10.0,))
    assert tables.additional_time(runs([1.1] * 9, 2), runs([1.0] * 9, 1)) == ()
    assert tables.additional_time(runs([1.1] * 9, 2, load=3.0), runs([1.0] * 9, 2)) == ()  # the machine was busy
    assert tables.additional_time([], runs([1.0], 1)) == ()


def test_the_papers_numbers_are_those_of_rows_of_a_table():
    assert set(tables.PAPER) <= report.in_tables()
    assert len(tables.literature()) == 18
    table5 = tables.PAPER["koster_table5_resnet110_baseline"]["test_accuracy"]
    assert table5 == (62.7, 54.8, 68.61)


def test_readme_and_figures_follow_the_records(found, nothing, tmp_path, monkeypatch):
    some = {name: figures.FIGURES[name] for name in ("koster_fig5", "koster_fig10")}
    monkeypatch.setattr(figures, "FIGURES", some)
    names = report.blocks(found, nothing, SPEED)
    text = "before\n" + "".join(f"{report.BEGIN.format(n)}\nold\n{report.END.format(n)}\n" for n in names) + "after\n"
    new = report.readme_with(text, found, nothing, SPEED)
    assert new.startswith("before\n") and new.endswith("after\n") and "\nold\n" not in new
    assert "| FCN signed, ELUS | 6 |" in new and report.readme_with(new, found, nothing, SPEED) == new
    list(report.draw(found, tmp_path))
    assert not list(report.stale_figures(found, tmp_path))
    path = tmp_path / "koster_fig5.svg"
    first = path.read_bytes()
    list(report.draw(found, tmp_path, again=True))
    assert path.read_bytes() == first
    other = evidence.Evidence(found.folder, "paper")
    other.experiments = copy.deepcopy(other.experiments)
    other.experiments[FCN][0]["final"]["test_accuracy"] += 1
    assert path in report.stale_figures(other, tmp_path)
    assert tmp_path / "koster_fig10.svg" not in report.stale_figures(other, tmp_path)


def test_tables_as_csv_and_latex(found, tmp_path):
    files = report.table_files(found, tmp_path)
    assert {path.suffix for path in files} == {".csv", ".tex"} and len(files) == 2 * (len(tables.TABLES) + 1)
    (tmp_path / "x.csv").write_bytes(files[tmp_path / "koster_table4.csv"])
    assert pd.read_csv(tmp_path / "x.csv")["n"].tolist() == [6] * 10
    assert r"test accuracy, \%" in files[tmp_path / "koster_table4.tex"].decode()


def test_a_record_of_another_scale_is_named(found, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(found.folder / FCN, folder / FCN)
    path = folder / FCN / "seed3.json"
    before = path.read_text()
    path.write_text(before.replace('"scale": "paper"', '"scale": "quick"'))
    with pytest.raises(InputError, match="seed3.json is of scale 'quick' among records of scale 'paper'"):
        evidence.Evidence(folder, "paper")
    path.write_text(before[:100])
    done = command(f"--results_dir={folder}", f"--figures_dir={tmp_path}/f")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "seed3.json is damaged" in done.stderr
    assert (folder / FCN / "seed3.json.damaged").read_text() == before[:100]


def test_a_row_without_flag_file_is_named(tmp_path):
    shutil.copytree(ROOT / "flags", tmp_path / "flags")
    rows = tmp_path / "flags"
    (rows / f"{FCN}.flags").unlink()
    done = command("--check", f"--flags_dir={rows}")
    assert done.returncode == 2 and f"show {FCN} that no file" in done.stderr
    shutil.copy(ROOT / "flags" / f"{FCN}.flags", rows / f"{FCN}.flags")
    (rows / "koster_new.flags").write_text("# new\n--experiment=koster_new\n--model=fcn\n")
    done = command("--check", f"--flags_dir={rows}")
    assert done.returncode == 2 and "koster_new is trained and shown nowhere" in done.stderr


def test_bad_input(nothing):
    with pytest.raises(InputError, match="no lines"):
        report.readme_with("no markers", nothing, nothing, SPEED)
    done = command("--scale=huge")
    assert done.returncode == 2 and "--scale=huge is unknown; choose from paper, reduced, quick" in done.stderr


# ---------------------------------------------------------------------------------------------------------------------
# Statistics of masks, and claims on made-up records


def test_equality_and_uses():
    a, b = np.array([[1, 0], [-1, 0]], np.int8), np.array([[1, 0], [1, 1]], np.int8)
    assert evidence.equality([a, b]) == 0.5 and evidence.equality([a, b], absolute=True) == 0.75
    np.testing.assert_array_equal(evidence.uses([a, b]), [[2, 0], [2, 1]])


def altered(found, **changes):
    """Evidence in which final measures of experiments are set: name=dict(measure=values by run)."""
    other = evidence.Evidence(found.folder, found.scale)
    for name, measures in changes.items():
        other.experiments[name] = copy.deepcopy(other.experiments[name])
        for measure, numbers in measures.items():
            for record, number in zip(other.experiments[name], numbers, strict=True):
                record["final"][measure] = number
    return other


def verdict(found, number):
    return claims.ledger(found)[number - 1].verdict


@pytest.mark.parametrize("order, expected", [((3.8, 4.9, 5.5), "holds"), ((3.8, 5.6, 5.5), "fails")])
def test_claim_of_an_order(found, order, expected):
    names = ("koster_table1_fcn_signed_elus", "koster_table1_fcn_signed_he", "koster_table1_fcn_signed_xavier")
    changes = {name: {"remaining": [value] * 6} for name, value in zip(names, order, strict=True)}
    assert verdict(altered(found, **changes), 3) == expected


def test_claim_of_a_significant_difference(found, monkeypatch):
    draw = np.random.default_rng(0)
    base, better = draw.normal(96.7, 0.1, 6), draw.normal(97.1, 0.1, 6)
    wide = {"remaining": [4, 4.5, 4.9, 5, 5.5, 6]}
    constant, uniform = "koster_table1_fcn_signed_he", "koster_appendix_d_fcn_he_uniform"
    narrow = {"remaining": [4.9, 4.95, 5, 5, 5.05, 5]}
    wider = {"test_accuracy": base + np.linspace(-0.2, 0.2, 6), **wide}
    monkeypatch.setattr(claims, "TESTED", 6)
    holds = altered(found, **{constant: {"test_accuracy": better, **narrow}, uniform: wider})
    assert verdict(holds, 28) == "holds"
    assert verdict(altered(found, **{constant: {"test_accuracy": base, **narrow}, uniform: wider}), 28) == "fails"


def test_claim_that_lacks_runs_says_so(found, tmp_path):
    shutil.copytree(found.folder / FCN, tmp_path / FCN)
    finding = claims.ledger(evidence.Evidence(tmp_path, "paper"))[2]
    assert finding.verdict == claims.OPEN and "1 run of koster_table1_fcn_signed_xavier, there are 0" in finding.numbers


def test_no_verdict_from_few_runs(found, tmp_path):
    findings = claims.ledger(found)  # 6 runs each
    assert findings[27].verdict == claims.OPEN and "10 runs of" in findings[27].numbers
    assert findings[15].verdict == claims.OPEN and "40 runs of" in findings[15].numbers
    reduced = evidence.Evidence(tmp_path, "reduced")
    assert claims.ledger(reduced)[31].numbers == "needs runs of full length"


def test_records_know_their_scale(tiny, tmp_path):
    spec = dataclasses.replace(Spec.of(epochs=1, batch_size=32), scale="reduced")
    _, record = training.train(spec, tiny, records.Run(tmp_path, "x", 0), QUIET)
    assert (
        json.loads((tmp_path / "x" / "seed0.json").read_text())["spec"]["scale"] == record["spec"]["scale"] == "reduced"
    )
