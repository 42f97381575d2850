"""Describes a record, container or export: what `inspect` does after its flags are checked, with TensorFlow."""

import os
import pathlib

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from tf_supermask import sparsity
from tf_supermask.deploy import compaction, loading, matmul
from tf_supermask.deploy.saved_model import size_of
from tf_supermask.deploy.summary import summary
from tf_supermask.errors import InputError
from tf_supermask.experiments import runs
from tf_supermask.experiments.shrinking import event_text
from tf_supermask.silence import hidden


def _model(model, images):
    summary(model)
    if images:
        try:
            model = compaction.compact(model)
        except ValueError as error:
            print(f"measured with all units, since compact refuses the model: {error}")
        _, rows = matmul.fastest(model, images)
        print("\n".join(map(matmul.line, rows)) or "no dense layer with zeros")


def _container(path):
    contents = loading.read(path)
    model = loading.built(contents)
    dense = sparsity.dense_bytes(model)
    print(
        f"{path}: {contents.size:,} bytes, {dense / contents.size:.3g} times smaller than its {dense:,} bytes of weights"
    )
    for name, kernel in contents.kernels.items():
        print(f"  {name}: {kernel.kind}, view {'x'.join(map(str, kernel.codes.shape))}")
    return model


def _record(path):
    run, record = runs.find_run(path)
    spec = {name: value for name, value in record["spec"].items() if value is not None}
    final = {name: value for name, value in record["final"].items() if isinstance(value, float)}
    print(f"{run.record}: {', '.join(f'{name}={value}' for name, value in spec.items())}")
    print("final: " + ", ".join(f"{name} {value:.4g}" for name, value in final.items()))
    print("made with " + ", ".join(f"{name} {value}" for name, value in record["environment"].items()))
    for event in record.get("shrunk", ()):
        print(f"shrunk: {event_text(event)}")
    if run.container.exists():
        print(f"container: {run.container}, {run.container.stat().st_size:,} bytes")
    try:
        return runs.load_run(path)
    except InputError as error:
        print(error)


def _keras_file(path):
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # for damaged and hostile files Keras raises errors of many kinds
        raise InputError(f"{path} cannot be read as a Keras file: {error}") from error
    print(f"{path}: {size_of(path):,} bytes")
    return model


def _arrays(path, arrays):
    """Prints a line per array: an exported function has no layers."""
    print(f"{path}: {size_of(path):,} bytes")
    for name, array in arrays:
        zero = 100 * np.mean(array == 0)
        print(
            f"  {name}  {'x'.join(map(str, array.shape))} {array.dtype}, {zero:.2f} % zero, {len(np.unique(array)):,} values"
        )


def _saved_model(path):
    try:
        with hidden(2):
            loaded = tf.saved_model.load(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a SavedModel: {error}") from error
    for name, function in loaded.signatures.items():
        inputs = ", ".join(f"{key} {spec.shape}" for key, spec in function.structured_input_signature[1].items())
        print(f"{name}: {inputs} -> {', '.join(str(spec.shape) for spec in function.structured_outputs.values())}")
    variables = {id(v): v for function in loaded.signatures.values() for v in function.variables}
    _arrays(path, [(variable.name, np.asarray(variable)) for variable in variables.values()])


def _tflite(path):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise InputError("TFLite files are read with ai-edge-litert: pip install -e '.[tflite]'") from error
    try:
        with hidden(2):
            interpreter = Interpreter(str(path))
    except ValueError as error:
        raise InputError(f"{path} cannot be read as a TFLite file: {error}") from error
    constants = []
    for tensor in interpreter.get_tensor_details():
        try:
            constants.append((tensor["name"], interpreter.get_tensor(tensor["index"])))
        except ValueError:  # not a constant: it has no value before the model runs
            continue
    _arrays(path, constants)


# Each prints what is in a file, and returns the model, if it has layers.
KINDS = {".supermask": _container, ".keras": _keras_file, ".tflite": _tflite}


def show(path, images):
    """Prints the content of the file or folder `path`; of a model, also its products of dense layers with so many `images` per
    call, unless None. Raises InputError for what it cannot read.
    """
    logging.set_verbosity(logging.ERROR)
    path = pathlib.Path(os.path.expanduser(path))
    kind = _saved_model if (path / "saved_model.pb").exists() else KINDS.get(path.suffix, _record)
    if kind is not _record and not path.exists():
        raise InputError(f"{path} does not exist")
    if kind is _record and path.exists() and path.suffix not in ("", ".json"):
        raise InputError(f"{path} is neither a record (.json) nor {', '.join(KINDS)} nor the folder of a SavedModel")
    if images and kind in (_saved_model, _tflite):
        raise InputError(f"--images is for records, containers and Keras files; {path} has no layers to measure")
    if (model := kind(path)) is not None:
        _model(model, images)
