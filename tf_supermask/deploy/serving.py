"""A model as a SavedModel of one function, `serve`: the model's outputs in inference, each masked layer with one kernel.

The model is traced as it is, not copied: whatever its layers read goes along, be it a weight, the state of a random generator, a
variable of TensorFlow, a lookup table or a file. What the function does not read, such as scores and frozen weights, does not.
`keras.Model.export` stores every variable twice (Keras 3.15).
"""

import re

import keras
import tensorflow as tf

from tf_supermask import graph
from tf_supermask.signed_mask import kernels_from

_RESOURCES = (tf.saved_model.experimental.TrackableResource, tf.saved_model.Asset)


def save(model, folder):
    """Writes a built model to a folder that does not exist. Raises what TensorFlow raises where it cannot.

    `serve` takes the model's inputs in the order of `model.inputs`, of any batch size unless a layer is stateful, and returns
    what the model returns. Signatures `serve` and `serving_default` have named inputs, and outputs in one dictionary.
    """
    with kernels_from(_folded({})):
        if not hasattr(model, "inputs"):  # a subclassed model: only Keras knows what it was called with
            return model.export(folder, format="tf_saved_model", verbose=False)
        module = tf.Module()
        module.serve = _function(model)
        traced = module.serve.get_concrete_function()
        module.read = traced.variables
        module.resources = list(graph.parts(model, _RESOURCES))
        signature = _signature(module.serve, traced)
        tf.saved_model.save(module, folder, {"serve": signature, "serving_default": signature})


def _folded(kernels):
    """Layer -> its kernel, a variable that is made when the layer is first called; `kernels` keeps them."""

    def kernel_of(layer):
        if id(layer) not in kernels:
            with tf.init_scope():
                kernel = keras.ops.cast(layer.effective_kernel, layer.variable_dtype)
                kernels[id(layer)] = tf.Variable(kernel, trainable=False, name="kernel")
        return kernels[id(layer)]

    return kernel_of


def _function(model):
    """The traceable function of a functional or Sequential model."""

    def serve(*inputs):
        sequential = isinstance(model, keras.Sequential)
        return model(inputs[0] if sequential else keras.tree.pack_sequence_as(model.input, inputs), training=False)

    names = _argument_names([x.name for x in model.inputs])
    stateful = any(getattr(its, "stateful", False) for its in graph.parts(model, keras.layers.Layer))
    specs = [_spec(x, name, stateful) for x, name in zip(model.inputs, names, strict=True)]
    return tf.function(serve, input_signature=specs, autograph=False)


def _spec(x, name, fixed_batch):
    shape = x.shape if fixed_batch else (None,) * (len(x.shape) > 0) + x.shape[1:]
    if x.sparse:
        return tf.SparseTensorSpec(shape, x.dtype)
    return tf.TensorSpec(shape, x.dtype, name)


def _argument_names(names):
    """Names of tensors as different names of arguments."""
    found = []
    for name in names:
        clean = re.sub(r"\W", "_", name)
        clean = clean if re.match(r"[A-Za-z]", clean) else f"input_{clean}"
        found.append(clean if clean not in found else f"{clean}_{len(found)}")
    return found


def _signature(function, traced):
    """What a signature is made of: the function where its outputs are a tensor or a dictionary of tensors, else one that
    names them by their places."""
    outputs = traced.structured_outputs
    if not keras.tree.is_nested(outputs) or not any(map(keras.tree.is_nested, graph._items(outputs))):
        return function

    def named(*inputs):
        return {"_".join(map(str, path)): x for path, x in keras.tree.flatten_with_path(function(*inputs))}

    return tf.function(named, input_signature=function.input_signature, autograph=False)
