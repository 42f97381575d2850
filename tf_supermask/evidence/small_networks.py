"""Small networks for MNIST: how their decay was chosen, and the figure of test errors over bytes, beside published ones."""

import hashlib
import json
import pathlib

import matplotlib
import pandas as pd

from tf_supermask import files
from tf_supermask.evidence import benchmarks, figures
from tf_supermask.evidence.statistics import summary

TITLE = "Test error on MNIST over the bytes of the weights"
FILE = "figures/small_networks.svg"
SHOWN = (
    f"![{TITLE}](../../{FILE})\n\nOurs are means over seeds, as integer C, exported for size. BitNetMCU's are of its own table"
    " (github.com/cpldcpu/BitNetMCU, mcu/readme.md): 16x16 images, augmented, weights trained in 1 to 4 bits."
)
TRIED = (
    "One seed, trained on 55,000 images; the other 5,000 of the training set are held out. `decay` is that of a step, at first,"
    " `distortion` the value of `--affine`."
)
BYTES, ERRORS = (500, 1000, 2000, 5000, 10_000), (0.5, 1, 2, 5)
# BitNetMCU, mcu/readme.md, read in November 2026: kB of weights, accuracy in percent.
BITNETMCU = {
    "dense": ((1.1, 94.22), (12.3, 99.02)),
    "convolutions": ((3.2, 98.92), (5.4, 99.06), (7.3, 99.28), (9.3, 99.44), (11.0, 99.55)),
}


def points(folder):
    """Kind -> name -> `(bytes of weights, accuracy in percent)`, means over seeds, of the measured networks for MNIST; `folder`:
    of benchmarks/."""
    runs, found = benchmarks.load(pathlib.Path(folder, "microcontroller")), {}
    runs.pop("environment", None)
    for path, run in runs.items():
        if run["data"] == "mnist":
            seeds = run["seeds"].values()
            mean = tuple(summary(seed[measure] for seed in seeds)[0] for measure in ("weights", "test_accuracy"))
            found.setdefault(run["kind"], {})[path.split("/")[1].rpartition("_mnist_")[2].removeprefix("koster_")] = mean
    return found


def tried(experiments):
    """Data frame of text: a line for each decay that was tried on held-out images; `experiments`: name -> records."""
    lines = []
    for name, (record, *_) in experiments.items():
        if name.startswith("zoo_grid_"):
            spec, layers = record["spec"], record["layers"]
            key = spec["model"], spec["affine"], spec["weight_decay"]
            kept = sum(layer["counts"][0] + layer["counts"][2] for layer in layers)
            line = dict(zip(("network", "distortion", "decay"), map(str, key), strict=True)) | {
                "accuracy on held-out images, %": f"{record['final']['test_accuracy']:.2f}",
                "weights": f"{kept:,} of {sum(sum(layer['counts']) for layer in layers):,}",
            }
            lines.append((key, line))
    return pd.DataFrame(line for _, line in sorted(lines, key=lambda pair: pair[0]))


def _fingerprint(shown):
    """Hash of what the figure shows, and of the code that draws it; the metadata of the file have it."""
    code = [pathlib.Path(module).read_text() for module in (__file__, figures.__file__)]
    return hashlib.sha256(json.dumps([shown, code], sort_keys=True).encode()).hexdigest()


def _figure(shown):
    figure, ((axes,),) = figures.grid(1, 1, width=6)
    for kind, marker in {"dense": "s", "convolutions": "^"}.items():
        published = [(1000 * kilo, accuracy) for kilo, accuracy in BITNETMCU[kind]]
        ours = sorted(shown.get(kind, {}).values())
        for label, places, style, color in (
            ("BitNetMCU", published, marker, figures.RED),
            ("signed supermasks", ours, f"{marker}-", figures.BLUE),
        ):
            errors = [100 - accuracy for _, accuracy in places]
            axes.plot([count for count, _ in places], errors, style, color=color, label=f"{label}, {kind}")
        for name, (count, accuracy) in shown.get(kind, {}).items():
            axes.annotate(name, (count, 100 - accuracy), xytext=(5, 5), textcoords="offset points", fontsize=7)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(BYTES, [f"{tick:,}" for tick in BYTES])
    axes.set_yticks(ERRORS, map(str, ERRORS))
    axes.minorticks_off()
    axes.set(xlabel="bytes of weights", ylabel="test error, %")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncol=2)
    return figure


def stale(folder):
    """Whether the file does not show the measurements in `folder`, that of benchmarks/; False if there are none."""
    shown, path = points(folder), pathlib.Path(FILE)
    return bool(shown) and (not path.exists() or _fingerprint(shown) not in path.read_text())


def write(folder):
    """Draws the file if it is stale."""
    if stale(folder):
        shown = points(folder)
        with matplotlib.rc_context(figures.STYLE):
            content = figures.rendered(_figure(shown), _fingerprint(shown))
        files.write(FILE, lambda file: file.write(content))
