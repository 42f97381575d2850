"""Sentences on what differs between methods, from records: tests are paired by seed, two-sided, corrected by Holm."""

import itertools
from typing import NamedTuple

import numpy as np

from tf_supermask.evidence import statistics
from tf_supermask.papers.rivals.names import experiments, own

SIGNIFICANT = 0.05
TESTS = (
    f"Clearly: p < {SIGNIFICANT} in a two-sided t-test of differences paired by seed, corrected by Holm: against the dense "
    "network for the tests of its paragraph; against the best method, which the same runs have chosen, for those of all pairs."
)


class Compared(NamedTuple):
    """Labels of methods, by how they differ from one."""

    above: list
    below: list
    alike: list  # no clear difference
    untested: list  # fewer than two seeds in common


def compared(one, others, further=()):
    """The Compared of `others`, label -> accuracies by seed, with `one`, accuracies by seed. `further`: p of the other tests for
    whose number Holm's correction is."""
    p = {label: statistics.paired(one, values) for label, values in others.items()}
    tested = {label: value for label, value in p.items() if value is not None}
    clear = {
        label
        for label, value in zip(tested, statistics.holm([*tested.values(), *further]), strict=False)
        if value < SIGNIFICANT
    }  # fmt: skip
    above = {label for label in clear if _mean_difference(others[label], one) > 0}
    return Compared(
        [label for label in others if label in above],
        [label for label in others if label in clear - above],
        [label for label in tested if label not in clear],
        [label for label in others if label not in tested],
    )


def _mean_difference(first, second):
    return np.mean([first[seed] - second[seed] for seed in first.keys() & second.keys()])


def _by_seed(records):
    return {record["spec"]["seed"]: record["final"]["test_accuracy"] for record in records}


def _accuracies(net, evidence):
    """density -> label -> accuracies by seed; None for methods that find their own."""
    by_density = {}
    for name, (label, density) in experiments(net).items():
        if name in evidence.experiments:
            by_density.setdefault(density, {})[label] = _by_seed(evidence.experiments[name])
    return by_density


_APART = 10  # percentage points between two runs of a method: one of them has diverged


def _listed(kind, labels, runs):
    """A sentence on the methods `labels`, with all accuracies where they lie far apart. `runs`: label -> accuracies by seed."""
    far = {label for label in labels if max(runs[label].values()) - min(runs[label].values()) > _APART}
    values = {label: ", ".join(f"{run:.2f}" for run in runs[label].values()) for label in far}
    named = [f"{label} ({values[label]})" if label in far else label for label in labels]
    return f"{kind}: {', '.join(named)}." if labels else ""


def _best(density, methods):
    """Which method is best at a density, and which are clearly below it."""
    means = {label: float(np.mean(list(values.values()))) for label, values in methods.items()}
    best, *others = sorted(means, key=means.get, reverse=True)
    pairs = (statistics.paired(methods[a], methods[b]) for a, b in itertools.combinations(others, 2))
    further = [p for p in pairs if p is not None]
    groups = compared(methods[best], {label: methods[label] for label in others}, further)
    text = [f"At {100 * density:g} % {best} is the most accurate of {len(methods)} methods: {means[best]:.2f} %."]
    if len(groups.untested) == len(others):
        return f"{text[0]} {others[0]} follows with {means[others[0]]:.2f} %; too few seeds for a test."
    text += [_listed("Clearly below it", groups.below, methods) or "None is clearly below it."]
    text += [_listed("Not clearly", groups.alike, methods), _listed("Too few seeds for a test", groups.untested, methods)]
    return " ".join(filter(None, text))


def _against_dense(net, methods):
    """Which methods that find their own density are clearly above or below the dense network."""
    label = experiments(net)[own(net, "dense")][0]
    others = {other: values for other, values in methods.items() if other != label}
    if label not in methods or not others:
        return []
    groups = compared(methods[label], others)
    mean = np.mean(list(methods[label].values()))
    text = [
        f"The dense network has {mean:.2f} %.",
        _listed("Clearly above it", groups.above, methods),
        _listed("Clearly below it", groups.below, methods),
        _listed("Not clearly different", groups.alike, methods),
        _listed("Too few seeds for a test", groups.untested, methods),
    ]
    return [" ".join(filter(None, text))]


def sentences(net, evidence):
    """A sentence on each density with records of two methods or more, one on the methods that find theirs, and what the words
    mean."""
    by_density = _accuracies(net, evidence)
    text = [_best(d, methods) for d, methods in by_density.items() if d is not None and len(methods) > 1]
    text += _against_dense(net, by_density.get(None, {}))
    return text + [TESTS] if text else []


def of_steps(steps):
    """The sentence on the time of edge-popup, of `steps`, network -> method -> time of a step / that of dense; [] without."""
    times = [f"{methods['edge_popup']:.2f} on {net}" for net, methods in steps.items() if "edge_popup" in methods]
    if not times:
        return []
    return [
        "Koster et al. write that edge-popup 'demanded a multiple of the training time'. Here a step of it, with thresholds "
        f"found by counting rather than by sorting, takes so many times one of dense training: {', '.join(times)}. Another "
        "table has [PyTorch's times with sorting](speed.md#pytorch)."
    ]
