"""Keeps what TensorFlow's libraries print from the user's view."""

import contextlib
import os
import sys
import tempfile


@contextlib.contextmanager
def quiet():
    """Hides standard error during an import of TensorFlow, unless the import fails or TF_CPP_MIN_LOG_LEVEL asks for more."""
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3") != "3":
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with hidden(2):
        yield


@contextlib.contextmanager
def hidden(*descriptors):
    """Hides what is written to file descriptors (1: output, 2: errors), also by C++; shows it where an exception is raised."""
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
            os.write(standard[descriptors[-1]], kept.read())
            raise
        finally:
            sys.stdout.flush()
            for number, copy in standard.items():
                os.dup2(copy, number)
                os.close(copy)
