"""The state of runs, read from their files alone: `--status`, and the progress of a scheduler.

A run is done when it has a record, running when its lock has a living owner, failed when it has an `.error` file, else waiting.
A scheduler writes its Plan, the runs that it will train, to `.plans/` in the folder of results, and locks it as runs are locked.
So the status of a folder includes the runs that wait, and the time left.
"""

import contextlib
import csv
import json
import os
import pathlib
import re
import socket
import statistics
import time
from typing import NamedTuple

from tf_supermask import files
from tf_supermask.experiments import records
from tf_supermask.experiments.duration import duration
from tf_supermask.scheduling import locks

DONE, RUNNING, WAITING, FAILED = "done", "running", "waiting", "failed"
PLANS = ".plans"  # in the folder of results


class State(NamedTuple):
    """`share`: how much of the run is done, 0 to 1. `note`: the owner of a running run, the reason of a failed one."""

    kind: str
    share: float = 0.0
    note: str = ""


def state_of(run, rows=None, since=0.0):
    """The State of a run whose complete history has `rows` rows; a failure before the time `since` does not count."""
    if run.record.exists():
        return State(DONE, 1.0)
    share = share_of_time(seconds_done(run), rows) if rows else 0.0
    owner = locks.owner(run.lock)
    if owner:
        return State(RUNNING, share, owner)
    try:
        if run.error.stat().st_mtime >= since:
            return State(FAILED, share, run.error.read_text().partition("\n")[0])
    except FileNotFoundError:
        pass
    return State(WAITING, share)


def share_of_time(seconds, rows):
    """Share of a run that is done after rows of its history that took `seconds`, if the others of its `rows` take as long as
    recent ones: a network that has shrunk is faster. Below 1: a run is done with its record."""
    done = seconds[: rows - 1]
    if not done:
        return 0.0
    left = (rows - len(done)) * statistics.median_low(done[-3:])  # one of three may have compiled
    return sum(done) / (sum(done) + left)


def seconds_done(run):
    """Seconds of each row of the history file of an unfinished run, or of its checkpoint where it has no history file; 1 for each
    where they are not measured."""
    try:
        text, _, _ = run.history.read_text().rpartition("\n")  # the last line may be incomplete
        return [float(row.get("seconds", 1)) for row in csv.DictReader(text.splitlines())]
    except (OSError, ValueError):
        return seconds_saved(run)


def seconds_saved(run):
    """The same of the checkpoint from which an unfinished run will be continued; [] without one."""
    try:
        history = json.loads(files.arrays(run.checkpoint, "note")["note"].tobytes())["history"]
        rows = max(map(len, history.values()), default=0)
        return [float(seconds) for seconds in history.get("seconds", [1] * rows)]
    # none yet, or damaged, which the run itself will say
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []


# ---------------------------------------------------------------------------------------------------------------------
# Plans


class Plan(NamedTuple):
    """The runs that a scheduler will train."""

    began: float  # seconds of `time.time`
    runs: list  # of (experiment, seed, cost, rows of the complete history, share of them that exists already)

    def state(self, number, folder):
        name, seed, _, rows, _ = self.runs[number]
        return state_of(records.Run(folder, name, seed), rows, self.began)

    def states(self, folder):
        return [self.state(number, folder) for number in range(len(self.runs))]

    def work(self, states):
        """`(done, left)`: the cost of what was done since the plan began, and of what is left."""
        done, left = 0.0, 0.0
        for (_, _, cost, _, share_before), state in zip(self.runs, states, strict=True):
            done += cost * (state.share - share_before)
            left += cost * (1 - state.share) * (state.kind != FAILED)  # a failed one is not tried again
        return done, left

    def left(self, states, now):
        """Seconds until all runs are done, at the speed so far; None before anything is done."""
        done, left = self.work(states)
        return (now - self.began) * left / done if done > 0 else None


class Planned:
    """`with Planned(folder, plan):` publishes the plan in a folder of results while the block runs and the process lives."""

    def __init__(self, folder, plan):
        self.path = pathlib.Path(folder, PLANS, f"{socket.gethostname()}-{os.getpid()}.json")
        self.plan, self.lock = plan, locks.Lock(self.path.with_suffix(".lock"))

    def __enter__(self):
        files.write(self.path, lambda file: file.write(json.dumps(self.plan).encode()))
        self.lock.take()

    def __exit__(self, *exception):
        self.path.unlink(missing_ok=True)
        self.lock.release()
        with contextlib.suppress(OSError):  # it has the plans of other schedulers
            self.path.parent.rmdir()


def plans(folder):
    """Owner -> Plan of the schedulers that run in a folder of results."""
    by_owner = {}
    for path in sorted(pathlib.Path(folder, PLANS).glob("*.json")):
        owner = locks.owner(path.with_suffix(".lock"))
        try:
            if owner:
                by_owner[owner] = Plan(*json.loads(path.read_text()))
        except FileNotFoundError:  # it has just ended
            pass
    return by_owner


# ---------------------------------------------------------------------------------------------------------------------
# Text


def report(folder, selected=None):
    """Yields lines on the runs in a folder of results and those planned there; only on `selected`, (experiment, seed) pairs, if
    given."""
    folder, running = pathlib.Path(folder), plans(folder)
    rows = {(name, seed): rows for plan in running.values() for name, seed, _, rows, _ in plan.runs}
    pairs = dict.fromkeys(selected if selected is not None else [*rows, *_existing(folder)])
    states = {pair: state_of(records.Run(folder, *pair), rows.get(pair)) for pair in pairs}
    kinds = (DONE, RUNNING, WAITING, FAILED)
    by_kind = {kind: [pair for pair, state in states.items() if state.kind == kind] for kind in kinds}
    yield f"{folder}: {', '.join(f'{len(runs)} {kind}' for kind, runs in by_kind.items())}"
    for name, seed in by_kind[RUNNING]:
        share, owner = states[name, seed].share, states[name, seed].note
        yield f"  running  {name}, seed {seed}: {100 * share:.0f} %, on {owner}"
    for name, seed in by_kind[FAILED]:
        yield f"  failed   {name}, seed {seed}: {states[name, seed].note}"
    for name in dict.fromkeys(name for name, _ in by_kind[WAITING]):
        seeds = sorted(seed for waiting, seed in by_kind[WAITING] if waiting == name)
        yield f"  waiting  {name}, seed{'s' * (len(seeds) > 1)} {_ranges(seeds)}"
    for owner, plan in running.items():
        yield _line(owner, plan, folder)


def _line(owner, plan, folder):
    """One line on a scheduler: its owner, when it started, and the time left."""
    now = time.time()
    left = plan.left(plan.states(folder), now)
    text = "the time left is shown once some work is done" if left is None else f"about {duration(left)} left"
    return f"  scheduler on {owner}, started {duration(now - plan.began)} ago: {text}"


def _existing(folder):
    """(experiment, seed) of all runs that have a record, a lock, a checkpoint or an `.error` file."""
    endings = ("json", "lock", "ckpt.npz", "error")
    paths = [path for ending in endings for path in folder.glob(f"*/seed*.{ending}")]
    matches = [(path.parent.name, re.match(r"seed(\d+)\.", path.name)) for path in paths]
    return sorted({(name, int(match[1])) for name, match in matches if match})


def _ranges(numbers):
    """[0, 1, 2, 7] -> 0-2, 7."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return ", ".join(f"{a}-{b}" if a < b else str(a) for a, b in zip(starts, ends, strict=True))
