"""Locks: taken once, and taken over from dead and suspended processes."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import filelock
import pytest
from conftest import ROOT
from processes import wait_for

from tf_supermask.errors import InputError
from tf_supermask.scheduling import locks


def test_a_lock_is_taken_once_and_names_its_owner(tmp_path):
    path = tmp_path / "seed0.lock"
    first, second = locks.Lock(path), locks.Lock(path)
    assert locks.owner(path) is None and locks.written_by(path) is None
    assert first.take() and not second.take() and first.held
    assert locks.owner(path).endswith(f", process {os.getpid()}") and locks.written_by(path) == (
        locks.host(),
        os.getpid(),
    )
    first.release()
    assert second.take()
    second.release()
    assert not path.exists()


# Takes the lock at its first argument, with a lease of its second, and tells when it loses it.
OWNER = """import sys, time
from tf_supermask.scheduling import locks
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
    assert locks.owner(dead) == f"{locks.written_by(dead)[0].partition('?')[0]}, process {locks.written_by(dead)[1]}"
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
