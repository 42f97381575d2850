"""Who trains what: a lock file beside each run, with its owner's host and process, and a heartbeat.

The lock is filelock's SoftFileLease. Its owner touches the file every third of LEASE. The lock of a dead process of this host is
taken over at once, that of another host when it was not touched for LEASE. Locks are advisory: files stay whole without them,
since each is written beside its place and renamed.
"""

import functools
import os
import tempfile
import time

import filelock

from tf_supermask.errors import InputError

LEASE = 60.0  # seconds; the same for all processes that share a folder of results


class Lost(Exception):
    """Another process has taken over the lock of this one."""


class Lock:
    """The lock at `path`; `lost()` is called in a thread when another process takes it from this one."""

    def __init__(self, path, lost=None):
        call = None if lost is None else lambda compromise: lost()
        self.path, self._dead_since = path, None
        self._lease = filelock.SoftFileLease(path, lease_duration=LEASE, blocking=False, on_compromise=call)

    def take(self):
        """Whether the lock was taken. Call it again on the same Lock: it remembers for how long the owner has been dead.

        Raises InputError where the owner is dead and the file system cannot exchange two files in one step, as NFS.
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
        """Whether this process still holds the lock."""
        return self._lease.is_lock_held_by_us and self._lease.compromise is None

    def _remove_empty(self):
        """A process killed between creating and writing its lock leaves an empty file, which filelock never takes over."""
        try:
            status = os.stat(self.path)
            if status.st_size == 0 and time.time() - status.st_mtime > LEASE:
                self._lease.break_lock()
        except FileNotFoundError:
            pass


def written_by(path):
    """`(host, process ID)` that a lock names, dead or alive, or None."""
    lease_owner = filelock.SoftFileLease(path, lease_duration=LEASE).owner
    return lease_owner and (lease_owner.hostname, lease_owner.pid)


def owner(path):
    """`HOST, process PID` of the living owner of a lock, else None."""
    writer = written_by(path)
    try:
        seconds_silent = time.time() - os.stat(path).st_mtime
    except FileNotFoundError:
        return None
    if writer is None or seconds_silent > LEASE or (writer[0] == host() and not _alive(writer[1])):
        return None
    return f"{writer[0].partition('?')[0]}, process {writer[1]}"


@functools.cache
def host():
    """The name of this host in locks; in a container it includes the namespace of process IDs."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "lock")
        with filelock.SoftFileLease(path, lease_duration=LEASE):
            return written_by(path)[0]


def _alive(process_id):
    try:
        os.kill(process_id, 0)
        return True
    except PermissionError:  # of another user
        return True
    except ProcessLookupError:
        return False
