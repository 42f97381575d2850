"""A model as a SavedModel with one function, `serve`: the outputs of `model(x)`, with one kernel per masked layer.

The model is traced, not copied: all that its layers read is stored, be it a weight, the state of a random generator, a
variable of TensorFlow, a lookup table or a file. What the function does not read, such as scores and frozen weights, is not
stored. `keras.Model.export` would store every variable twice (Keras 3.15).
"""

import re

import keras
import tensorflow as tf

from tf_supermask import graph
from tf_supermask.masked_kernel import kernels_from

_RESOURCES = (tf.saved_model.experimental.TrackableResource, tf.saved_model.Asset)


def save(model, folder, training=None):
    """Writes a built model to a new folder. Raises the errors of TensorFlow if it cannot.

    `serve` takes the model's inputs in the order of `model.inputs`, of any batch size unless a layer is stateful, and returns
    what `model(x, training=training)` does. By default that is `model(x)`, as in Keras' own export: a layer that was called with
    `training=True` does in `serve` what it does in training; False overrides it, as `predict` does.

    Signatures `serve` and `serving_default` have named inputs, and return a dictionary.
    """
    with kernels_from(_folded({})):
        if not hasattr(model, "inputs"):  # a subclassed model: only Keras knows what it was called with
            return model.export(folder, format="tf_saved_model", verbose=False)
        module = tf.Module()
        module.serve = _function(model, training)
        traced = module.serve.get_concrete_function()
        module.read = traced.variables
        module.resources = list(graph.parts(model, _RESOURCES))
        signature = _signature(module.serve, traced)
        tf.saved_model.save(module, folder, {"serve": signature, "serving_default": signature})


def _folded(kernels):
    """A function MaskedKernel -> kernel, a variable that is made at the first call of the layer and kept in `kernels`."""

    def kernel_of(masked):
        if id(masked.score) not in kernels:
            with tf.init_scope():
                kernel = keras.ops.cast(masked.array(), masked.layer.variable_dtype)
                kernels[id(masked.score)] = tf.Variable(kernel, trainable=False, name="kernel")
        return kernels[id(masked.score)]

    return kernel_of


def _function(model, training):
    """The traceable function of a functional or Sequential model."""
    options = {} if training is None else {"training": training}

    def serve(*inputs):
        sequential = isinstance(model, keras.Sequential)
        return model(inputs[0] if sequential else keras.tree.pack_sequence_as(model.input, inputs), **options)

    names = _argument_names([x.name for x in model.inputs])
    stateful = any(getattr(layer, "stateful", False) for layer in graph.parts(model, keras.layers.Layer))
    specs = [_spec(x, name, stateful) for x, name in zip(model.inputs, names, strict=True)]
    return tf.function(serve, input_signature=specs, autograph=False)


def _spec(x, name, fixed_batch):
    shape = x.shape if fixed_batch else (None,) * (len(x.shape) > 0) + x.shape[1:]
    if x.sparse:
        return tf.SparseTensorSpec(shape, x.dtype)
    return tf.TensorSpec(shape, x.dtype, name)


def _argument_names(names):
    """Valid and different names of arguments for tensors of these names."""
    arguments = []
    for name in names:
        argument = re.sub(r"\W", "_", name)
        argument = argument if re.match(r"[A-Za-z]", argument) else f"input_{argument}"
        arguments.append(argument if argument not in arguments else f"{argument}_{len(arguments)}")
    return arguments


def _signature(function, traced):
    """The function of a signature: `function` if it returns a tensor or a dictionary of tensors, else one that names the outputs
    by their paths."""
    outputs = traced.structured_outputs
    if not keras.tree.is_nested(outputs) or not any(map(keras.tree.is_nested, graph.items(outputs))):
        return function

    def named(*inputs):
        return {"_".join(map(str, path)): x for path, x in keras.tree.flatten_with_path(function(*inputs))}

    return tf.function(named, input_signature=function.input_signature, autograph=False)
