"""Loads models of finished runs: load_run("results/koster_table1_fcn_signed_elus/seed0")."""

import numpy as np

from tf_supermask import files
from tf_supermask.deploy import loading
from tf_supermask.deploy.container_format import ENDING
from tf_supermask.deploy.remasking import remasked
from tf_supermask.errors import InputError
from tf_supermask.experiments import choices, data, layer_rows, modes, networks, records
from tf_supermask.experiments.evaluation import Evaluation
from tf_supermask.experiments.final_masks import decoded
from tf_supermask.experiments.spec import Spec


def load_run(path):
    """The trained Keras model of a run, with its masks.

    Of a mode that trains or redraws weights, as `ttq`, a repository keeps only the container. The model then is that of
    `tf_supermask.load(container, masked=True)`: the same function, with frozen weights.

    Args:
        path: of the record, with or without `.json`.

    Raises:
        InputError: a file is missing or damaged, or does not belong to the record, or the run keeps no trained model, as
            lottery tickets.
    """
    run, record = find_run(path)
    spec = Spec.recorded(record["spec"], run.record)
    if not modes.of(spec).exportable:
        raise InputError(
            f"{run.record} is of mode {spec.mode}, whose records have masks, but no trained model"
        )
    return rebuild(spec, record, run)


def find_run(path):
    """`(records.Run, record)` of a run; `path`: its record, with or without `.json`, or its container. Raises InputError."""
    path = files.expanded(str(files.expanded(path)).removesuffix(".json").removesuffix(ENDING) + ".json")
    if not path.exists():
        raise InputError(f"{path} does not exist; name a record: results/EXPERIMENT/seed0")
    try:
        record = records.parsed(path)  # not `read`, which moves a damaged file: this one may be the user's
    except records.Malformed as error:
        raise InputError(f"{path} is no record: {error}") from error
    return records.Run(path.parent.parent, path.parent.name, record["spec"]["seed"]), record


def rebuild(spec, record, run):
    """The model of a finished run, from its spec and its `.final.npz` or container. Raises InputError."""
    in_container = run.weights == run.container
    if in_container and not choices.weights_are_drawn(spec.mode):
        return _remasked(record, run)
    model = networks.build(spec, tuple(record["data"]["input_shape"]), record["data"]["classes"])
    networks.restore(model, _contained(run, record) if in_container else records.load_arrays(run.final))
    if _comparable(layer_rows.of_model(model), spec) != _comparable(record["layers"], spec):
        raise InputError(_NOT_ONE.format(run.weights, run.record))
    return model


_NOT_ONE = "{} and {} do not give one model; move both away to train it again"


def _remasked(record, run):
    """The model of a container of trained weights, with masks. Raises InputError where the record has other counts."""
    contents = loading.read(run.container)
    if _counts(contents) != _kept(record):
        raise InputError(_NOT_ONE.format(run.container, run.record))
    return remasked(loading.built(contents), contents.kernels)


def _counts(contents):
    """Layer name -> number of weights that remain, of the Contents of a container."""
    return {name: int(np.count_nonzero(kernel.codes)) for name, kernel in contents.kernels.items()}


def _kept(record):
    """The same of a record."""
    return {row["name"]: row["counts"][0] + row["counts"][2] for row in record["layers"]}


def _contained(run, record):
    """`networks.snapshot` of the model in a container."""
    contents = loading.read(run.container)
    arrays = {f"{name}/mask": mask for name, mask in decoded(contents.kernels, run, record).items()}
    for layer in loading.built(contents).layers:
        for number, variable in enumerate(layer.weights):
            if number > 0 or layer.name not in contents.headers:
                arrays[f"{layer.name}/{variable.name}"] = np.asarray(variable)
    return arrays


def _comparable(table, spec):
    """Rows of a layer table, without the entries that depend on the sample where masks are sampled."""
    sample = ("counts", "mask_sha256") if spec.sampled else ()
    return [{key: value for key, value in row.items() if key not in sample} for row in table]


def verified(run, record, load):
    """Compares a run's container with its record: `(agrees, text)`; `agrees` is None where they cannot be compared.

    The plain network in the container is evaluated on the test images. It agrees where each layer keeps as many weights as
    recorded, and the number of correct test images differs by at most one: rounding depends on the order of sums. Of latent
    weights training leaves some on the threshold, where rounding decides on their masks: there it is one in a thousand.

    Args:
        load: `(dataset, shape, splits) -> data.Dataset`.
    """
    spec = Spec.recorded(record["spec"], run.record)
    if spec.sampled:
        return None, "not verifiable: its masks are sampled, its accuracy is a mean over samples"
    if not run.container.exists():
        return None, "not verifiable: no container beside the record"
    try:
        contents = loading.read(run.container)
        model, counts = loading.built(contents), _counts(contents)
    except InputError as error:
        return False, str(error)
    expected = _kept(record)
    dataset = load(spec.dataset, tuple(record["data"]["input_shape"]), spec.splits)
    _, accuracy = Evaluation(model, data.evaluation_arrays(dataset, spec))()
    images = abs(accuracy - record["final"]["test_accuracy"]) * len(dataset.test_labels) / 100
    text = f"{accuracy:.2f} % test accuracy, recorded {record['final']['test_accuracy']:.2f} %"
    if counts != expected:
        return False, f"{text}; {sum(counts.values())} weights remain, recorded {sum(expected.values())}"
    most = len(dataset.test_labels) / 1000 if spec.mode in choices.LATENT else 1
    return images < most + 0.5, f"{text}; {sum(counts.values())} weights"
