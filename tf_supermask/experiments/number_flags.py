"""Flags whose values are numbers, with errors that say what a number is to be: absl passes Python's own on. And those that can
have several values, and seeds."""

import re

from absl import flags

from tf_supermask.errors import InputError

flags.disclaim_key_flags()  # they are those of the module that defines them, for its --help


def converted(convert, text):
    """`convert(text)`; ValueError for 1_0, and for digits of other scripts, which Python takes."""
    if isinstance(text, str) and ("_" in text or not text.isascii()):
        raise ValueError(text)
    return convert(text)


class _Integer(flags.IntegerParser):
    def convert(self, argument):
        try:
            return converted(super().convert, argument)
        except ValueError:
            raise ValueError("must be an integer, such as 30") from None


class _Float(flags.FloatParser):
    def convert(self, argument):
        try:
            return converted(super().convert, argument)
        except ValueError:
            raise ValueError("must be one number, such as 0.01") from None


def define_integer(name, default, help, flag_values=flags.FLAGS, lower_bound=None, **kwargs):
    """A flag of an integer, as `flags.DEFINE_integer`."""
    flags.DEFINE(_Integer(lower_bound), name, default, help, flag_values, flags.ArgumentSerializer(), **kwargs)


def define_float(name, default, help, flag_values=flags.FLAGS, **kwargs):
    """A flag of a number, as `flags.DEFINE_float`."""
    flags.DEFINE(_Float(), name, default, help, flag_values, flags.ArgumentSerializer(), **kwargs)


class _List(flags.Flag):
    """`several`: whether a text that it was given, as that of a flag file before the command line's, has several values."""

    several = False

    def parse(self, argument):
        super().parse(argument)
        self.several = self.several or isinstance(argument, str) and "," in argument


def define_list(name, default, help, flag_values=flags.FLAGS, **kwargs):
    """A flag of a text, in which commas stand between values: a `_List`."""
    made = _List(flags.ArgumentParser(), flags.ArgumentSerializer(), name, default, help)
    flags.DEFINE_flag(made, flag_values, **kwargs)


_MOST_SEEDS = 100_000


def parse_seeds(text):
    """`0-2,7` -> [0, 1, 2, 7]. Raises InputError."""
    seeds = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part, re.ASCII)
        if not match:
            raise InputError(f"--seeds={text!r} has no seeds to read at {part!r}; write 0-49 or 0,3,7")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise InputError(f"--seeds={text!r} counts backwards at {part!r}; write {last}-{first}")
        if last - first >= _MOST_SEEDS or last >= 2**31:
            raise InputError(f"--seeds={text!r} must be below 2^31, at most {_MOST_SEEDS:,} at a time")
        seeds.extend(range(first, last + 1))
    return list(dict.fromkeys(seeds))
