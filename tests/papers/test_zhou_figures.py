"""Figures of Zhou et al. on made-up records: stars, horizontal lines, made-up weights."""

import numpy as np
import pytest
from made_up import MadeUp, changed
from zhou_world import WORLD

from tf_supermask.evidence import figures as drawings
from tf_supermask.papers.zhou.figures import FIGURES
from tf_supermask.papers.zhou.names import TREATMENTS, chain, dense, supermask
from tf_supermask.papers.zhou.readings import stars


def test_stars_need_a_significant_lead_over_every_line():
    spread = np.linspace(-0.1, 0.1, 5)[:, None]
    lines = {
        "large_final": spread + [[98, 97, 97]],
        "random": spread + [[98, 96, 90]],
        "movement": spread + [[98, 97, 91]],
    }
    assert stars("large_final", lines) == [2] and stars("random", lines) == []
    assert stars("random", lines, np.less) == [1, 2]
    assert stars("large_final", {name: runs[:4] for name, runs in lines.items()}) == []  # fewer runs than the paper's


def horizontal(axes):
    """Label -> height of the horizontal lines."""
    return {line.get_label(): line.get_ydata()[0] for line in axes.lines if list(line.get_xdata()) == [0, 1]}


def test_the_dense_line_is_the_mean_of_all_dense_runs():
    """Chains may have fewer runs."""
    names = [chain("fcn", mask0=action) for action in ("zero", "init")]
    its = MadeUp({name: WORLD[name] for name in names}, runs=1)
    its.experiments |= MadeUp({dense("fcn"): {"test_accuracy": (90.0, 1.0)}}, runs=5).experiments
    figure = drawings.draw(FIGURES["zhou_fig5"], its)
    assert horizontal(figure.axes[0]) == {"dense (n=5)": pytest.approx(90)}
    assert set(its.used) <= set(FIGURES["zhou_fig5"].experiments)
    del its.experiments[dense("fcn")]
    assert horizontal(drawings.draw(FIGURES["zhou_fig5"], its).axes[0]) == {}


def test_the_line_without_mask_has_the_weights_of_the_curves():
    first = {"init": 10.0, "signed_constant": 14.0}
    columns = {f"random/{treatment}/test": [first[treatment], 20.0, 9.5, 9.0, 9.0] for treatment in TREATMENTS}
    its = changed({supermask("fcn"): WORLD[supermask("fcn")]}, {supermask("fcn"): {"history": columns}})
    figure = drawings.draw(FIGURES["zhou_fig7"], MadeUp(its, runs=5))
    for axes, treatment in zip(figure.axes, TREATMENTS, strict=True):
        assert horizontal(axes) == {"untrained, no mask": first[treatment], "trained": 98}


def test_masks_with_and_without_the_condition_on_the_sign_look_different():
    """As in a trained network, a quarter of the weights that large_final keeps have changed their sign."""
    figure = drawings.draw(FIGURES["zhou_fig6"], MadeUp({}))
    kept = {axes.get_title().split("\n")[0]: axes.lines[1].get_xydata() for axes in figure.axes[2:]}
    share = {name: np.mean(points[:, 0] * points[:, 1] < 0) for name, points in kept.items()}
    assert 0.2 < share["large_final"] < 0.3
    assert share["large_final_same_sign"] == 0 and share["large_final_diff_sign"] == 1
