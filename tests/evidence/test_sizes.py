"""The committed sizes are those that this code measures."""

import shutil

import pandas as pd
import pytest
from conftest import ROOT

from tf_supermask.deploy import container, container_format, loading
from tf_supermask.evidence import pages, sizes
from tf_supermask.experiments import runs
from tf_supermask.papers import catalogue


@pytest.mark.parametrize("experiment", ["koster_table1_fcn_signed_elus", "koster_table12_conv2_signed_elus"])
def test_sizes_are_what_this_code_measures(experiment):
    """The lines of other containers are not made anew as long as these two come out the same."""
    row = sizes.known(ROOT / pages.SIZES).set_index(["experiment", "seed"]).loc[(experiment, 0)]
    measured = sizes.measured(ROOT / "results" / experiment / "seed0.supermask")
    assert measured == {name: row[name] for name in measured}


@pytest.mark.parametrize("experiment", ["koster_fig3_fcn_binary", "koster_appendix_d_fcn_he_uniform", "rivals_own_fcn_ttq"])
def test_bytes_are_those_that_save_writes(experiment):
    """Of committed files of versions 2, where weights are signed constants or drawn, and 5, with weights of their own."""
    path = ROOT / "results" / experiment / "seed0.supermask"
    saved = len(container.packed(runs.load_run(path.with_suffix(""))))
    assert abs(sizes.measured(path)["container_bytes"] - saved) < 16  # names of the model and its layers
    again = loading.parsed(container.renewed(loading.read(path)), "again")
    for one, other in zip(loading.built(again).get_weights(), loading.load(path).get_weights(), strict=True):
        assert (one == other).all()


def test_files_of_earlier_versions_are_made_anew(tmp_path):
    """Those without the column `version`, and lines of another version than the present one."""
    its = catalogue.evidence(tmp_path, "paper")
    shutil.copytree(ROOT / "results" / "zoo_mnist_small16", tmp_path / "zoo_mnist_small16")
    file = tmp_path / "sizes.csv"
    file.write_text(text := sizes.updated(its, file))
    assert not sizes.stale(its, file) and sizes.updated(its, file) == text
    frame = pd.read_csv(file)
    for earlier in (frame.drop(columns="version"), frame.assign(version=container_format.VERSION - 1)):
        earlier.to_csv(file, index=False)
        assert sizes.stale(its, file) and sizes.updated(its, file) == text
