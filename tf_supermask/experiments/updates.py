"""The events of a run in which masks are set rather than trained, or weights are drawn again: Spec -> MaskUpdates."""

import math

from tf_supermask import sparsity
from tf_supermask.errors import InputError
from tf_supermask.experiments import data
from tf_supermask.experiments.choices import SPARSE
from tf_supermask.rivals.allocation import in_all
from tf_supermask.rivals.callback import MaskUpdates
from tf_supermask.rivals.gradients import batches_of
from tf_supermask.rivals.methods import METHODS


def interval(spec):
    """Steps between two events of a run; None where it has none."""
    return 1 if spec.allocation == "global" and spec.mode != SPARSE else spec.update_every


def prepared(spec, dataset, model):
    """The MaskUpdates of a run in a list, after its first masks are set; [] where it needs none.

    Raises InputError where the density cannot be reached.
    """
    made = _made(spec, dataset)
    try:
        if spec.density is not None:
            in_all([math.prod(kernel.score.shape) for kernel in sparsity.masked_kernels(model).values()], spec.density)
        if made is None:
            return []
        made.set_model(model)
        made.prepare(made.steps)
    except ValueError as error:
        raise InputError(str(error).replace("`every`", "--update_every")) from error
    return [made]


def _made(spec, dataset):
    steps = spec.epochs * data.steps_per_epoch(dataset, spec)
    common = {"every": interval(spec), "share": spec.update_share, "steps": steps, "seed": spec.seed}
    if spec.mode == SPARSE:
        batches = _batches(spec, dataset) if METHODS[spec.method].needs_data else None
        return MaskUpdates(spec.method, spec.density, spec.allocation, data=batches, **common)
    if spec.mode == "iterand":
        return MaskUpdates("iterand", **common)
    return MaskUpdates("global", spec.density, **common) if spec.allocation == "global" else None


def _batches(spec, dataset):
    """A function from the number of steps to a batch for gradients: training images without augmentation."""
    batch = batches_of((dataset.train_images, dataset.train_labels), spec.batch_size, spec.seed)

    def prepared_batch(step):
        images, labels = batch(step)
        return data.PREPROCESS[spec.preprocess](images), labels

    return prepared_batch
