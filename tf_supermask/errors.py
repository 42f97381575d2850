"""The one error that a user is meant to read, and how commands end with it."""

import sys

from absl import flags

from tf_supermask import flagfile


class InputError(ValueError):
    """Bad input: flags, files, data sets, folders. Its message is one line: what was received, and what would work."""


def fail(error, code=2):
    """Ends a command with one line."""
    print("error: " + " ".join(str(error).split()), file=sys.stderr)
    sys.exit(code)


def parse(argv):
    """Parser of flags for absl's `app.run`: one line where they are wrong, not a page."""
    try:
        return flags.FLAGS(flagfile.expanded(argv, flags.FLAGS))
    except flags.Error as error:
        fail(error)
