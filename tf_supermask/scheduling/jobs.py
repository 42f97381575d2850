"""A job is one run to do: where its files are, its Spec, the data that it needs, and what it costs."""

import functools
from typing import NamedTuple

from tf_supermask import sparsity
from tf_supermask.errors import InputError
from tf_supermask.experiments import choices, data, flag_files, lottery, modes, networks, records
from tf_supermask.experiments.spec import Spec
from tf_supermask.scheduling import status

# Images to train on and to test on, where they are far from the others' 50,000 or 60,000, and 10,000.
_IMAGES = {"digits": (1_437, 360), "digits8": (1_437, 360)}


class Job(NamedTuple):
    """A run to do: where its files are, and its Spec."""

    run: records.Run
    spec: Spec
    dense: records.Run | None = None  # of the dense run that it begins with

    @property
    def name(self):
        return f"{self.run.experiment}, seed {self.spec.seed}"


def job_of(name, spec, results_dir, listed=()):
    """The Job of a run; a chain's dense run has the name that its settings give, with values of lists, `listed`, as
    `flag_files.name_of` describes it."""
    dense = None
    if spec.rounds:
        dense = records.Run(results_dir, flag_files.name_of(lottery.dense_spec(spec), listed), spec.seed)
    return Job(records.Run(results_dir, name, spec.seed), spec, dense)


def dense_job(job):
    """The Job of the dense run that `job` begins with, or None."""
    return job.dense and Job(job.dense, lottery.dense_spec(job.spec))


def prepare(jobs):
    """Makes the folders of jobs. Raises InputError where they cannot be written."""
    for run in {job.run.experiment: job.run for job in jobs}.values():
        records.prepare(run)


def shape_of(spec):
    """Shape of the images that a model gets: those of the data set, or, where it takes any, of the one it was made for."""
    return choices.DATASETS.get(spec.dataset) or choices.DATASETS[Spec.of(model=spec.model).dataset]


def dataset_key(spec):
    """The arguments of `load` for a run: name, shape and splits of its data set."""
    return spec.dataset, shape_of(spec), spec.splits


@functools.cache
def load(data_dir, cache_dir, dataset, shape, splits):
    """The data.Dataset; each is loaded once in a process."""
    return data.load(dataset, data_dir, cache_dir, shape, splits)


def train(job, load, options):
    """Trains a run and writes its files. `load(dataset, shape, splits)` gives the data, `options` are training.Options."""
    run, spec, dense = job
    dataset = load(*dataset_key(spec))
    _check_same_data(run, dataset)
    modes.of(spec).train(spec, dataset, run, options, dense)


def _check_same_data(run, dataset):
    """Raises InputError where the first finished run of the experiment, with which the others were compared, has seen other
    images than those of `dataset`: results are means over its runs."""
    for path in sorted(run.record.parent.glob("seed*.json")):
        try:
            seen = records.parsed(path)["data"]["fingerprint"]
        except (records.Malformed, InputError):
            continue  # said where that run itself is asked for
        if seen != dataset.fingerprint:
            raise InputError(
                f"{path} was made with other images or labels than the data set has now; give another --experiment or "
                "--results_dir, or move the records away"
            )
        return


@functools.cache
def _multiply_adds(model, shape):
    return sparsity.multiply_adds(networks.outline(model, shape))


def cost(spec):
    """Relative cost of a run: the multiplications of its forward passes, and as many as fit in the time in which it starts."""
    images = modes.of(spec).images(spec, *_IMAGES.get(spec.dataset, (60_000, 10_000)))
    return 2e11 + _multiply_adds(spec.model, shape_of(spec)) * images


def plan_of(jobs, began):
    """The status.Plan of jobs that are not done."""
    planned = []
    for run, spec, _ in jobs:
        rows = modes.of(spec).rows(spec)
        share = status.share_of_time(status.seconds_saved(run), rows)
        planned.append((run.experiment, run.seed, cost(spec), rows, share))
    return status.Plan(began, planned)
