"""The page that compares methods, from made-up records: tables, findings, figures, flag files."""

import dataclasses

import pytest
from conftest import ROOT
from made_up import MadeUp

from tf_supermask.evidence import figures, pages
from tf_supermask.evidence.results import Missing
from tf_supermask.experiments import choices, flag_files, names
from tf_supermask.papers import catalogue
from tf_supermask.papers.rivals import figures as drawings
from tf_supermask.papers.rivals import page, readings, rules
from tf_supermask.papers.rivals.names import NETS, OWN, SPARSE, WITH_DENSITY, at_density, experiments, own

LAYERS = {"fc1": ((10, 10), 0.1)}
SIZES = "experiment,seed,sha256,dense_bytes,csr_bytes,entropy_bytes,container_bytes,macs,compact_macs\n"


def run(accuracy, remaining=10.0, csr=80.0, seconds=1.0):
    return {
        "test_accuracy": accuracy,
        "remaining": remaining,
        "csr_compression": csr,
        "seconds": seconds,
        "layers": LAYERS,
    }


def evidence():
    made = MadeUp({
        own("fcn", "dense"): run((98.0, 0.1), 100.0, 0.0),
        own("fcn", "twn"): run((97.5, 0.1), 58.0, -16.0),
        at_density("fcn", "rigl", "0.1"): run((97.9, 0.02), seconds=1.5),
        at_density("fcn", "set", "0.1"): run((97.4, 0.3)),
        at_density("fcn", "edge_popup", "0.1"): run((95.0, 0.1)),
        at_density("fcn", "rigl", "0.01"): run((90.0, 0.1), 1.0, 97.0),
    }, runs=5)  # fmt: skip
    made.experiments[own("fcn", "dense")][0]["final"]["csr_compression"] = None
    return made


def test_rows_are_those_that_have_records(tmp_path):
    sizes = tmp_path / "sizes.csv"
    sizes.write_text(SIZES + f"{at_density('fcn', 'edge_popup', '0.1')},0,x,400,90,20,44,100,60\n")
    lines = page.table("fcn", evidence(), sizes).to_dict("records")
    assert [line["method"] for line in lines] == ["dense", "TWN", "edge-popup", "SET", "RigL", "RigL"]
    dense, twn, popup, _, rigl, last = lines
    assert dense["density set, %"] == "-" and rigl["density set, %"] == "10" and last["density set, %"] == "1"
    assert (dense["bytes"], dense["as"], twn["as"]) == ("400", "float", "float")  # CSR of many weights is larger
    assert (popup["bytes"], popup["as"], popup["multiplications after compact, %"]) == ("44", "container", "60.0")
    assert (rigl["bytes"], rigl["as"], rigl["multiplications after compact, %"]) == ("80", "CSR", "-")
    assert (dense["step / dense"], rigl["step / dense"], rigl["n"]) == ("1.00", "1.50", "5")
    assert rigl["test accuracy, %"].startswith("97.90 [97.89")


def test_findings_name_the_best_and_those_that_are_clearly_below():
    (text,) = page.findings("fcn", evidence())
    assert text == "At 10 % RigL is the most accurate: 97.90 %. Clearly below it are 2 of 2 methods: SET, edge-popup."
    few = evidence()
    few.experiments = {name: runs[:1] for name, runs in few.experiments.items()}
    assert page.findings("fcn", few) == [
        "At 10 % RigL is the most accurate: 97.90 %, before SET with 97.40 %; too few seeds for a test."
    ]


def test_the_page_with_and_without_records(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    nothing = MadeUp({})
    assert page.page(pages.Source({}, set(), {"paper": nothing})) == "No records yet."
    text = page.page(pages.Source({}, set(), {"paper": evidence()}))
    assert text.startswith("## FCN on MNIST, paper scale\n") and "| RigL | 10 | 5 |" in text and "Holm" in text
    target = tmp_path / page.PAGE
    target.parent.mkdir(parents=True)
    target.write_text(f"{pages.BEGIN}\n{pages.END}")
    source = pages.Source({}, set(), {"paper": evidence()}, further={page.PAGE: catalogue.PAGES[page.PAGE]})
    monkeypatch.setattr(pages, "PAGES", {})
    assert pages.write(tmp_path, source) == [target] and "| RigL | 10 | 5 |" in target.read_text()
    assert pages.stale(tmp_path, source) == []


@pytest.mark.parametrize("name", drawings.FIGURES)
def test_figures(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    its = evidence()
    figure = figures.draw(drawings.FIGURES[name], its)
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert set(labels) == {"RigL", "SET", "edge-popup", "TWN", "dense"}
    assert figures.rendered(figure, "x").startswith(b"<?xml")
    assert set(its.used) <= set(drawings.FIGURES[name].experiments)
    with pytest.raises(Missing, match="^1 run of rivals_own_fcn_dense, there are 0$"):
        figures.draw(drawings.FIGURES[name], MadeUp({}))


def test_every_row_has_a_flag_file_and_every_method_of_the_mode_sparse_a_row():
    rows = {its.name: its for its in flag_files.read_all(sorted((ROOT / "flags").glob("rivals_*.flags")))}
    shown = {name for net in NETS for name in experiments(net)}
    assert shown == {name for name in rows if not names.unlisted(name)} - rules.shown()
    assert set(SPARSE) == set(choices.METHODS) and set(OWN) & set(WITH_DENSITY) == set()
    for name in shown:
        assert len(rows[name].specs) == 5 and rows[name].specs[0].batch_size == 128
        assert (rows[name].specs[0].density is None) == (experiments("fcn")[name][1] is None)


def test_learning_rates_are_tried_on_validation_images_at_the_settings_of_the_rows():
    rows = {its.name: its.specs for its in flag_files.read_all(sorted((ROOT / "flags").glob("rivals_*.flags")))}
    for method in (*OWN, *WITH_DENSITY):
        tried = {name: specs for name, specs in rows.items() if name.startswith(f"rivals_grid_fcn_{method}_")}
        tried = {
            name: specs for name, specs in tried.items() if name.removeprefix(f"rivals_grid_fcn_{method}_")[0].isdigit()
        }
        row = rows[at_density("fcn", method, "0.1") if method in WITH_DENSITY else own("fcn", method)][0]
        same = dict.fromkeys(("learning_rate", "splits", "update_every"))
        assert 3 < len(tried) <= 5
        for (spec,) in tried.values():
            assert spec.splits == "train[:55000],train[55000:]" or spec.validation_images == 5000
            assert dataclasses.replace(spec, mode=row.mode) == spec
            assert {k: v for k, v in vars(spec).items() if k not in same} == {
                k: v for k, v in vars(row).items() if k not in same
            }
        assert row.learning_rate in {spec.learning_rate for (spec,) in tried.values()}


def test_bytes_of_the_dense_network():
    dense = evidence().experiments[own("fcn", "dense")][0]
    assert readings.csr_bytes(dense) == 400
