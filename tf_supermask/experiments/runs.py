"""Finished runs as models again: load_run("results/koster_table1_fcn_signed_elus/seed0")."""

import os
import pathlib

import numpy as np

from tf_supermask import masks
from tf_supermask.deploy import loading
from tf_supermask.deploy.container_format import ENDING
from tf_supermask.errors import InputError
from tf_supermask.experiments import data, modes, networks, records, training
from tf_supermask.experiments.evaluation import Evaluation
from tf_supermask.experiments.spec import Spec


def load_run(path):
    """The trained Keras model of a run: masked, from the masks beside its record, or plain, where only its container is there.

    `path`: that of the record, with or without .json. Raises InputError for a missing or damaged file, for one that does not
    belong to the record, and for a run that keeps no weights, as lottery tickets do.
    """
    run, record = find_run(path)
    spec = Spec.recorded(record["spec"], run.record)
    if not modes.of(spec).exportable:
        raise InputError(
            f"{run.record} is of mode {spec.mode}, which keeps which weights were pruned, but no trained model"
        )
    if run.final.exists() or not run.container.exists():
        return rebuild(spec, record, run)
    return loading.load(run.container)


def find_run(path):
    """`(records.Run, record)` of the record at `path`, with or without .json, or of a file beside it. Raises InputError."""
    path = pathlib.Path(os.fspath(path).rstrip("/").removesuffix(".json").removesuffix(ENDING) + ".json")
    if not path.exists():
        raise InputError(f"{path} does not exist; name a record: results/EXPERIMENT/seed0")
    try:
        record = records.parsed(path)  # of anything that a user names: it stays where it is
    except records.Malformed as error:
        raise InputError(f"{path} is no record: {error}") from error
    return records.Run(path.parent.parent, path.parent.name, record["spec"]["seed"]), record


def rebuild(spec, record, run):
    """The model of a finished run, from its spec and its file of final masks."""
    model = networks.build(spec, tuple(record["data"]["input_shape"]), record["data"]["classes"])
    networks.restore(model, records.load_arrays(run.final))
    if _layers(training.layer_table(model), spec) != _layers(record["layers"], spec):
        raise InputError(f"{run.final} and {run.record} do not give one model; move both away to train it again")
    return model


def _layers(table, spec):
    """What a network that was read again must have in common with its record: all, but for the samples of sampled masks."""
    sample = ("counts", "mask_sha256") if masks.rule(spec.mode).sampled else ()
    return [{key: value for key, value in its.items() if key not in sample} for its in table]


def verified(run, record, load):
    """What a run's container says against its record: `(agrees, text)`; `load(dataset, shape, splits)` gives the data.

    The plain network in the container is evaluated on the test images. It agrees where each layer has as many weights left as
    the record says, and no more than one image is decided otherwise: sums are added up in another order.
    """
    if masks.rule(record["spec"]["mode"]).sampled:
        return None, "not verifiable: its masks are sampled, its accuracy is a mean over samples"
    if not run.container.exists():
        return None, "not verifiable: no container beside the record"
    spec, model = Spec.recorded(record["spec"], run.record), loading.load(run.container)
    counts = {layer.name: int(np.count_nonzero(layer.kernel)) for layer in model.layers if hasattr(layer, "kernel")}
    expected = {its["name"]: its["counts"][0] + its["counts"][2] for its in record["layers"]}
    dataset = load(spec.dataset, tuple(record["data"]["input_shape"]), spec.splits)
    _, accuracy = Evaluation(model, data.evaluation_arrays(dataset, spec))()
    images = abs(accuracy - record["final"]["test_accuracy"]) * len(dataset.test_labels) / 100
    text = f"{accuracy:.2f} % test accuracy, recorded {record['final']['test_accuracy']:.2f} %"
    if counts != expected:
        return False, f"{text}; {sum(counts.values())} weights remain, recorded {sum(expected.values())}"
    return images < 1.5, f"{text}; {sum(counts.values())} weights"
