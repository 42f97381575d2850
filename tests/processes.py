"""Processes of `tf_supermask.main` in the background, and what they leave: shared by the tests of many runs."""

import json
import pathlib
import time

import commands

from tf_supermask.deploy import loading
from tf_supermask.experiments import records

QUIET = ("--nojit_compile", "--progress=silent", "--checkpoint_seconds=0")  # to compile takes longer than to train
SHORT = ("--dataset=digits", "--epochs=2", *QUIET)
LONG = ("--dataset=digits", "--epochs=600", *QUIET)
NAME = "fcn_signed_digits"


def start(*flags, **kwargs):
    """A process of `main` in the background."""
    return commands.start("-m", "tf_supermask.main", *flags, **kwargs)


def outcome(folder):
    """Path -> the result of a run: its record without times and machine, and its masks or weights."""
    outcomes = {}
    for path in sorted(pathlib.Path(folder).glob("*/seed*.json")):
        record = json.loads(path.read_text())
        del record["environment"]
        record["history"].pop("seconds", None)
        record["final"].pop("seconds_per_epoch", None)
        run = records.Run(path.parent.parent, path.parent.name, record["spec"]["seed"])
        outcomes[f"{path.parent.name}/{path.name}"] = record, weights(run)
    return outcomes


def weights(run):
    """The masks or weights of a finished run as bytes."""
    if run.weights == run.container:
        contents = loading.read(run.container)
        return contents.codes, contents.packed
    return {name: array.tobytes() for name, array in records.load_arrays(run.final).items()}


def wait_for(condition, *processes, seconds=120):
    ends = time.monotonic() + seconds
    while not condition():
        assert all(process.poll() is None for process in processes), "ended too early"
        assert time.monotonic() < ends, "took too long"
        time.sleep(0.02)


def leftovers(folder):
    """Names of files that only a running process may have."""
    return [path.name for path in pathlib.Path(folder).rglob("*") if path.suffix in (".lock", ".tmp", ".npz.tmp")]


def running(process):
    try:
        return " Z " not in pathlib.Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
