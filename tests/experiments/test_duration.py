"""Durations as users read them."""

import pytest

from tf_supermask.experiments.duration import duration


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0.0 s"),
        (12.34, "12.3 s"),
        (99.94, "99.9 s"),
        (100, "2 min"),
        (5999, "100 min"),
        (6000, "1.7 h"),
        (36000, "10.0 h"),
    ],
)
def test_a_duration_has_two_or_three_digits(seconds, text):
    assert duration(seconds) == text
