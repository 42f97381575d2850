"""The table of modes agrees with what runs have recorded, and with what runs have always cost."""

import json

import pytest
from conftest import ROOT

from tf_supermask import masks
from tf_supermask.experiments import choices, modes
from tf_supermask.experiments.rival_settings import RIVALS
from tf_supermask.experiments.spec import Spec
from tf_supermask.scheduling import jobs

RECORDS = {
    "baseline": "koster_table1_fcn_baseline_he",
    "signed": "koster_table1_fcn_signed_elus",
    "binary": "koster_fig3_fcn_binary",
    "lottery": "zhou_fig3_fcn_large_final",
    "lottery, dense": "zhou_dense_fcn",
    "supermask": "zhou_fig7_fcn",
    "bernoulli": "zhou_learned_fcn_0",
    "rounded": "zhou_learned_fcn_rounded",
}
# Multiplications of one forward pass of FCN; images of its training in each mode.
FCN = 28 * 28 * 300 + 300 * 100 + 100 * 10
IMAGES = {
    "signed": 60_000 * 100,
    "baseline": 60_000 * 50,
    "lottery": 50_000 * 60 * 25,
    "supermask": (10_000 + 5_000) * 25 * 2 * 13,
    "bernoulli": 2000 * 250,
}


def test_all_modes_have_a_row_or_are_mask_rules_trained_by_epochs():
    assert modes.MODES.keys() | masks.RULES.keys() == set(choices.modes())
    needed = {mode: {"density": 0.1} for mode in (*choices.DENSITY, choices.SPARSE)}
    by_epochs = {
        mode for mode in choices.modes() if modes.of(Spec.of(mode=mode, **needed.get(mode, {}))) is modes.BY_EPOCHS
    }
    others = {*choices.LEVELS, *RIVALS}  # of no paper that is reproduced: without records
    assert by_epochs == {"baseline", "signed", "binary"} | others
    compared = {name.partition(",")[0] for name in RECORDS}  # with a record, below
    assert compared == set(choices.modes()) - others


@pytest.mark.parametrize("kind", RECORDS)
def test_rows_are_those_of_a_committed_record(kind):
    record = json.loads((ROOT / "results" / RECORDS[kind] / "seed0.json").read_text())
    spec = Spec(**record["spec"])
    # The columns of a supermask are levels, not steps of the run: its progress is not counted in rows.
    rows = 1 if spec.mode == "supermask" else len(record["history"]["remaining"])
    assert spec.mode == kind.partition(",")[0] and modes.of(spec).rows(spec) == rows


@pytest.mark.parametrize("mode", IMAGES)
def test_costs(mode):
    assert jobs.cost(Spec.of(mode=mode)) == 2e11 + FCN * IMAGES[mode]


def test_costs_of_small_data_sets_and_of_several_passes():
    assert jobs.cost(Spec.of(dataset="digits", epochs=3)) == 2e11 + FCN * 1437 * 3
    spec = Spec.of(mode="lottery", rounds=0)
    assert jobs.cost(spec) == 2e11 + FCN * 50_000 * 60
    assert (
        modes.of(Spec.of(model="resnet56")).images(Spec.of(model="resnet56", epochs=10), 50_000, 10_000)
        == 50_000 * 2 * 10
    )
