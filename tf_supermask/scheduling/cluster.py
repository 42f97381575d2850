"""Runs on the nodes of a Ray cluster: --executor=ray.

The process that starts them holds their locks and writes all files, so that nodes need no shared file system. A task receives the
files that its run has so far (the checkpoint, or the dense run that it begins with) and returns those that it made; its
checkpoints are sent while it trains, through a Mailbox. A data set travels once to each node, through Ray's object store. When a
node dies, Ray starts its tasks again on another one, from the last checkpoint that has arrived.
"""

import collections
import dataclasses
import functools
import math
import os
import pathlib
import tempfile
import threading
import time

from tf_supermask.errors import InputError
from tf_supermask.experiments import device
from tf_supermask.files import quarantine
from tf_supermask.files import write as write_file
from tf_supermask.scheduling import locks, scheduler
from tf_supermask.scheduling.jobs import dataset_key, dense_job
from tf_supermask.scheduling.mailbox import Mailbox

RETRIES = 10  # of a run whose node or process died
SHARED = ("TF_ENABLE_ONEDNN_OPTS",)  # variables that decide the bits of a run
AHEAD = 2  # tasks submitted to Ray for each that can run at a time


def connect(address):
    """Ray, connected to a running cluster, whose processes have this one's setting of oneDNN. Raises InputError."""
    try:
        import ray
    except ImportError as error:
        raise InputError("--executor=ray needs the package ray: pip install -e '.[ray]'") from error
    try:
        ray.init(
            address=address or "auto",
            log_to_driver=False,
            logging_level="ERROR",
            ignore_reinit_error=True,
            runtime_env={"env_vars": {name: os.environ[name] for name in SHARED if name in os.environ}},
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(
            f"no Ray cluster at {address or 'the default address'} ({' '.join(str(error).split())[:120]}); "
            "start one by `ray start --head`, or give --ray_address"
        ) from error
    return ray


def run(jobs, load, options, since, address, threads, gpus, progress):
    """Trains `jobs` on the cluster at `address`, each with `threads` processors and `gpus` GPUs (or a fraction of one).

    `progress.update()` is called in a loop. Raises InputError where there is no cluster, or none with such nodes.
    """
    ray = connect(address)
    try:
        _Driver(ray, load, options, since, threads, gpus).run(jobs, progress)
    finally:
        ray.shutdown()


class _Driver:
    """Submits jobs to Ray and writes what they return."""

    def __init__(self, ray, load, options, since, threads, gpus):
        self.ray, self.load, self.options, self.since = ray, load, options, since
        self.needs = {"CPU": threads, "GPU": gpus}
        self.task = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=RETRIES)(train)
        this_node = ray.get_runtime_context().get_node_id()  # other nodes may die
        strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(this_node, soft=False)
        self.mailbox = ray.remote(num_cpus=0, scheduling_strategy=strategy)(Mailbox).remote()
        self.locks, self.data = {}, {}
        self.todo = collections.deque()
        self.tasks = {}  # Job -> reference to the result of its task

    def run(self, jobs, progress):
        if not self._slots():
            raise InputError(
                f"no node of the Ray cluster has {self.needs['CPU']} processors and {self.needs['GPU']:g} GPUs for a run; "
                "change --threads and --gpus_per_run"
            )
        self.todo.extend(jobs)
        try:
            while self.todo or self.tasks:
                for _ in range(min(len(self.todo), AHEAD * self._slots() - len(self.tasks))):
                    job = self.todo.popleft()
                    if not self._submit(job):
                        self.todo.append(job)
                self._collect()
                progress.update()
        finally:
            for job in self.tasks:
                self.locks[job].release()
            for reference in self.tasks.values():
                self.ray.cancel(reference, force=True)

    def _slots(self):
        """How many runs fit on the nodes at a time."""
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        needs = {kind: need for kind, need in self.needs.items() if need}
        return sum(min(int(node.get(kind, 0) // need) for kind, need in needs.items()) for node in nodes)

    def _submit(self, job, weights=False):
        """Submits a job to Ray; returns False where it has to wait for its dense run or for another process."""
        if job in self.tasks or scheduler.state(job, self.since, weights):
            return True
        try:
            dense = dense_job(job)
            if dense is not None:
                dense_state = scheduler.state(dense, self.since, weights=True)
                if dense_state == scheduler.FAILED:
                    raise InputError(f"its dense run failed: {scheduler.reason(dense.run)}")
                if dense_state != scheduler.DONE:
                    self._submit(dense, weights=True)
                    return False
            job.run.lock.parent.mkdir(parents=True, exist_ok=True)
            lock = self.locks.setdefault(job, locks.Lock(job.run.lock))
            if not lock.take():
                return False
            try:
                if not scheduler.state(job, self.since, weights):  # else another process has finished it just now
                    self.tasks[job] = self._task(job, dense)
            finally:
                if job not in self.tasks:
                    lock.release()
        except InputError as error:
            scheduler.note_failure(job.run, str(error))
        return True

    def _task(self, job, dense):
        files = contents([job.run.checkpoint, job.run.history])
        files |= contents([dense.run.final, dense.run.record]) if dense else {}
        key = dataset_key(job.spec)
        if key not in self.data:
            self.data[key] = self.ray.put(self.load(*key))
        return self.task.remote(job, files, self.data[key], self.options, self.needs, self.mailbox)

    def _collect(self):
        """Waits up to POLL seconds for a task; writes the checkpoints that have arrived, and the results or errors of tasks."""
        if not self.tasks:
            return time.sleep(scheduler.POLL)
        ready, _ = self.ray.wait(list(self.tasks.values()), timeout=scheduler.POLL)
        fresh = self.ray.get(self.mailbox.take.remote({job.name for job in self.tasks}))
        for job, reference in self.tasks.items():
            if job.name in fresh and reference not in ready and self.locks[job].held:
                write(fresh[job.name], job.run.results_dir)
        for job in [job for job, reference in self.tasks.items() if reference in ready]:
            try:
                files, error = self.ray.get(self.tasks.pop(job))
            except self.ray.exceptions.RayError as failure:
                files, error = {}, (" ".join(str(failure).split())[:300], str(failure))
            if not self.locks[job].held:  # this process was suspended, and another one has taken over
                self.todo.append(job)
                continue
            try:
                self._write(job.run, files, error)
            finally:
                self.locks[job].release()

    def _write(self, run, files, error):
        write(files, run.results_dir)
        if not error:
            run.error.unlink(missing_ok=True)
            run.remove_temporary()
            return
        scheduler.note_failure(run, *error)
        if files and run.checkpoint.exists() and not contents([run.checkpoint]).keys() & files.keys():
            quarantine(run.checkpoint)  # it is damaged


def write(files, folder):
    """Writes `files`, a dict path below `folder` -> bytes, in its order."""
    for name, content in files.items():
        write_file(pathlib.Path(folder, name), lambda file, content=content: file.write(content))


def contents(paths):
    """A dict path below the folder of results -> bytes, of those files that exist, in their order."""
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in paths if path.exists()}


# ---------------------------------------------------------------------------------------------------------------------
# On a node


@functools.cache
def _set_up(threads, deterministic, count):
    device.set_up(threads, deterministic, jobs=count)


def train(job, files, dataset, options, needs, mailbox):
    """Trains a run on this node. Returns `(files, None)`, or `(files so far, (reason, details))` where it failed."""
    import ray

    _set_up(needs["CPU"], options.deterministic, math.ceil(1 / needs["GPU"]) if needs["GPU"] else 1)
    with tempfile.TemporaryDirectory() as folder:
        write(files | ray.get(mailbox.last.remote(job.name)), folder)
        run, dense = (run and dataclasses.replace(run, results_dir=folder) for run in (job.run, job.dense))
        ended = threading.Event()
        sender = threading.Thread(
            target=_send, args=(ended, options.checkpoint_seconds, run, lambda new: mailbox.put.remote(job.name, new))
        )
        sender.start()
        try:
            local_scheduler = scheduler.Scheduler(lambda *_: dataset, options, time.time())
            outcome = local_scheduler.attempt(job._replace(run=run, dense=dense), weights=True)
        finally:
            ended.set()
            sender.join()
        error = run.error.read_text().split("\n\n", 1) if outcome == scheduler.FAILED else None
        return contents(run.made), error


def _send(ended, seconds, run, send):
    """Sends each new checkpoint, with its history, until the event `ended`."""
    sent = None
    while not ended.wait(max(seconds, scheduler.POLL)):
        checkpoint = contents([run.checkpoint])
        if checkpoint and checkpoint != sent:
            sent = checkpoint
            send(contents([run.history]) | checkpoint)  # in this order: no history is shorter than its checkpoint
