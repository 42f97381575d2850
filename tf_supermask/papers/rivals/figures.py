"""Figures that compare methods: accuracy over the share of remaining weights, and over bytes.

A line is a method at several densities, a point one that finds its own.
"""

import functools

import numpy as np

from tf_supermask.evidence.figures import Drawing, grid, percent_ticks
from tf_supermask.evidence.pages import SIZES
from tf_supermask.evidence.results import Missing
from tf_supermask.papers.rivals import readings
from tf_supermask.papers.rivals.names import NETS, OWN, SCORES, SPARSE, experiments

_COLORS = *(f"C{number}" for number in range(6)), "0.4"  # the style has six
_STYLES = {  # frozen weights have full lines, trained ones dashed lines
    label: {"color": _COLORS[number], "linestyle": style}
    for labels, style in ((SCORES.values(), "-"), (SPARSE.values(), "--"))
    for number, label in enumerate(labels)
}
_MARKERS = dict(zip(OWN.values(), "osDv^<>", strict=True))


def _bytes(evidence):
    containers = readings.containers(SIZES)
    return lambda name: readings.stored(evidence.need(name), containers.get(name))[0]


def _remaining(evidence):
    return lambda name: evidence.mean(name, "remaining")


def _points(net, evidence, place):
    """`(lines, points)`: label -> list of (place, accuracies of the runs), of methods with a density to set, and of others."""
    lines, points, place_of = {}, {}, place(evidence)
    for name, (label, density) in experiments(net).items():
        if name in evidence:
            at = place_of(name), evidence.values(name, "test_accuracy")
            (points if density is None else lines).setdefault(label, []).append(at)
    if len(lines | points) < 2:
        raise Missing(f"1 run of each of 2 methods on {net}, there are {len(lines | points)}")
    return lines, points


def _accuracy(net, place, text, evidence):
    lines, points = _points(net, evidence, place)
    figure, ((axes,),) = grid(1, 1, 7, 4)
    for label, values in lines.items():
        left, runs = zip(*values, strict=True)
        ends = np.array([[run.mean() - run.min(), run.max() - run.mean()] for run in runs]).T.clip(0)  # means are rounded
        style = {"marker": ".", "linewidth": 1.1, "elinewidth": 0.7} | _STYLES[label]
        axes.errorbar(left, [run.mean() for run in runs], ends, label=label, **style)
    for label, ((left, run),) in points.items():
        axes.plot([left], [run.mean()], _MARKERS[label], label=label, markersize=5, color="black", fillstyle="none")
    axes.set_xscale("log")
    axes.invert_xaxis()
    axes.set_xlabel(text)
    axes.set_ylabel("test accuracy, %")
    _by_error(axes)
    if place is _remaining:
        percent_ticks(axes.xaxis)
    figure.legend(loc="outside right upper")
    return figure


_TICKS = (20, 40, 60, 70, 80, 90, 95, 97, 98, 98.5, 99, 99.5)


def _by_error(axes):
    """Spreads accuracies by the logarithm of the error: a collapse would hide the differences at the top."""
    low, high = 100 - 1.1 * (100 - axes.dataLim.y0), 100 - 0.9 * (100 - axes.dataLim.y1)
    axes.set_yscale("function", functions=(lambda y: -np.log(np.maximum(100 - y, 1e-3)), lambda z: 100 - np.exp(-z)))
    axes.set_ylim(low, high)
    axes.set_yticks([tick for tick in _TICKS if low <= tick <= high])


_PLACES = {"accuracy": (_remaining, "remaining weights, %"), "bytes": (_bytes, "bytes of the stored network")}
FIGURES = {
    f"rivals_{kind}_{net}": Drawing(
        f"{rows.title}: test accuracy over {text.removesuffix(', %')}, mean, lowest and highest run",
        tuple(experiments(net)),
        functools.partial(_accuracy, net, place, text),
        __name__,
    )
    for net, rows in NETS.items()
    for kind, (place, text) in _PLACES.items()
}


def of(net):
    """Names of the figures of a network."""
    return [f"rivals_{kind}_{net}" for kind in _PLACES]
