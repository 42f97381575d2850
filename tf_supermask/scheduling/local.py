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

from tf_supermask.errors import InputError
from tf_supermask.scheduling import locks, scheduler

GRACE = 20.0  # seconds that a process has to stop in


def run(units, its, jobs, setting, progress):
    """Trains `units` in `jobs` processes, each with the walk.Walk `its`; `setting(number)` sets TensorFlow up in one of them.

    `progress.update()` is called now and then. Raises InputError where a process gives up, as when the disk is full.
    """
    context = multiprocessing.get_context("spawn")  # TensorFlow does not live through a fork
    workers = [_start(context, units, its, setting, number) for number in range(jobs)]
    gone = set()
    try:
        while any(worker.is_alive() for worker in workers):
            progress.wait()
            for number, worker in enumerate(workers):
                if worker.exitcode is None or worker.exitcode >= 0 or worker.pid in gone:
                    continue
                gone.add(worker.pid)
                if _give_up(units, worker):  # else it would die again
                    workers[number] = _start(context, units, its, setting, number)
        progress.update()
    finally:
        _stop(workers)
    codes = [worker.exitcode for worker in workers if worker.exitcode]
    if codes:
        why = f"was killed by signal {-codes[0]}" if codes[0] < 0 else "gave up, see above"
        raise InputError(f"a process {why}; the same command goes on where it was")


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
        scheduler.run_all(units, its)
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
    """Notes the failure of what a dead process was training, unless another one has taken it over; whether there was any."""
    mine = [unit.run for unit in units if locks.written_by(unit.run.lock) == (locks.host(), worker.pid)]
    for run in mine:
        scheduler.note(run, f"the process that trained it was killed by signal {-worker.exitcode}")
    return bool(mine)
