"""One process trains the jobs that have no record yet, one after the other, and skips those that another process trains.

Any number of processes may work on the same jobs at the same time: a run is trained by the process that holds its lock
(locks.py). local.py starts several processes on this machine, cluster.py sends jobs to the nodes of a Ray cluster.
"""

import os
import signal
import time
import traceback

import keras

from tf_supermask import files
from tf_supermask.errors import InputError
from tf_supermask.experiments import records
from tf_supermask.scheduling import locks
from tf_supermask.scheduling.jobs import dataset_key, dense_job, train

POLL = 1.0  # seconds between two looks at the files of other processes
DONE, TRAINED, FAILED, BUSY = "done", "trained", "failed", "busy"


class Failed(InputError):
    """Some runs failed; the others are recorded."""


def state(job, since, weights=False):
    """DONE, FAILED where the job failed after the time `since`, else None. Raises InputError for a damaged record and for one of
    another spec.

    With `weights` a job without its file of weights is not done: a clone has records, but no weights of dense runs.
    """
    if records.find(job.run, job.spec) is not None and (job.run.final.exists() or not weights):
        return DONE
    return FAILED if _failed(job.run, since) else None


def _failed(run, since):
    try:
        return run.error.stat().st_mtime >= since
    except FileNotFoundError:
        return False


class Scheduler:
    """Trains one process' share of the jobs.

    `load(dataset, shape, splits)` gives the data, `options` are training.Options. `since` is when the processes began, in seconds
    of `time.time`: jobs that failed later are not tried again.
    """

    def __init__(self, load, options, since):
        self.load, self.options, self.since = load, options, since
        self._locks, self._training = {}, False

    def attempt(self, job, weights=False):
        """DONE, TRAINED, FAILED, or BUSY while another process trains it or the dense run that it begins with.

        An error of a run is written to its `.error` file. Raises OSError where files cannot be written, and InputError for a
        damaged record of this run or one of another spec.
        """
        outcome = state(job, self.since, weights)
        if outcome:
            return outcome
        job.run.lock.parent.mkdir(parents=True, exist_ok=True)
        lock = self._locks.setdefault(job.run, locks.Lock(job.run.lock, _lost))
        try:
            if not lock.take():
                return BUSY
        except InputError as error:
            return self._failed(job.run, error)
        try:
            return state(job, self.since, weights) or self._train(job)  # another process may have finished it just now
        finally:
            lock.release()

    def _train_dense(self, job):
        """FAILED or BUSY where that is the state of the dense run that `job` begins with; None where the job can be trained."""
        dense = dense_job(job)
        if dense is None:
            return None
        if state(dense, self.since, weights=True) is None:
            self.options.log(f"  first its dense run, {dense.run.experiment}")
        outcome = self.attempt(dense, weights=True)
        if outcome == FAILED:
            note_failure(job.run, f"its dense run failed: {reason(dense.run)}")
        return outcome if outcome in (FAILED, BUSY) else None

    def _train(self, job):
        signal.signal(signal.SIGUSR1, self._stop)
        try:
            outcome = self._train_dense(job)
            if outcome is None:
                self._training = True
                keras.backend.clear_session()  # names of layers, which files have, do not tell what was built before
                train(job, self.load, self.options)
                job.run.error.unlink(missing_ok=True)
            return outcome or TRAINED
        except locks.Lost:
            return BUSY
        except OSError:
            raise  # a full disk concerns all runs
        except Exception as error:
            return self._failed(job.run, error)
        finally:
            self._training = False
            keras.backend.clear_session()

    def _failed(self, run, error):
        note_failure(run, _reason(error), traceback.format_exc())
        return FAILED

    def _stop(self, *_):
        if self._training:
            raise locks.Lost


def _lost():
    """Called in a thread when another process has taken the lock over as this one was suspended for longer than LEASE."""
    os.kill(os.getpid(), signal.SIGUSR1)


def _reason(error):
    return " ".join(str(error).split()) or type(error).__name__


def note_failure(run, reason, details=""):
    """Writes the `.error` file of a run: one line, and details."""
    files.write(run.error, lambda file: file.write(f"{reason}\n\n{details}".encode()))


def reason(run):
    """The line that `note_failure` wrote."""
    try:
        return run.error.read_text().partition("\n")[0]
    except FileNotFoundError:
        return "it left no reason"


def run_all(jobs, scheduler, begin=lambda position, job: None, end=lambda position, job, outcome: None):
    """Attempts all jobs with a Scheduler. Those that other processes train are attempted again until they are done.

    `begin` and `end` are called around each attempt with the job's position, from 0.
    """
    todo = list(enumerate(jobs))
    while todo:
        busy = []
        for position, job in todo:
            begin(position, job)
            outcome = scheduler.attempt(job)
            end(position, job, outcome)
            if outcome == BUSY:
                busy.append((position, job))
        if len(busy) == len(todo):
            time.sleep(POLL)
        todo = busy


def supplied(jobs, load):
    """The jobs whose data can be loaded; the others are noted as failed. Each data set is loaded once."""
    keys = [dataset_key(job.spec) for job in jobs]
    reasons = {}
    for key in dict.fromkeys(keys):
        try:
            load(*key)
        except Exception as error:
            reasons[key] = _reason(error), traceback.format_exc()
    for job, key in zip(jobs, keys, strict=True):
        if key in reasons:
            note_failure(job.run, *reasons[key])
    return [job for job, key in zip(jobs, keys, strict=True) if key not in reasons]


def failures(jobs, since):
    """A Failed that names the reasons, or None where all jobs are done."""
    failed = [job for job in jobs if state(job, since) != DONE]
    if len(jobs) == 1 and failed:
        return Failed(reason(failed[0].run))
    if failed:
        names = "; ".join(f"{job.name} ({reason(job.run)})" for job in failed[:3])
        return Failed(f"{len(failed)} of {len(jobs)} runs failed: {names}{'; ...' if len(failed) > 3 else ''}")
    return None
