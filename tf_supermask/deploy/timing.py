"""Comparing how long functions take, on a machine whose speed changes: in turns, in one process."""

import statistics
import time


def in_turns(functions, rounds, seconds):
    """Seconds of one repeat, a list of `rounds` per function. Functions take the number of repeats and run in turns, each turn
    of about `seconds` seconds; each runs twice before."""
    repeats = []
    for function in functions:
        function(1)  # traces
        repeats.append(max(1, round(seconds / _taken(function, 1))))
    times = [[] for _ in functions]
    for _ in range(rounds):
        for function, repeat, its in zip(functions, repeats, times, strict=True):
            its.append(_taken(function, repeat) / repeat)
    return times


def _taken(function, repeats):
    began = time.perf_counter()
    function(repeats)
    return time.perf_counter() - began


def ratio(above, below):
    """Median of the ratios of neighbouring turns."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def repeated(call):
    """A function of the number of repeats, as `in_turns` takes it."""

    def run(repeats):
        for _ in range(repeats):
            call()

    return run
