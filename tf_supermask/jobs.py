"""Several processes on this machine walk over the same runs: --jobs=N.

Each has its share of the processors or of a GPU's memory. They need nothing of each other but the locks beside the runs. The
process that started them shows how far all are, from the files of the runs, and starts a new one where one dies: what it
trained counts as failed and goes on from its checkpoint next time.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time

import tqdm

from tf_supermask import locks, status, walk
from tf_supermask.errors import InputError
from tf_supermask.training import duration

GRACE = 20.0  # seconds that a process has to stop in


def silent(text):
    """Says nothing."""


def run(units, its, jobs, setting, progress):
    """Trains `units` in `jobs` processes, each with the walk.Walk `its`; `setting(number)` sets TensorFlow up in one of them.

    `progress.update()` is called now and then. Raises InputError where a process gives up, as when the disk is full.
    """
    context = multiprocessing.get_context("spawn")  # TensorFlow does not live through a fork
    workers = [_start(context, units, its, setting, number) for number in range(min(jobs, len(units)))]
    try:
        while any(worker.is_alive() for worker in workers):
            time.sleep(walk.POLL)
            progress.update()
            for number, worker in enumerate(workers):
                if worker.exitcode is not None and worker.exitcode < 0:
                    _give_up(units, worker)
                    workers[number] = _start(context, units, its, setting, number)
        progress.update()
    finally:
        _stop(workers)
    if any(worker.exitcode for worker in workers):
        raise InputError("a process gave up, see above; the same command goes on where it was")


class Progress:
    """Tells when a run ends, and how far all are: by a bar on a terminal, else with each run that ends."""

    def __init__(self, units, plan):
        self.units, self.plan = units, plan
        self.folder = units[0].run.results_dir
        self.ended = {unit for unit, its in zip(units, plan.runs, strict=True) if its[-1] == 1.0}
        total = sum(cost * (1 - before) for _, _, cost, _, before in plan.runs)
        self.bar = tqdm.tqdm(total=total, disable=None, bar_format="{percentage:3.0f} %|{bar}|{postfix}")

    def __enter__(self):
        for unit in self.units:
            if unit in self.ended:
                print(f"{unit.name}: done before", flush=True)
        return self

    def __exit__(self, *exception):
        self.bar.close()

    def update(self):
        states = self.plan.states(self.folder)
        did, rest = self.plan.work(states)
        left = self.plan.left(states, time.time())
        text = "" if left is None else f", about {duration(left)} left"
        for unit, state in zip(self.units, states, strict=True):
            if unit in self.ended or state.kind not in (status.DONE, status.FAILED):
                continue
            self.ended.add(unit)
            what = "done" if state.kind == status.DONE else f"FAILED: {state.note}"
            self.bar.write(f"{unit.name} ({len(self.ended)} of {len(self.units)}): {what}" + text * self.bar.disable)
        running = sum(state.kind == status.RUNNING for state in states)
        self.bar.n = did
        self.bar.set_postfix_str(f"{len(self.ended)} of {len(self.units)} runs, {running} running{text}")


def _start(context, units, its, setting, number):
    worker = context.Process(target=_work, args=(units, its, setting, number), name=f"job {number}")
    worker.start()
    return worker


def _work(units, its, setting, number):
    """A process of its own: walks over all units, as far as others do not train them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one tells the others
    signal.signal(signal.SIGTERM, _interrupted)
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        setting(number)
        walk.walk(units, its)
    except KeyboardInterrupt:
        sys.exit(0)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _interrupted(*_):
    raise KeyboardInterrupt


def _follow_parent():
    """Stops this process when the one that started it is gone."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)


def _stop(workers):
    for worker in workers:
        if worker.is_alive():
            worker.terminate()
    ends = time.monotonic() + GRACE
    for worker in workers:
        worker.join(max(0.0, ends - time.monotonic()))
        if worker.is_alive():
            worker.kill()
            worker.join()


def _give_up(units, worker):
    """Notes the failure of what a dead process was training, unless another one has taken it over."""
    for run, _ in units:
        if not run.record.exists() and locks.written_by(run.lock) == worker.pid:
            walk.note(run, f"the process that trained it was killed by signal {-worker.exitcode}")
