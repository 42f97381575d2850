"""What only a GPU can show, in at most --minutes: python benchmarks/gpu.py

Each turn is a process of its own, `python -m tf_supermask.main`, that trains a network for a few epochs: signed with
deterministic kernels, with the others, with XLA, and its baseline; then some seeds in one and in more jobs, which share the GPU's
memory; at last a row of Table 12 at full length. What a turn measured is kept in --folder, and a run goes on from its checkpoint:
the same command continues where the time ended. Medians over the rounds go to gpu.json beside this file, the record of the row
to --results_dir. On a CPU everything runs as well; --networks, --epochs and --dataset make it short.
"""

import hashlib
import json
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import time

from absl import app, flags

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    from tf_supermask import files
    from tf_supermask.evidence import benchmarks
    from tf_supermask.experiments import records

FLAGS = flags.FLAGS
flags.DEFINE_float("minutes", 25.0, "most time")
flags.DEFINE_string("folder", "gpu_turns", "what has been measured, and the records of the turns")
flags.DEFINE_string("results_dir", "results", "folder of the row's record")
flags.DEFINE_list("networks", ["conv2", "fcn", "conv8", "conv4", "conv6"], "networks of the short turns")
flags.DEFINE_string("dataset", "", "of the short turns; default: that of the paper")
flags.DEFINE_integer("epochs", 3, "of a short turn; the first one compiles and does not count")
flags.DEFINE_integer("rounds", 2, "turns of each kind")
flags.DEFINE_list("jobs", ["1", "2", "4"], "jobs at a time, each for as many runs as the largest number")
flags.DEFINE_string("row", "koster_table12_conv8_signed_elus", "row to train at full length; empty: none")
KINDS = {  # mode and flags
    "deterministic": ("signed", "--deterministic"),
    "plain": ("signed", "--nodeterministic", "--nojit_compile"),
    "xla": ("signed", "--nodeterministic", "--jit_compile"),
    "baseline": ("baseline", "--deterministic"),
}


class OutOfTime(Exception):
    pass


def planned():
    """Name of each turn -> the flags of its process, in the order in which they run."""
    short = [f"--epochs={FLAGS.epochs}", *([f"--dataset={FLAGS.dataset}"] if FLAGS.dataset else [])]
    turns = {
        f"{network}/{kind}/{turn}": [f"--model={network}", f"--mode={mode}", *its, *short]
        for turn in range(FLAGS.rounds)
        for network in FLAGS.networks
        for kind, (mode, *its) in KINDS.items()
    }
    seeds = f"--seeds=0-{max(map(int, FLAGS.jobs)) - 1}"
    network = [f"--model={FLAGS.networks[0]}", "--mode=signed", "--deterministic"]
    return turns | {f"jobs/{jobs}": [*network, *short, f"--jobs={jobs}", seeds] for jobs in FLAGS.jobs}


def run(command, folder, ends):
    """Trains what the flags `command` say, with records in `folder`; returns the seconds. At the time `ends` (monotonic) the
    process saves its checkpoint and is over. Raises OutOfTime, and CalledProcessError where it fails."""
    if time.monotonic() >= ends:
        raise OutOfTime
    began = time.monotonic()
    command = [sys.executable, "-m", "tf_supermask.main", *command, f"--results_dir={folder}", "--progress=silent"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        code = process.wait(ends - began)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise OutOfTime from None
    if code:
        raise subprocess.CalledProcessError(code, command)
    return time.monotonic() - began


def measure(name, command, ends):
    """One turn: its seconds, those of its epochs, and a digest of all numbers of its records but times."""
    folder = pathlib.Path(FLAGS.folder, name)
    shutil.rmtree(folder, ignore_errors=True)  # a turn that was stopped: all of it is timed again
    took = run(command, folder, ends)
    found = [records.read(path) for path in sorted(folder.glob("*/seed*.json"))]
    seconds = [value for record in found for value in record["history"]["seconds"][1:]]
    return {
        "took_s": took,
        "runs": len(found),
        "seconds_per_epoch": statistics.median(seconds),
        "bits": hashlib.sha256(json.dumps([_numbers(record) for record in found]).encode()).hexdigest(),
    }


def _numbers(record):
    history = {name: values for name, values in record["history"].items() if name != "seconds"}
    return [record["initial"], history, record["layers"], record["final"]["test_loss"]]


def summary(turns):
    """The rows of gpu.json of what has been measured: a network, or jobs, -> measures."""
    rows = {}
    for network in FLAGS.networks:
        its = {kind: [turns[name] for name in _rounds(network, kind) if name in turns] for kind in KINDS}
        if all(its.values()):
            seconds = {kind: statistics.median(turn["seconds_per_epoch"] for turn in of) for kind, of in its.items()}
            equal = {kind: len({turn["bits"] for turn in of}) == 1 if len(of) > 1 else None for kind, of in its.items()}
            rows[network] = {"seconds_per_epoch": seconds, "equal_bits": equal}
    jobs = {number: turns[f"jobs/{number}"] for number in FLAGS.jobs if f"jobs/{number}" in turns}
    if jobs:
        rates = {number: 3600 * turn["runs"] / turn["took_s"] for number, turn in jobs.items()}
        rows["jobs"] = {"runs_per_hour": rates, "equal_bits": len({turn["bits"] for turn in jobs.values()}) == 1}
    return rows


def _rounds(network, kind):
    return [f"{network}/{kind}/{turn}" for turn in range(FLAGS.rounds)]


def main(argv):
    del argv
    ends = time.monotonic() + 60 * FLAGS.minutes
    state = pathlib.Path(FLAGS.folder, "turns.json")
    turns = json.loads(state.read_text()) if state.exists() else {}
    try:
        for name, command in planned().items():
            if name not in turns:
                turns[name] = measure(name, command, ends)
                print(f"{name}: {turns[name]['seconds_per_epoch']:.2f} s an epoch, {turns[name]['took_s']:.0f} s", flush=True)
                files.write(state, lambda file: file.write(json.dumps(turns, indent=1).encode()))
        if FLAGS.row:
            run([f"--flagfile=flags/{FLAGS.row}.flags", "--seeds=0"], FLAGS.results_dir, ends)
    except OutOfTime:
        print(f"{FLAGS.minutes:g} minutes are over; the same command goes on")
    benchmarks.save(__file__, summary(turns))
    print(json.dumps(summary(turns), indent=1))


if __name__ == "__main__":
    app.run(main)
