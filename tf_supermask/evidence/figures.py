"""What the figures of all papers share: the style, the grid of panels, and files that are redrawn when they are stale."""

import ast
import functools
import hashlib
import io
import json
import pathlib
from typing import Callable, NamedTuple

import matplotlib.ticker
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from tf_supermask import files
from tf_supermask.evidence.results import Missing
from tf_supermask.experiments.names import group

# One style for all figures: readable in print, with colours for the colour-blind (Okabe and Ito).
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
_NEUTRAL = {"Date": None, "Creator": None}  # equal records give equal bytes


class Drawing(NamedTuple):
    title: str
    experiments: tuple  # names of all experiments that it shows
    draw: Callable  # Evidence -> matplotlib Figure
    listed_in: str = ""  # the module whose code, with all that it imports, can change it


def draw(drawing, evidence):
    """The figure of a Drawing. Raises Missing, which names the runs that it needs, where nothing can be shown."""
    with matplotlib.rc_context(STYLE):
        return drawing.draw(evidence)


def available(evidence, experiments, runs=1, masks=False):
    """Those of `experiments` (label -> name) that have enough runs. Raises Missing where none has."""
    present, lacking = {}, []
    for label, name in experiments.items():
        try:
            (evidence.masks if masks else evidence.need)(name, runs)
            present[label] = name
        except Missing as missing:
            lacking.append(missing)
    if not present:
        raise lacking[0]
    return present


def grid(rows, columns, width=None, height=2.6, **kwargs):
    """`(figure, array of axes)`; `width` in inches of all columns, `height` of one row, `kwargs` for `Figure.subplots`."""
    figure = Figure(figsize=(width or 4.2 * columns, 0.3 + height * rows))
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def percent_ticks(axis):
    """Ticks of a logarithmic axis of percentages: 1, 2, 5, 10..., without exponents."""
    axis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(matplotlib.ticker.NullFormatter())


# ---------------------------------------------------------------------------------------------------------------------
# Files


@functools.cache
def sources(module, root=pathlib.Path(__file__).parents[2]):
    """Paths of the files that can change what a module does: its own, and those of its package that it imports, directly or
    indirectly, also within functions."""
    package, paths, waiting = module.partition(".")[0], set(), [module]
    while waiting:
        name = pathlib.Path(root, *waiting.pop().split("."))
        path = name / "__init__.py" if name.is_dir() else name.with_suffix(".py")
        if path in paths or not path.exists():  # the name of a function is not a module
            continue
        paths.add(path)
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            names = [f"{node.module}.{name}" for name in names] if isinstance(node, ast.ImportFrom) else names
            parts = [name.split(".") for name in names if name.partition(".")[0] == package]
            waiting += [".".join(part[:end]) for part in parts for end in range(1, len(part) + 1)]
    return sorted(paths)


def fingerprint(evidence, drawing):
    """Hash of the records that a figure shows and of all code that can change it; the metadata of its file have it.

    Records have the checksums of their masks. Files of masks are not read, because a clone does not have all of them.
    """
    code = [path.read_text() for path in sources(drawing.listed_in)]
    shown = {name: evidence.experiments[name] for name in drawing.experiments if name in evidence}
    return hashlib.sha256(json.dumps([code, shown], sort_keys=True).encode()).hexdigest()


def rendered(figure, description):
    """The bytes of a figure as SVG."""
    FigureCanvasSVG(figure)
    file = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(file, format="svg", metadata=_NEUTRAL | {"Description": description})
    return file.getvalue()


def _of_scale(drawings, evidence):
    """`drawings` (name -> Drawing) without those that show no records, unless the scale is the paper's."""
    return {name: drawing for name, drawing in drawings.items() if drawing.experiments or evidence.scale == "paper"}


def update(drawings, evidence, folder, again=False):
    """Draws the stale figures of a folder, or all if `again`, and removes those whose records are gone; yields a line on each,
    with the experiments that it lacks."""
    for name, drawing in _of_scale(drawings, evidence).items():
        path, expected = pathlib.Path(folder, f"{name}.svg"), fingerprint(evidence, drawing)
        lacking = dict.fromkeys(group(other) for other in drawing.experiments if other not in evidence)
        if again or expected not in _text(path):
            try:
                picture = rendered(draw(drawing, evidence), expected)
            except Missing as missing:
                gone = not any(name in evidence for name in drawing.experiments)  # else a data set or a file of masks is absent
                done = "not drawn" if not path.exists() else "removed" if gone else "left as it was"
                yield f"{path}: {done}, needs {missing}"
                if gone:
                    path.unlink(missing_ok=True)
                continue
            files.write(path, lambda file, picture=picture: file.write(picture))
        yield f"{path}: {drawing.title}" + (f" (more of it with {', '.join(lacking)})" if lacking else "")


def stale(drawings, evidence, folder):
    """Yields the paths of figures that do not show these records as this code draws them."""
    for name, drawing in _of_scale(drawings, evidence).items():
        path = pathlib.Path(folder, f"{name}.svg")
        if fingerprint(evidence, drawing) not in _text(path) and (path.exists() or _drawable(drawing, evidence)):
            yield path


def _text(path):
    return path.read_text(errors="replace") if path.exists() else ""


def _drawable(drawing, evidence):
    try:
        draw(drawing, evidence)
        return True
    except Missing:
        return False
