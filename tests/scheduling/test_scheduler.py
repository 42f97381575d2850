"""What one process trains, and what it leaves to others."""

import time

from tf_supermask.experiments import records
from tf_supermask.experiments.spec import Spec
from tf_supermask.scheduling import jobs, locks, scheduler


def test_one_who_stood_still_leaves_its_run_to_the_one_who_took_over(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "LEASE", 0.3)
    job = jobs.Job(records.Run(tmp_path, "x", 0), Spec.of(model="fcn", dataset="digits"))

    other = locks.Lock(job.run.lock)

    def robbed(*_):
        job.run.lock.unlink()  # as the one who takes over does
        assert other.take()
        time.sleep(10)
        raise AssertionError("it should have been stopped")

    monkeypatch.setattr(scheduler, "train", robbed)
    began = time.monotonic()
    assert scheduler.Scheduler(None, None, 0).attempt(job) == scheduler.BUSY and time.monotonic() - began < 5
    assert job.run.lock.exists() and not job.run.error.exists()


def test_a_busy_job_is_tried_again_after_the_others():
    outcomes = {"a": ["busy", "trained"], "b": ["done"], "c": ["busy", "busy", "failed"]}
    attempts = []

    class Stub:
        def attempt(self, job):
            return outcomes[job].pop(0)

    scheduler.POLL, before = 0.0, scheduler.POLL
    try:
        scheduler.run_all("abc", Stub(), end=lambda position, job, outcome: attempts.append((position, job, outcome)))
    finally:
        scheduler.POLL = before
    busy = [(0, "a", "busy"), (1, "b", "done"), (2, "c", "busy")]
    assert attempts == [*busy, (0, "a", "trained"), (2, "c", "busy"), (2, "c", "failed")]


def test_failures_are_named_with_their_reasons(tmp_path):
    todo = [jobs.Job(records.Run(tmp_path, "x", seed), Spec.of(dataset="digits", seed=seed)) for seed in range(5)]
    jobs.prepare(todo)
    scheduler.note_failure(todo[0].run, "it diverged", "details")
    assert scheduler.state(todo[0], 0.0) == "failed" and scheduler.state(todo[1], 0.0) is None
    assert str(scheduler.failures(todo[:1], 0.0)) == "it diverged"
    assert str(scheduler.failures(todo, 0.0)) == (
        "5 of 5 runs failed: x, seed 0 (it diverged); x, seed 1 (it left no reason); x, seed 2 (it left no reason); ..."
    )
