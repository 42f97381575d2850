"""Several processes on this machine work on the same jobs: --jobs=N.

Each has its share of the processors or of a GPU's memory. They share nothing but the locks beside the runs. The process that
started them reports progress from the files of the runs. Where a process dies, it starts a new one; the run that was being
trained counts as failed, and is continued from its checkpoint next time.
"""

import multiprocessing
import multiprocessing.forkserver
import os
import signal
import sys
import threading
import time

from tf_supermask.errors import InputError
from tf_supermask.scheduling import locks
from tf_supermask.scheduling.scheduler import note_failure, run_all

GRACE = 20.0  # seconds between the request to stop and the kill


def context_of(gpu):
    """The context of multiprocessing that makes the processes.

    They are forks of one that has loaded TensorFlow and called nothing of it: it is loaded once, and shares memory. Where there
    is a GPU, or no fork, each is a new process and loads TensorFlow itself: CUDA does not survive a fork.
    """
    if gpu or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tf_supermask.preloaded"])
    return context


def run(jobs, scheduler, count, set_up, progress, context):
    """Trains `jobs` in `count` processes, each with a copy of `scheduler`.

    `context` makes the processes, and `set_up(number)` sets TensorFlow up in one of them.

    `progress.wait()` is called in a loop. Raises InputError where a process stops with an error, as when the disk is full.
    """
    workers, handled = [], set()
    try:
        if context.get_start_method() == "forkserver":
            _start_server()
        for number in range(count):
            workers.append(_start(context, jobs, scheduler, set_up, number))
        while any(worker.is_alive() for worker in workers):
            progress.wait()
            for number, worker in enumerate(workers):
                if worker.exitcode is None or worker.exitcode >= 0 or worker.pid in handled:
                    continue
                handled.add(worker.pid)
                # one that died before it had a run would do so again; one that was asked to stop would not
                if _note_failures(jobs, worker) or worker.exitcode == -signal.SIGTERM:
                    workers[number] = _start(context, jobs, scheduler, set_up, number)
        progress.update()
    finally:
        _stop(workers)
    codes = [worker.exitcode for worker in workers if worker.exitcode]
    if _NO_SERVER in codes:
        raise InputError(_KILLED)
    if codes:
        cause = f"was killed by signal {-codes[0]}" if codes[0] < 0 else "stopped with an error, see above"
        raise InputError(f"a process {cause}; the same command continues from the last checkpoints")


_NO_SERVER = 255  # what multiprocessing gives as the exit status of a fork where the server has died
_KILLED = "the process of which the others are forks was killed; the same command continues from the last checkpoints"


def _start_server():
    """Starts the process that is forked. It ignores Ctrl-C, which reaches all processes, from its first moment."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


def _start(context, jobs, scheduler, set_up, number):
    worker = context.Process(target=_work, args=(jobs, scheduler, set_up, number), name=f"worker {number}")
    try:
        worker.start()
    except (EOFError, ConnectionError) as error:  # the server died while it loaded TensorFlow
        raise InputError(_KILLED) from error
    return worker


def _work(jobs, scheduler, set_up, number):
    """What a worker process does: it trains all jobs that no other process trains."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one stops the others
    try:
        signal.signal(signal.SIGTERM, _interrupted)
        threading.Thread(target=_follow_parent, daemon=True).start()
        set_up(number)
        run_all(jobs, scheduler)
    except KeyboardInterrupt:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)  # so that the exit status tells why
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _interrupted(*_):
    """Ends what is done, in order. In a callback, as of a weak reference, Python prints and drops the exception: so nothing is
    printed any more, and the signal comes again in a second."""
    sys.unraisablehook = lambda unraisable: None
    again = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM))
    again.daemon = True
    again.start()
    raise KeyboardInterrupt


def _follow_parent():
    """Stops this process when the one that started it is gone."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)


def _stop(workers):
    for worker in workers:
        if worker.is_alive():
            worker.terminate()
    deadline = time.monotonic() + GRACE
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
        if worker.is_alive():
            worker.kill()
            worker.join()


def _note_failures(jobs, worker):
    """Notes the failure of the run that a dead process was training, unless another one has taken it over; returns whether there
    was any."""
    owned = [job.run for job in jobs if locks.written_by(job.run.lock) == (locks.host(), worker.pid)]
    for run in owned:
        note_failure(run, f"the process that trained it was killed by signal {-worker.exitcode}")
    return bool(owned)
