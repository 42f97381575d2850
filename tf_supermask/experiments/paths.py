"""Paths as users write them, `~` for their home among them: a shell leaves it as it is in --results_dir=~/x. And the names of
files that are made of what users write."""

import os
import pathlib
import re

from absl import flags

from tf_supermask.errors import InputError

flags.disclaim_key_flags()  # they are those of the module that defines them, for its --help


class _Path(flags.ArgumentParser):
    """Parser of a flag's value; only if `optional` may it be empty."""

    def __init__(self, optional=False):
        super().__init__()
        self.optional = optional

    def parse(self, argument):
        if not super().parse(argument) and not self.optional:
            raise ValueError("a path is empty; name a file or folder, or leave the flag out")
        return os.path.expanduser(argument)


def define_path(name, default, help, flag_values=flags.FLAGS, optional=False, **kwargs):
    """A flag whose value is a path, as `flags.DEFINE_string` defines those of text."""
    flags.DEFINE(_Path(optional), name, default, help, flag_values, flags.ArgumentSerializer(), **kwargs)


def check_folder(flag, folder):
    """Raises InputError where `folder`, the value of a flag, is not there and cannot be made, or cannot be written to."""
    place = pathlib.Path(folder).absolute()
    there = next(path for path in (place, *place.parents) if os.path.lexists(path))
    if not there.is_dir():
        raise InputError(f"--{flag}={folder} is no folder: {there} is a file; give another one")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"--{flag}={folder} cannot be written: no permission in {there}; give another one")


def default_cache_dir():
    return os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.join("~", ".cache")), "tf_supermask")


def is_path(name):
    """Whether `name` is written as a path: /pets, ./pets, ../pets, ~/pets. Other names may be folders, too: see sources.py."""
    return name.startswith(("/", ".", "~"))


def title_of(name):
    """Name of a data set in names of files: emnist_balanced; of a folder, the last part of its path."""
    last = os.path.basename(os.path.abspath(os.path.expanduser(name)))
    return re.sub(r"[^A-Za-z0-9_.-]", "_", last if is_path(name) else name.rstrip("/"))
