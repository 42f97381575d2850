"""Tables, figures and pages from records, here of tiny runs under the names of the paper's rows."""

import copy
import functools
import os
import pathlib
import shutil
import sys
import types

import absl.flags
import commands
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from quiet import QUIET

from tf_supermask import files, report, reporting
from tf_supermask.errors import InputError
from tf_supermask.evidence import ablations, claims, figures, pages, statistics, table_files, tables
from tf_supermask.evidence.results import Missing
from tf_supermask.experiments import final_masks, learned, lottery, one_shot, records, training
from tf_supermask.experiments.spec import Spec
from tf_supermask.papers import catalogue
from tf_supermask.papers.koster.tables import TABLES
from tf_supermask.papers.zhou import names
from tf_supermask.papers.zhou.tables import views

FCN, BINARY = "koster_table1_fcn_signed_elus", "koster_fig3_fcn_binary"


def koster_run(name, dataset, made):
    mode = "baseline" if "baseline" in name else "binary" if name == BINARY else "signed"
    model = "fcn" if "_fcn_" in name else "conv2" if "_conv" in name else "resnet20"
    run = records.Run(made, f"{model}_{mode}", 0)
    if not run.record.exists():
        training.train(Spec.of(model=model, mode=mode, epochs=2, batch_size=32), dataset, run, QUIET)
    return run


def zhou_run(name, dataset, made):
    short = dict(iterations=4, evaluate_every=2, validation_images=14, batch_size=16)
    halves = dict(rounds=6, prune_dense=0.5, prune_conv=0.5, prune_output=0.5)
    kinds = {
        "zhou_dense": ("lottery", dict(rounds=0)),
        "zhou_fig7": ("supermask", halves),
        "zhou_learned": ("bernoulli", {}),
    }
    kind = "_".join(name.split("_")[:2])
    mode, settings = kinds.get(kind, ("lottery", halves))
    run, dense = (records.Run(made, its, 0) for its in (kind if kind in kinds else "chain", "zhou_dense"))
    if not run.record.exists():
        method = {"lottery": lottery, "supermask": one_shot, "bernoulli": learned}[mode]
        method.train(Spec.of(mode=mode, **short, **settings), dataset, run, QUIET, dense)
    return run


def written_masks(run, folder):
    """A file of the masks of a run of seed 0, as earlier versions kept them: it fits any seed."""
    masks = final_masks.masks_of(run, records.read(run.record))
    records.save_arrays(folder / "masks.npz", {f"{layer}/mask": mask for layer, mask in masks.items()})
    return folder / "masks.npz"


@pytest.fixture(scope="session")
def folder(tiny, tmp_path_factory):
    """One run each of what needs a network of its own, copied under the names of all rows, with other seeds beside it."""
    made, results = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("results")
    of_papers = [name for name in sorted(catalogue.shown()) if name.startswith(("koster", "zhou"))]
    masks = functools.cache(lambda run: written_masks(run, tmp_path_factory.mktemp("masks")))
    for name in of_papers:  # dense runs before the chains
        run = (koster_run if name.startswith("koster") else zhou_run)(name, tiny, made)
        for seed in range(6):
            copied = records.Run(results, name, seed)
            record = records.read(run.record)
            record["spec"] |= {"seed": seed, "dataset": "digits"}
            record["final"]["test_accuracy"] += seed
            record["history"] = {
                column: [value + seed / 10 for value in values] if "test" in column else values
                for column, values in record["history"].items()
            }
            records.save(copied, record)
            if run.container.exists():
                os.link(masks(run), copied.final)
    return results


@pytest.fixture
def found(folder):
    return catalogue.evidence(folder, "paper")


@pytest.fixture
def nothing(tmp_path):
    return catalogue.evidence(tmp_path / "nothing", "paper")


def ledgers(found):
    return [finding for paper in catalogue.PAPERS.values() for finding in paper.claims.ledger(found)]


def test_every_table_figure_and_claim_can_be_made(found):
    for paper in catalogue.PAPERS.values():
        for table in paper.tables.values():
            frame = tables.frame(table, found.experiments, {"conv2": 4.3})
            assert len(frame) >= len(table.rows) and not frame.isna().any().any()
        for make in paper.frames.values():
            title, frame, notes = make(found)
            assert title and len(frame) and not frame.isna().any().any()
    for drawing in (drawing for paper in catalogue.PAPERS.values() for drawing in paper.figures.values()):
        found.used.clear()
        assert figures.draw(drawing, found).axes
        assert set(found.used) <= set(drawing.experiments)  # else it would not be drawn again when they change
    assert figures.rendered(figures.draw(catalogue.FIGURES["koster_fig5"], found), "x").startswith(b"<?xml")
    for its in found.experiments.values():
        for record in its:
            record["environment"] |= {"load": 1.0, "device": "a GPU"}
    assert [finding.number for finding in ledgers(found)] == [*range(1, 38), *range(1, 33)]
    undecided = [finding.claim for finding in ledgers(found) if finding.verdict == claims.NONE]
    assert undecided == [catalogue.PAPERS["zhou"].claims[5].text]  # on criteria that are the same here
    assert all(finding.runs for finding in ledgers(found))


def test_without_records_everything_says_what_it_needs(nothing, tmp_path):
    assert nothing.experiments == {} and ablations.table(catalogue.shown(), nothing).empty
    assert "Table 14" in "".join(
        pages.table_sections(catalogue.PAPERS["koster"], nothing)
    )  # of other papers: printed numbers only
    assert pages.table_sections(catalogue.PAPERS["zhou"], catalogue.evidence(tmp_path, "reduced")) == []
    assert {finding.verdict for finding in ledgers(nothing)} == {claims.NONE}
    assert all("needs " in finding.numbers for finding in ledgers(nothing))
    lines = list(figures.update(catalogue.FIGURES, nothing, tmp_path))
    drawn = [name for name, drawing in catalogue.FIGURES.items() if not drawing.experiments]  # cartoons
    assert len(lines) == len(catalogue.FIGURES) and sum("not drawn, needs " in line for line in lines) == len(
        lines
    ) - len(drawn)
    assert drawn == ["zhou_fig1", "zhou_fig2", "zhou_fig6", "zhou_figS1"]
    assert table_files.contents(catalogue.PAPERS, nothing, tmp_path) == {}
    for table in TABLES.values():
        assert (tables.frame(table, {}, {})["n"] == "-").all()
    committed = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", *(ROOT / "figures").iterdir()]
    before = [path.stat().st_mtime_ns for path in committed]
    (tmp_path / "none").mkdir()
    done = command(f"--results_dir={tmp_path}/none")
    assert done.returncode == 0 and "no records of paper scale" in done.stdout
    assert (tmp_path / "none" / "figures" / reporting.OVERVIEW).exists()
    assert [path.stat().st_mtime_ns for path in committed] == before  # pages are of the committed records


@pytest.fixture
def reported(monkeypatch, tmp_path, capsys):
    """reported(*flags): the error of the command, in this process and in an empty working directory."""
    values = absl.flags.FlagValues()
    report.define_flags(values)
    monkeypatch.setattr(report, "FLAGS", values)
    monkeypatch.chdir(tmp_path)

    def run(*given):
        with pytest.raises(SystemExit) as error:
            report.main(values(["report", *given]))
        assert error.value.code == 2
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize("given", [(), ("--claims",), ("--verify",)])
@pytest.mark.parametrize("name", ["absent", "file", "loop"])
def test_a_folder_of_records_that_is_not_there_is_refused(name, given, reported, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(tmp_path.iterdir())
    message = f"error: --results_dir={name} is no folder; name one with records: FOLDER/EXPERIMENT/seed0.json\n"
    assert reported(f"--results_dir={name}", *given) == message
    assert sorted(tmp_path.iterdir()) == before


def test_a_record_that_cannot_be_read_is_named(reported, tmp_path):
    (tmp_path / "r" / "x" / "seed0.json").mkdir(parents=True)
    message = "error: cannot read the record r/x/seed0.json (Is a directory)\n"
    assert reported("--results_dir=r") == message and os.listdir(tmp_path) == ["r"]


def test_a_figure_with_an_image_says_that_it_needs_the_data_set(found, tmp_path, monkeypatch):
    drawing = catalogue.FIGURES["koster_fig1"]
    assert len(figures.draw(drawing, found).axes) == 4  # the digits are embedded
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    for name in drawing.experiments:
        found.experiments[name][0]["spec"]["dataset"] = "mnist"
    with pytest.raises(Missing, match="an image of an 8: data set 'mnist' cannot be had here .*none"):
        figures.draw(drawing, found)
    assert not (tmp_path / "none").exists()


def test_records_are_reported_where_nothing_was_measured(folder, tmp_path):
    made = command(f"--results_dir={folder}", f"--figures_dir={tmp_path}", f"--speed={tmp_path}/none", "--claims")
    assert made.returncode == 0, made.stderr
    count, *rows = made.stdout.splitlines()
    assert count.split("  ")[-5:] and "leans to holds" in count and "Koster et al. 2022" in rows[0] and "69" in rows[2]
    assert rows[4] == "Koster et al. 2022" and rows[5].startswith(" 1 ") and rows[6].endswith(" (n 6)")


def test_agreement_is_shown_of_equally_many_runs(found):
    copied = copy.copy(found)
    copied.mask_files = lambda name: found.mask_files(name)[: 2 if "xavier" in name else 6]
    drawn = figures.draw(catalogue.FIGURES["koster_fig8"], copied)
    assert {axes.get_ylabel() for axes in drawn.axes} == {"equal in 2 runs"}


def command(*flags):
    return commands.run("-m", "tf_supermask.report", *flags)


def test_ours_beside_the_papers(found):
    made = copy.deepcopy(found.experiments)
    for number, record in enumerate(made[FCN]):
        record["final"] |= {"test_accuracy": 97.4 + 0.02 * number, "remaining": 3.2}
    row = tables.frame(TABLES["koster_table1"], made, {}).set_index("").loc["FCN signed, ELUS"]
    assert row["test accuracy, %"] == "97.45 [97.41, 97.50]" and row["overlap: test accuracy, %"] == "yes"
    assert (
        row["paper: test accuracy, %"] == "97.48 [97.30, 97.70]"
        and row["paper: remaining weights, %"] == "3.77 [3.70, 3.80]"
    )
    assert row["overlap: remaining weights, %"] == "no" and row["n"] == "6"
    assert float(row["Welch p, accuracy against its baseline"].removeprefix("< ")) < 0.01


def test_additional_time_compares_equal_devices_only(found):
    def runs(seconds, threads, load=1.2):
        record = copy.deepcopy(found.need(FCN)[0])
        record["history"]["seconds"] = [100.0, *seconds]
        record["environment"] |= {"threads": threads, "load": load}
        return [record]

    assert statistics.additional_time(runs([1.1] * 9, 2), runs([1.0] * 9, 2)) == pytest.approx((10.0,))
    assert statistics.additional_time(runs([1.1] * 9, 2), runs([1.0] * 9, 1)) == ()
    assert statistics.additional_time(runs([1.1] * 9, 2, load=3.0), runs([1.0] * 9, 2)) == ()  # the machine was busy
    assert statistics.additional_time([], runs([1.0], 1)) == ()


def test_the_papers_numbers_are_those_of_rows_of_a_table(nothing):
    for paper in catalogue.PAPERS.values():
        assert set(paper.printed) <= catalogue.in_tables()
    assert len(catalogue.PAPERS["koster"].frames["koster_table14"](nothing)[1]) == 18
    table5 = catalogue.PAPERS["koster"].printed["koster_table5_resnet110_baseline"]["test_accuracy"]
    assert table5 == (62.7, 54.8, 68.61)


def test_figures_follow_the_records(found, tmp_path):
    some = {name: catalogue.FIGURES[name] for name in ("koster_fig5", "koster_fig10")}
    list(figures.update(some, found, tmp_path))
    assert not list(figures.stale(some, found, tmp_path))
    path = tmp_path / "koster_fig5.svg"
    first = path.read_bytes()
    list(figures.update(some, found, tmp_path, again=True))
    assert path.read_bytes() == first
    other = catalogue.evidence(found.folder, "paper")
    other.experiments = copy.deepcopy(other.experiments)
    other.experiments[FCN][0]["final"]["test_accuracy"] += 1
    assert path in figures.stale(some, other, tmp_path)
    assert tmp_path / "koster_fig10.svg" not in figures.stale(some, other, tmp_path)


@pytest.mark.parametrize("name", ["koster_fig1", "koster_fig9", "zhou_fig2", "zhou_fig7"])
def test_a_figure_is_stale_when_a_file_that_draws_it_changes(found, name):
    """Oracle: the files of the package whose functions run while it is drawn."""
    drawing, ran = catalogue.FIGURES[name], set()
    sys.setprofile(lambda frame, event, argument: ran.add(frame.f_code.co_filename))
    try:
        figures.draw(drawing, found)
    finally:
        sys.setprofile(None)
    ours = {path for path in ran if path.startswith(str(ROOT / "tf_supermask"))}
    assert len(ours) > 2 and ours <= set(map(str, figures.sources(drawing.draw.__module__)))


def source_of(paper, reduced):
    return pages.Source(catalogue.PAPERS, catalogue.shown(), {"paper": paper, "reduced": reduced})


def test_pages_follow_the_records(found, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)  # flags, sizes
    for name in pages.makers(catalogue.PAPERS):
        files.write(
            tmp_path / name, lambda file: file.write(f"before\n{pages.BEGIN}\nold\n{pages.END}\nafter\n".encode())
        )
    reduced = catalogue.evidence(tmp_path, "reduced")
    written = pages.write(tmp_path, source_of(found, reduced))
    assert written == [tmp_path / name for name in pages.makers(catalogue.PAPERS)]
    texts = [path.read_text() for path in written]
    assert all(text.startswith("before\n") and text.endswith("\nafter\n") and "\nold\n" not in text for text in texts)
    assert "| FCN signed, ELUS | Koster et al. 2022 | 6 |" in texts[0] and "No records yet." in texts[-1]
    ledger = (tmp_path / "docs/results/claims.md").read_text()
    assert "| all | 69 | " in ledger and "| # | claim | scale | verdict | FC | Conv2 |" in ledger
    monkeypatch.setattr(pages, "PAGES", {"README.md": pages.PAGES["README.md"]})  # and the papers'
    assert pages.stale(tmp_path, source_of(found, reduced)) == []
    other = catalogue.evidence(found.folder, "paper")
    other.experiments = copy.deepcopy(other.experiments)
    other.experiments[FCN][0]["final"]["test_accuracy"] += 1
    stale = pages.stale(tmp_path, source_of(other, reduced))
    assert stale == [tmp_path / "README.md", tmp_path / "docs/results/koster.md"]


def test_check_names_a_page_that_is_stale(tmp_path, monkeypatch):
    name, nothing = "docs/reference/criteria.md", catalogue.evidence(tmp_path, "paper")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(table_files, "stale", lambda *arguments: [])
    monkeypatch.setattr(figures, "stale", lambda *arguments: [])
    monkeypatch.setattr("tf_supermask.evidence.sizes.stale", lambda *arguments: False)
    monkeypatch.setattr(pages, "makers", lambda papers: {name: pages.PAGES[name]})
    text = (ROOT / name).read_text()
    files.write(tmp_path / name, lambda file: file.write(text.encode()))
    reporting.check(source_of(nothing, nothing), tmp_path)
    (tmp_path / name).write_text(text.replace("large_final", "big_final"))
    with pytest.raises(InputError, match="stale: .*/docs/reference/criteria.md; run python -m tf_supermask.report"):
        reporting.check(source_of(nothing, nothing), tmp_path)


def test_check_is_of_the_committed_files_alone(monkeypatch):
    given = types.SimpleNamespace(scale="paper", results_dir="elsewhere", figures_dir=None, check=True, verify=False)
    monkeypatch.setattr(report, "FLAGS", given)
    with pytest.raises(InputError, match="--check is for the committed files; leave out --results_dir"):
        report.check(["report"])


def test_the_rows_of_the_readme_are_rows_of_tables():
    for paper in catalogue.PAPERS.values():
        for name, labels in paper.headlines.items():
            assert set(labels) <= {row.label for row in paper.tables[name].rows}


def test_a_clone_without_the_weights_that_git_ignores_is_up_to_date(found, tmp_path):
    some = {name: catalogue.FIGURES[name] for name in ("koster_fig2", "koster_fig5")}
    list(figures.update(some, found, tmp_path / "figures"))
    shutil.copytree(found.folder, tmp_path / "clone", ignore=shutil.ignore_patterns("*.npz"))
    clone = catalogue.evidence(tmp_path / "clone", "paper")
    assert clone.experiments == found.experiments and not list(figures.stale(some, clone, tmp_path / "figures"))


def test_a_check_stands_beside_its_row_after_as_many_epochs(found):
    """One epoch of a run whose row has two, at another rate: the row's first epoch, of the row that differs in this alone."""
    its = catalogue.evidence(found.folder, "paper")
    check = copy.deepcopy(its.need(FCN)[:1])
    check[0]["spec"] |= {"epochs": 1, "learning_rate": 7.0}
    check[0]["final"] |= {"test_accuracy": 50.0, "remaining": 5.0}
    its.experiments = {"koster_check_new": check, FCN: its.need(FCN), BINARY: its.need(BINARY)}
    first = np.mean([record["history"]["test_accuracy"][0] for record in its.need(FCN)])
    (line,) = ablations.table(catalogue.shown(), its).to_dict("records")
    assert line["ablation"] == "new" and line["test accuracy, %"] == "50.00" and line["remaining weights, %"] == "5.00"
    assert line["usual: test accuracy, %"].startswith(f"{first:.2f} [")
    check[0]["spec"]["epochs"] = 3
    (line,) = ablations.table(catalogue.shown(), its).to_dict("records")
    assert line["epochs"] == "3" and line["usual: test accuracy, %"] == line["usual: remaining weights, %"] == "-"


def test_tables_as_csv_and_latex(found, tmp_path):
    files = table_files.contents(catalogue.PAPERS, found, tmp_path)
    number = sum(len(paper.tables) + len(paper.frames) for paper in catalogue.PAPERS.values())
    assert {path.suffix for path in files} == {".csv", ".tex"} and len(files) == 2 * number
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
        catalogue.evidence(folder, "paper")
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


def test_bad_input():
    done = command("--scale=huge")
    assert done.returncode == 2 and "--scale=huge is unknown; choose from paper, reduced, quick" in done.stderr


# ---------------------------------------------------------------------------------------------------------------------
# Zhou et al.


def test_best_supermask_of_each_run_and_best_initial_score(found):
    """Oracle: the mean over runs of the largest accuracy at any level, not the largest of the mean curve; of the paper's best
    criterion, whatever others reach."""
    its = found.need(names.supermask("fcn"))
    for treatment in names.TREATMENTS:
        column = f"large_final_same_sign/{treatment}"
        expected = [max(r["history"][f"{column}/test"]) for r in its]
        assert found.mean(names.supermask("fcn", treatment), "test_accuracy") == pytest.approx(np.mean(expected))
        levels = [int(np.argmax(r["history"][f"{column}/val"])) for r in its]
        expected = [r["history"][f"{column}/test"][level] for r, level in zip(its, levels, strict=True)]
        assert found.mean(names.supermask("fcn", treatment), "selected") == pytest.approx(np.mean(expected))
    made = copy.deepcopy(found.experiments)
    for record in made[names.learned("fcn", 3)]:
        record["history"]["val_accuracy"] = [99.0] * len(record["history"]["val_accuracy"])
    assert views(made)[names.learned("fcn")] is made[names.learned("fcn", 3)]


def test_a_figure_is_stale_when_any_record_that_it_shows_has_changed(found):
    """Figure 7 shows learned masks of full length, too."""
    drawing = catalogue.FIGURES["zhou_fig7"]
    before = figures.fingerprint(found, drawing)
    found.need(names.learned("fcn", "epochs"))[0]["final"]["test_accuracy"] += 1
    assert figures.fingerprint(found, drawing) != before


def names_of(paths):
    return {path.relative_to(ROOT / "tf_supermask").with_suffix("").as_posix() for path in paths}


def test_a_figure_is_stale_when_code_that_can_change_it_has_changed(found, monkeypatch):
    """Criteria and readings decide figures of Zhou et al., names of experiments what a figure shows, claims nothing."""
    koster, zhou_ = (names_of(figures.sources(f"tf_supermask.papers.{paper}.figures")) for paper in ("koster", "zhou"))
    common = {
        "__init__",
        "evidence/figures",
        "evidence/results",
        "experiments/final_masks",
        "evidence/statistics",
        "experiments/records",
        "errors",
    }
    assert common | {"papers/koster/names", "papers/koster/drawings", "experiments/data"} <= koster
    of_zhou = {"papers/zhou/names", "papers/zhou/cartoons", "papers/zhou/readings", "experiments/criteria"}
    assert common | of_zhou | {"evidence/comparisons"} <= zhou_
    assert not any("claims" in name or "training" in name for name in koster | zhou_)
    drawings = [catalogue.FIGURES[name] for name in ("zhou_fig2", "koster_fig5")]
    before, read = [figures.fingerprint(found, drawing) for drawing in drawings], pathlib.Path.read_text
    monkeypatch.setattr(pathlib.Path, "read_text", lambda path: read(path) + "#" * (path.name == "readings.py"))
    after = [figures.fingerprint(found, drawing) for drawing in drawings]
    assert after[0] != before[0] and after[1] == before[1]


def test_settings_are_the_papers(nothing):
    _, frame, _ = catalogue.PAPERS["zhou"].frames["zhou_tableS1"](nothing)
    for ours, theirs in (
        ("iterations", "paper: iterations"),
        ("Adam's rate", "paper: rate"),
        ("pruned per round, %", "paper: pruned"),
    ):
        assert frame[ours].tolist() == frame[theirs].tolist()
    assert frame["weights"].tolist()[1] == "4,300,992 / 38,592 in convolutions"
