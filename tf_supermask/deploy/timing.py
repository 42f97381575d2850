"""Comparing the speed of functions on a machine whose load changes: they run in turns, in one process or each in its own."""

import statistics
import subprocess
import sys
import time


def time_interleaved(functions, rounds, seconds):
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
    """A function of the number of repeats, for `time_interleaved`, that calls `call` so often."""

    def run(repeats):
        for _ in range(repeats):
            call()

    return run


def serve(function):
    """Runs a function of the number of repeats for a `Served` of another process, until that ends."""
    print("ready", flush=True)
    for line in sys.stdin:
        function(int(line))
        print("done", flush=True)


class Served:
    """A function of the number of repeats, for `time_interleaved`, that runs in a process of its own: `command` calls `serve`.
    Between its turns the process waits for its standard input, so that its threads disturb no other.

    Raises RuntimeError where the process has ended.
    """

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._wait_for("ready")

    def __call__(self, repeats):
        print(repeats, file=self.process.stdin, flush=True)
        self._wait_for("done")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.communicate()  # closes its standard input

    def _wait_for(self, word):
        for line in self.process.stdout:
            if line == word + "\n":
                return
        raise RuntimeError(f"{' '.join(self.process.args)} ended with exit status {self.process.wait()}")
