"""The state of runs and the time left, from files."""

import os
import re
import time

import pytest
from processes import LONG

from tf_supermask.experiments import records
from tf_supermask.experiments.spec import Spec
from tf_supermask.scheduling import jobs, locks, status


def test_status_of_rows_and_of_an_empty_folder(main, tmp_path):
    (tmp_path / "a.flags").write_text("\n".join(("# a row", "--experiment=a", *LONG)))
    text = main(tmp_path / "a.flags", "--seeds=0-2,4", "--status", f"--results_dir={tmp_path}/r").stdout
    assert text == f"{tmp_path}/r: 0 done, 0 running, 4 waiting, 0 failed\n  waiting  a, seeds 0-2, 4\n"
    assert list(status.report(tmp_path / "r")) == [f"{tmp_path}/r: 0 done, 0 running, 0 waiting, 0 failed"]
    for folder in (tmp_path / "r", tmp_path / "a.flags"):
        done = main("--status", f"--results_dir={folder}", ok=False)
        assert done.stderr == f"error: --results_dir={folder} is no folder; name one with runs: FOLDER/EXPERIMENT/seed0.json\n"


def test_time_left_follows_from_what_was_done_and_what_is_left(tmp_path):
    def states(*shares):
        return [status.State(status.RUNNING, share) for share in shares]

    plan = status.Plan(100.0, [("a", 0, 2.0, 10, 0.0), ("a", 1, 2.0, 10, 0.5), ("b", 0, 5.0, 10, 1.0)])
    assert plan.left(states(0.0, 0.5, 1.0), 160.0) is None
    assert plan.left(states(0.5, 0.5, 1.0), 160.0) == pytest.approx(120)  # 1 of 3 done in a minute
    assert plan.left(states(1.0, 1.0, 1.0), 160.0) == 0
    failed = [status.State(status.FAILED, 0.2), *states(0.5, 1.0)]
    assert plan.left(failed, 160.0) == pytest.approx(60 / 0.4)


def test_time_left_follows_a_network_that_shrinks(tmp_path):
    """10 of 40 epochs, the first with compiling; the last 3, of the smaller network, take a quarter of the others."""
    seconds = [9.0, *[4.0] * 6, 7.0, 1.0, 1.0]
    assert status.share_of_time(seconds, 40) == pytest.approx(42 / (42 + 30 * 1))
    assert status.share_of_time(seconds[:7], 40) == pytest.approx(33 / (33 + 33 * 4))
    run = records.Run(tmp_path, "x", 0)
    run.history.parent.mkdir()
    lines = ["epoch,accuracy,seconds", *(f"{epoch},0.5,{value}" for epoch, value in enumerate(seconds))]
    run.history.write_text("\n".join(lines) + "\n10,0.")
    assert status.seconds_done(run) == seconds
    plan = status.Plan(100.0, [("x", 0, 3.0, 40, 0.0)])
    assert plan.left(plan.states(tmp_path), 142.0) == pytest.approx(30)
    assert status.share_of_time([1.0] * 9, 9) == pytest.approx(8 / 9)  # 1 only with a record


def test_a_plan_is_published_while_its_block_runs(tmp_path):
    """A scheduler of this process, an hour old, that has done a quarter of two equal runs."""
    todo = [jobs.job_of("x", Spec.of(dataset="digits", epochs=4, seed=seed), tmp_path) for seed in (0, 1)]
    plan = jobs.plan_of(todo, time.time() - 3600)
    assert [(name, seed, rows, share) for name, seed, _, rows, share in plan.runs] == [("x", 0, 4, 0), ("x", 1, 4, 0)]
    todo[0].run.history.parent.mkdir()
    todo[0].run.history.write_text("header\nrow\nrow\n")
    with status.Planned(tmp_path, plan):
        assert list(status.plans(tmp_path)) == [locks.owner(next(tmp_path.glob(".plans/*.lock")))]
        *_, line = status.report(tmp_path)
    expected = rf"  scheduler on \S+, process {os.getpid()}, started 60 min ago: about 3.0 h left"
    assert re.fullmatch(expected, line)
    assert status.plans(tmp_path) == {} and not (tmp_path / ".plans").exists()


def test_the_state_of_a_run_is_in_its_files(tmp_path):
    run = records.Run(tmp_path, "x", 0)
    run.record.parent.mkdir()
    assert status.state_of(run) == ("waiting", 0.0, "")
    run.history.write_text("header\nrow\n")
    run.error.write_text("it diverged\n\ndetails")
    assert status.state_of(run, rows=4) == ("failed", 0.25, "it diverged")
    assert status.state_of(run, rows=4, since=time.time() + 60).kind == "waiting"
    lock = locks.Lock(run.lock)
    assert lock.take()
    assert status.state_of(run, rows=4) == ("running", 0.25, locks.owner(run.lock))
    lock.release()
    run.record.write_text("{}")
    assert status.state_of(run, rows=4) == ("done", 1.0, "")
