"""Records -> the page that compares methods on one network: a table, a sentence on each density, figures."""

import pathlib

import numpy as np
import pandas as pd

from tf_supermask.evidence import statistics
from tf_supermask.evidence.markup import markdown
from tf_supermask.evidence.pages import SIZES
from tf_supermask.evidence.results import FOLDERS
from tf_supermask.evidence.tables import show
from tf_supermask.papers.rivals import figures, readings
from tf_supermask.papers.rivals.names import NETS, experiments, own

PAGE = "docs/results/rivals.md"
SIGNIFICANT = 0.05


def _line(net, name, label, density, evidence, file):
    records, measured = evidence.experiments[name], readings.measured(file, name)
    size, where = readings.stored(records, measured)
    left = f"{100 * measured['compact_macs'].mean() / measured['macs'].mean():.1f}" if len(measured) else "-"
    return {
        "method": label,
        "density set, %": "-" if density is None else f"{100 * density:g}",
        "n": str(len(records)),
        "test accuracy, %": show(statistics.summary(statistics.values(records, "test_accuracy")), 2),
        "remaining weights, %": show(statistics.summary(statistics.values(records, "remaining"))[:1], 2),
        "bytes": f"{size:,.0f}",
        "as": where,
        "multiplications after compact, %": left,
        "step / dense": _step(net, name, evidence),
    }


def _step(net, name, evidence):
    """Seconds of an epoch over those of the dense network, both on an idle machine with the same settings; `-` without such."""
    dense = evidence.experiments.get(own(net, "dense"), ())
    slower = statistics.additional_time(evidence.experiments[name], dense)
    return f"{1 + slower[0] / 100:.2f}" if slower else "-"


def table(net, evidence, file=SIZES):
    """Data frame of text: the methods that have records, those that find their density first."""
    rows = experiments(net).items()
    lines = [_line(net, name, *row, evidence, file) for name, row in rows if name in evidence.experiments]
    return pd.DataFrame(lines)


def findings(net, evidence):
    """A sentence on each density with records of two methods or more: which is best, and which others are clearly below it."""
    by_density = {}
    for name, (label, density) in experiments(net).items():
        if density is not None and name in evidence.experiments:
            by_density.setdefault(density, {})[label] = _by_seed(evidence.experiments[name])
    return [_finding(density, methods) for density, methods in by_density.items() if len(methods) > 1]


def _by_seed(records):
    return {record["spec"]["seed"]: record["final"]["test_accuracy"] for record in records}


def _finding(density, methods):
    means = {label: float(np.mean(list(values.values()))) for label, values in methods.items()}
    best, *others = sorted(means, key=means.get, reverse=True)
    tested = {other: statistics.paired(methods[best], methods[other]) for other in others}
    tested = {other: p for other, p in tested.items() if p is not None}
    below = [other for other, p in zip(tested, statistics.holm(tested.values()), strict=True) if p < SIGNIFICANT]
    text = f"At {100 * density:g} % {best} is the most accurate: {means[best]:.2f} %"
    if not tested:
        return f"{text}, before {others[0]} with {means[others[0]]:.2f} %; too few seeds for a test."
    return f"{text}. Clearly below it are {len(below)} of {len(others)} methods: {', '.join(below) or 'none'}."


def _section(net, evidence):
    frame = table(net, evidence)
    if frame.empty:
        return ""
    tests = "Tests are paired by seed, two-sided, corrected by Holm for their number within a density."
    parts = [f"## {NETS[net]}, {evidence.scale} scale", markdown(frame), *findings(net, evidence), tests]
    folder = FOLDERS[evidence.scale][1]
    for name, drawing in figures.FIGURES.items():
        path = pathlib.Path(folder, f"{name}.svg")
        if name.endswith(net) and path.exists():
            parts.append(f"![{drawing.title}](../../{path.as_posix()})")
    return "\n\n".join(parts)


def page(source):
    """Markdown of all networks that have records. `source`: evidence.pages.Source."""
    sections = [_section(net, evidence) for evidence in source.scales.values() for net in NETS]
    return "\n\n".join(filter(None, sections)) or "No records yet."
