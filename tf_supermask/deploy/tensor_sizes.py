"""Sizes of tensors that a model makes, from their shapes: nothing is computed."""

import math

import keras

from tf_supermask import graph


def largest(model):
    """The number of values of the largest tensor between layers, also of models inside a model: for one input, or for a batch
    where its size is fixed."""
    layers = getattr(model, "operations", model.layers)
    tensors = keras.tree.flatten([model.inputs, [layer.output for layer in layers]])
    inner = [largest(layer) for layer in layers if graph.is_graph(layer)]
    return max([math.prod(size or 1 for size in tensor.shape) for tensor in tensors] + inner)


def states(model):
    """How many numbers the recurrent layers in a model would keep from batch to batch if all of them were stateful: those that
    read batches of a fixed size."""
    return sum(_states(layer) for layer in graph.inside(model) if isinstance(layer, keras.layers.RNN))


def _states(layer):
    built = layer.get_build_config() or {}
    batch, *_ = built.get("input_shape") or built.get("shapes_dict", {}).get("sequences_shape") or [None]
    if batch is None:
        return 0
    symbolic = keras.layers.Lambda(lambda x: layer.get_initial_state(batch))(keras.Input((1,)))
    return sum(math.prod(state.shape) for state in keras.tree.flatten(symbolic))
