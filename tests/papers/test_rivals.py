"""The page that compares methods, from made-up records: tables, figures, flag files."""

import dataclasses
from math import gcd

import pytest
from conftest import ROOT
from made_up import MadeUp

from tf_supermask.evidence import figures, pages
from tf_supermask.evidence.results import Missing
from tf_supermask.experiments import choices, flag_files, names
from tf_supermask.papers import catalogue
from tf_supermask.papers.rivals import figures as drawings
from tf_supermask.papers.rivals import page, readings, rules, scaling
from tf_supermask.papers.rivals.names import (
    AUGMENTED,
    NETS,
    OWN,
    SPARSE,
    TRIED,
    WITH_DENSITY,
    at_density,
    experiments,
    method_of,
    own,
    tried,
    unscaled,
)
from tf_supermask.rivals.methods import METHODS

LAYERS = {"fc1": ((10, 10), 0.1)}
SIZES = "experiment,seed,sha256,version,dense_bytes,csr_bytes,entropy_bytes,container_bytes,macs,compact_macs\n"


def run(accuracy, remaining=10.0, csr=80.0, seconds=1.0):
    return {
        "test_accuracy": accuracy,
        "remaining": remaining,
        "csr_compression": csr,
        "seconds": seconds,
        "layers": LAYERS,
        "spec": {"learning_rate": 0.05},
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
    for record in made.experiments[at_density("fcn", "rigl", "0.1")]:
        record["spec"]["allocation"] = "erk"
    made.experiments[own("fcn", "dense")][0]["final"]["csr_compression"] = None
    return made


def measured(folder, *containers):
    """Measured of these lines of the table of containers, and of a step of RigL on FCN."""
    (folder / "sizes.csv").write_text(SIZES + "".join(f"{line}\n" for line in containers))
    (folder / "train_step.json").write_text('{"methods": {"fcn": {"rigl": {"over_dense": 1.5}}}}')
    return page.Measured.of(folder, folder / "sizes.csv")


def test_rows_are_those_that_have_records(tmp_path):
    known = measured(tmp_path, f"{at_density('fcn', 'edge_popup', '0.1')},0,x,5,400,90,20,44,100,60")
    lines = page.table("fcn", evidence(), known).to_dict("records")
    assert [line["method"] for line in lines] == ["dense", "TWN", "edge-popup", "SET", "RigL", "RigL"]
    dense, twn, popup, _, rigl, last = lines
    assert dense["density set, %"] == "-" and rigl["density set, %"] == "10" and last["density set, %"] == "1"
    assert (dense["bytes"], dense["as"], twn["as"]) == ("400", "float", "float")  # CSR of many weights is larger
    assert (popup["bytes"], popup["as"], popup["multiplications after compact, %"]) == ("44", "container", "60.0")
    assert (rigl["bytes"], rigl["as"], rigl["multiplications after compact, %"]) == ("80", "CSR", "-")
    assert (dense["step / dense"], rigl["step / dense"], rigl["n"], rigl["rate"]) == ("-", "1.50", "5", "0.05")
    assert (dense["shared"], popup["shared"], rigl["shared"]) == ("-", "uniform", "erk")
    assert rigl["test accuracy, %"].startswith("97.90 [97.89")


def test_cropped_images_are_a_second_column(tmp_path):
    names = [at_density(net, "rigl", "0.01") for net in ("conv2", "conv2_augmented")] + [own("conv2", "twn")]
    its = MadeUp({name: run(60.0 + i) for i, name in enumerate(names)}, runs=1)
    lines = page.table("conv2", its, measured(tmp_path)).to_dict("records")
    both = [(line["method"], line["test accuracy, %"], line["with crop and flip, %"]) for line in lines]
    assert both == [("TWN", "62.00", "-"), ("RigL", "60.00", "61.00")]
    assert "with crop and flip, %" not in page.table("conv2_augmented", its, measured(tmp_path))


def test_the_page_with_and_without_records(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    nothing = MadeUp({})
    assert page.page(pages.Source({}, set(), {"paper": nothing})) == "No records yet."
    several = evidence()
    several.experiments |= MadeUp({own("conv4", "signed"): run(75.0)}, runs=2).experiments
    text = page.page(pages.Source({}, set(), {"paper": several}))
    assert text.startswith("## FCN on MNIST, paper scale\n") and "| RigL | 10 | erk | 0.05 | 5 |" in text and "Holm" in text
    assert "49 of 55 rows have no records yet." in text and "## Conv4 on CIFAR-10, paper scale" in text
    target = tmp_path / page.PAGE
    target.parent.mkdir(parents=True)
    target.write_text(f"{pages.BEGIN}\n{pages.END}")
    source = pages.Source({}, set(), {"paper": evidence()}, further={page.PAGE: catalogue.PAGES[page.PAGE]})
    monkeypatch.setattr(pages, "PAGES", {})
    assert pages.write(tmp_path, source) == [target] and "| RigL | 10 | erk | 0.05 | 5 |" in target.read_text()
    assert pages.stale(tmp_path, source) == []


def test_weights_for_all_inputs_are_told_and_compared():
    pair = {at_density("fcn", "mpt", "0.1"): 97.5, unscaled("fcn", "mpt", "0.1"): 95.0}
    other = {at_density("fcn", "iterand", "0.1"): 94.0}
    made = MadeUp({name: run(accuracy) for name, accuracy in (pair | other).items()}, runs=2)
    for name, fan in zip(made.experiments, ("kept", "all", "all"), strict=True):
        for record in made.experiments[name]:
            record["spec"] |= {"mode": "mpt" if "mpt" in name else "iterand", "weight_fan": fan}
    lines = page.table("fcn", made, page.Measured({}, {})).to_dict("records")
    assert [line["method"] for line in lines] == ["MPT-1/32", "IteRand, weights for all inputs"]
    (line,) = scaling.table("fcn", made).to_dict("records")
    assert (line["method"], line["density, %"], line["points"]) == ("MPT-1/32", "10", "+2.50")
    assert line["for kept inputs"].startswith("97.50 [") and line["for all inputs"].startswith("95.00 [")
    assert "| +2.50 |" in scaling.section("fcn", made) and scaling.section("fcn", MadeUp({})) == ""


@pytest.mark.parametrize("name", drawings.of("fcn"))
def test_figures(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    its = evidence()
    figure = figures.draw(drawings.FIGURES[name], its)
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert set(labels) == {"RigL", "SET", "edge-popup", "TWN", "dense"}
    assert figures.rendered(figure, "x").startswith(b"<?xml")
    assert set(its.used) <= set(drawings.FIGURES[name].experiments)
    for number, few in enumerate((MadeUp({}), MadeUp({own("fcn", "signed"): run(75.0)}))):  # one alone is no comparison
        with pytest.raises(Missing, match=f"^1 run of each of 2 methods on fcn, there are {number}$"):
            figures.draw(drawings.FIGURES[name], few)


ROWS = {its.name: its.specs for its in flag_files.read_all(sorted((ROOT / "flags").glob("rivals_*.flags")))}


def test_every_row_has_a_flag_file_and_every_method_of_the_mode_sparse_a_row():
    shown = {name for net in NETS for name in experiments(net)}
    assert shown == {name for name in ROWS if not names.unlisted(name)} - rules.shown() - scaling.shown()
    assert set(SPARSE) == set(choices.METHODS) and set(OWN) & set(WITH_DENSITY) == set()


@pytest.mark.parametrize("net", NETS)
def test_rows_of_a_network_have_one_protocol(net):
    for name, (_, density) in experiments(net).items():
        first, *others = ROWS[name]
        assert len(others) == (4 if net == "fcn" else 2) and (first.batch_size, first.density) == (128, density)
        assert (first.model, first.augment) == (NETS[net].network, NETS[net].augmented)
        assert first.preprocess == "standardize" and first.shuffle
        images = 60_000 if net == "fcn" else 50_000
        steps = -(-images // 128)
        assert first.epochs == 30 or first.iterations == 30 * steps
        every = first.update_every
        assert every is None or abs(every - (300 if first.mode == "iterand" else 100)) < 40 and gcd(every, steps) > 10
        assert method_of(net, name) in OWN | WITH_DENSITY


@pytest.mark.parametrize("net", AUGMENTED)
def test_rows_of_cropped_images_differ_in_nothing_else(net):
    for name, other in zip(experiments(net), experiments(AUGMENTED[net]), strict=True):
        assert [dataclasses.replace(spec, augment=True) for spec in ROWS[name]] == ROWS[other]


@pytest.mark.parametrize(
    "net, methods, images, shorter",
    [
        ("fcn", OWN.keys() | WITH_DENSITY.keys(), 60_000, ()),
        ("conv2", {"dense", "rigl"}, 50_000, ("epochs",)),
    ],
)
def test_learning_rates_are_tried_on_validation_images_at_the_settings_of_the_rows(net, methods, images, shorter):
    grid = {}
    for name, specs in ROWS.items():
        if names.unlisted(name):
            trial = tried(name)
            assert trial.network in TRIED
            if trial.network == net:
                grid.setdefault((trial.method, trial.density), {})[trial.rate] = specs
    assert {method for method, _ in grid} == methods
    for (method, density), specs_of in grid.items():
        row = ROWS[at_density(net, method, density or "0.1") if method in WITH_DENSITY else own(net, method)][0]
        same = dict.fromkeys(("learning_rate", "splits", "update_every", *shorter))
        assert 3 < len(specs_of) <= 5
        for rate, (spec,) in specs_of.items():
            held_out = images - 5_000
            assert spec.splits == f"train[:{held_out}],train[{held_out}:]" and spec.learning_rate == float(rate)
            assert {k: v for k, v in vars(spec).items() if k not in same} == {
                k: v for k, v in vars(row).items() if k not in same
            }
        if grid.keys().isdisjoint({(method, None)} - {(method, density)}):  # else the rate is that of 10 %
            assert row.learning_rate in {spec.learning_rate for (spec,) in specs_of.values()}


GRADUAL = {method for method in SPARSE if METHODS[method].gradual}


@pytest.mark.parametrize("tried_with, methods", [("dense", GRADUAL), ("rigl", SPARSE.keys() - GRADUAL)])
def test_sparse_training_on_cifar10_has_the_rate_that_was_tried_for_what_begins_so(tried_with, methods):
    row = own("conv2", "dense") if tried_with == "dense" else at_density("conv2", tried_with, "0.1")
    (rate,) = {spec.learning_rate for spec in ROWS[row]}
    for net in ("conv2", "conv2_augmented", "conv4"):
        for method in methods:
            for density in NETS[net].densities:
                assert {spec.learning_rate for spec in ROWS[at_density(net, method, density)]} == {rate}, method


def test_bytes_of_the_dense_network():
    dense = evidence().experiments[own("fcn", "dense")][0]
    assert readings.csr_bytes(dense) == 400
