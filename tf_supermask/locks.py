"""Who trains what: a lock file beside each run, with its owner's host and process, and a heartbeat.

The lock is filelock's lease. Its owner touches it every third of LEASE; it is taken over at once from a process of this host
that is dead, and from another host when its heart has not beaten for LEASE. A lock is a promise between processes that are
well; files stay whole without it, too, since each is written beside its place and renamed.
"""

import os
import socket
import time

import filelock

LEASE = 60.0  # seconds; the same for all processes that share a results folder


class Lost(Exception):
    """Another process has taken over what this one was doing."""


def lease(path, lost=None):
    """A lock on `path`, not yet taken; `lost()` is called in a thread when another process takes it from its owner."""
    call = None if lost is None else lambda compromise: lost()
    return filelock.SoftFileLease(path, lease_duration=LEASE, blocking=False, on_compromise=call)


def take(lease):
    """Whether the lock could be taken. Ask again with the same `lease`: it remembers how long the owner has been silent."""
    try:
        lease.acquire()
        return True
    except filelock.Timeout:
        _remove_empty(lease)
        return False


def _remove_empty(lease):
    """A process killed between making and writing its lock leaves an empty one, which filelock respects forever."""
    try:
        found = os.stat(lease.lock_file)
        if found.st_size == 0 and time.time() - found.st_mtime > LEASE:
            lease.break_lock()
    except FileNotFoundError:
        pass


def written_by(path):
    """The process that a lock names, dead or alive, or None."""
    return filelock.SoftFileLease(path, lease_duration=LEASE).pid


def owner(path):
    """`host process` of the living owner of a lock, else None."""
    record = filelock.SoftFileLease(path, lease_duration=LEASE).owner
    try:
        silent = time.time() - os.stat(path).st_mtime
    except FileNotFoundError:
        return None
    if record is None or silent > LEASE or (record.hostname == socket.gethostname() and not _alive(record.pid)):
        return None
    return f"{record.hostname} {record.pid}"


def _alive(process):
    try:
        os.kill(process, 0)
        return True
    except PermissionError:  # somebody else's
        return True
    except ProcessLookupError:
        return False
