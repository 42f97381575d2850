"""Statistics of records: intervals, tests, times."""

import numpy as np
import scipy.stats


def values(records, measure):
    """The values of a measure over records, without those that have none."""
    found = [record["final"].get(measure) for record in records]
    return [value for value in found if value is not None]


def summary(numbers):
    """(mean, 5 % quantile, 95 % quantile) of several numbers, (number,) of one, () of none."""
    numbers = list(numbers)
    if len(numbers) < 2:
        return tuple(numbers)
    return (float(np.mean(numbers)), *(float(quantile) for quantile in np.quantile(numbers, (0.05, 0.95))))


def additional_time(records, baseline):
    """(percent,) by which an epoch of `records` takes longer than one of `baseline`; () where they cannot be compared."""
    found = timed(records, baseline)
    return (slower(*found[1:]),) if found else ()


def timed(*groups):
    """`(place, seconds, ...)`: of each group of records the seconds of its epochs in one place, without the first epoch and its
    tracing. Only runs on an otherwise idle machine count, and only such on one kind of device with the same number of threads
    are compared; of several kinds that with most runs. () if there is none with all groups.
    """
    alone = [[record for record in records if _alone(record)] for records in groups]
    places = [[_place(record) for record in records] for records in alone]
    common = sorted(
        set(places[0]).intersection(*places), key=lambda place: (min(its.count(place) for its in places), place)
    )
    if not common:
        return ()
    seconds = [[s for r in its if _place(r) == common[-1] for s in r["history"]["seconds"][1:]] for its in alone]
    return (common[-1], *seconds) if all(seconds) else ()


def slower(ours, theirs):
    """Percent by which epochs take longer than others, in the 10 % quantile over epochs: what else a machine does only adds."""
    return float(100 * (_fast(ours) / _fast(theirs) - 1))


def _alone(record):
    """Whether the machine did nothing else: its load was that of the run's own threads, and of what feeds them, up to .6."""
    environment = record["environment"]
    return environment.get("load") is not None and environment["load"] < environment["threads"] + 0.75


def _fast(seconds):
    return np.quantile(seconds, 0.1)


def _place(record):
    environment = record["environment"]
    return tuple(str(environment.get(name)) for name in ("device", "threads", "jit_compile", "steps_per_execution"))


def welch(first, second):
    """p of Welch's two-sided t-test that two samples have one mean; None with fewer than two values on a side."""
    if min(len(first), len(second)) < 2:
        return None
    if np.ptp(first) == np.ptp(second) == 0:  # no spread, no test
        return float(first[0] == second[0])
    return float(scipy.stats.ttest_ind(first, second, equal_var=False).pvalue)


def overlap(ours, printed):
    """Whether our interval and the paper's have a point in common; None where either is missing.

    A single number counts as an interval of no length, and the paper's last digit as rounded; two single numbers do not compare.
    """
    if not ours or not printed or len(ours) == len(printed) == 1:
        return None
    (low, high), (paper_low, paper_high) = _ends(ours), _ends(printed)
    slack = 0.5 * 10.0 ** -max(len(str(value).partition(".")[2]) for value in (paper_low, paper_high))
    return low <= paper_high + slack and paper_low - slack <= high


def _ends(interval):
    return interval[1:] if len(interval) == 3 else 2 * interval
