"""Runs on the nodes of a Ray cluster: --executor=ray.

The process that starts them holds their locks and writes all files, so that nodes need no shared file system. A task gets the
files that its run has so far (the checkpoint, or the dense run that it begins with) and gives back those that it made. The
data sets travel once to each node, through Ray's object store. Ray starts the tasks of a node that dies again on another one.
"""

import collections
import dataclasses
import functools
import math
import pathlib
import tempfile
import time

from tf_supermask import device, locks, records, walk
from tf_supermask.errors import InputError

RETRIES = 10  # of a run whose node or process died
AHEAD = 2  # runs handed to Ray for each that can run at a time


def connect(address):
    """Ray, connected to a running cluster. Raises InputError."""
    try:
        import ray
    except ImportError as error:
        raise InputError("--executor=ray needs the package ray: pip install 'tf_supermask[ray]'") from error
    try:
        ray.init(address=address or "auto", log_to_driver=False, logging_level="ERROR", ignore_reinit_error=True)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(
            f"no Ray cluster at {address or 'the default address'} ({' '.join(str(error).split())[:120]}); "
            "start one by `ray start --head`, or give --ray_address"
        ) from error
    return ray


def run(units, load, how, since, address, threads, gpus, progress):
    """Trains `units` on the cluster at `address`, each with `threads` processors and `gpus` (a fraction) of a GPU.

    `progress.update()` is called now and then. Raises InputError where there is no cluster, or none with such nodes.
    """
    ray = connect(address)
    try:
        task = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=RETRIES)(train)
        _Driver(ray, task, load, how, since, threads, gpus).run(units, progress)
    finally:
        ray.shutdown()


class _Driver:
    def __init__(self, ray, task, load, how, since, threads, gpus):
        self.ray, self.task, self.load, self.how, self.since = ray, task, load, how, since
        self.threads, self.gpus = threads, gpus
        self.leases, self.data = {}, {}
        self.flying = {}  # Unit -> reference to what its task gives

    def run(self, units, progress):
        todo = collections.deque(units)
        try:
            while todo or self.flying:
                for _ in range(min(len(todo), self._room() - len(self.flying))):
                    unit = todo.popleft()
                    if not self._handed_over(unit):
                        todo.append(unit)
                self._collect()
                progress.update()
        finally:
            for unit, reference in self.flying.items():
                self.ray.cancel(reference, force=True)
                self.leases[unit].release()

    def _room(self):
        """How many runs may be in Ray's hands."""
        there = self.ray.cluster_resources()
        slots = min(there.get(kind, 0) // need for kind, need in (("CPU", self.threads), ("GPU", self.gpus)) if need)
        if slots < 1:
            raise InputError(
                f"the Ray cluster has {there.get('CPU', 0):g} processors and {there.get('GPU', 0):g} GPUs, "
                f"a run wants {self.threads} and {self.gpus:g}; change --threads and --gpus_per_run"
            )
        return AHEAD * int(slots)

    def _handed_over(self, unit, weights=False):
        """Whether a unit is done, failed or in Ray's hands; if not, it waits for its dense run or another process."""
        if unit in self.flying or walk.state(unit, self.since, weights):
            return True
        dense = walk.dense_of(unit)
        if dense is not None:
            found = walk.state(dense, self.since, weights=True)
            if found == walk.FAILED:
                walk.note(unit.run, f"its dense run failed: {walk.reason(dense.run)}")
                return True
            if found != walk.DONE:
                self._handed_over(dense, weights=True)
                return False
        unit.run.lock.parent.mkdir(parents=True, exist_ok=True)
        lease = self.leases.setdefault(unit, locks.lease(unit.run.lock))
        if not locks.take(lease):
            return False
        if walk.state(unit, self.since, weights):  # another process has finished it just now
            lease.release()
            return True
        files = contents([unit.run.history, unit.run.checkpoint])
        files |= contents([dense.run.final, dense.run.record]) if dense else {}
        its = (unit.spec.dataset, walk.shape_of(unit.spec))
        if its not in self.data:
            self.data[its] = self.ray.put(self.load(*its))
        self.flying[unit] = self.task.remote(unit, files, self.data[its], self.how, self.threads, self.gpus)
        return True

    def _collect(self):
        """Waits a moment for a task; writes what it made, the record last, or why it failed."""
        if not self.flying:
            return time.sleep(walk.POLL)
        ready, _ = self.ray.wait(list(self.flying.values()), timeout=walk.POLL)
        for unit in [unit for unit, reference in self.flying.items() if reference in ready]:
            try:
                files, error = self.ray.get(self.flying[unit])
            except self.ray.exceptions.RayError as failure:
                files, error = {}, (" ".join(str(failure).split())[:300], str(failure))
            try:
                for name, content in files.items():
                    records.write(pathlib.Path(unit.run.results_dir, name), functools.partial(_put, content))
                if error:
                    walk.note(unit.run, *error)
                else:
                    unit.run.error.unlink(missing_ok=True)
                    unit.run.checkpoint.unlink(missing_ok=True)
            finally:
                self.leases[unit].release()
                del self.flying[unit]


def _put(content, file):
    file.write(content)


def contents(paths):
    """Path below the folder of results -> bytes, of those files that exist, in their order."""
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in paths if path.exists()}


# ---------------------------------------------------------------------------------------------------------------------
# On a node


@functools.cache
def _set_up(threads, deterministic, jobs):
    device.set_up(threads, deterministic, jobs=jobs)


def train(unit, files, dataset, how, threads, gpus):
    """`(files made, None)` of a run trained here, or `(its checkpoint, (reason, details))`."""
    _set_up(threads, how.deterministic, math.ceil(1 / gpus) if gpus else 1)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            records.write(pathlib.Path(folder, name), functools.partial(_put, content))
        here = walk.Unit(dataclasses.replace(unit.run, results_dir=folder), unit.spec)
        outcome = walk.Walk(lambda *_: dataset, how, time.time()).attempt(here, weights=True)
        error = here.run.error.read_text().split("\n\n", 1) if outcome == walk.FAILED else None
        return contents(here.run.made), error
