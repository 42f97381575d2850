"""Many runs, one after the other: `walk` trains what has no record yet, and leaves alone what another process trains.

Any number of processes may walk over the same runs at the same time; each run is trained by the one that takes its lock
(locks.py). jobs.py starts several on this machine, cluster.py sends runs to the nodes of a Ray cluster.
"""

import functools
import os
import signal
import time
import traceback
from typing import NamedTuple

import keras

from tf_supermask import files, sparsity
from tf_supermask.errors import InputError
from tf_supermask.experiments import data, flag_files, lottery, modes, networks, records
from tf_supermask.experiments.spec import Spec
from tf_supermask.scheduling import locks

POLL = 1.0  # seconds between two looks at what others train
DONE, TRAINED, FAILED, BUSY = "done", "trained", "failed", "busy"
_IMAGES = {"digits": 1_437, "digits8": 1_437}  # of training data, where it is far from the others' 50,000 or 60,000


class Failed(InputError):
    """Some runs of a walk failed; the others are recorded."""


class Job(NamedTuple):
    """A run to do: where its files are, and its Spec."""

    run: records.Run
    spec: Spec
    dense: records.Run | None = None  # of the dense run that it begins with

    @property
    def name(self):
        return f"{self.run.experiment}, seed {self.spec.seed}"


# ---------------------------------------------------------------------------------------------------------------------
# One run


def shape_of(spec):
    """Shape of the images that a model gets: those of the data set, or, where it takes any, of the one it was made for."""
    return data.DATASETS.get(spec.dataset) or data.DATASETS[Spec.of(model=spec.model).dataset]


def wanted(spec):
    """What `load` is to give for a run: name, shape and splits of a data set."""
    return spec.dataset, shape_of(spec), spec.splits


@functools.cache
def load(data_dir, cache_dir, dataset, shape, splits):
    return data.load(dataset, data_dir, cache_dir, shape, splits)


@functools.cache
def _multiply_adds(model, shape):
    return sparsity.multiply_adds(networks.build(Spec.of(model=model, mode="baseline"), shape, 10))


def cost(spec):
    """What a run takes beside others: multiplications of its forward passes, and as many as pass while it starts."""
    images = modes.of(spec).images(spec, _IMAGES.get(spec.dataset, 60_000))
    return 2e11 + _multiply_adds(spec.model, shape_of(spec)) * images


def job_of(name, spec, results_dir):
    """The Unit of a run; a chain's dense run is named after the row that has its settings."""
    dense = None
    if spec.rounds:
        dense = records.Run(results_dir, flag_files.name_of(lottery.dense_spec(spec)), spec.seed)
    return Job(records.Run(results_dir, name, spec.seed), spec, dense)


def dense_of(unit):
    """The Unit of the dense run that `unit` begins with, or None."""
    return unit.dense and Job(unit.dense, lottery.dense_spec(unit.spec))


def train(unit, load, how):
    """Trains a run and writes its files. `load(dataset, shape, splits)` gives the data."""
    run, spec, dense = unit
    dataset = load(*wanted(spec))
    return modes.of(spec).train(spec, dataset, run, how, dense)


# ---------------------------------------------------------------------------------------------------------------------
# Among others


def state(unit, since, weights=False):
    """DONE, FAILED where it failed after the time `since`, else None; with `weights` a run without its weights is not done,
    of which a clone has none. Raises InputError for a damaged record and for one of another spec."""
    if records.find(unit.run, unit.spec) is not None and (unit.run.final.exists() or not weights):
        return DONE
    return FAILED if _failed(unit.run, since) else None


def _failed(run, since):
    try:
        return run.error.stat().st_mtime >= since
    except FileNotFoundError:
        return False


class Scheduler:
    """What one process needs to train its share of runs; `since` is when all of them began, in seconds of `time.time`.

    `load(dataset, shape, splits)` gives the data, `how` are training.Options.
    """

    def __init__(self, load, how, since):
        self.load, self.how, self.since = load, how, since
        self._locks, self._training = {}, False

    def attempt(self, unit, weights=False):
        """DONE, TRAINED, FAILED, or BUSY while another process trains it or the dense run that it begins with.

        Whatever goes wrong in a run is written to its `.error` file. Raises OSError where files cannot be written, and
        InputError for a damaged record of this run or one of another spec.
        """
        found = state(unit, self.since, weights)
        if found:
            return found
        unit.run.lock.parent.mkdir(parents=True, exist_ok=True)
        lock = self._locks.setdefault(unit.run, locks.Lock(unit.run.lock, _lost))
        try:
            if not lock.take():
                return BUSY
        except InputError as error:
            return self._failed(unit.run, error)
        try:
            # Another process may have finished it just now.
            return state(unit, self.since, weights) or self._train(unit)
        finally:
            lock.release()

    def _prepared(self, unit):
        """None where the dense run that `unit` begins with is there, or FAILED or BUSY."""
        dense = dense_of(unit)
        if dense is None:
            return None
        if state(dense, self.since, weights=True) is None:
            self.how.say(f"  first its dense run, {dense.run.experiment}")
        outcome = self.attempt(dense, weights=True)
        if outcome == FAILED:
            note(unit.run, f"its dense run failed: {reason(dense.run)}")
        return outcome if outcome in (FAILED, BUSY) else None

    def _train(self, unit):
        signal.signal(signal.SIGUSR1, self._stop)
        try:
            outcome = self._prepared(unit)
            if outcome is None:
                self._training = True
                train(unit, self.load, self.how)
                unit.run.error.unlink(missing_ok=True)
            return outcome or TRAINED
        except locks.Lost:
            return BUSY
        except OSError:
            raise  # the disk's fault, and all runs'
        except Exception as error:
            return self._failed(unit.run, error)
        finally:
            self._training = False
            keras.backend.clear_session()

    def _failed(self, run, error):
        note(run, _reason(error), traceback.format_exc())
        return FAILED

    def _stop(self, *_):
        if self._training:
            raise locks.Lost


def _lost():
    """Called in a thread when another process has taken a lock over, as this one stood still for long."""
    os.kill(os.getpid(), signal.SIGUSR1)


def _reason(error):
    return " ".join(str(error).split()) or type(error).__name__


def note(run, reason, details=""):
    """Writes why a run failed: a line, and details."""
    files.write(run.error, lambda file: file.write(f"{reason}\n\n{details}".encode()))


def reason(run):
    """The line that `note` wrote."""
    try:
        return run.error.read_text().partition("\n")[0]
    except FileNotFoundError:
        return "it left no reason"


def run_all(units, its, begin=lambda position, unit: None, end=lambda position, unit, outcome: None):
    """Attempts all units, and those that others train again and again until they are done or can be taken over.

    `its` is a Walk. `begin` and `end` are called around each attempt with the unit's position, from 0.
    """
    todo = list(enumerate(units))
    while todo:
        busy = []
        for position, unit in todo:
            begin(position, unit)
            outcome = its.attempt(unit)
            end(position, unit, outcome)
            if outcome == BUSY:
                busy.append((position, unit))
        if len(busy) == len(todo):
            time.sleep(POLL)
        todo = busy


def supplied(units, load):
    """The units whose data can be had; of the others it is noted why not, and each data set is looked for once only."""
    reasons = {}
    for its in dict.fromkeys(wanted(unit.spec) for unit in units):
        try:
            load(*its)
        except Exception as error:
            reasons[its] = _reason(error), traceback.format_exc()
    for unit in units:
        if wanted(unit.spec) in reasons:
            note(unit.run, *reasons[wanted(unit.spec)])
    return [unit for unit in units if wanted(unit.spec) not in reasons]


def failures(units, since):
    """None where all units have a record, else Failed, with the reasons."""
    lacking = [unit for unit in units if state(unit, since) != DONE]
    if len(units) == 1 and lacking:
        return Failed(reason(lacking[0].run))
    if lacking:
        names = "; ".join(f"{unit.name} ({reason(unit.run)})" for unit in lacking[:3])
        return Failed(f"{len(lacking)} of {len(units)} runs failed: {names}{'; ...' if len(lacking) > 3 else ''}")
    return None


def prepare(units):
    """Makes the folders of units. Raises InputError where they cannot be written."""
    for run in {unit.run.experiment: unit.run for unit in units}.values():
        records.prepare(run)
