"""Export for TensorFlow Lite, in float32 or, with calibration images, in int8."""

import contextlib
import os
import re
import warnings

import keras
import tensorflow as tf

from tf_supermask import cloning, conversion, files, graph
from tf_supermask.deploy import calibration
from tf_supermask.deploy.saved_model import temporary_folder, write_file, write_served
from tf_supermask.errors import InputError
from tf_supermask.silence import hidden

_PRECISIONS = {"float16", "bfloat16", "float64"}  # other than float32


def export_tflite(model, path, images=None):
    """Writes a model, its masks folded into kernels, for TensorFlow Lite: float32 in and out, any batch size.

    A model of another precision is computed in float32, and all layers do what they do in inference, as in `keras.Model.export`
    for this format. A model with operations that TensorFlow Lite does not have, as recurrent layers for any batch size have, is
    written with those of TensorFlow, with a warning: the interpreter that runs it needs the Flex delegate.

    `images`: preprocessed images, float32; with them weights and activations become int8, for models of one input. Raises
    ValueError for anything but a Keras model, InputError for images that do not fit its input, and if it cannot be converted or
    written.
    """
    files.expanded(path)  # is one, before the model is converted, which takes long
    cloning.built_model(model)
    read = [(_float32(x.dtype), x.shape) for x in getattr(model, "inputs", ())]
    if images is not None and [dtype for dtype, _ in read] != ["float32"]:
        read = ", ".join(f"{dtype} {shape}" for dtype, shape in read) or "inputs that are not known"
        raise InputError(f"int8 is for models that read one float32 tensor. Received: {model.name}, which reads {read}")
    images = None if images is None else calibration.checked(images, model)
    with temporary_folder() as folder:
        saved = os.path.join(folder, "model")
        write_served(model, saved, _in_float32, training=False)
        content = _converted(lambda: _converter(saved, images), model.name)
    return write_file(path, content)


def _converter(saved, images):
    converter = tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=["serving_default"])
    if images is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in images)
    return converter


def _converted(make, name):
    """What a converter that `make` returns gives, or, if it cannot, one that may take operations of TensorFlow. Raises InputError
    if neither can; the reason is that of the first."""
    try:
        with hidden(1, 2, show=False):
            return make().convert()
    except Exception as error:  # the class of the converter's errors has no public name
        content = _with_tensorflow(make)
        if content is not None:
            warnings.warn(f"{name} needs operations of TensorFlow: run it with the Flex delegate", stacklevel=3)
            return content
        text = str(error).strip() or type(error).__name__
        reason = (re.search(r"error: (?:loc\(.*?\)+: )?(.+)", text) or re.search(r"(.+)", text))[1]
        raise InputError(f"{name} cannot be converted for TensorFlow Lite: {reason}") from error


def _with_tensorflow(make):
    """What a converter that `make` returns gives if it may take operations of TensorFlow; None if it cannot."""
    with contextlib.suppress(Exception), hidden(1, 2, show=False):  # the error of the first converter is shown
        converter = make()
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
        return converter.convert()


def _in_float32(model):
    """The model if it is float32, else a plain clone that reads and computes float32."""
    precisions = {layer.compute_dtype for layer in graph.inside(model)} | {
        x.dtype for x in getattr(model, "inputs", ())
    }
    if not precisions & _PRECISIONS or not hasattr(model, "inputs"):
        return model
    source = conversion.strip_masks(model)
    inputs = source.inputs[0] if isinstance(source, keras.Sequential) else source.input
    clone = keras.models.clone_model(
        source,
        keras.tree.map_structure(
            lambda x: keras.Input(batch_shape=x.shape, dtype=_float32(x.dtype), name=x.name), inputs
        ),
        clone_function=_copied_in_float32,
    )
    for layer, target in zip(source.layers, clone.layers, strict=True):
        cloning.fill(target, layer.get_weights())
    return clone


def _copied_in_float32(layer):
    config = _float32(layer.get_config())
    return type(layer).from_config(config) if graph.is_graph(layer) else cloning.copied(layer, **config)


def _float32(config):
    """A configuration or the name of a dtype or policy, with float32 in place of other precisions of floats."""
    if isinstance(config, str):
        return "float32" if config.removeprefix("mixed_") in _PRECISIONS else config
    if isinstance(config, dict):
        return {key: _float32(value) for key, value in config.items()}
    return type(config)(map(_float32, config)) if isinstance(config, (list, tuple)) else config
