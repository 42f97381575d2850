"""Size and test accuracy of every export, and time to read it: python benchmarks/formats.py [--runs=RECORD,...]

Each run is exported by `python -m tf_supermask.export` in every form; a fresh process reads all files and classifies the real
test images. Then dense weights and container are read in turns. Written to formats.json.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from absl import app, flags

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    import keras
    import numpy as np
    import tensorflow as tf

    from tf_supermask import export
    from tf_supermask.deploy import loading
    from tf_supermask.deploy.saved_model import size_of
    from tf_supermask.evidence import benchmarks
    from tf_supermask.experiments import data, paths, runs

FLAGS = flags.FLAGS
flags.DEFINE_list(
    "runs",
    ["results/koster_table1_fcn_signed_elus/seed0", "results/koster_check_conv2_signed_shuffled/seed0"],
    "records of masked runs",
)
flags.DEFINE_string("read", None, "internal: classify the images in this folder by all models in it")
FORMS = [
    (name, compact, int8)
    for name in ("saved_model", "keras", "tflite", "supermask")
    for compact in (False, True)
    for int8 in (False, True)
    if not (name == "supermask" and compact) and (name == "tflite" or not int8)
]
BATCH = 500
TURNS = 25


def in_batches(call, x):
    return np.concatenate([np.asarray(call(x[start : start + BATCH])) for start in range(0, len(x), BATCH)])


def saved(path):
    loaded = tf.saved_model.load(str(path))
    return lambda x: loaded.serve(x)  # keeps its variables


def lite(path):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(source["index"], (BATCH, *source["shape"][1:]))
    interpreter.allocate_tensors()

    def call(x):
        interpreter.set_tensor(source["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"]).copy()

    return call


READERS = {
    "": saved,
    ".keras": lambda path: keras.models.load_model(path, compile=False).predict_on_batch,
    ".tflite": lite,
    ".supermask": lambda path: loading.load(path).predict_on_batch,
}


def read(folder):
    """Writes the logits of all models in a folder."""
    x, folder = np.load(folder / "x.npy"), folder / "models"
    logits = {path.name: in_batches(READERS[path.suffix](path), x) for path in sorted(folder.iterdir())}
    np.savez(folder.parent / "logits.npz", **logits)


def forget(path):
    """Makes the system read a file from disk the next time."""
    with open(path, "rb") as file:
        os.fsync(file)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def reading(folder):
    """Medians over turns, in ms, of what it takes to have the weights in memory, and to have a model."""
    models, weights, keras_weights = folder / "models", folder / "weights", folder / "dense.weights.h5"
    packed, dense = models / "supermask.supermask", models / "keras.keras"
    model = loading.load(packed)
    model.save_weights(keras_weights)
    np.concatenate([np.ravel(kernel.array()) for kernel in loading.read(packed).kernels.values()]).tofile(weights)
    ways = {
        "bytes of the weights from disk": lambda: np.fromfile(weights, np.float32),
        "the same, cached": lambda: np.fromfile(weights, np.float32),
        ".weights.h5 from disk": lambda: model.load_weights(keras_weights),
        "container": lambda: [kernel.array() for kernel in loading.read(packed).kernels.values()],
        ".keras to model": lambda: keras.models.load_model(dense, compile=False),
        "container to model": lambda: loading.load(packed),
    }
    taken = {name: [] for name in ways}
    for _ in range(TURNS):
        forget(weights)
        forget(keras_weights)
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            taken[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(its) for name, its in taken.items()}


def forms_of(path):
    """Form -> bytes, test accuracy in percent and the largest difference of a logit to the masked network's."""
    _, record = runs.find_run(path)
    spec, shape = record["spec"], tuple(record["data"]["input_shape"])
    dataset = data.load(spec["dataset"], None, paths.default_cache_dir(), shape)
    x = data.PREPROCESS[spec["preprocess"]](dataset.test_images)
    expected = in_batches(runs.load_run(path).predict_on_batch, x)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        np.save(folder / "x.npy", x)
        for name, compact, int8 in FORMS:
            its = folder / "models" / f"{name}{'_compact' * compact}{'_int8' * int8}{export.FORMATS[name]}"
            more = ["--compact"] * compact + ["--int8"] * int8
            command = ["tf_supermask.export", f"--run={path}", f"--format={name}", f"--output={its}", *more]
            subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
            found[its.name] = {"format": name, "compact": compact, "int8": int8, "bytes": size_of(its)}
        subprocess.run([sys.executable, __file__, f"--read={folder}"], check=True, capture_output=True)
        taken = reading(folder)
        with np.load(folder / "logits.npz") as logits:
            for name, row in found.items():
                right = logits[name].argmax(axis=-1) == dataset.test_labels
                row |= {"test_accuracy": 100 * float(right.mean())}
                row |= {"difference": float(np.abs(logits[name] - expected).max() / np.abs(expected).max())}
    return {"recorded": record["final"]["test_accuracy"], "forms": list(found.values()), "reading_ms": taken}


def main(argv):
    del argv
    tf.get_logger().setLevel("ERROR")
    if FLAGS.read:
        return read(pathlib.Path(FLAGS.read))
    found = {path: forms_of(path) for path in FLAGS.runs}
    benchmarks.save(__file__, found)


if __name__ == "__main__":
    app.run(main)
