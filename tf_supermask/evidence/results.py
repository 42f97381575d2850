"""All records of one scale, and their final masks: what tables, figures and claims are made from."""

import copy
import functools
import pathlib
from typing import NamedTuple

import numpy as np

from tf_supermask import files
from tf_supermask.errors import InputError
from tf_supermask.experiments import flagfile, records

# scale -> folder of its records, folder of its tables and figures; no table mixes scales
FOLDERS = {
    "paper": ("results", "figures"),
    "reduced": ("results/reduced", "figures/reduced"),
    "quick": ("results/quick", "results/quick/figures"),
}


def home(scale):
    """The folder of the records of a scale. Raises InputError."""
    if scale not in FOLDERS:
        raise InputError(f"--scale={scale} is unknown; choose from {', '.join(FOLDERS)}")
    return FOLDERS[scale][0]


def check_folder(folder, scale):
    """Raises InputError where records of `scale` must not be written to `folder`: it is the home of another scale, or has
    records of another scale."""
    here = files.real(folder)
    for other in FOLDERS.keys() - {scale}:
        if here in (files.real(home(other)), flagfile.CHECKOUT / home(other)):
            raise InputError(f"--results_dir={folder} is for records of scale {other}, not {scale}; give another one")
    for path in sorted(here.glob("*/seed*.json")):
        if (recorded := _scale(path)) not in (scale, None):
            raise InputError(
                f"{folder} has records of scale {recorded}, not {scale}: {path}; give another --results_dir"
            )


def _scale(path):
    try:
        return records.parsed(path)["spec"].get("scale")
    except ValueError:  # damaged, or cannot be read: its own run reports that
        return None


class Times(NamedTuple):
    """By how many percent training with signed masks takes longer than that of the baseline; {} where it was not measured."""

    steps: dict = {}  # model -> percent, of one training step
    whole_runs: dict = {}  # experiment -> percent, of the training of a run that shrank


class Missing(Exception):
    """There are too few runs; the message says which are needed."""


def load(folder, scale):
    """Experiment -> its records, by seed. Raises InputError for a damaged record and for one of another scale."""
    experiments = {}
    for path in sorted(pathlib.Path(folder).glob("*/seed*.json")):
        record = records.read(path)
        if record["spec"].get("scale") != scale:
            raise InputError(
                f"{path} is of scale {record['spec'].get('scale')!r} among records of scale {scale!r}; give another --scale, or "
                "move it to the folder of its scale: no table mixes them"
            )
        experiments.setdefault(path.parent.name, []).append(record)
    return {name: sorted(runs, key=_seed) for name, runs in experiments.items()}


class Evidence:
    """The records of all runs of one scale. `need(experiment)` is the list of its records, by seed.

    `experiments`: name -> records; a name with a / is a part of other records. `folder`: where the files of masks are.
    `times`: the Times measured apart from the runs. `used` collects the numbers of runs that were read, by
    experiment, `lacking` the runs that a `lenient` Evidence would need for a verdict.

    Methods with the arguments `least` and `few` raise Missing where there are fewer than `least` runs. A `lenient` Evidence
    raises it only where there are fewer than `few`, too few to show a tendency.
    """

    def __init__(self, experiments, scale, folder=".", times=Times()):
        self.experiments, self.scale, self.folder, self.times = experiments, scale, pathlib.Path(folder), times
        self.used, self.lacking, self.least = {}, None, 1
        self._load = functools.lru_cache(maxsize=2)(self._masks)  # masks of 50 runs of Conv8 are 264 MB

    def __contains__(self, name):
        return name in self.experiments

    def lenient(self, least=1):
        """A copy that accepts few runs, and notes in `lacking` what a verdict needs: at least `least` runs of each experiment."""
        other = copy.copy(self)
        other.used, other.lacking, other.least = {}, [], least
        return other

    def require(self, met, what, tendency=True):
        """Raises Missing(what) unless `met`; a `lenient` Evidence notes it instead where there are runs to show a tendency."""
        if not met and (self.lacking is None or not tendency):
            raise Missing(what)
        if not met:
            self.lacking.append(what)

    def need(self, name, least=1, few=1):
        """Records of an experiment."""
        runs, least = self.experiments.get(name, []), max(least, self.least)
        self.require(len(runs) >= least, f"{_runs(least)} of {name}, there are {len(runs)}", len(runs) >= few)
        self.used[name] = len(runs)
        return runs

    def values(self, name, measure, least=1, few=1):
        """Array of a final measure over the runs."""
        return np.array([record["final"][measure] for record in self.need(name, least, few)])

    def mean(self, name, measure, least=1):
        """Mean of a final measure over the runs."""
        return float(np.mean(self.values(name, measure, least)))

    def history(self, name, column):
        """Array (runs, epochs) of a column of the histories, cut to the shortest run; `remaining` begins with epoch 0."""
        runs = [record["history"][column] for record in self.need(name)]
        if column == "remaining":
            runs = [[record["initial"][column], *run] for record, run in zip(self.need(name), runs, strict=True)]
        length = min(map(len, runs))
        return np.array([run[:length] for run in runs])

    def layers(self, name, least=1):
        """Layer -> array (runs, 3) of the shares of -1, 0 and +1 in its mask; layers sorted by name."""
        tables = [{layer["name"]: layer["counts"] for layer in record["layers"]} for record in self.need(name, least)]
        return {
            layer: np.array([np.divide(table[layer], sum(table[layer])) for table in tables])
            for layer in sorted(tables[0])
        }

    def remaining(self, name, least=1):
        """Layer -> mean share of remaining weights."""
        return {layer: float(1 - shares[:, 1].mean()) for layer, shares in self.layers(name, least).items()}

    def sizes(self, name):
        """Layer -> number of weights."""
        return {layer["name"]: int(np.prod(layer["shape"])) for layer in self.need(name)[0]["layers"]}

    def mask_files(self, name):
        """Paths, relative to the folder, of the existing files with the final masks of an experiment."""
        return [run.weights.relative_to(self.folder) for run, _ in self._masked(name)]

    def _masked(self, name):
        """`(run, record)` of each run that has a file with its final masks."""
        masked = [record for record in self.experiments[name] if record["layers"][0]["mask_sha256"]]
        pairs = [(records.Run(self.folder, name, _seed(record)), record) for record in masked]
        return [(run, record) for run, record in pairs if run.weights.exists()]

    def final_masks(self, name):
        """A dict layer -> int8 mask for each run that has a file of masks."""
        return self._load(name)

    def _masks(self, name):
        from tf_supermask.experiments.final_masks import masks_of  # loads TensorFlow, which records alone do not need

        return [masks_of(run, record) for run, record in self._masked(name)]

    def masks(self, name, least=1, few=1):
        """A dict layer -> int8 mask for each run."""
        self.need(name, least, few)
        runs, least = self.final_masks(name), max(least, self.least)
        lacking = f"{_runs(least)} of {name} with final masks, there are {len(runs)}"
        self.require(len(runs) >= least, lacking, len(runs) >= few)
        self.used[name] = len(runs)
        return runs


def _runs(number):
    return f"{number} run{'s' * (number > 1)}"


def _seed(record):
    return record["spec"]["seed"]


def equality(masks, absolute=False):
    """Share of elements that are equal in all of several masks of one layer; in all |mask| if `absolute`.

    Koster et al. 2022, Figures 2 and 8. It falls with the number of masks: compare equal numbers of masks.
    """
    stacked = np.stack([np.abs(mask) if absolute else mask for mask in masks])
    return float(np.mean((stacked == stacked[0]).all(axis=0)))


def uses(masks):
    """Array (inputs, units): the number of masks of a dense layer in which a connection remains."""
    return np.sum([np.abs(mask) for mask in masks], axis=0, dtype=int)
