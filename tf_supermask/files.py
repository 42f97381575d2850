"""Files are written beside their place and renamed; damaged ones are kept; hashes."""

import hashlib
import os
import pathlib

import numpy as np


def write(path, writer):
    """Calls `writer(binary file)` on a neighbour of `path`, makes it durable, and renames it to `path`. A link is followed.

    Whatever goes wrong, an earlier file at `path` stays as it was. Raises OSError.
    """
    path = pathlib.Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    neighbour = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(neighbour, "wb") as file:
            writer(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(neighbour, path)
    finally:
        neighbour.unlink(missing_ok=True)


def quarantine(path):
    """Renames a damaged file to `<name>.damaged`, or `.damaged2`...; nothing is ever deleted. Returns the new path."""
    number = 1
    while True:
        aside = path.with_name(f"{path.name}.damaged{number if number > 1 else ''}")
        if not aside.exists():
            path.rename(aside)
            return aside
        number += 1


def sha256(array):
    """Of the bytes of a numpy array: two equal ones are of equal arrays."""
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()
