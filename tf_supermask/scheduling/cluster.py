"""Runs on the nodes of a Ray cluster: --executor=ray.

The process that starts them holds their locks and writes all files, so that nodes need no shared file system. A task gets the
files that its run has so far (the checkpoint, or the dense run that it begins with) and gives back those that it made; its
checkpoints come back while it goes on, through a Mailbox. The data sets travel once to each node, through Ray's object store. Ray
starts the tasks of a node that dies again on another one, from the last checkpoint that has arrived.
"""

import collections
import dataclasses
import functools
import math
import pathlib
import tempfile
import threading
import time

from tf_supermask.errors import InputError
from tf_supermask.experiments import device
from tf_supermask.files import quarantine
from tf_supermask.files import write as write_file
from tf_supermask.scheduling import locks, scheduler

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


class Mailbox:
    """The newest checkpoints of all runs, on their way from the nodes to the process that started the walk."""

    def __init__(self):
        self.newest, self.fresh = {}, set()

    def put(self, unit, files):
        self.newest[unit] = files
        self.fresh.add(unit)

    def last(self, unit):
        """Files of a run that was begun before on a node that died."""
        return self.newest.get(unit, {})

    def take(self, flying):
        """Unit -> files of what is new, of the runs in `flying`; forgets all others."""
        self.newest = {unit: files for unit, files in self.newest.items() if unit in flying}
        fresh, self.fresh = self.fresh, set()
        return {unit: self.newest[unit] for unit in fresh if unit in self.newest}


def run(units, load, how, since, address, threads, gpus, progress):
    """Trains `units` on the cluster at `address`, each with `threads` processors and `gpus` (a fraction) of a GPU.

    `progress.update()` is called now and then. Raises InputError where there is no cluster, or none with such nodes.
    """
    ray = connect(address)
    try:
        _Driver(ray, load, how, since, threads, gpus).run(units, progress)
    finally:
        ray.shutdown()


class _Driver:
    def __init__(self, ray, load, how, since, threads, gpus):
        self.ray, self.load, self.how, self.since, self.needs = ray, load, how, since, {"CPU": threads, "GPU": gpus}
        self.task = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=RETRIES)(train)
        here = ray.get_runtime_context().get_node_id()  # other nodes may die
        place = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=False)
        self.mailbox = ray.remote(num_cpus=0, scheduling_strategy=place)(Mailbox).remote()
        self.locks, self.data = {}, {}
        self.todo = collections.deque()
        self.flying = {}  # Unit -> reference to what its task gives

    def run(self, units, progress):
        if not self._slots():
            raise InputError(
                f"no node of the Ray cluster has {self.needs['CPU']} processors and {self.needs['GPU']:g} GPUs for a run; "
                "change --threads and --gpus_per_run"
            )
        self.todo.extend(units)
        try:
            while self.todo or self.flying:
                for _ in range(min(len(self.todo), AHEAD * self._slots() - len(self.flying))):
                    unit = self.todo.popleft()
                    if not self._handed_over(unit):
                        self.todo.append(unit)
                self._collect()
                progress.update()
        finally:
            for unit in self.flying:
                self.locks[unit].release()
            for reference in self.flying.values():
                self.ray.cancel(reference, force=True)

    def _slots(self):
        """How many runs fit on the nodes at a time."""
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        needs = {kind: need for kind, need in self.needs.items() if need}
        return sum(min(int(node.get(kind, 0) // need) for kind, need in needs.items()) for node in nodes)

    def _handed_over(self, unit, weights=False):
        """Whether a unit is done, failed or in Ray's hands; if not, it waits for its dense run or another process."""
        if unit in self.flying or scheduler.state(unit, self.since, weights):
            return True
        try:
            dense = scheduler.dense_of(unit)
            if dense is not None:
                found = scheduler.state(dense, self.since, weights=True)
                if found == scheduler.FAILED:
                    raise InputError(f"its dense run failed: {scheduler.reason(dense.run)}")
                if found != scheduler.DONE:
                    self._handed_over(dense, weights=True)
                    return False
            unit.run.lock.parent.mkdir(parents=True, exist_ok=True)
            lock = self.locks.setdefault(unit, locks.Lock(unit.run.lock))
            if not lock.take():
                return False
            try:
                if not scheduler.state(unit, self.since, weights):  # else another process has finished it just now
                    self.flying[unit] = self._task(unit, dense)
            finally:
                if unit not in self.flying:
                    lock.release()
        except InputError as error:
            scheduler.note(unit.run, str(error))
        return True

    def _task(self, unit, dense):
        files = contents([unit.run.checkpoint, unit.run.history])
        files |= contents([dense.run.final, dense.run.record]) if dense else {}
        its = scheduler.wanted(unit.spec)
        if its not in self.data:
            self.data[its] = self.ray.put(self.load(*its))
        return self.task.remote(unit, files, self.data[its], self.how, self.needs, self.mailbox)

    def _collect(self):
        """Waits a moment for a task; writes the checkpoints that have come, and what tasks have made or why they failed."""
        if not self.flying:
            return time.sleep(scheduler.POLL)
        ready, _ = self.ray.wait(list(self.flying.values()), timeout=scheduler.POLL)
        for unit, files in self.ray.get(self.mailbox.take.remote(set(self.flying))).items():
            if self.flying[unit] not in ready and self.locks[unit].held:
                write(files, unit.run.results_dir)
        for unit in [unit for unit, reference in self.flying.items() if reference in ready]:
            try:
                files, error = self.ray.get(self.flying.pop(unit))
            except self.ray.exceptions.RayError as failure:
                files, error = {}, (" ".join(str(failure).split())[:300], str(failure))
            if not self.locks[unit].held:  # this process stood still, and another one has taken over
                self.todo.append(unit)
                continue
            try:
                self._write(unit.run, files, error)
            finally:
                self.locks[unit].release()

    def _write(self, run, files, error):
        write(files, run.results_dir)
        if not error:
            run.error.unlink(missing_ok=True)
            run.checkpoint.unlink(missing_ok=True)
            return
        scheduler.note(run, *error)
        if files and run.checkpoint.exists() and not contents([run.checkpoint]).keys() & files.keys():
            quarantine(run.checkpoint)  # the node found it damaged


def write(files, folder):
    """Writes `files`, path below `folder` -> bytes, in their order."""
    for name, content in files.items():
        write_file(pathlib.Path(folder, name), lambda file, content=content: file.write(content))


def contents(paths):
    """Path below the folder of results -> bytes, of those files that exist, in their order."""
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in paths if path.exists()}


# ---------------------------------------------------------------------------------------------------------------------
# On a node


@functools.cache
def _set_up(threads, deterministic, jobs):
    device.set_up(threads, deterministic, jobs=jobs)


def train(unit, files, dataset, how, needs, mailbox):
    """`(files made, None)` of a run trained here, or `(those that there are, (reason, details))`."""
    import ray

    _set_up(needs["CPU"], how.deterministic, math.ceil(1 / needs["GPU"]) if needs["GPU"] else 1)
    with tempfile.TemporaryDirectory() as folder:
        write(files | ray.get(mailbox.last.remote(unit)), folder)
        run, dense = (run and dataclasses.replace(run, results_dir=folder) for run in (unit.run, unit.dense))
        sending = threading.Event()
        sender = threading.Thread(
            target=_send, args=(sending, how.checkpoint_seconds, run, lambda its: mailbox.put.remote(unit, its))
        )
        sender.start()
        try:
            its = scheduler.Scheduler(lambda *_: dataset, how, time.time())
            outcome = its.attempt(unit._replace(run=run, dense=dense), weights=True)
        finally:
            sending.set()
            sender.join()
        error = run.error.read_text().split("\n\n", 1) if outcome == scheduler.FAILED else None
        return contents(run.made), error


def _send(over, seconds, run, send):
    """Sends the checkpoint, and the history that goes with it, when there is a new one."""
    sent = None
    while not over.wait(max(seconds, scheduler.POLL)):
        its = contents([run.checkpoint])
        if its and its != sent:
            sent = its
            send(contents([run.history]) | its)  # written in this order: no history is shorter than its checkpoint
