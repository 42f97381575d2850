import types

import pytest
from matplotlib.figure import Figure

from tf_supermask.papers.koster import panels


@pytest.mark.parametrize("runs", [[0.1, 0.1, 0.1], [0.0] * 99 + [50.0]], ids=["equal", "skewed"])
def test_a_mean_outside_its_interval_has_bars(runs):
    """The mean of .1, .1 and .1 is above .1 by rounding; that of one large number among 99 is above the 95 % quantile."""

    class Evidence(types.SimpleNamespace):
        def __contains__(self, name):
            return True

        def values(self, name, measure):
            return runs

    axes = Figure().subplots()
    panels.bars(axes, Evidence(), {"FCN": {"ELUS": "row"}}, "test_accuracy")
    (bar,) = axes.patches
    assert bar.get_height() == pytest.approx(sum(runs) / len(runs))
