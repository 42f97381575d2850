"""Trained runs for others to use: python -m tf_supermask.export --run=results/EXPERIMENT/seed0 --format=saved_model

A masked model becomes a plain Keras model, and that a SavedModel, a Keras file or a TFLite file, none of which needs this
package, or a small container, which does.
"""

import contextlib
import inspect
import os
import pathlib
import re
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

    from tf_supermask import graph, paths, records, serving
    from tf_supermask.errors import InputError, fail, one_line, parse
    from tf_supermask.graph import inside
    from tf_supermask.layers import SignedMask

FLAGS = flags.FLAGS
_PRECISIONS = {"float16", "bfloat16", "float64"}  # other than float32


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
    keras_model(model)
    if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
        raise ValueError(f"this needs a Sequential or functional model. Received: {type(model).__name__}, subclassed")
    built_model(model)
    kind = type(graph.functional(model)) if hasattr(model, "operations") else keras.Sequential
    if type(model).call is not kind.call:
        raise ValueError(f"this needs a model whose layers are all it does. Received: {type(model).__name__}, with its own call")
    quantized = [its.name for its in inside(model) if getattr(its, "quantization_mode", None)]
    if quantized:
        raise ValueError(f"this needs a model that is not quantized yet. Received: {quantized[0]}, quantized")


def built_model(model):
    """Raises ValueError where `model` is not a Keras model that is built."""
    keras_model(model)
    if not model.built:
        raise ValueError("this needs a built model: begin with keras.Input, or call the model once")


def keras_model(model):
    """Raises ValueError where `model` is not a model of Keras 3."""
    if isinstance(model, keras.Model):
        return
    if any(cls.__module__.split(".")[0] == "tf_keras" for cls in type(model).__mro__):
        raise ValueError(f"this needs a Keras 3 model, received one of tf_keras: {type(model).__name__}")
    hint = "; a tensor is not a model: keras.Model(inputs, outputs)" if isinstance(model, keras.KerasTensor) else ""
    raise ValueError(f"this needs a Keras model. Received: {type(model).__name__}{hint}")


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
    with refused_in_one_line(layer):
        copy = _configured(layer, layer.get_config() | changes)
    copy.name = layer.name  # which a configuration may lack
    if adapted(layer):
        copy.set_vocabulary(layer.get_vocabulary())
    return copy


@contextlib.contextmanager
def refused_in_one_line(layer):
    """Makes a ValueError of one line of whatever goes wrong while a layer is made again from its configuration."""
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
    """Gives a built copy of a layer its weights, and what no configuration has: which parts of it are frozen, where its
    random generators are, and what variables of TensorFlow it keeps itself."""
    if not isinstance(source, keras.layers.Layer):  # an operation of keras.ops
        return
    for its, other in zip((source, *inside(source)), (copy, *inside(copy)), strict=False):
        if its.built and not other.built:  # as activations with weights are, when their layer is called
            other.build_from_config(its.get_build_config())
        if not its.trainable:
            other.trainable = False
    fill(copy, source.get_weights())
    for variables in (_generators, serving.own_variables):
        for its, other in zip(variables(source), variables(copy), strict=False):
            other.assign(its)


def _generators(layer):
    weights = set(map(id, layer.weights))
    return [variable for variable in layer.variables if id(variable) not in weights]


def saved_model(model, folder):
    """Writes a model, its masks folded into kernels, as a SavedModel that needs no code of this package.

    Its function `serve` takes the model's inputs in the order of `model.inputs`, of any batch size unless a layer is stateful
    (of the papers' networks: images float32 `(batch, height, width, channels)`, preprocessed as in training), and returns what
    the model returns (logits float32 `(batch, classes)`). Of a rule that samples, one sample is written.

    `model`: any built Keras model. The folder is written beside its place and renamed; an existing one is replaced only once the
    new one is whole, and comes back where it cannot be. A link is followed. Raises ValueError for anything but a Keras model,
    InputError where the folder cannot be written, is something else than a SavedModel, or the model cannot be traced.
    """
    built_model(model)
    place = pathlib.Path(os.path.realpath(folder))
    if place.exists() and not (place / "saved_model.pb").exists():
        raise InputError(f"{folder} exists and is not a SavedModel; give another folder")
    try:
        _replace(place, lambda new: _served(model, new))
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or _line(error)
        raise InputError(f"cannot write {folder} ({reason}); give another folder") from error
    return pathlib.Path(folder)


def _replace(folder, write):
    """Calls `write(path)` for a folder beside `folder` and renames it; whatever goes wrong, an earlier one is there again."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    neighbour = pathlib.Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    new, old = neighbour / "new", neighbour / "old"
    try:
        write(new)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(neighbour, ignore_errors=True)


def _served(model, folder, prepare=lambda model: model):
    """`serving.save` of `prepare(model)`, whose errors that are not of the disk become an InputError."""
    try:
        serving.save(prepare(model), folder)
    except (OSError, tf.errors.OpError):
        raise
    except Exception as error:
        raise InputError(f"{model.name} cannot be exported: {one_line(error)}") from error


def keras_file(model, path):
    """Writes the plain form of `model` as a .keras file. Raises InputError where it cannot be written."""
    with tempfile.TemporaryDirectory() as folder:
        made = pathlib.Path(folder) / "model.keras"
        plain(model).save(made)
        return _written(path, made.read_bytes())


def tflite(model, path, images=None):
    """Writes a model, its masks folded into kernels, for TensorFlow Lite: float32 in and out, any batch size.

    A model of another precision is computed in float32. `images`: preprocessed images float32, after which weights and
    activations become int8, of models of one input. Raises ValueError for anything but a Keras model, InputError where it cannot
    be converted or written.
    """
    built_model(model)
    read = [(_float32(x.dtype), x.shape) for x in getattr(model, "inputs", ())]
    if images is not None and [dtype for dtype, _ in read] != ["float32"]:
        read = ", ".join(f"{dtype} {shape}" for dtype, shape in read) or "what is not known"
        raise InputError(f"int8 is for models that read one float32 tensor. Received: {model.name}, which reads {read}")
    with tempfile.TemporaryDirectory() as folder:
        saved = os.path.join(folder, "model")
        _served(model, saved, _in_float32)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=["serving_default"])
        if images is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([image[None]] for image in images)
        content = _converted(converter, model.name)
    return _written(path, content)


def _converted(converter, name):
    try:
        with hidden(1, 2, show=False):
            return converter.convert()
    except Exception as error:  # the converter's own has no public name
        reason = re.search(r"error: (?:loc\(.*\): )?(.+)|(.+)", str(error))
        reason = (reason[1] or reason[2]) if reason else type(error).__name__
        raise InputError(f"{name} cannot be converted for TensorFlow Lite: {reason}") from error


def _in_float32(model):
    """The model, or a plain clone that reads and computes float32 where the model has another precision."""
    precisions = {its.compute_dtype for its in inside(model)} | {x.dtype for x in getattr(model, "inputs", ())}
    if not precisions & _PRECISIONS or not hasattr(model, "inputs"):
        return model
    source = plain(model)
    inputs = source.inputs[0] if isinstance(source, keras.Sequential) else source.input
    clone = keras.models.clone_model(
        source,
        keras.tree.map_structure(lambda x: keras.Input(batch_shape=x.shape, dtype=_float32(x.dtype), name=x.name), inputs),
        clone_function=_copied_in_float32,
    )
    for layer, target in zip(source.layers, clone.layers, strict=True):
        fill(target, layer.get_weights())
    return clone


def _copied_in_float32(layer):
    config = _float32(layer.get_config())
    return type(layer).from_config(config) if graph.is_graph(layer) else copied(layer, **config)


def _float32(config):
    """A configuration, or the name of a dtype or policy, with float32 in place of every other precision."""
    if isinstance(config, str):
        return "float32" if config.removeprefix("mixed_") in _PRECISIONS else config
    if isinstance(config, dict):
        return {key: _float32(value) for key, value in config.items()}
    return type(config)(map(_float32, config)) if isinstance(config, (list, tuple)) else config


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


def define_flags(values=FLAGS):
    text, boolean, path = flags.DEFINE_string, flags.DEFINE_boolean, paths.define_path
    for define, name, default, help_ in (
        (path, "run", None, "record of the run: results/EXPERIMENT/seed0"),
        (text, "format", "saved_model", f"one of {', '.join(FORMATS)}"),
        (boolean, "compact", False, "without dead units"),
        (boolean, "int8", False, "of TFLite: weights and activations as int8, scaled by 200 training images"),
        (flags.DEFINE_integer, "images", None, "of SavedModels: how many a call takes; dense layers multiply as is fastest then"),
        (path, "output", None, "file or folder to write; default: exported/EXPERIMENT_seedN..."),
        (path, "data_dir", None, "folder of tensorflow-datasets, for --int8; default: $TFDS_DATA_DIR"),
    ):
        define(name, default, help_, flag_values=values)


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=parse)
