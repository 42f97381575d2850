"""What has become of runs, from files alone: `--status`, and the progress of a walk.

A run is done when it has a record, running when its lock has a living owner, failed when it left its reason, else waiting.
A walk writes down what it means to do, its Plan, in `.walks/` of the folder of results while it goes on, and locks it as it
locks runs; so the status of a folder knows what waits there and when it will be done.
"""

import contextlib
import json
import os
import pathlib
import socket
import time
import zipfile
from typing import NamedTuple

import numpy as np

from tf_supermask import files
from tf_supermask.experiments import records
from tf_supermask.experiments.callbacks import duration
from tf_supermask.scheduling import locks

DONE, RUNNING, WAITING, FAILED = "done", "running", "waiting", "failed"


class State(NamedTuple):
    """`share` of a run's history is there; `note` is the owner of a running one, the reason of a failed one."""

    kind: str
    share: float = 0.0
    note: str = ""


def state_of(run, rows=None, since=0.0):
    """The State of a run, of whose history `rows` rows are the whole; a failure before the time `since` counts no more."""
    if run.record.exists():
        return State(DONE, 1.0)
    share = min(rows_done(run), rows - 1) / rows if rows else 0.0  # whole with its record only
    owner = locks.owner(run.lock)
    if owner:
        return State(RUNNING, share, owner)
    try:
        if run.error.stat().st_mtime >= since:
            return State(FAILED, share, run.error.read_text().partition("\n")[0])
    except FileNotFoundError:
        pass
    return State(WAITING, share)


def rows_done(run):
    """Rows of the history of an unfinished run that are in its files."""
    try:
        return max(0, run.history.read_bytes().count(b"\n") - 1)  # without the header
    except OSError:
        return rows_saved(run)


def rows_saved(run):
    """Rows of the history that are in the checkpoint of an unfinished run, from which it goes on."""
    try:
        with np.load(run.checkpoint) as arrays:  # reads this one array
            history = json.loads(arrays["note"].tobytes())["history"]
        return max(map(len, history.values()), default=0)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # none yet, or damaged, which the run itself will say
        return 0


# ---------------------------------------------------------------------------------------------------------------------
# Plans


class Plan(NamedTuple):
    """What a walk means to do: when it began (seconds of `time.time`), and of each run `(experiment, seed, cost, rows, share)`:
    rows of its history, and the share of them that was there before."""

    began: float
    runs: list

    def state(self, number, folder):
        name, seed, _, rows, _ = self.runs[number]
        return state_of(records.Run(folder, name, seed), rows, self.began)

    def states(self, folder):
        return [self.state(number, folder) for number in range(len(self.runs))]

    def work(self, states):
        """What was done since the walk began, and what is left, as costs."""
        did, rest = 0.0, 0.0
        for (_, _, cost, _, before), its in zip(self.runs, states, strict=True):
            did += cost * (its.share - before)
            rest += cost * (1 - its.share) * (its.kind != FAILED)  # a failed one is not tried again
        return did, rest

    def left(self, states, now):
        """Seconds until the walk is done if it goes on as so far; None before anything is done."""
        did, rest = self.work(states)
        return (now - self.began) * rest / did if did > 0 else None


class Planned:
    """`with Planned(folder, plan):` shows the plan to `plans` as long as the block goes on and the process lives."""

    def __init__(self, folder, plan):
        self.path = pathlib.Path(folder, ".walks", f"{socket.gethostname()}-{os.getpid()}.json")
        self.plan, self.lock = plan, locks.Lock(self.path.with_suffix(".lock"))

    def __enter__(self):
        files.write(self.path, lambda file: file.write(json.dumps(self.plan).encode()))
        self.lock.take()

    def __exit__(self, *exception):
        self.path.unlink(missing_ok=True)
        self.lock.release()
        with contextlib.suppress(OSError):  # another walk goes on
            self.path.parent.rmdir()


def plans(folder):
    """Owner -> Plan of the walks that go on in a folder of results."""
    found = {}
    for path in sorted(pathlib.Path(folder, ".walks").glob("*.json")):
        owner = locks.owner(path.with_suffix(".lock"))
        try:
            if owner:
                found[owner] = Plan(*json.loads(path.read_text()))
        except FileNotFoundError:  # it has just ended
            pass
    return found


# ---------------------------------------------------------------------------------------------------------------------
# Text


def report(folder, wanted=None):
    """Lines on the runs in a folder of results and those that walks mean to do; of `wanted`, (experiment, seed) pairs, only."""
    folder, going = pathlib.Path(folder), plans(folder)
    rows = {(name, seed): rows for plan in going.values() for name, seed, _, rows, _ in plan.runs}
    names = dict.fromkeys(wanted if wanted is not None else [*rows, *_there(folder)])
    states = {its: state_of(records.Run(folder, *its), rows.get(its)) for its in names}
    kinds = (DONE, RUNNING, WAITING, FAILED)
    by_kind = {kind: [its for its, state in states.items() if state.kind == kind] for kind in kinds}
    yield f"{folder}: {', '.join(f'{len(runs)} {kind}' for kind, runs in by_kind.items())}"
    for name, seed in by_kind[RUNNING]:
        share, owner = states[name, seed].share, states[name, seed].note
        yield f"  running  {name}, seed {seed}: {100 * share:.0f} %, by {owner}"
    for name, seed in by_kind[FAILED]:
        yield f"  failed   {name}, seed {seed}: {states[name, seed].note}"
    for name in dict.fromkeys(name for name, _ in by_kind[WAITING]):
        seeds = sorted(seed for its, seed in by_kind[WAITING] if its == name)
        yield f"  waiting  {name}, seed{'s' * (len(seeds) > 1)} {_ranges(seeds)}"
    for owner, plan in going.items():
        now = time.time()
        left = plan.left(plan.states(folder), now)
        text = "the time left shows when something is done" if left is None else f"about {duration(left)} left"
        yield f"  walk of {owner}, begun {duration(now - plan.began)} ago: {text}"


def _there(folder):
    """(experiment, seed) of all runs that have a record, a lock, a checkpoint or an error."""
    endings = ("json", "lock", "ckpt.npz", "error")
    paths = [path for ending in endings for path in folder.glob(f"*/seed*.{ending}")]
    return sorted({(path.parent.name, int(path.name.removeprefix("seed").partition(".")[0])) for path in paths})


def _ranges(numbers):
    """[0, 1, 2, 7] -> 0-2, 7."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return ", ".join(f"{a}-{b}" if a < b else str(a) for a, b in zip(starts, ends, strict=True))
