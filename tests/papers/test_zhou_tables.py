"""Tables of Zhou et al. on made-up records."""

import numpy as np
from made_up import MadeUp
from zhou_world import WORLD

from tf_supermask.experiments.criteria import CRITERIA
from tf_supermask.papers.zhou import tables
from tf_supermask.papers.zhou.names import supermask

FOUND = MadeUp({supermask(net): WORLD[supermask(net)] for net in ("fcn", "conv2")}, runs=5)


def test_masks_of_all_criteria_stand_beside_the_papers_numbers():
    """Oracle: the numbers that the made-up masks reach in each run."""
    title, frame, notes = tables.FRAMES["zhou_fig7"](FOUND)
    rows = frame.set_index("").to_dict("index")
    assert list(rows) == [f"{net}, {criterion}" for net in ("FC", "Conv2") for criterion in CRITERIA]
    low, high = np.quantile(16 + 0.02 * np.arange(5), (0.05, 0.95))
    assert rows["FC, large_final"] == {
        "n": "5",
        "initial weights, %": f"16.04 [{low:.2f}, {high:.2f}]",
        "paper: initial weights, %": "nearly 40",
        "signed constants, %": f"14.04 [{low - 2:.2f}, {high - 2:.2f}]",
        "paper: signed constants, %": "-",
    }
    assert rows["Conv2, large_final"]["paper: initial weights, %"] == "-"
    assert rows["Conv2, large_final_same_sign"]["paper: signed constants, %"] == "37.40"
    assert rows["FC, magnitude_increase_same_sign"]["initial weights, %"].startswith("11.04 ")
    assert "magnitude_increase_same_sign and magnitude_increase_diff_sign are of the authors' code only" in " ".join(notes)


def test_without_masks_there_is_no_table():
    assert not len(tables.FRAMES["zhou_fig7"](MadeUp({}))[1])


def test_table_1_says_what_its_p_compares():
    (table,) = tables.TABLES.values()
    assert "Welch p: test accuracy against that of the trained network." in table.notes
    trained = {row.experiment for row in table.rows if row.label.endswith(", trained")}
    assert {row.baseline for row in table.rows if row.baseline} == trained
