"""Learning rates get from validation images into flag files."""

import dataclasses
import shutil

import pytest
from conftest import ROOT
from made_up import MadeUp

from tf_supermask.experiments import flag_files
from tf_supermask.papers.rivals import names, rates

ACCURACIES = {"0.03": 96.0, "0.1": 97.5, "0.3": 97.5, "1": 90.0}
GRID = {f"rivals_grid_fcn_snip_{rate}": {"test_accuracy": accuracy} for rate, accuracy in ACCURACIES.items()}
AT = {"0.003": 40.0, "0.02": 50.0}
OWN_GRID = {f"rivals_grid_fcn_mpt_at_0.04_{rate}": {"test_accuracy": accuracy} for rate, accuracy in AT.items()}


@pytest.fixture
def flags(tmp_path):
    """Flag files of a method with one rate, and of one with a rate for each density."""
    for name, planned in {"rivals_grid_fcn_snip": ACCURACIES, "rivals_grid_fcn_mpt_at_0.04": AT}.items():
        text = (flag_files.ROWS / f"{name}.flags").read_text()
        (tmp_path / f"{name}.flags").write_text(rates.with_rate(text, ",".join(planned)))
    for path in (*rates.rows_of("fcn", "snip"), *rates.rows_of("fcn", "mpt")):
        shutil.copy(path, tmp_path)
    return tmp_path


def chosen_by(its, folder):
    return rates.write(MadeUp(its, runs=1).experiments, folder)


def test_names_of_rates():
    assert names.tried("rivals_grid_fcn_edge_popup_global_0.1") == ("fcn", "edge_popup_global", None, "0.1")
    assert names.tried("rivals_grid_fcn_edge_popup_global_at_0.01_0.1") == ("fcn", "edge_popup_global", "0.01", "0.1")
    for other in ("rivals_density_fcn_rigl_0.1", "koster_check_conv2_signed_lr.04", "draft"):
        assert names.tried(other) is None


def test_the_best_rate_is_written_to_the_rows_and_of_equal_ones_the_smallest(flags):
    (path,) = rates.rows_of("fcn", "snip", folder=flags)
    before = [line for line in path.read_text().splitlines() if "learning_rate" not in line]
    assert chosen_by(GRID, flags) == [path]
    assert path.read_text().splitlines() == [*before, "--learning_rate=0.1"]
    assert {spec.learning_rate for its in flag_files.read(path) for spec in its.specs} == {0.1}
    assert chosen_by(GRID, flags) == []
    assert chosen_by(GRID | {"rivals_grid_fcn_snip_1": {"test_accuracy": 98.0}}, flags) == [path]
    assert path.read_text().splitlines() == [*before, "--learning_rate=1"]


def test_a_rate_of_a_density_is_written_to_its_row_alone(flags):
    others = {path: path.read_text() for path in flags.glob("*.flags") if path.stem != "rivals_density_fcn_mpt_0.04"}
    assert chosen_by(OWN_GRID, flags) == [flags / "rivals_density_fcn_mpt_0.04.flags"]
    ((spec, *_),) = (its.specs for its in flag_files.read(flags / "rivals_density_fcn_mpt_0.04.flags"))
    assert (spec.learning_rate, spec.density) == (0.02, 0.04)
    assert all(path.read_text() == text for path, text in others.items())


BEGIN_AS = {"dense": {"magnitude", "granet"}, "rigl": {"static", "snip", "force", "set", "rigl"}}


@pytest.mark.parametrize("tried, methods", BEGIN_AS.items(), ids=BEGIN_AS)
def test_a_rate_of_conv2_is_that_of_all_methods_that_begin_so(tmp_path, tried, methods):
    shutil.copytree(flag_files.ROWS, tmp_path, dirs_exist_ok=True)
    planned = {its.name: its.specs[0].learning_rate for its in flag_files.read(tmp_path / f"rivals_grid_conv2_{tried}.flags")}
    grid = {name: {"test_accuracy": 50 - rate} for name, rate in planned.items()}
    rates.write(MadeUp(grid, runs=1).experiments, tmp_path)
    specs = {its.name: its.specs for its in flag_files.read_all(rates.rows_of("conv2", tried, folder=tmp_path))}
    for net in ("conv2", "conv2_augmented", "conv4"):
        rows = {names.at_density(net, method, density) for method in methods for density in names.NETS[net].densities}
        rows |= {names.own(net, "dense")} if tried == "dense" else set()
        assert {spec.learning_rate for row in rows for spec in specs.pop(row)} == {min(planned.values())}
    assert not specs


def test_a_grid_that_is_not_complete_chooses_nothing(flags):
    for its, last in ((GRID, "_1"), (OWN_GRID, "_0.003")):
        assert chosen_by({name: final for name, final in its.items() if not name.endswith(last)}, flags) == []


def test_the_table_of_rates():
    other = {"rivals_grid_fcn_dense_0.05": {"test_accuracy": 98.0}, "rivals_grid_fcn_mpt_at_0.1_0.05": {"test_accuracy": 70.0}}
    lines = rates.table("fcn", MadeUp(GRID | other | OWN_GRID, runs=1).experiments).to_dict("records")
    nothing = dict.fromkeys(("0.03", "0.05", "0.1", "0.3", "1"), "-")
    assert lines == [
        nothing | {"method": "dense", "0.05": "**98.00**"},
        nothing | {"method": "MPT-1/32", "0.05": "**70.00**"},
        nothing | {"method": "SNIP", "0.03": "96.00", "0.1": "**97.50**", "0.3": "97.50", "1": "90.00"},
    ]
    assert rates.section("fcn", {}) == ""


def test_at_other_densities_a_rate_is_chosen_or_what_the_chosen_one_loses_is_told(flags):
    at = {"0.03": 40.0, "0.1": 30.5}  # .1 is chosen at 10 %
    other = {f"rivals_grid_fcn_snip_at_0.04_{rate}": {"test_accuracy": accuracy} for rate, accuracy in at.items()}
    its = {name: final | {"spec": {"epochs": 30}} for name, final in (GRID | other | OWN_GRID).items()}
    experiments = MadeUp(its, runs=1).experiments
    assert rates.chosen(experiments, flags) == {("fcn", "snip", None): "0.1", ("fcn", "mpt", "0.04"): "0.02"}
    nothing = dict.fromkeys(("0.003", "0.02", "0.03", "0.1"), "-")
    assert rates.table("fcn", experiments, "0.04").to_dict("records") == [
        nothing | {"method": "MPT-1/32", "0.003": "40.00", "0.02": "**50.00**", rates.BEHIND: "-"},
        nothing | {"method": "SNIP", "0.03": "**40.00**", "0.1": "30.50", rates.BEHIND: "9.50"},
    ]
    assert rates.table("fcn", experiments, "0.5").empty
    text = rates.section("fcn", experiments)
    assert "at a density of 4 %" in text and "| 9.50 |" in text


ONE_RATE = [method for method in names.WITH_DENSITY if (flag_files.ROWS / f"{names.grid('fcn', method)}.flags").exists()]


@pytest.mark.parametrize("method", ONE_RATE)
def test_the_rates_at_other_densities_are_those_of_10_percent(method):
    at_10, others = (flag_files.read(flag_files.ROWS / f"rivals_grid_fcn_{method}{end}.flags") for end in ("", "_at"))
    grid = {its.specs[0].learning_rate: its.specs[0] for its in at_10}
    for its in others:
        (spec,), trial = its.specs, names.tried(its.name)
        assert spec == dataclasses.replace(grid[float(trial.rate)], density=float(trial.density))


def test_the_text_says_whose_rate_a_method_has():
    its = {"test_accuracy": 60.0, "spec": {"epochs": 5}}
    text = rates.section("conv2", MadeUp({"rivals_grid_conv2_rigl_0.05": its}, runs=1).experiments)
    assert "after 5 epochs" in text and "rate of dense is also that of magnitude schedule, GraNet. The rate of RigL is" in text
    text = rates.section("fcn", MadeUp({"rivals_grid_fcn_rigl_0.05": its}, runs=1).experiments)
    assert text.count("The rate of") == 0


def test_rows_have_the_rates_that_the_committed_records_choose():
    """`python -m tf_supermask.papers.rivals.rates` writes them."""
    for key, rate in rates.chosen(rates.load(ROOT / "results")).items():
        for path in rates.rows_of(*key):
            assert {spec.learning_rate for its in flag_files.read(path) for spec in its.specs} == {float(rate)}, path
