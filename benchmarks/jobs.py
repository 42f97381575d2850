"""Runs per hour by number of jobs, and what equal bits cost: python benchmarks/jobs.py

A turn is a process of its own, `python -m tf_supermask.main`, that trains some seeds of one network, cut to a few epochs: in one
job with all processors, in as many jobs of one thread as there are processors, and in one job of one thread, which is what
--deterministic means on a CPU. Turns alternate; runs per hour count all that a user waits for, seconds per epoch are the records'
own. Medians over the rounds go to jobs.json beside this file.
"""

import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from absl import app, flags

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    from tf_supermask.evidence import benchmarks
    from tf_supermask.experiments import device, records

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 3, "turns of each kind")
flags.DEFINE_integer("runs", 4, "seeds in a turn")
NETWORKS = {  # flags of a run of about half a minute
    "fcn": ("--model=fcn", "--epochs=20", "--decay_steps=938"),
    "conv2": ("--model=conv2", "--dataset=digits", "--epochs=12"),
}
KINDS = {
    "one_job": (),
    "jobs": (f"--jobs={device.processors()}", "--threads=1"),
    "deterministic": ("--deterministic",),
}


def turn(flags_of_run, flags_of_kind):
    """`(runs per hour, median seconds of an epoch)` of a process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tf_supermask.main", *flags_of_run, *flags_of_kind, "--progress=silent"]
        began = time.monotonic()
        command += [f"--seeds=0-{FLAGS.runs - 1}", f"--results_dir={folder}"]
        subprocess.run(command, check=True, capture_output=True)
        took = time.monotonic() - began
        found = [records.read(path) for path in pathlib.Path(folder).glob("*/seed*.json")]
    epochs = [seconds for record in found for seconds in record["history"]["seconds"][1:]]  # the first one compiles
    return 3600 * len(found) / took, statistics.median(epochs)


def main(argv):
    del argv
    found = {}
    for network, its in NETWORKS.items():
        turns = {kind: [] for kind in KINDS}
        for _ in range(FLAGS.rounds):
            for kind, more in KINDS.items():
                turns[kind].append(turn(its, more))
        found[network] = {
            kind: {
                "runs_per_hour": statistics.median(rate for rate, _ in rows),
                "seconds_per_epoch": statistics.median(seconds for _, seconds in rows),
            }
            for kind, rows in turns.items()
        }
        print(network, found[network], flush=True)
    benchmarks.save(__file__, found | {"runs": FLAGS.runs, "rounds": FLAGS.rounds})


if __name__ == "__main__":
    app.run(main)
