"""Comparing the speed of functions on a machine whose load changes: they run in turns, in one process."""

import statistics
import time


def in_turns(functions, rounds, seconds):
    """Seconds per repeat: for each function a list of `rounds` numbers.

    A function takes the number of its repeats. Functions run in turns, each turn for about `seconds` seconds, after two calls of
    each that are not counted.
    """
    repeats = []
    for function in functions:
        function(1)  # a tf.function is traced
        repeats.append(max(1, round(seconds / _seconds(function, 1))))
    times = [[] for _ in functions]
    for _ in range(rounds):
        for function, repeat, seconds_of_one in zip(functions, repeats, times, strict=True):
            seconds_of_one.append(_seconds(function, repeat) / repeat)
    return times


def _seconds(function, repeats):
    began = time.perf_counter()
    function(repeats)
    return time.perf_counter() - began


def ratio(above, below):
    """Median of the ratios of neighbouring turns."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def repeated(call):
    """A function of the number of repeats, for `in_turns`, that calls `call` so often."""

    def run(repeats):
        for _ in range(repeats):
            call()

    return run
