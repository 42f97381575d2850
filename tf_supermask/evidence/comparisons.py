"""Comparisons of runs that claims make: differences of means with their test, widths of intervals, orders.

A test needs `least` runs on each side. With fewer, a lenient Evidence compares means; `Difference.above` alone decides that.
"""

from typing import NamedTuple

import numpy as np
import scipy.stats

from tf_supermask.evidence import statistics


class Difference(NamedTuple):
    """A difference of two means, with the p value of Welch's two-sided t-test; `p` is None with one run on a side."""

    mean: float
    p: float | None
    tested: bool  # whether there are as many runs as the test needs

    def above(self, level):
        """Whether the difference is positive and, where there are enough runs for the test, significant at `level`."""
        return bool(self.mean > 0 and (not self.tested or self.p < level))

    def __str__(self):
        return f"{self.mean:+.2f}" + ("" if self.p is None else f" (p {self.p:.1g})")


def compare(ours, theirs, least):
    """Difference of the means of two samples, tested with `least` values in each."""
    mean = float(np.mean(ours) - np.mean(theirs))
    return Difference(mean, statistics.welch(ours, theirs), min(len(ours), len(theirs)) >= max(2, least))


def difference(e, first, second, least, measure="test_accuracy", few=1):
    """Difference of a final measure of two experiments."""
    return compare(*(e.values(name, measure, least, few) for name in (first, second)), least)


def widths(e, experiments, measure, least):
    """Label -> distance between the 5 % and 95 % quantiles of an experiment (`experiments`: label -> name).

    The distance grows with the number of runs: the first runs of each are compared, equally many.
    """
    runs = {label: e.values(name, measure, least, few=2) for label, name in experiments.items()}
    fewest = min(map(len, runs.values()))
    return {label: float(np.ptp(np.quantile(values[:fewest], (0.05, 0.95)))) for label, values in runs.items()}


def rank_correlation(first, second):
    """Spearman's rank correlation; 0 where one side is constant."""
    first, second = list(first), list(second)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(scipy.stats.spearmanr(first, second).statistic)


def falling(numbers):
    """Whether each number is below the one before it."""
    return all(a > b for a, b in zip(numbers, numbers[1:], strict=False))


def listed(numbers, form="{:.2f}"):
    """`a 1.00, b 2.00` of a dict."""
    return ", ".join(f"{name} {form.format(number)}" for name, number in numbers.items())
