"""Keeps what TensorFlow's libraries print from the user's view."""

import contextlib
import os
import sys
import tempfile

from tf_supermask.errors import InputError, fail, require_tensorflow


@contextlib.contextmanager
def quiet():
    """Hides standard error during an import of TensorFlow, unless the import fails or TF_CPP_MIN_LOG_LEVEL asks for more.

    Raises InputError where Keras runs on another backend; a command ends with one line then.
    """
    show = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "3"
    try:
        require_tensorflow()
        with contextlib.nullcontext() if show else hidden(2):
            yield
    except InputError as error:
        command = getattr(sys.modules["__main__"], "__spec__", None)
        if command is not None and command.name.startswith("tf_supermask."):
            fail(error)
        raise


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
