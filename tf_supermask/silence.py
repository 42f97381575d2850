"""Hides what libraries, also C++ code, write to standard output and standard error."""

import contextlib
import os
import sys
import tempfile


@contextlib.contextmanager
def hidden(*descriptors, show=True):
    """Hides what is written to file descriptors (1: output, 2: errors) inside this context. With `show`, an exception shows what
    was hidden."""
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
