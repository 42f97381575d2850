"""Whole signed runs that shrink against dense runs of as many epochs: python benchmarks/shrinking.py

A turn is a process of its own, `python -m tf_supermask.main`, that trains one run from start to record, with compilation: the
dense network, the signed one that shrinks, and the signed one that stays whole. Turns alternate. FCN has the paper's 100 epochs
of MNIST. Conv2 has a short version: its decay is stronger by as much as it has fewer epochs. Without prepared data
(TFDS_DATA_DIR) the runs read random images from a folder. Medians over the rounds go to shrinking.json beside this file.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import app, flags
from PIL import Image

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    from tf_supermask.evidence import benchmarks
    from tf_supermask.experiments import choices, paper_settings, records

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 3, "turns of each kind")
flags.DEFINE_list("networks", ["fcn", "conv2"], "networks")
flags.DEFINE_integer("epochs", None, "epochs of each run; default: 100 of FCN, 10 of Conv2")
flags.DEFINE_integer("images", 60_000, "random training images, where there is no prepared data")
EPOCHS = {"fcn": 100, "conv2": 10}
KINDS = {
    "dense": ("--mode=baseline",),
    "shrinking": ("--mode=signed", "--shrink"),
    "whole": ("--mode=signed", "--noshrink"),
}


def settings(network, epochs):
    """Flags of all kinds of runs of a network: a schedule and, for masks, a decay that are scaled to the number of epochs."""
    paper = paper_settings.paper_settings(network, "signed")
    share = epochs / paper["epochs"]
    both = [f"--model={network}", f"--epochs={epochs}", f"--decay_steps={max(1, round(paper['decay_steps'] * share))}"]
    return both, [f"--weight_decay={paper['weight_decay'] / share}"]


def data_of(network, folder):
    """The name of the data set of a network: the paper's where it is prepared, else a folder of random images."""
    name = paper_settings.paper_settings(network, "signed")["dataset"]
    prepared = os.environ.get("TFDS_DATA_DIR")
    if prepared and pathlib.Path(prepared, name).exists():
        return name
    draw, (height, width, channels) = np.random.default_rng(0), choices.DATASETS[name]
    for split, count in (("train", FLAGS.images), ("test", FLAGS.images // 6)):
        for i in range(count):
            place = pathlib.Path(folder, network, split, str(i % 10), f"{i}.png")
            place.parent.mkdir(parents=True, exist_ok=True)
            pixels = draw.integers(0, 256, (height, width, channels)).astype(np.uint8)
            Image.fromarray(pixels.squeeze()).save(place)
    return str(pathlib.Path(folder, network))


def turn(arguments):
    """`(seconds of a process, its record)`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "tf_supermask.main",
            *arguments,
            "--progress=silent",
            f"--results_dir={folder}",
        ]
        began = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - began
        (path,) = pathlib.Path(folder).glob("*/seed0.json")
        return seconds, records.read(path)


def measured(network, folder):
    """What the turns of a network took, and when it shrank."""
    epochs = FLAGS.epochs or EPOCHS[network]
    both, masks = settings(network, epochs)
    both += [f"--dataset={data_of(network, folder)}", f"--cache_dir={folder}/cache"]
    turns = {kind: [] for kind in KINDS}
    for _ in range(FLAGS.rounds):
        for kind, more in KINDS.items():
            turns[kind].append(turn([*both, *more, *(masks if kind != "dense" else [])]))
    seconds = {kind: statistics.median(taken for taken, _ in rows) for kind, rows in turns.items()}
    last = {kind: rows[-1][1] for kind, rows in turns.items()}
    return {
        "epochs": epochs,
        "rounds": FLAGS.rounds,
        "dataset": last["dense"]["data"]["name"],
        **{f"{kind}_s": its for kind, its in seconds.items()},
        "shrinking_over_dense": seconds["shrinking"] / seconds["dense"],
        "whole_over_dense": seconds["whole"] / seconds["dense"],
        "shrunk": last["shrinking"]["shrunk"],
        "remaining": {kind: record["final"]["remaining"] for kind, record in last.items()},
        "test_accuracy": {kind: record["final"]["test_accuracy"] for kind, record in last.items()},
    }


def main(argv):
    del argv
    with tempfile.TemporaryDirectory() as folder:
        for network in FLAGS.networks:
            row = measured(network, folder)
            print(network, row, flush=True)
            benchmarks.save(__file__, {network: row})


if __name__ == "__main__":
    app.run(main)
