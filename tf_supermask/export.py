"""Trained runs for others to use: python -m tf_supermask.export --run=results/EXPERIMENT/seed0 --format=saved_model

A masked model becomes a plain Keras model, and that a SavedModel, a Keras file or a TFLite file, none of which needs this
package, or a small container, which does.
"""

import contextlib
import inspect
import os
import pathlib
import shutil
import tempfile
import textwrap
import warnings

from absl import app, flags, logging

from tf_supermask.quiet import hidden, quiet

with quiet():
    import keras
    import numpy as np
    import tensorflow as tf

    from tf_supermask import graph, records
    from tf_supermask.errors import InputError, fail, parse
    from tf_supermask.graph import inside
    from tf_supermask.layers import SignedMask

FLAGS = flags.FLAGS


def plain(model):
    """The same function in ordinary Keras layers: every `weight * mask(score)` folded into one kernel.

    `model`: a Sequential or functional model with any mix of masked and other layers; it is left as it is. Raises ValueError for
    anything else, and for a model with masked layers inside another model.
    """
    checked(model)
    inner = [its.name for its in model.layers if any(isinstance(layer, SignedMask) for layer in inside(its))]
    if inner:
        raise ValueError(f"{model.name} has masked layers inside {inner[0]}; use the layers inside instead of it")

    def unmask(layer):
        return layer.plain() if isinstance(layer, SignedMask) else copied(layer)

    folded, pairs = cloned(model, unmask)
    for source, target in pairs:
        if isinstance(source, SignedMask):
            bias = [] if source.bias is None else [np.asarray(source.bias)]
            target.set_weights([np.asarray(source.effective_kernel), *bias])
        else:
            carry(source, target)
    return folded


def checked(model):
    """Raises ValueError where `model` is not a built Sequential or functional model, of which a clone can be made."""
    if not isinstance(model, keras.Model):
        hint = "; a tensor is not a model: keras.Model(inputs, outputs)" if isinstance(model, keras.KerasTensor) else ""
        raise ValueError(f"this needs a Keras model. Received: {type(model).__name__}{hint}")
    if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
        raise ValueError(f"this needs a Sequential or functional model. Received: {type(model).__name__}, subclassed")
    if not model.built:
        raise ValueError("this needs a built model: begin with keras.Input, or call the model once")
    kind = type(graph.functional(model)) if hasattr(model, "operations") else keras.Sequential
    if type(model).call is not kind.call:
        raise ValueError(f"this needs a model whose layers are all it does. Received: {type(model).__name__}, with its own call")
    quantized = [its.name for its in inside(model) if getattr(its, "quantization_mode", None)]
    if quantized:
        raise ValueError(f"this needs a model that is not quantized yet. Received: {quantized[0]}, quantized")


@graph.same_randomness()
def cloned(model, remade):
    """`(clone, pairs)`: a clone of a Sequential or functional model whose layers `remade` makes, `layer -> layer`, and each layer
    or operation with what was made of it.

    The clone is compiled as the model is, where Keras can make its loss and metrics again.
    """
    pairs, compiled = [], model.compiled

    def make(layer):
        pairs.append((layer, remade(layer)))
        return pairs[-1][1]

    try:
        model.compiled = False
        clone = keras.models.clone_model(model, clone_function=make)
    finally:
        model.compiled = compiled
    if compiled:
        with contextlib.suppress(TypeError, ValueError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of losses that are lambdas
            clone.compile_from_config(model.get_compile_config())
    return clone, pairs


def copied(layer, **changes):
    """A layer or operation like this one, but for `changes` of its configuration, without its variables: with the functions
    that it is made of, and with the vocabulary that it has adapted to. Raises ValueError where its configuration does not do."""
    if graph.is_graph(layer) and type(layer).__module__.startswith("keras."):
        return cloned(layer, copied)[0]
    with of_its_configuration(layer):
        copy = _configured(layer, layer.get_config() | changes)
    copy.name = layer.name  # which a configuration may lack
    if adapted(layer):
        copy.set_vocabulary(layer.get_vocabulary())
    return copy


@contextlib.contextmanager
def of_its_configuration(layer):
    """Turns what goes wrong while a layer is made again into one line, a ValueError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of functions that are lambdas: they are passed on
            yield
    except Exception as error:  # of whoever wrote the layer
        reason = textwrap.shorten(str(error), 200)
        raise ValueError(
            f"{layer.name} ({type(layer).__name__}) cannot be made again from its configuration: {reason}"
        ) from error


def _configured(layer, config):
    """Of the class of `layer`. Its functions are passed on: of many, such as lambdas, Keras makes no second one."""
    names = {name for name in config if name in vars(layer) or isinstance(getattr(type(layer), name, None), property)}
    functions = {name: getattr(layer, name) for name in names if inspect.isroutine(getattr(layer, name, None))}
    if not isinstance(layer, keras.layers.Lambda):
        return type(layer).from_config(config | functions)
    if isinstance(config.get("output_shape"), dict):
        functions["output_shape"] = layer.compute_output_shape
    return type(layer)(**config | functions | {"arguments": layer.arguments})


def adapted(layer):
    """Whether a layer has a vocabulary that its configuration does not know."""
    return hasattr(layer, "get_vocabulary") and layer.get_config().get("vocabulary", ()) is None


def fill(layer, weights):
    """Sets the variables of a layer or model, and what `Normalization` makes of them, which Keras does only for files."""
    layer.set_weights(weights)
    for its in (layer, *inside(layer)):
        if isinstance(its, keras.layers.Normalization):
            its.finalize_state()


def carry(source, copy):
    """Gives a built copy of a layer its weights, and what no configuration has: which parts of it are frozen, and where its
    random generators are."""
    if not isinstance(source, keras.layers.Layer):  # an operation of keras.ops
        return
    for its, other in zip((source, *inside(source)), (copy, *inside(copy)), strict=False):
        if its.built and not other.built:  # as activations with weights are, when their layer is called
            other.build_from_config(its.get_build_config())
        if not its.trainable:
            other.trainable = False
    fill(copy, source.get_weights())
    for its, other in zip(_generators(source), _generators(copy), strict=False):
        other.assign(its)


def _generators(layer):
    weights = set(map(id, layer.weights))
    return [variable for variable in layer.variables if id(variable) not in weights]


def saved_model(model, folder):
    """Writes the plain form of `model` as a SavedModel with the signature `serve`: images float32
    `(batch of any size, height, width, channels)`, preprocessed as in training, to logits float32 `(batch, classes)`.

    The folder is written beside its place and renamed; an existing one is replaced only once the new one is whole.
    Raises InputError where it cannot be written, or is something else than a SavedModel.
    """
    folder = pathlib.Path(folder)
    if folder.exists() and not (folder / "saved_model.pb").exists():
        raise InputError(f"{folder} exists and is not a SavedModel; give another folder")
    neighbour, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{what}") for what in ("new", "old"))
    try:
        neighbour.parent.mkdir(parents=True, exist_ok=True)
        _save(_of_any_batch(plain(model)), neighbour)
        if folder.exists():
            folder.rename(old)
        neighbour.rename(folder)
    except OSError as error:
        raise InputError(f"cannot write {folder} ({error.strerror}); give another folder") from error
    finally:
        for leftover in (neighbour, old):
            shutil.rmtree(leftover, ignore_errors=True)
    return folder


def _of_any_batch(model):
    """A Sequential model that was built by its first images takes batches of their number only."""
    if not isinstance(model, keras.Sequential) or model.inputs[0].shape[0] is None:
        return model
    first = model.inputs[0]
    return keras.Sequential([keras.Input(first.shape[1:], dtype=first.dtype, name=first.name), *model.layers])


def _save(model, folder):
    """The function and its variables. What Keras' own export writes has every variable twice (Keras 3.15)."""
    module = tf.Module()
    module.weights = [variable.value for variable in model.weights]
    module.tables = [its.lookup_table for its in inside(model) if hasattr(its, "lookup_table")]
    signature = [tf.TensorSpec(x.shape, x.dtype, x.name) for x in model.inputs]

    def serve(*x):
        return model(x[0] if len(x) == 1 else keras.tree.pack_sequence_as(model.input, x), training=False)

    module.serve = tf.function(serve, input_signature=signature)
    tf.saved_model.save(module, folder, {"serve": module.serve, "serving_default": module.serve})


def keras_file(model, path):
    """Writes the plain form of `model` as a .keras file. Raises InputError where it cannot be written."""
    with tempfile.TemporaryDirectory() as folder:
        made = pathlib.Path(folder) / "model.keras"
        plain(model).save(made)
        return _written(path, made.read_bytes())


def tflite(model, path, images=None):
    """Writes the plain form of `model` for TensorFlow Lite: float32 in and out, any batch size.

    `images`: preprocessed images float32, after which weights and activations become int8. Raises InputError.
    """
    converter = tf.lite.TFLiteConverter.from_keras_model(_of_any_batch(plain(model)))
    if images is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in images)
    with hidden(1, 2):
        content = converter.convert()
    return _written(path, content)


def _written(path, content):
    try:
        records.write(path, lambda file: file.write(content))
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}); give another --output") from error
    return pathlib.Path(path)


# ---------------------------------------------------------------------------------------------------------------------
# Command line

FORMATS = {"saved_model": "", "keras": ".keras", "tflite": ".tflite", "supermask": ".supermask"}  # and their endings


def size_of(path):
    """Bytes of a file, or of all files in a folder."""
    path = pathlib.Path(path)
    return (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )


def _exported(model, path):
    from tf_supermask import compaction, container, products

    if FLAGS.compact and FLAGS.format == "supermask":
        raise InputError("--compact has no effect on a container, whose codes are of all units; leave it out")
    if FLAGS.int8 and FLAGS.format != "tflite":
        raise InputError(f"--int8 is for --format=tflite, not {FLAGS.format}")
    if FLAGS.images is not None and (FLAGS.format != "saved_model" or FLAGS.images < 1):
        raise InputError(
            f"--images={FLAGS.images} with --format={FLAGS.format}: it takes 1 or more, and --format=saved_model, which alone "
            "can hold other products"
        )
    if FLAGS.compact:
        model = compaction.compact(model)
    if FLAGS.images:
        model, rows = products.fastest(model, FLAGS.images)
        print("\n".join(map(products.line, rows)))
    if FLAGS.format == "tflite":
        return tflite(model, path, _some_images() if FLAGS.int8 else None)
    write = {"saved_model": saved_model, "keras": keras_file, "supermask": container.save}[FLAGS.format]
    write(model, path)
    return path


def _some_images():
    """200 training images of the run's data set, preprocessed."""
    from tf_supermask import data, runs

    _, record = runs.find_run(FLAGS.run)
    spec, shape = record["spec"], tuple(record["data"]["input_shape"])
    dataset = data.load(spec["dataset"], FLAGS.data_dir, data.default_cache_dir(), shape, spec.get("splits"))
    return data.PREPROCESS[spec["preprocess"]](dataset.train_images[:200])


def main(argv):
    del argv
    from tf_supermask import runs, sparsity

    logging.set_verbosity(logging.ERROR)
    try:
        if FLAGS.run is None:
            raise InputError("--run is missing; name a record: --run=results/EXPERIMENT/seed0")
        if FLAGS.format not in FORMATS:
            raise InputError(f"--format={FLAGS.format} is unknown; choose from {', '.join(FORMATS)}")
        run, _ = runs.find_run(FLAGS.run)
        name = (
            f"{run.experiment}_seed{run.seed}{'_compact' * FLAGS.compact}{'_int8' * FLAGS.int8}{FORMATS[FLAGS.format]}"
        )
        path = FLAGS.output or os.path.join("exported", name)
        model = runs.load_run(FLAGS.run)
        _exported(model, path)
        dense = sparsity.dense_bytes(plain(model))
        print(f"wrote {path}: {size_of(path):,} bytes; the dense network has {dense:,} bytes of weights")
    except (InputError, ValueError) as error:
        fail(error)


def define_flags():
    flags.DEFINE_string("run", None, "record of the run: results/EXPERIMENT/seed0")
    flags.DEFINE_string("format", "saved_model", f"one of {', '.join(FORMATS)}")
    flags.DEFINE_boolean("compact", False, "without dead units")
    flags.DEFINE_boolean("int8", False, "of TFLite: weights and activations as int8, scaled by 200 training images")
    flags.DEFINE_integer(
        "images", None, "of SavedModels: how many a call takes; dense layers multiply as is fastest then"
    )
    flags.DEFINE_string("output", None, "file or folder to write; default: exported/EXPERIMENT_seedN...")
    flags.DEFINE_string("data_dir", None, "folder of tensorflow-datasets, for --int8; default: $TFDS_DATA_DIR")


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=parse)
