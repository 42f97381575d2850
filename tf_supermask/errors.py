"""The one error that a user is meant to read."""


class InputError(ValueError):
    """Bad input: flags, files, data sets, folders. Its message is one line: what was received, and what would work."""
