"""InputError, the error for bad input, and messages of one line."""

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


def require_tensorflow():
    """Raises InputError if Keras uses, or will use, another backend than TensorFlow."""
    keras = sys.modules.get("keras")
    backend = keras.config.backend() if hasattr(keras, "config") else os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend != "tensorflow":
        raise InputError(f"tf_supermask needs Keras on TensorFlow, not on {backend}; set KERAS_BACKEND=tensorflow")
