"""The figure of test accuracy on MNIST over bytes: our networks as C, and published ones for microcontrollers."""

import hashlib
import json
import pathlib

import matplotlib

from tf_supermask import files
from tf_supermask.evidence import benchmarks, figures

TITLE = "Test accuracy on MNIST over the bytes of the weights"
FILE = "figures/small_networks.svg"
NOTE = (
    "Ours are the first runs of FCN, SiNN1 and SiNN2 as integer C, exported for size. BitNetMCU's are of its own table"
    " (github.com/cpldcpu/BitNetMCU, mcu/readme.md): 16x16 images, augmented, weights trained in 1 to 4 bits."
)
TICKS = (1000, 2000, 5000, 10_000)
# BitNetMCU, mcu/readme.md, read in November 2026: kB of weights, accuracy in percent.
BITNETMCU = {
    "dense": ((1.1, 94.22), (12.3, 99.02)),
    "convolutions": ((3.2, 98.92), (5.4, 99.06), (7.3, 99.28), (9.3, 99.44), (11.0, 99.55)),
}


def points(folder):
    """Name -> `(bytes of weights, accuracy in percent)` of the measured networks for MNIST; `folder`: of benchmarks/."""
    runs = benchmarks.load(pathlib.Path(folder, "microcontroller"))
    runs.pop("environment", None)
    return {
        path.split("/")[1].removeprefix("koster_"): (row["size"]["weights"], row["size"]["test_accuracy"])
        for path, row in runs.items()
        if row["data"] == "mnist"
    }


def _fingerprint(shown):
    """Hash of what the figure shows, and of the code that draws it; the metadata of the file have it."""
    code = [pathlib.Path(module).read_text() for module in (__file__, figures.__file__)]
    return hashlib.sha256(json.dumps([shown, code], sort_keys=True).encode()).hexdigest()


def _figure(shown):
    figure, ((axes,),) = figures.grid(1, 1, width=6)
    for (label, published), marker in zip(BITNETMCU.items(), "s^", strict=True):
        bytes_, accuracies = zip(*published, strict=True)
        axes.plot([1000 * kilo for kilo in bytes_], accuracies, marker, color=figures.RED, label=f"BitNetMCU, {label}")
    bytes_, accuracies = zip(*sorted(shown.values()), strict=True)
    axes.plot(bytes_, accuracies, "o-", color=figures.BLUE, label="signed supermasks, dense")
    for name, place in shown.items():
        axes.annotate(name, place, xytext=(6, -10), textcoords="offset points", fontsize=7)
    axes.set_xscale("log")
    axes.set_xticks(TICKS, [f"{tick:,}" for tick in TICKS])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="bytes of weights", ylabel="test accuracy, %")
    axes.legend(loc="lower right")
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
