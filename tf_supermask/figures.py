"""What the figures of all papers share: one style, and the grid of panels."""

from typing import Callable, NamedTuple

import matplotlib
import matplotlib.ticker
from matplotlib.figure import Figure

from tf_supermask.evidence import Missing

# One style for all pictures: readable in print, in colours that the colour-blind can tell apart (Okabe and Ito).
BLUE, RED, GREEN, PINK, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
STYLE = {
    "axes.prop_cycle": matplotlib.cycler(linestyle=["-", "--", ":"])
    * matplotlib.cycler(color=[BLUE, RED, GREEN, PINK, ORANGE, SKY]),
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "grid.alpha": 0.3,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "savefig.dpi": 150,
    "svg.hashsalt": "tf_supermask",
}


class Drawing(NamedTuple):
    title: str
    experiments: tuple  # all that it shows
    draw: Callable  # Evidence -> matplotlib Figure


def draw(drawing, evidence):
    """The figure of a Drawing. Raises Missing, which says what it needs, where nothing can be shown."""
    with matplotlib.rc_context(STYLE):
        return drawing.draw(evidence)


def available(evidence, experiments, runs=1, masks=False):
    """Those of `experiments` (label -> name) that have enough runs. Raises Missing where none has."""
    found, lacking = {}, []
    for label, name in experiments.items():
        try:
            (evidence.masks if masks else evidence.need)(name, runs)
            found[label] = name
        except Missing as missing:
            lacking.append(missing)
    if not found:
        raise lacking[0]
    return found


def grid(rows, columns, width=None, height=2.6, **kwargs):
    figure = Figure(figsize=(width or 4.2 * columns, 0.3 + height * rows))
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def percent_ticks(axis):
    """Ticks of a logarithmic axis of percentages: 1, 2, 5, 10..., written as they are."""
    axis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(matplotlib.ticker.NullFormatter())
