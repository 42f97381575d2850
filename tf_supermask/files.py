"""Files that are whole or not there: written beside their place and renamed. Damaged files are kept; arrays in files, and
their hashes."""

import contextlib
import errno
import hashlib
import lzma
import os
import pathlib
import shutil
import zipfile
import zlib

import numpy as np


def expanded(path):
    """The Path that a user means: `~` at its beginning is their home. Raises ValueError for what is no path."""
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError(f"a path must be a string or a pathlib.Path, and not empty. Received: {path!r}")
    return pathlib.Path(os.path.expanduser(path))


def write(path, writer):
    """Calls `writer(binary file)` on a new file beside `path`, syncs it to disk, and renames it to `path`. Links are followed.

    A file that replaces another one has its permissions. If anything fails, an earlier file at `path` stays as it was. Raises
    OSError.
    """
    path = target(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    path.parent.mkdir(parents=True, exist_ok=True)
    neighbour = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(neighbour, "wb") as file:
            if path.exists():
                shutil.copymode(path, neighbour)  # before there is anything to read
            writer(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(neighbour, path)
    finally:
        neighbour.unlink(missing_ok=True)


def target(path):
    """The absolute path without links that is written where a user names `path`. Raises OSError for a link to itself, and for a
    device or pipe, which a file must not replace."""
    place = real(expanded(path))
    if place.is_symlink():
        raise OSError(errno.ELOOP, "a link to itself")
    if place.exists() and not (place.is_file() or place.is_dir()):
        raise OSError(errno.EINVAL, "no regular file")
    return place


def real(path):
    """The absolute path without links; of a link to itself, its own path."""
    return pathlib.Path(os.path.realpath(path))


@contextlib.contextmanager
def no_new_empty_folders(root):
    """Context that removes the empty folders it leaves behind in `root`, and `root` with its parents, unless they were there."""
    root = pathlib.Path(root).absolute()
    before = {path for path in (*root.rglob("*"), root, *root.parents) if path.is_dir()}
    try:
        yield
    finally:
        for path in (*sorted(root.rglob("*"), reverse=True), root, *root.parents):
            if path.is_dir() and path not in before:
                with contextlib.suppress(OSError):  # it is not empty
                    path.rmdir()


def quarantine(path):
    """Renames a damaged file to `<name>.damaged`, or `.damaged2`..., so that no file is lost. Returns the new path."""
    number = 1
    while True:
        target = path.with_name(f"{path.name}.damaged{number if number > 1 else ''}")
        if not target.exists():
            path.rename(target)
            return target
        number += 1


class Damaged(ValueError):
    """A file of arrays has other content than was written."""


# What numpy and zipfile raise for wrong bytes: MemoryError for a shape that they give, RuntimeError for flags.
_WRONG_BYTES = (ValueError, LookupError, TypeError, EOFError, RuntimeError, MemoryError)
_WRONG_BYTES += (zipfile.BadZipFile, zlib.error, lzma.LZMAError)


def arrays(path, *names):
    """The arrays in the npz file at `path`, by name: all, or those of `names`. Raises Damaged, and OSError where it cannot be
    read."""
    with open(path, "rb") as file:
        try:
            with np.errstate(invalid="ignore"), np.load(file) as found:
                return {name: found[name] for name in names or found.files}
        except OSError as error:
            if error.errno not in (None, errno.EINVAL):  # which decompressors and wrong places give
                raise
            raise Damaged(str(error)) from error
        except _WRONG_BYTES as error:
            raise Damaged(str(error) or type(error).__name__) from error


def sha256(array):
    """SHA-256 of the bytes of a numpy array, hexadecimal; dtype and shape do not count."""
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()
