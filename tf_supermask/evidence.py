"""All records of one scale, and the final masks beside them: what tables, figures and claims are made from."""

import functools
import pathlib

import numpy as np

from tf_supermask import flagfile, records
from tf_supermask.errors import InputError

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
    records of one."""
    here = pathlib.Path(folder).resolve()
    for other in FOLDERS.keys() - {scale}:
        if here in (pathlib.Path(home(other)).resolve(), flagfile.CHECKOUT / home(other)):
            raise InputError(f"--results_dir={folder} is for records of scale {other}, not {scale}; give another one")
    for path in sorted(here.glob("*/seed*.json")):
        if (found := _scale(path)) not in (scale, None):
            raise InputError(f"{folder} has records of scale {found}, not {scale}: {path}; give another --results_dir")


def _scale(path):
    try:
        return records.parsed(path)["spec"].get("scale")
    except ValueError:  # damaged, which the run that it is of says
        return None


class Missing(Exception):
    """What is asked for needs more runs; the message says which."""


class Evidence:
    """`need(experiment)` is the list of its records, by seed. `used` collects which experiments were asked for.

    `view(experiments)` gives further experiments, made of parts of the records; their names have a /. `steps` is what a
    training step of signed masks takes longer than the baseline's, model -> percent. Raises InputError for a damaged record and
    for one of another scale.
    """

    def __init__(self, folder, scale, view=lambda experiments: {}, steps=None):
        self.folder, self.scale, self.steps, self.used = pathlib.Path(folder), scale, steps or {}, {}
        found = {}
        for path in sorted(self.folder.glob("*/seed*.json")):
            record = records.read(path)
            if record["spec"].get("scale") != scale:
                raise InputError(
                    f"{path} is of scale {record['spec'].get('scale')!r} among records of scale {scale!r}; "
                    "move it to the folder of its scale, no table mixes them"
                )
            found.setdefault(path.parent.name, []).append(record)
        self.experiments = {name: sorted(its, key=_seed) for name, its in found.items()}
        self.experiments |= view(self.experiments)

    def __contains__(self, name):
        return name in self.experiments

    def need(self, name, least=1):
        """Records of an experiment. Raises Missing where there are fewer than `least`."""
        found = self.experiments.get(name, [])
        if len(found) < least:
            raise Missing(f"{_runs(least)} of {name}, there are {len(found)}")
        self.used[name] = len(found)
        return found

    def values(self, name, measure, least=1):
        """Array of a final measure over the runs."""
        return np.array([record["final"][measure] for record in self.need(name, least)])

    def mean(self, name, measure, least=1):
        return float(np.mean(self.values(name, measure, least)))

    def width(self, name, measure, least):
        """Distance between the 5 % and 95 % quantiles over the runs."""
        low, high = np.quantile(self.values(name, measure, least), (0.05, 0.95))
        return float(high - low)

    def history(self, name, column):
        """Array (runs, epochs) of a column of the histories, cut to the shortest; with remaining weights, epoch 0 is first."""
        runs = [record["history"][column] for record in self.need(name)]
        if column == "remaining":
            runs = [[record["initial"][column], *run] for record, run in zip(self.need(name), runs, strict=True)]
        length = min(map(len, runs))
        return np.array([run[:length] for run in runs])

    def layers(self, name):
        """Layer -> array (runs, 3) of the shares of -1, 0 and +1 in its mask; layers in the order of their numbers."""
        tables = [{layer["name"]: layer["counts"] for layer in record["layers"]} for record in self.need(name)]
        return {
            layer: np.array([np.divide(table[layer], sum(table[layer])) for table in tables])
            for layer in sorted(tables[0])
        }

    def remaining(self, name):
        """Layer -> mean share of remaining weights."""
        return {layer: float(1 - shares[:, 1].mean()) for layer, shares in self.layers(name).items()}

    def sizes(self, name):
        """Layer -> number of weights."""
        return {layer["name"]: int(np.prod(layer["shape"])) for layer in self.need(name)[0]["layers"]}

    @functools.lru_cache(maxsize=2)  # masks of 50 runs of Conv8 are 264 MB
    def _masks(self, name):
        runs = []
        for path in self.mask_files(name):
            arrays = records.load_arrays(self.folder / path)
            runs.append({key[: -len("/mask")]: arrays[key] for key in sorted(arrays) if key.endswith("/mask")})
        return runs

    def mask_files(self, name):
        """Paths, below the folder, of the files with final masks of the runs of an experiment."""
        masked = [record for record in self.experiments[name] if record["layers"][0]["mask_sha256"]]
        paths = [records.Run(self.folder, name, _seed(record)).final for record in masked]
        return [path.relative_to(self.folder) for path in paths if path.exists()]

    def masks(self, name, least=1):
        """A dict layer -> int8 mask for each run. Raises Missing where fewer than `least` runs have their file."""
        self.need(name, least)
        runs = self._masks(name)
        if len(runs) < least:
            raise Missing(f"{_runs(least)} of {name} with final masks, there are {len(runs)}")
        self.used[name] = len(runs)
        return runs


def _runs(number):
    return f"{number} run{'s' * (number > 1)}"


def _seed(record):
    return record["spec"]["seed"]


def equality(masks, absolute=False):
    """Share of elements that have one value in all of several masks of one layer; of |mask| with `absolute`.

    Koster et al. 2022, Figures 2 and 8. It falls with the number of masks: compare equal numbers.
    """
    stacked = np.stack([np.abs(mask) if absolute else mask for mask in masks])
    return float(np.mean((stacked == stacked[0]).all(axis=0)))


def uses(masks):
    """Array (inputs, units): in how many of several masks of a dense layer a connection remains."""
    return np.sum([np.abs(mask) for mask in masks], axis=0, dtype=int)
