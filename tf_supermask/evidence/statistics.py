"""Statistics of records: intervals, tests, and differences of times."""

import numpy as np
import scipy.stats


def values(records, measure):
    """The values of a measure over records that have it."""
    present = [record["final"].get(measure) for record in records]
    return [value for value in present if value is not None]


def summary(numbers):
    """(mean, 5 % quantile, 95 % quantile) of several numbers, (number,) of one, () of none."""
    numbers = list(numbers)
    if len(numbers) < 2:
        return tuple(numbers)
    return (float(np.mean(numbers)), *(float(quantile) for quantile in np.quantile(numbers, (0.05, 0.95))))


def additional_time(records, baseline):
    """(percent,) by which an epoch of `records` takes longer than one of `baseline`; () where they cannot be compared."""
    times = timed(records, baseline)
    return (slower(*times[1:]),) if times else ()


def seconds_per_epoch(records):
    """Of each run in the place with most of them, the median over the epochs of the whole network."""
    found = timed(records, epochs=_median)
    return found[1] if found else []


def timed(*groups, epochs=None):
    """`(place, seconds, ...)`: for each group of records the seconds of its epochs in one place; () if no place has all groups.

    A place is a kind of device with a number of threads. Of several, the one with most runs is taken. Only runs on an otherwise
    idle machine count; the first epoch, which includes tracing, does not, nor do those of a network that has shrunk, unless
    `epochs`, a function from a record to seconds, says otherwise.
    """
    alone = [[record for record in records if is_idle(record)] for records in groups]
    places = [[_place(record) for record in records] for records in alone]
    shared = set(places[0]).intersection(*places)
    if not shared:
        return ()
    chosen = max(shared, key=lambda place: (min(group.count(place) for group in places), place))
    seconds = [[s for r in group if _place(r) == chosen for s in (epochs or _whole)(r)] for group in alone]
    return (chosen, *seconds) if all(seconds) else ()


def _whole(record):
    """Seconds of the epochs of the whole network, without the first."""
    shrunk = record.get("shrunk")
    return record["history"]["seconds"][1 : shrunk[0]["epoch"] if shrunk else None]


def _median(record):
    """Median of `_whole`, in a list; [] without such epochs."""
    seconds = _whole(record)
    return [float(np.median(seconds))] if seconds else []


def slower(ours, theirs):
    """Percent by which epochs take longer than others, by the 10 % quantile over epochs: other load only slows an epoch."""
    return float(100 * (_fast(ours) / _fast(theirs) - 1))


def is_idle(record):
    """Whether the machine was otherwise idle: its load is the run's threads, and up to .6 for the threads that feed them."""
    environment = record["environment"]
    return environment.get("load") is not None and environment["load"] < environment["threads"] + 0.75


def _fast(seconds):
    return np.quantile(seconds, 0.1)


def _place(record):
    environment = record["environment"]
    return tuple(str(environment.get(name)) for name in ("device", "threads", "jit_compile", "steps_per_execution"))


def welch(first, second):
    """p value of Welch's two-sided t-test that two samples have one mean; None with fewer than two values on a side."""
    if min(len(first), len(second)) < 2:
        return None
    if np.ptp(first) == np.ptp(second) == 0:  # no spread, no test
        return float(first[0] == second[0])
    return float(scipy.stats.ttest_ind(first, second, equal_var=False).pvalue)


def paired(first, second):
    """p value of `no_difference` between two samples, seed -> number, over the seeds that both have."""
    return no_difference(np.array([first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())]))


def no_difference(differences):
    """p value of the two-sided t-test that an array of differences has mean 0; None with fewer than two."""
    if len(differences) < 2:
        return None
    if np.allclose(differences, differences[0], atol=1e-9):  # no spread, no test
        return float(abs(differences[0]) < 1e-9)
    return float(scipy.stats.ttest_1samp(differences, 0).pvalue)


def holm(values):
    """p values corrected for their number (Holm 1979), in their order."""
    values = list(values)
    order, corrected, largest = np.argsort(values, kind="stable"), [0.0] * len(values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[index]))
        corrected[index] = largest
    return corrected


def overlap(ours, printed):
    """Whether our interval and the paper's have a point in common; None where either is missing.

    A single number is an interval of length 0. The paper's last digit counts as rounded. Two single numbers are not compared.
    """
    if not ours or not printed or len(ours) == len(printed) == 1:
        return None
    (low, high), (paper_low, paper_high) = _ends(ours), _ends(printed)
    slack = 0.5 * 10.0 ** -max(len(str(value).partition(".")[2]) for value in (paper_low, paper_high))
    return low <= paper_high + slack and paper_low - slack <= high


def _ends(interval):
    return interval[1:] if len(interval) == 3 else 2 * interval
