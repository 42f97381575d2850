"""Processes of `tf_supermask.main` in the background, and what they leave: shared by the tests of many runs."""

import json
import pathlib
import subprocess
import sys
import time

from conftest import ROOT

from tf_supermask.deploy import loading
from tf_supermask.experiments import records

# Compiling takes longer than these trainings.
SHORT = ("--dataset=digits", "--epochs=2", "--nojit_compile", "--progress=silent", "--checkpoint_seconds=0")
LONG = ("--dataset=digits", "--epochs=600", "--nojit_compile", "--progress=silent", "--checkpoint_seconds=0")
NAME = "fcn_signed_digits"


def start(*flags, **kwargs):
    """A process of `main` in the background."""
    command = [sys.executable, "-m", "tf_supermask.main", *map(str, flags)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)


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
