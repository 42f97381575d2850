"""Lines of progress."""

import time

from tf_supermask.experiments import records
from tf_supermask.experiments.spec import Spec
from tf_supermask.scheduling import jobs, scheduler, status
from tf_supermask.scheduling.progress import ConsoleReporter, Progress


def planned(folder, count):
    """`(jobs, their Plan)` of equal runs, begun a minute ago."""
    todo = [jobs.Job(records.Run(folder, "x", seed), Spec.of(dataset="digits", seed=seed)) for seed in range(count)]
    jobs.prepare(todo)
    return todo, status.Plan(time.time() - 60, [("x", seed, 1.0, 10, 0.0) for seed in range(count)])


def test_a_line_for_each_run_that_ends(tmp_path, capsys):
    todo, plan = planned(tmp_path, 3)
    with Progress(todo, plan) as progress:
        progress.update()
        assert capsys.readouterr().out == ""
        todo[1].run.record.write_text("{}")
        todo[2].run.error.write_text("it diverged\n\ndetails")
        progress.update()
        progress.update()
    assert capsys.readouterr().out.splitlines() == [
        "x, seed 1 (1 of 3): done, about 60.0 s left",
        "x, seed 2 (2 of 3): FAILED: it diverged, about 60.0 s left",
    ]


def test_lines_around_runs_of_this_process(tmp_path, capsys):
    todo, plan = planned(tmp_path, 2)
    reporter = ConsoleReporter(todo, plan)
    for outcome in (scheduler.BUSY, scheduler.BUSY, scheduler.TRAINED):
        reporter.begin(0, todo[0])
        if outcome == scheduler.TRAINED:
            todo[0].run.record.write_text("{}")
        reporter.end(0, todo[0], outcome)
    scheduler.note_failure(todo[1].run, "it diverged")
    reporter.end(1, todo[1], scheduler.FAILED)
    assert capsys.readouterr().out.splitlines() == [
        "x, seed 0 (1 of 2)",
        "  another process trains it; it is tried again after the others",
        "  about 60.0 s left for the other 1 run",
        "  failed: it diverged",
    ]
