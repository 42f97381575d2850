"""InputError, the error for bad input, and messages of one line."""

import importlib.util
import json
import os
import sys


class InputError(ValueError):
    """Bad input: flags, files, data sets, folders. Its message is one printable line: what was received, and what would work."""

    def __str__(self):
        return printable(super().__str__())


def printable(text):
    """Text in which line breaks, codes for terminals and all else that cannot be printed are escaped: names of files and folders
    may contain them."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def one_line(error):
    """The last paragraph of an error's message, which is where Keras gives the reason, as one printable line of at most 500
    characters. The message may contain text from a file."""
    words = " ".join(str(error).strip().split("\n\n")[-1].split())
    return "".join(filter(str.isprintable, words))[:500] or type(error).__name__


def short(name):
    """`repr` of a value or of a name from a file or folder, as one line of at most 60 characters."""
    text = " ".join(repr(name).splitlines())
    return text if len(text) <= 60 else f"{text[:28]}...{text[-28:]}"


def require_tensorflow(what="tf_supermask"):
    """Raises InputError, which names `what`, if Keras uses, or will use, another backend than TensorFlow, or will lack what its
    settings ask for."""
    keras = sys.modules.get("keras")
    if hasattr(keras, "config"):
        backend, nnx = keras.config.backend(), False
    else:
        settings = _keras_settings()
        backend = os.environ.get("KERAS_BACKEND") or settings.get("backend", "tensorflow")
        variable = os.environ.get("KERAS_NNX_ENABLED")
        nnx = settings.get("nnx_enabled") if variable is None else variable.lower() in ("true", "1")
    if backend != "tensorflow":
        name = backend if isinstance(backend, str) and backend else short(backend)
        raise InputError(f"{what} needs Keras on TensorFlow, not on {name}; set KERAS_BACKEND=tensorflow")
    if nnx and not importlib.util.find_spec("flax"):
        raise InputError("Keras is set to use NNX, which is for JAX and needs flax; set KERAS_NNX_ENABLED=false")


def _keras_settings():
    """Content of the file keras.json that Keras will read; {} where there is none or it is no JSON. Raises InputError for JSON
    that is no object, which Keras fails at."""
    user = os.path.expanduser("~")
    home = os.environ.get("KERAS_HOME", os.path.join(user if os.access(user, os.W_OK) else "/tmp", ".keras"))
    path = os.path.expanduser(os.path.join(home, "keras.json"))
    try:
        with open(path) as file:
            settings = json.load(file)
    except (OSError, ValueError):
        return {}
    if not isinstance(settings, dict):
        raise InputError(f'{path} must be an object, as {{"backend": "tensorflow"}}. Received: {short(settings)}')
    return settings
