"""Flags whose values are numbers, with errors that say what a number is to be: absl passes Python's own on."""

from absl import flags

flags.disclaim_key_flags()  # they are those of the module that defines them, for its --help


class _Integer(flags.IntegerParser):
    def convert(self, argument):
        try:
            return super().convert(argument)
        except ValueError:
            raise ValueError("must be an integer, such as 30") from None


class _Float(flags.FloatParser):
    def convert(self, argument):
        try:
            return super().convert(argument)
        except ValueError:
            raise ValueError("must be one number, such as 0.01") from None


def define_integer(name, default, help, flag_values=flags.FLAGS, lower_bound=None, **kwargs):
    """A flag of an integer, as `flags.DEFINE_integer`."""
    flags.DEFINE(_Integer(lower_bound), name, default, help, flag_values, flags.ArgumentSerializer(), **kwargs)


def define_float(name, default, help, flag_values=flags.FLAGS, **kwargs):
    """A flag of a number, as `flags.DEFINE_float`."""
    flags.DEFINE(_Float(), name, default, help, flag_values, flags.ArgumentSerializer(), **kwargs)
