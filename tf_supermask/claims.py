"""Claims of papers, each a function of the records of one scale.

A function gets an `Evidence` and returns whether the claim holds, None where that is not decided yet, and the numbers that say
so. Where runs are missing it raises `Missing`. What 'similar' or 'clearly' mean is written in each function; p is that of
Welch's two-sided t-test.
"""

from typing import NamedTuple

import numpy as np
import scipy.stats

from tf_supermask.evidence import Missing

HOLDS, FAILS, OPEN = "holds", "fails", "not enough evidence"


def verdict(holds):
    """The word for what a claim's function returns."""
    return OPEN if holds is None else HOLDS if holds else FAILS


class Finding(NamedTuple):
    number: int
    claim: str
    verdict: str
    numbers: str
    runs: dict  # experiment -> how many runs were used


class Claims(dict):
    """number -> (text, function, whether it needs runs of full length)."""

    def __call__(self, number, text, full_length=False):
        """Decorator of the function that decides claim `number`. `full_length`: squeezed schedules cannot meet it."""

        def register(function):
            self[number] = text, function, full_length
            return function

        return register

    def ledger(self, evidence):
        """One Finding per claim, in order."""
        return [self._finding(evidence, number) for number in sorted(self)]

    def _finding(self, evidence, number):
        text, function, full_length = self[number]
        evidence.used = {}
        if full_length and evidence.scale != "paper":
            return Finding(number, text, OPEN, "needs runs of full length", {})
        try:
            holds, numbers = function(evidence)
            return Finding(number, text, verdict(holds), numbers, evidence.used)
        except Missing as missing:
            return Finding(number, text, OPEN, f"needs {missing}", {})


def rank_correlation(first, second):
    """Spearman's; 0 where one side is constant."""
    first, second = list(first), list(second)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(scipy.stats.spearmanr(first, second).statistic)


def listed(numbers, form="{:.2f}"):
    return ", ".join(f"{name} {form.format(number)}" for name, number in numbers.items())


def falling(numbers):
    return all(a > b for a, b in zip(numbers, numbers[1:], strict=False))
