"""What all commands share: an import of TensorFlow without its messages, flags, and an error of one line."""

import contextlib
import importlib
import os
import re
import signal
import sys
import threading

from absl import flags

from tf_supermask.errors import InputError, one_line, printable, require_tensorflow
from tf_supermask.experiments import flagfile
from tf_supermask.silence import hidden

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


def fail(error, code=2):
    """Ends a command with the exit status `code` and an error of one line."""
    print("error: " + printable(" ".join(str(error).split())), file=sys.stderr)
    sys.exit(code)


@contextlib.contextmanager
def output_may_be_closed():
    """Ends the command without an error where the reader of its output has read enough, as in `... | head`, and with one line
    after Ctrl-C."""
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        fail("stopped", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python writes what is left at its end
        sys.exit(128 + signal.SIGPIPE)  # as other commands, which the signal ends


def _open_streams():
    """Gives a command that was started with closed standard streams, as daemons do, and the processes that it starts, streams
    without content. Files that it opens later would have the numbers of the closed ones."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))
            os.set_inheritable(getattr(sys, name).fileno(), True)


def help_if_asked(argv, text):
    """Prints `text()`, an introduction and absl's list of flags, and ends the command, if one of the arguments is --help."""
    _open_streams()
    if {"--help", "-help", "--helpfull", "--helpshort", "-h"} & set(argv[1:]):
        with output_may_be_closed():
            print(re.sub(r"(?m)^    ?--(?:.no.)?", "  --", text()))
        sys.exit(0)


def _usage():
    _, _, listed = flags.FLAGS.main_module_help().partition(":\n")
    return f"{sys.modules['__main__'].__doc__}\n{listed}"


def parse(argv):
    """Parser of flags for absl's `app.run` that ends with an error of one line if they are wrong, and 0 after --help."""
    help_if_asked(argv, _usage)
    try:
        return flags.FLAGS(flagfile.expanded(argv, flags.FLAGS))
    except flags.Error as error:
        fail(error)


@contextlib.contextmanager
def interrupted_afterwards():
    """Lets Ctrl-C act at the end of the block only: in the middle of their import, libraries make errors of their own of it."""
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    if ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = []
    before = signal.signal(signal.SIGINT, lambda number, frame: signals.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if signals:
        raise KeyboardInterrupt


@contextlib.contextmanager
def silence_tensorflow():
    """Hides standard error during an import of TensorFlow, unless the import fails or TF_CPP_MIN_LOG_LEVEL is set below 3.

    Raises InputError if Keras uses another backend or refuses its settings; a command ends with one line then.
    """
    show = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "3"
    # TensorFlow alone turns oneDNN on only on processors with VNNI. Those with AVX2 gain most, and none loses
    # (benchmarks/onednn.py), so commands and benchmarks turn it on unless the user has decided. Bits of a run depend on it.
    given = os.environ.setdefault(ONEDNN, "1")
    try:
        if given.lower() not in ("0", "1", "false", "true"):
            raise InputError(f"{ONEDNN} must be 0 or 1, or not be set. Received: {given!r}, which TensorFlow would ignore")
        require_tensorflow()
        with interrupted_afterwards(), contextlib.nullcontext() if show else hidden(2):
            _import_keras()
            yield
    except InputError as error:
        command = getattr(sys.modules["__main__"], "__spec__", None)
        if command is not None and command.name.startswith("tf_supermask."):
            fail(error)
        raise


# Keras imports them, where they are installed, for functions that no command calls: a third of the seconds that its import takes.
_NOT_FOR_KERAS = ("sklearn", "matplotlib", "pandas")


def _import_keras():
    """Raises InputError where Keras refuses what keras.json or a variable sets."""
    try:
        with _absent(*_NOT_FOR_KERAS):
            importlib.import_module("keras")
    except (ValueError, OSError) as error:
        reason = one_line(error)
        raise InputError(f"Keras refuses its settings: {reason}; mend keras.json or the variables KERAS_...") from error


@contextlib.contextmanager
def _absent(*packages):
    """In the block an import of these packages fails, as if they were not installed, but of those that are loaded already."""
    absent = dict.fromkeys(set(packages) - sys.modules.keys())
    sys.modules.update(absent)
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)
