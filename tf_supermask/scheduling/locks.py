"""Who trains what: a lock file beside each run, with its owner's host and process, and a heartbeat.

The lock is filelock's lease. Its owner touches it every third of LEASE; it is taken over at once from a process of this host
that is dead, and from another host when its heart has not beaten for LEASE. A lock is a promise between processes that are
well; files stay whole without it, too, since each is written beside its place and renamed.
"""

import functools
import os
import tempfile
import time

import filelock

from tf_supermask.errors import InputError

LEASE = 60.0  # seconds; the same for all processes that share a folder of results


class Lost(Exception):
    """Another process has taken over what this one was doing."""


class Lock:
    """The lock at `path`; `lost()` is called in a thread when another process takes it from this one."""

    def __init__(self, path, lost=None):
        call = None if lost is None else lambda compromise: lost()
        self.path, self._dead_since = path, None
        self._lease = filelock.SoftFileLease(path, lease_duration=LEASE, blocking=False, on_compromise=call)

    def take(self):
        """Whether it could be taken. Ask the same Lock again: it remembers how long the owner has been silent.

        Raises InputError where the owner is dead and the file system cannot exchange two files at once, as NFS.
        """
        try:
            self._lease.acquire()
            return True
        except filelock.Timeout:
            pass
        self._remove_empty()
        if owner(self.path) is not None:
            self._dead_since = None
        elif self._dead_since is None:
            self._dead_since = time.monotonic()
        elif time.monotonic() - self._dead_since > 2 * LEASE:
            raise InputError(
                f"{self.path} was left by a dead process, and this file system does not let it be taken over; remove it"
            )
        return False

    def release(self):
        self._lease.release()

    @property
    def held(self):
        """Whether this process has it still."""
        return self._lease.is_lock_held_by_us and self._lease.compromise is None

    def _remove_empty(self):
        """A process killed between making and writing its lock leaves an empty one, which filelock respects forever."""
        try:
            found = os.stat(self.path)
            if found.st_size == 0 and time.time() - found.st_mtime > LEASE:
                self._lease.break_lock()
        except FileNotFoundError:
            pass


def written_by(path):
    """`(host, process)` that a lock names, dead or alive, or None."""
    record = filelock.SoftFileLease(path, lease_duration=LEASE).owner
    return record and (record.hostname, record.pid)


def owner(path):
    """`host process` of the living owner of a lock, else None."""
    found = written_by(path)
    try:
        silent = time.time() - os.stat(path).st_mtime
    except FileNotFoundError:
        return None
    if found is None or silent > LEASE or (found[0] == host() and not _alive(found[1])):
        return None
    return f"{found[0].partition('?')[0]} {found[1]}"


@functools.cache
def host():
    """How locks name this host: with its namespace of processes, where it is a container."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "lock")
        with filelock.SoftFileLease(path, lease_duration=LEASE):
            return written_by(path)[0]


def _alive(process):
    try:
        os.kill(process, 0)
        return True
    except PermissionError:  # somebody else's
        return True
    except ProcessLookupError:
        return False
