"""Hides what libraries write to the standard descriptors."""

import contextlib
import os
import sys
import tempfile


@contextlib.contextmanager
def hidden(*descriptors, show=True):
    """Hides what is written to file descriptors (1: output, 2: errors), also by C++; if `show`, until an exception is raised."""
    sys.stdout.flush()
    with tempfile.TemporaryFile() as kept:
        standard = {number: os.dup(number) for number in descriptors}
        for number in descriptors:
            os.dup2(kept.fileno(), number)
        try:
            yield
        except BaseException:
            sys.stdout.flush()
            kept.seek(0)
            os.write(standard[descriptors[-1]], kept.read() if show else b"")
            raise
        finally:
            sys.stdout.flush()
            for number, copy in standard.items():
                os.dup2(copy, number)
                os.close(copy)
