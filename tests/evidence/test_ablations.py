"""Lines of ablations, from made-up records, beside the row that differs least from them."""

import dataclasses

from made_up import MadeUp

from tf_supermask.evidence import ablations
from tf_supermask.experiments.spec import Spec


def experiment(accuracy, epochs, **settings):
    spec = dataclasses.asdict(Spec.of(model="fcn", mode="signed", epochs=epochs, **settings))
    history = {name: [start + i for i in range(epochs)] for name, start in (("test_accuracy", 90), ("remaining", 10))}
    return {"test_accuracy": accuracy, "remaining": 5.0, "spec": spec, "history": history}


def test_an_ablation_is_beside_the_nearest_row_after_as_many_epochs():
    rows = {
        "koster_table1_fcn_signed_elus": experiment(97, 6),
        "koster_table1_fcn_signed_he": experiment(96, 6, weight_scheme="he"),
        "koster_check_fcn_signed_unshuffled": experiment(94, 4, shuffle=False),
        "koster_table1_fcn_signed_elus/part": experiment(1, 4),
        "rivals_grid_fcn_signed_0.1": experiment(99, 4),  # is a trial on validation images, and no ablation
        "mine": experiment(98, 4),
    }
    shown = {"koster_table1_fcn_signed_elus", "koster_table1_fcn_signed_he"}
    table = ablations.table(shown, MadeUp(rows, runs=2))
    assert len(table) == 1
    line = dict(table.iloc[0])
    assert (line["scale"], line["n"], line["epochs"]) == ("paper", 2, "4")
    assert line["test accuracy, %"].startswith("94.0") and line["usual: test accuracy, %"].startswith("93")


def test_an_ablation_that_a_page_shows_is_not_the_usual_row():
    rows = {
        "koster_table1_fcn_signed_elus": experiment(97, 6),
        "koster_check_fcn_signed_unshuffled": experiment(94, 4, shuffle=False),
    }
    (line,) = ablations.table(set(rows), MadeUp(rows, runs=2)).to_dict("records")
    assert line["usual: test accuracy, %"].startswith("93") and line["test accuracy, %"].startswith("94.0")


def test_there_is_no_usual_row_of_fewer_epochs():
    rows = {"koster_table1_fcn_signed_elus": experiment(97, 3), "koster_check_fcn_x": experiment(94, 4)}
    (line,) = ablations.table({"koster_table1_fcn_signed_elus"}, MadeUp(rows, runs=1)).to_dict("records")
    assert line["usual: test accuracy, %"] == "-"


def test_nothing_but_rows_is_no_table():
    rows = {"koster_table1_fcn_signed_elus": experiment(97, 3)}
    assert ablations.table(set(rows), MadeUp(rows)).empty
