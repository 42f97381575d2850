"""Cells of tables."""

import pytest

from tf_supermask.evidence import statistics, tables


@pytest.mark.parametrize(
    "ours, printed, expected",
    [
        ((5, 4, 6), (7, 6, 8), True),
        ((5, 4, 5.4), (7, 6, 8), False),
        ((9, 8.4, 10), (7, 6, 8), True),  # 8 may be a rounded 8.4
        ((9, 8.6, 10), (7, 6, 8), False),
        ((97.034,), (97.03, 97.03, 97.03), True),
        ((97.036,), (97.03, 97.03, 97.03), False),
        ((97.1, 97.04, 97.2), (96.89, 96.8, 97.0), True),  # the mean's digits are not those of the interval
        ((97.03,), (97.03,), None),  # no interval on either side
        ((1,), (), None),
    ],
)
def test_overlap(ours, printed, expected):
    assert statistics.overlap(ours, printed) is expected


@pytest.mark.parametrize(
    "numbers, printed, expected",
    [
        ([6.1, 7, 7, 7, 7.9], (7, 6, 8), "yes"),
        ([9, 9, 9, 9, 9.1], (7, 6, 8), "no"),
        ([7, 7, 7, 7, 7], (7.1,), "no"),
        ([6, 7, 7, 7, 8], (7.1,), "yes"),
        ([6.1, 7, 7, 7.9], (7, 6, 8), "inside"),
        ([8.4], (7, 6, 8), "inside"),  # 8 may be a rounded 8.4
        ([9, 9, 9, 5], (7, 6, 8), "outside"),
        ([9, 7, 7], (7, 6, 8), "2 of 3 inside"),
        ([7, 7.1], (7.1,), "-"),
        ([], (7, 6, 8), "-"),
        ([7.0] * 6, (), "-"),
    ],
)
def test_few_runs_are_inside_the_papers_interval_or_not(numbers, printed, expected):
    assert tables.agreement(numbers, printed) == expected
