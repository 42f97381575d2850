"""What oneDNN gains: python benchmarks/onednn.py [--models=conv2,conv8] [--rounds=3]

The masked training step of each network of train_step.py, in processes of their own, in turns: without oneDNN
(TF_ENABLE_ONEDNN_OPTS=0), and with it as the commands set it. TensorFlow alone turns it on only on processors with VNNI.
Written to onednn.json beside this file.
"""

import os
import statistics
import subprocess
import sys

from absl import app, flags

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    from train_step import spec_of, stepper

    from tf_supermask.deploy.timing import ratio, time_interleaved
    from tf_supermask.evidence import benchmarks

FLAGS = flags.FLAGS  # --models, --rounds and --turn_seconds are those of train_step.py
flags.DEFINE_string("step_of", None, "internal: print the milliseconds of a step of this network")
CASES = {"off": "0", "on": "1"}  # values of TF_ENABLE_ONEDNN_OPTS


def step_of(name):
    """Milliseconds of a masked step of a network, in this process."""
    run, steps = stepper(spec_of(name, masked=True))
    (times,) = time_interleaved([run], 5, FLAGS.turn_seconds)
    return 1e3 * statistics.median(times) / steps


def measure(name, case):
    """The same in a new process with the environment of a case."""
    command = [sys.executable, __file__, f"--step_of={name}", f"--turn_seconds={FLAGS.turn_seconds}"]
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": CASES[case]}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def compare(name):
    times = {case: [] for case in CASES}
    for _ in range(FLAGS.rounds):
        for case in CASES:
            times[case].append(measure(name, case))
    row = {f"{case}_ms": statistics.median(ms) for case, ms in times.items()}
    row["off_over_on"] = ratio(times["off"], times["on"])
    print(name, ", ".join(f"{key} {value:.3g}" for key, value in row.items()), flush=True)
    return row


def main(argv):
    del argv
    if FLAGS.step_of:
        print(step_of(FLAGS.step_of))
        return
    for name in FLAGS.models:
        benchmarks.save(__file__, {name: compare(name)})


if __name__ == "__main__":
    app.run(main)
