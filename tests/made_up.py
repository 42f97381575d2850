"""Evidence of made-up records, without files: what tests of claims judge.

An experiment is a dict: final measures by name, each a mean or (mean, width of the 5-95 % interval); and of the parts of a
record `history`, `layers` (layer -> (shape, share that remains)), `masks` (function of a seed), `seconds`, `spec`, `data`,
`environment`.
"""

import copy
import functools

import numpy as np

from tf_supermask.evidence.results import Evidence

PARTS = ("history", "layers", "masks", "seconds", "spec", "data", "environment")
IDLE_GPU = {"device": "a GPU", "threads": 1, "load": 1.0}


class MadeUp(Evidence):
    """Records of experiments, name -> dict."""

    def __init__(self, experiments, scale="paper", runs=40):
        self.made_up = experiments
        super().__init__({name: records(its, runs) for name, its in experiments.items()}, scale)

    def final_masks(self, name):
        make = self.made_up[name].get("masks")
        return [make(record["spec"]["seed"]) for record in self.experiments[name]] if make else []


def records(experiment, runs):
    """The records of `runs` runs; values of a measure spread evenly around its mean, the nearest first."""
    values = {measure: spread(its, runs) for measure, its in experiment.items() if measure not in PARTS}
    layers = [
        {"name": name, "shape": list(shape), "counts": [0, 1000 - round(1000 * left), round(1000 * left)]}
        for name, (shape, left) in experiment.get("layers", {}).items()
    ]
    history = {"seconds": [9.0, *[experiment.get("seconds", 1.0)] * 5]} | experiment.get("history", {})
    return [
        {
            "spec": {"seed": seed} | experiment.get("spec", {}),
            "initial": {"remaining": 87.0},
            "history": {name: its(seed) if callable(its) else list(its) for name, its in history.items()},
            "final": {measure: float(its[seed]) for measure, its in values.items()},
            "layers": layers,
            "data": experiment.get("data", {}),
            "environment": IDLE_GPU | experiment.get("environment", {}),
        }
        for seed in range(runs)
    ]


def spread(value, runs):
    mean, width = value if isinstance(value, tuple) else (value, 0.01)
    offsets = np.linspace(-0.5, 0.5, runs) if runs > 1 else np.zeros(1)
    return mean + width / 0.9 * offsets[np.argsort(np.abs(offsets), kind="stable")]


def changed(experiments, changes):
    """A copy in which parts of experiments differ: name -> None, which removes it, or a dict that replaces entries, and entries
    of entries that are dicts."""
    other = {name: its for name, its in experiments.items() if name not in changes}
    for name, its in changes.items():
        if its is not None:
            other[name] = copy.deepcopy(experiments.get(name, {}))
            for key, value in its.items():
                old = other[name].get(key)
                other[name][key] = old | value if isinstance(value, dict) and old else value
    return other


def doubled(evidence, names):
    """Every run of some experiments once more, under a new seed."""
    other = copy.copy(evidence)
    other.experiments = dict(evidence.experiments)
    for name in names:
        runs = evidence.experiments[name]
        again = [record | {"spec": record["spec"] | {"seed": record["spec"]["seed"] + 1000}} for record in runs]
        other.experiments[name] = runs + again
    return other


def first(evidence, runs):
    """Only the first runs of each experiment."""
    other = copy.copy(evidence)
    other.experiments = {name: its[:runs] for name, its in evidence.experiments.items()}
    return other


def judged(claims, number, evidence):
    """The Finding of one claim."""
    (finding,) = type(claims)("", {number: claims[number]}).ledger(evidence)
    return finding


def mask(inputs, units, background, weights=1, signs=False):
    """Function of a seed that makes a dense layer's mask: the first `background` inputs are masked, the others keep up to so many
    `weights` each, at places that change with the seed; with `signs`, all remain and change their signs."""

    rows = np.arange(background, inputs)

    @functools.cache
    def make(seed):
        if signs:
            return np.full((inputs, units), (-1) ** seed, np.int8)
        its = np.zeros((inputs, units), np.int8)
        for number in range(weights):
            chosen = rows[rows % weights >= number]
            its[chosen, (seed + chosen + number) % units] = 1
        return its

    return make
