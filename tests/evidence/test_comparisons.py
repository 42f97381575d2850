"""Differences, widths and orders against numpy and scipy."""

import numpy as np
import pytest
import scipy.stats
from made_up import MadeUp

from tf_supermask.evidence import comparisons
from tf_supermask.evidence.comparisons import Difference


def test_a_difference_is_tested_by_welch():
    ours, theirs = np.random.default_rng(0).normal([[1.0], [0.0]], 0.5, (2, 12))
    difference = comparisons.compare(ours, theirs, least=10)
    assert difference.mean == pytest.approx(np.mean(ours) - np.mean(theirs)) and difference.tested
    assert difference.p == pytest.approx(scipy.stats.ttest_ind(ours, theirs, equal_var=False).pvalue)
    assert not comparisons.compare(ours[:9], theirs, least=10).tested
    assert comparisons.compare([1.0], [0.0], least=1) == (1.0, None, False)


@pytest.mark.parametrize(
    "difference, above",
    [
        (Difference(1.0, 0.001, True), True),
        (Difference(1.0, 0.2, True), False),
        (Difference(1.0, 0.2, False), True),  # too few runs for a test: the means decide
        (Difference(-1.0, 0.001, True), False),
        (Difference(1.0, None, False), True),
    ],
)
def test_above(difference, above):
    assert difference.above(0.01) is above


def test_widths_are_of_equally_many_runs():
    evidence = MadeUp({"wide": {"remaining": (5.0, 2.0)}, "narrow": {"remaining": (5.0, 0.5)}}, runs=40)
    evidence.experiments["narrow"] = evidence.experiments["narrow"][:10]
    wide = comparisons.widths(evidence, {"w": "wide", "n": "narrow"}, "remaining", least=2)
    for label, name in (("w", "wide"), ("n", "narrow")):
        low, high = np.quantile(evidence.values(name, "remaining")[:10], (0.05, 0.95))
        assert wide[label] == pytest.approx(high - low)


def test_orders():
    assert comparisons.rank_correlation([1, 2, 3], [10, 20, 5]) == pytest.approx(-0.5)
    assert comparisons.rank_correlation([1, 2, 3], [4, 4, 4]) == 0
    assert comparisons.falling([3, 2, 1]) and not comparisons.falling([3, 3, 1])
    assert comparisons.listed({"a": 1, "b": 2.5}) == "a 1.00, b 2.50"
