"""A signed training step beside PyTorch's: python benchmarks/peers.py [--models=fcn,conv2,conv8] [--rounds=15]

    signed       the training step that `main` runs, masks of Koster et al. 2022
    dense        the same network with trained weights, in PyTorch
    edge_popup   the same with the masks of Ramanujan et al. 2020, in PyTorch: see torch_networks.py

Each case has a process of its own, so that the threads of one library never disturb the other: all are warmed up, then take
turns, and who has no turn waits for its standard input. All use as many threads as there are processors. Batch size and
optimizer are those of the signed run, images are random. Medians, and medians of the ratios of neighbouring turns, go to
peers.json beside this file. Needs the extra `peers`: pip install -e '.[peers]'.
"""

import contextlib
import importlib.metadata
import pathlib
import statistics
import sys

from absl import app, flags

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    from train_step import spec_of, stepper

    from tf_supermask.deploy.timing import Served, ratio, serve, time_interleaved
    from tf_supermask.evidence import benchmarks
    from tf_supermask.experiments import device

FLAGS = flags.FLAGS  # --models, --rounds and --turn_seconds are those of train_step.py
FLAGS.set_default("models", ["fcn", "conv2", "conv8"])
flags.DEFINE_string("serve", None, "internal: train steps of this network when a process asks for them")
TORCH = pathlib.Path(__file__).with_name("torch_networks.py")
CALL = 50  # training steps of one call of each case


def serve_signed(name):
    """Our side: a process that trains a network in calls of `CALL` steps."""
    device.set_up(threads=device.processors())
    run, steps = stepper(spec_of(name, masked=True))
    serve(lambda calls: run(calls * steps_of_call(name) // steps))


def steps_of_call(name):
    """Training steps of one call: FCN's are compiled 50 at a time."""
    return CALL if name == "fcn" else 1


def compare(name):
    threads = str(device.processors())
    commands = {"signed": [sys.executable, __file__, f"--serve={name}"]}
    for case in ("dense", "edge_popup"):
        commands[case] = [sys.executable, str(TORCH), case, name, str(steps_of_call(name)), threads]
    with contextlib.ExitStack() as stack:
        served = [stack.enter_context(Served(command)) for command in commands.values()]
        turns = time_interleaved(served, FLAGS.rounds, FLAGS.turn_seconds)
    times = dict(zip(commands, turns, strict=True))
    row = {f"{case}_ms": 1e3 * statistics.median(calls) / steps_of_call(name) for case, calls in times.items()}
    row |= {f"signed_over_{case}": ratio(times["signed"], times[case]) for case in ("dense", "edge_popup")}
    print(name, ", ".join(f"{key} {value:.3g}" for key, value in row.items()), flush=True)
    return row | {"batch_size": spec_of(name, masked=True).batch_size, "rounds": FLAGS.rounds}


def main(argv):
    del argv
    if FLAGS.serve:
        return serve_signed(FLAGS.serve)
    torch = {
        "torch": importlib.metadata.version("torch")
    }  # in this process TensorFlow is loaded: they do not bear each other
    for name in FLAGS.models:
        benchmarks.save(__file__, {name: compare(name) | torch})


if __name__ == "__main__":
    app.run(main)
