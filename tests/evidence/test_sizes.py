"""The committed sizes are those that this code measures."""

import pytest
from conftest import ROOT

from tf_supermask.evidence import pages, sizes


@pytest.mark.parametrize("experiment", ["koster_table1_fcn_signed_elus", "koster_table12_conv2_signed_elus"])
def test_sizes_are_what_this_code_measures(experiment):
    """The lines of other containers are not made anew as long as these two come out the same."""
    row = sizes.known(ROOT / pages.SIZES).set_index(["experiment", "seed"]).loc[(experiment, 0)]
    measured = sizes.measured(ROOT / "results" / experiment / "seed0.supermask")
    assert measured == {name: row[name] for name in measured}
