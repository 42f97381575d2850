"""Many runs at a time: locks, jobs, status, and what is left after kill -9, Ctrl-C and a full disk."""

import contextlib
import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import time

import filelock
import numpy as np
import pytest
from conftest import ROOT

from tf_supermask.errors import InputError
from tf_supermask.experiments import device, records
from tf_supermask.experiments.spec import Spec
from tf_supermask.scheduling import locks, scheduler, status

SHORT = ("--dataset=digits", "--epochs=2", "--progress=silent", "--checkpoint_seconds=0")
LONG = ("--dataset=digits", "--epochs=600", "--progress=silent", "--checkpoint_seconds=0")
NAME = "fcn_signed_digits"


def start(*flags, **kwargs):
    """A process of `main` in the background."""
    command = [sys.executable, "-m", "tf_supermask.main", *map(str, flags)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)


def outcome(folder):
    """Path -> what a run gave: its record without times and machine, and its final masks."""
    found = {}
    for path in sorted(pathlib.Path(folder).glob("*/seed*.json")):
        record = json.loads(path.read_text())
        del record["environment"]
        record["history"].pop("seconds", None)
        record["final"].pop("seconds_per_epoch", None)
        arrays = records.load_arrays(path.with_name(path.name.replace(".json", ".final.npz")))
        found[f"{path.parent.name}/{path.name}"] = record, {name: array.tobytes() for name, array in arrays.items()}
    return found


def wait_for(condition, *processes, seconds=120):
    ends = time.monotonic() + seconds
    while not condition():
        assert all(process.poll() is None for process in processes), "ended too early"
        assert time.monotonic() < ends, "took too long"
        time.sleep(0.02)


def leftovers(folder):
    """Names of files that only a running process may have."""
    return [path.name for path in pathlib.Path(folder).rglob("*") if path.suffix in (".lock", ".tmp", ".npz.tmp")]


# ---------------------------------------------------------------------------------------------------------------------
# Locks


def test_a_lock_is_taken_once_and_names_its_owner(tmp_path):
    path = tmp_path / "seed0.lock"
    first, second = locks.Lock(path), locks.Lock(path)
    assert locks.owner(path) is None and locks.written_by(path) is None
    assert first.take() and not second.take() and first.held
    assert locks.owner(path).endswith(f" {os.getpid()}") and locks.written_by(path) == (locks.host(), os.getpid())
    first.release()
    assert second.take()
    second.release()
    assert not path.exists()


# Takes the lock at its first argument, with a lease of its second, and tells when it loses it.
OWNER = """import sys, time
from tf_supermask import locks
locks.LEASE = float(sys.argv[2])
lock = locks.Lock(sys.argv[1], lambda: print("lost", flush=True))
print(lock.take(), flush=True)
time.sleep(60)
"""


@contextlib.contextmanager
def owning(path, lease):
    """A process that owns the lock at `path` and is alive and well; it is killed in the end."""
    command = [sys.executable, "-c", OWNER, str(path), str(lease)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "True\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def dead(tmp_path):
    """The lock of a process that was killed."""
    path = tmp_path / "seed0.lock"
    with owning(path, locks.LEASE):
        assert locks.owner(path) and not locks.Lock(path).take()
    return path


def test_the_lock_of_a_dead_process_is_taken_over_at_once(dead):
    assert dead.exists() and locks.owner(dead) is None
    lock = locks.Lock(dead)
    assert lock.take() or lock.take()
    lock.release()


def test_a_dead_lock_that_cannot_be_taken_over_is_named(dead, monkeypatch):
    def refused(lease):
        raise filelock.Timeout(lease.lock_file)

    locks.host()
    monkeypatch.setattr(filelock.SoftFileLease, "acquire", refused)  # as where files cannot be exchanged
    now = iter((0.0, 2.1 * locks.LEASE))
    monkeypatch.setattr(locks.time, "monotonic", lambda: next(now, 1000.0))
    lock = locks.Lock(dead)
    with pytest.raises(InputError, match="seed0.lock was left by a dead process"):
        for _ in range(3):
            assert not lock.take()


def test_the_lock_of_another_host_counts_while_its_heart_beats(dead, monkeypatch):
    monkeypatch.setattr(locks, "host", lambda: "elsewhere")  # whose processes are not ours to look for
    assert locks.owner(dead) == f"{locks.written_by(dead)[0].partition('?')[0]} {locks.written_by(dead)[1]}"
    os.utime(dead, (time.time() - 2 * locks.LEASE,) * 2)
    assert locks.owner(dead) is None


def test_the_lock_of_a_silent_process_is_taken_over_after_the_lease_and_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "LEASE", 1.5)
    path = tmp_path / "seed0.lock"
    with owning(path, locks.LEASE) as process:
        lock, ends = locks.Lock(path), time.monotonic() + 1.4 * locks.LEASE
        while time.monotonic() < ends:  # its heart beats
            assert locks.owner(path) and not lock.take()
            time.sleep(0.05)
        process.send_signal(signal.SIGSTOP)
        wait_for(lock.take, seconds=10)
        assert lock.held and locks.written_by(path) == (locks.host(), os.getpid())
        process.send_signal(signal.SIGCONT)
        assert process.stdout.readline() == "lost\n" and lock.held
        lock.release()


def test_an_empty_lock_is_not_respected_forever(tmp_path):
    path = tmp_path / "seed0.lock"
    path.touch()
    lock = locks.Lock(path)
    assert not lock.take()  # its owner may be about to write it
    os.utime(path, (time.time() - 2 * locks.LEASE,) * 2)
    assert not lock.take() and lock.take()
    lock.release()


def test_one_who_stood_still_leaves_its_run_to_the_one_who_took_over(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "LEASE", 0.3)
    unit = scheduler.Job(records.Run(tmp_path, "x", 0), Spec.of(model="fcn", dataset="digits"))

    other = locks.Lock(unit.run.lock)

    def robbed(*_):
        unit.run.lock.unlink()  # as the one who takes over does
        assert other.take()
        time.sleep(10)
        raise AssertionError("it should have been stopped")

    monkeypatch.setattr(scheduler, "train", robbed)
    began = time.monotonic()
    assert scheduler.Scheduler(None, None, 0).attempt(unit) == scheduler.BUSY and time.monotonic() - began < 5
    assert unit.run.lock.exists() and not unit.run.error.exists()


# ---------------------------------------------------------------------------------------------------------------------
# Jobs


def test_any_number_of_jobs_gives_the_same_bits(main, tmp_path):
    flags = (*SHORT, "--epochs=6", "--shuffle", "--seeds=0-2", "--deterministic")
    done = main(*flags, "--jobs=2", f"--results_dir={tmp_path}/two")
    assert done.stderr == "" and "(3 of 3): done" in done.stdout and "mean [5 %, 95 %]" in done.stdout
    main(*flags, f"--results_dir={tmp_path}/one")
    one, two = outcome(tmp_path / "one"), outcome(tmp_path / "two")
    assert len(one) == 3 and one == two and not leftovers(tmp_path)
    assert list(status.report(tmp_path / "two")) == [f"{tmp_path}/two: 3 done, 0 running, 0 waiting, 0 failed"]


def test_two_invocations_share_the_runs_and_both_end_with_all(tmp_path):
    flags = (*SHORT, "--seeds=0-3", f"--results_dir={tmp_path}")
    outputs = [process.communicate(timeout=300) for process in (start(*flags), start(*flags))]
    assert sum(out.count("one epoch takes about") for out, _ in outputs) == 4, outputs
    assert all("mean [5 %, 95 %]" in out for out, _ in outputs) and len(outcome(tmp_path)) == 4
    assert not leftovers(tmp_path)


def test_a_failed_run_leaves_its_reason_and_the_others_go_on(main, tmp_path):
    row = ("# diverges", "--experiment=bad", "--mode=baseline", *SHORT, "--learning_rate=1e30", "--weight_decay=0")
    (tmp_path / "bad.flags").write_text("\n".join(row))
    (tmp_path / "good.flags").write_text("\n".join(("# trains", "--experiment=good", "--mode=baseline", *SHORT)))
    rows = (tmp_path / "bad.flags", tmp_path / "good.flags", f"--results_dir={tmp_path}/r")
    done = main(*rows, "--jobs=2", ok=False)
    assert done.returncode == 2 and "error: 1 of 2 runs failed: bad, seed 0 (the training diverged" in done.stderr
    assert "good, seed 0 (" in done.stdout and (tmp_path / "r" / "good" / "seed0.json").exists()
    reason, _, details = (tmp_path / "r" / "bad" / "seed0.error").read_text().partition("\n")
    assert "the training diverged in epoch 1" in reason and "Traceback" in details
    text = "\n".join(status.report(tmp_path / "r"))
    assert "1 done, 0 running, 0 waiting, 1 failed" in text and "failed   bad, seed 0: the training diverged" in text
    (tmp_path / "good.flags").unlink()
    main(rows[0], rows[2], "--learning_rate=.01")  # an error of the past does not count
    assert not (tmp_path / "r" / "bad" / "seed0.error").exists()


def test_a_killed_job_fails_alone_status_tells_and_ctrl_c_stops_all(tmp_path):
    process = start(*LONG, "--seeds=0-3", "--jobs=2", f"--results_dir={tmp_path}")
    wait_for(lambda: len(list(tmp_path.glob("*/seed*.ckpt.npz"))) == 2, process)
    victim, _ = sorted(tmp_path.glob("*/seed*.lock"))
    text = "\n".join(status.report(tmp_path))
    assert "0 done, 2 running, 2 waiting, 0 failed" in text and f"waiting  {NAME}, seeds 2-3" in text
    assert f"running  {NAME}, seed 0: " in text and " %, by " in text and "walk of " in text and " left" in text
    os.kill(locks.written_by(victim)[1], signal.SIGKILL)
    wait_for(lambda: (tmp_path / NAME / "seed2.ckpt.npz").exists(), process)
    workers = [locks.written_by(path)[1] for path in tmp_path.glob("*/seed*.lock")]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == "error: stopped; the same command goes on from the last checkpoint\n"
    assert f"{NAME}, seed 0 (1 of 4): FAILED: the process that trained it was killed by signal 9" in out
    assert not any(map(running, workers)) and [path.name for path in tmp_path.glob("*/*.lock")] == [victim.name]


def test_jobs_end_with_the_process_that_started_them(tmp_path):
    process = start(*LONG, "--seeds=0-2", "--jobs=2", f"--results_dir={tmp_path}")
    wait_for(lambda: len(list(tmp_path.glob("*/seed*.ckpt.npz"))) == 2, process)
    workers = [locks.written_by(path)[1] for path in tmp_path.glob("*/seed*.lock")]
    process.kill()
    process.communicate()
    wait_for(lambda: not any(map(running, workers)), seconds=30)


def running(process):
    try:
        return " Z " not in pathlib.Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


def test_jobs_share_processors_and_gpus():
    assert [device.sliced(job, 4, 1, 80_000) for job in range(2)] == [(0, 18_000), (0, 18_000)]
    assert [device.sliced(job, 3, 2, 10_000) for job in range(3)] == [(0, 4500), (1, 9000), (0, 4500)]
    for gpus in range(1, 5):
        for jobs in range(1, 9):
            used = np.zeros(gpus)
            for job in range(jobs):
                gpu, share = device.sliced(job, jobs, gpus, 10_000)
                used[gpu] += share
            assert (used <= 9000).all() and (used > 8900).sum() == min(gpus, jobs)


# ---------------------------------------------------------------------------------------------------------------------
# Status


def test_status_of_rows_and_of_an_empty_folder(main, tmp_path):
    (tmp_path / "a.flags").write_text("\n".join(("# a row", "--experiment=a", *LONG)))
    text = main(tmp_path / "a.flags", "--seeds=0-2,4", "--status", f"--results_dir={tmp_path}/r").stdout
    assert text == f"{tmp_path}/r: 0 done, 0 running, 4 waiting, 0 failed\n  waiting  a, seeds 0-2, 4\n"
    assert list(status.report(tmp_path / "r")) == [f"{tmp_path}/r: 0 done, 0 running, 0 waiting, 0 failed"]


def test_time_left_follows_from_what_was_done_and_what_is_left(tmp_path):
    def states(*shares):
        return [status.State(status.RUNNING, share) for share in shares]

    plan = status.Plan(100.0, [("a", 0, 2.0, 10, 0.0), ("a", 1, 2.0, 10, 0.5), ("b", 0, 5.0, 10, 1.0)])
    assert plan.left(states(0.0, 0.5, 1.0), 160.0) is None
    assert plan.left(states(0.5, 0.5, 1.0), 160.0) == pytest.approx(120)  # 1 of 3 done in a minute
    assert plan.left(states(1.0, 1.0, 1.0), 160.0) == 0
    failed = [status.State(status.FAILED, 0.2), *states(0.5, 1.0)]
    assert plan.left(failed, 160.0) == pytest.approx(60 / 0.4)


# ---------------------------------------------------------------------------------------------------------------------
# Never lost, never twice


def test_killed_at_random_moments_nothing_is_lost(main, tmp_path):
    """Kills the first process, a job, or all of them, and starts again; STRESS_KILLS says how often."""
    kills, draw = int(os.environ.get("STRESS_KILLS", 1)), random.Random(os.environ.get("STRESS_SEED", 0))
    flags = (
        "--dataset=digits",
        f"--epochs={20 + 8 * kills}",
        "--shuffle",
        "--progress=silent",
        "--checkpoint_seconds=0",
    )
    flags = (*flags, "--seeds=0-2", "--deterministic", "--jobs=2")

    def epochs():
        return sum(path.read_bytes().count(b"\n") for path in tmp_path.glob("killed/*/seed*.csv"))

    for number in range(kills):
        with start(*flags, f"--results_dir={tmp_path}/killed", start_new_session=True) as process:
            enough = epochs() + draw.randint(1, 6)
            wait_for(lambda enough=enough: epochs() >= enough, process)
            time.sleep(draw.uniform(0, 0.1))
            assert process.poll() is None, f"all was done after {number} kills"
            owners = filter(None, map(locks.written_by, tmp_path.glob("killed/*/seed*.lock")))
            owners = [owner for _, owner in owners if running(owner)]
            which = draw.choice(("first", "job", "all"))
            if which == "job" and owners:
                os.kill(draw.choice(owners), signal.SIGKILL)
                time.sleep(draw.uniform(0, 2))
            if which == "all":
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
    main(*flags, f"--results_dir={tmp_path}/killed")
    main(*flags, f"--results_dir={tmp_path}/whole")
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "whole")


def test_jobs_on_a_disk_that_fills_up_keep_what_was_recorded(main, tmp_path):
    main(*SHORT, f"--results_dir={tmp_path}")
    before = {path: path.read_bytes() for path in (tmp_path / NAME).iterdir()}
    flags = (*SHORT, "--seeds=0-3", "--jobs=2", f"--results_dir={tmp_path}")
    done = main(*flags, ok=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)))
    assert done.returncode == 2 and "File too large" in done.stderr and "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in before} == before and not leftovers(tmp_path)
