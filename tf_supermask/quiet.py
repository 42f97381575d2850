"""Keeps what TensorFlow's libraries print while they are loaded from the user's view."""

import contextlib
import os
import tempfile


@contextlib.contextmanager
def quiet():
    """Hides standard error during an import of TensorFlow, unless the import fails or TF_CPP_MIN_LOG_LEVEL is set."""
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with tempfile.TemporaryFile() as hidden:
        standard_error = os.dup(2)
        os.dup2(hidden.fileno(), 2)
        try:
            yield
        except BaseException:
            hidden.seek(0)
            os.write(standard_error, hidden.read())
            raise
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)
