"""Paths as users write them, `~` for their home among them: a shell leaves it as it is in --results_dir=~/x."""

import os

from absl import flags

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
