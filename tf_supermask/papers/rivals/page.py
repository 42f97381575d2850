"""Records -> the page that compares methods: of each network a table, sentences on what differs, figures, learning rates."""

import pathlib
from typing import NamedTuple

import pandas as pd

from tf_supermask.evidence import benchmarks, statistics
from tf_supermask.evidence.markup import markdown
from tf_supermask.evidence.pages import SIZES
from tf_supermask.evidence.results import FOLDERS
from tf_supermask.evidence.tables import show
from tf_supermask.papers.rivals import figures, findings, rates, readings, scaling
from tf_supermask.papers.rivals.names import AUGMENTED, NETS, TRIED, experiments, method_of

PAGE = "docs/results/rivals.md"


class Measured(NamedTuple):
    """Measurements apart from records."""

    containers: dict  # experiment -> lines of the table of containers
    steps: dict  # network -> method -> time of a step / that of the dense network

    @classmethod
    def of(cls, speed="benchmarks", sizes=SIZES):
        return cls(readings.containers(sizes), benchmarks.steps_of_methods(speed))


def _line(net, name, evidence, measured):
    label, density = experiments(net)[name]
    records, containers = evidence.experiments[name], measured.containers.get(name)
    size, where = readings.stored(records, containers)
    step = measured.steps.get(NETS[net].network, {}).get(method_of(net, name))
    return {
        "method": f"{label}, weights for all inputs" if readings.for_all_inputs(records[0]) else label,
        "density set, %": "-" if density is None else f"{100 * density:g}",
        "shared": "-" if density is None else records[0]["spec"].get("allocation") or "uniform",
        "rate": f"{records[0]['spec']['learning_rate']:g}",
        "n": str(len(records)),
        "test accuracy, %": readings.accuracy(records),
        **_augmented(net, name, evidence),
        "remaining weights, %": show(statistics.summary(statistics.values(records, "remaining"))[:1], 2),
        "bytes": f"{size:,.0f}",
        "as": where,
        "multiplications after compact, %": "-" if containers is None else f"{_compact(containers):.1f}",
        "step / dense": "-" if step is None else f"{step:.2f}",
    }


def _augmented(net, name, evidence):
    """The same row's accuracy with crop and flip, of networks that have such rows."""
    if net not in AUGMENTED:
        return {}
    other = dict(zip(experiments(net), experiments(AUGMENTED[net]), strict=True))[name]
    return {"with crop and flip, %": readings.accuracy(evidence.experiments.get(other, ()))}


def _compact(containers):
    return 100 * containers["compact_macs"].mean() / containers["macs"].mean()


def table(net, evidence, measured):
    """Data frame of text: the methods that have records, those that find their density first."""
    known = [name for name in experiments(net) if name in evidence.experiments]
    frame = pd.DataFrame([_line(net, name, evidence, measured) for name in known])
    return frame if NETS[net].network in measured.steps else frame.drop(columns="step / dense", errors="ignore")


def _section(net, evidence, measured):
    frame = table(net, evidence, measured)
    if frame.empty:
        return ""
    lacking = len(experiments(net)) - len(frame)
    parts = [f"## {NETS[net].title}, {evidence.scale} scale", markdown(frame)]
    parts += [f"{lacking} of {len(experiments(net))} rows have no records yet."] * bool(lacking)
    parts += findings.sentences(net, evidence)
    folder = FOLDERS[evidence.scale][1]
    for name, drawing in figures.FIGURES.items():
        path = pathlib.Path(folder, f"{name}.svg")
        if name in figures.of(net) and path.exists():
            parts.append(f"![{drawing.title}](../../{path.as_posix()})")
    return "\n\n".join(parts)


def page(source):
    """Markdown of all networks that have records. `source`: evidence.pages.Source."""
    measured, parts = Measured.of(source.speed), []
    for evidence in source.scales.values():
        parts += [_section(net, evidence, measured) for net in NETS]
        parts += [scaling.section("fcn", evidence)]
        parts += [rates.section(net, evidence.experiments) for net in TRIED]
    shown = [part for part in parts if part]
    return "\n\n".join(shown + findings.of_steps(measured.steps)) if shown else "No records yet."
