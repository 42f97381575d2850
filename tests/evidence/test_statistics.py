"""Statistics against numpy and scipy."""

import numpy as np
import pytest
import scipy.stats

from tf_supermask.evidence import statistics, tables


def test_mean_and_quantiles():
    assert statistics.summary(range(101)) == (50, 5, 95)
    assert statistics.summary([3.0]) == (3.0,) and statistics.summary([]) == ()
    assert tables.show((50, 5, 95), 1) == "50.0 [5.0, 95.0]" and tables.show((), 1) == "-"


def test_welch_is_students_test_without_equal_variances():
    a, b = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 4.0, 9.0])
    t = (a.mean() - b.mean()) / np.sqrt(a.var(ddof=1) / 4 + b.var(ddof=1) / 3)
    variances = np.array([a.var(ddof=1) / 4, b.var(ddof=1) / 3])
    freedom = variances.sum() ** 2 / np.sum(variances**2 / [3, 2])
    import scipy.stats

    assert statistics.welch(a, b) == pytest.approx(2 * scipy.stats.t.sf(abs(t), freedom))
    assert statistics.welch(a, [1.0]) is None


def run(seconds, shrunk=None, load=2.0, device="x86_64"):
    environment = {"device": device, "threads": 2, "load": load}
    return {"history": {"seconds": seconds}, "shrunk": shrunk, "environment": environment}


def test_times_are_of_the_whole_network_on_idle_machines_of_one_kind():
    shrunk = [{"epoch": 3, "units": {}}]
    masked = [run([9.0, 2.2, 2.2, 1.0, 1.0], shrunk), run([9.0, 7.0, 7.0], load=9.0), run([1.0, 1.0], device="GPU")]
    dense = [run([5.0, 2.0, 2.0, 2.0, 2.0])]
    assert statistics.timed(masked, dense)[1:] == ([2.2, 2.2], [2.0] * 4)
    assert statistics.additional_time(masked, dense) == (pytest.approx(10.0),)
    assert statistics.additional_time(masked[1:], dense) == ()
    stalled = [*dense, *dense, run([5.0, 2.0, 250.0, 2.0, 2.0])]
    assert statistics.seconds_per_epoch(masked) == [2.2] and statistics.seconds_per_epoch(stalled) == [2.0] * 3
    assert statistics.seconds_per_epoch([run([9.0]), masked[1]]) == statistics.seconds_per_epoch([]) == []


def test_paired_tests_and_their_correction():
    first, second = {0: 1.0, 1: 2.0, 2: 3.5, 9: 7.0}, {0: 0.5, 1: 1.0, 2: 3.0, 7: 0.0}
    expected = scipy.stats.ttest_rel([1, 2, 3.5], [0.5, 1, 3]).pvalue
    assert statistics.paired(first, second) == pytest.approx(expected)
    assert statistics.paired(first, {0: 1.0}) is None and statistics.paired(first, first) == 1
    assert statistics.paired({0: 2.0, 1: 3.0}, {0: 1.0, 1: 2.0}) == 0
    assert statistics.holm([0.03, 0.01, 0.04, 0.9]) == pytest.approx([0.09, 0.04, 0.09, 0.9])
    assert statistics.holm([]) == []
