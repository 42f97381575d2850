"""The graph of a model: every use of every layer, in the order in which they are computed.

Keras shows what a layer reads only where it is used once. Here the graph is drawn again with a stand-in for each use; the model
and its layers stay as they are.
"""

import contextlib
import random
from typing import NamedTuple

import keras
import tensorflow as tf


class Call(NamedTuple):
    """One use of a layer, or of an operation of keras.ops: its arguments, and the tensors that came out."""

    layer: keras.Operation
    args: tuple
    kwargs: dict
    outputs: list

    @property
    def inputs(self):
        """All tensors among the arguments."""
        return [x for x in keras.tree.flatten((self.args, self.kwargs)) if isinstance(x, keras.KerasTensor)]

    @property
    def options(self):
        """Names of the arguments that can make this use another one than `layer(x)`."""
        given = {name: keras.tree.flatten(value) for name, value in self.kwargs.items()}
        return ["more than one input"] * (len(self.args) != 1) + [
            name for name, values in given.items() if any(its is not None and its is not False for its in values)
        ]


class Graph(NamedTuple):
    """Flat lists; tensors are known by their identity."""

    inputs: list
    calls: list
    outputs: list


class _Use(keras.Operation):
    """Stands for one use of a layer: has its outputs' shapes, and leaves no trace in it."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def compute_output_spec(self, *args, **kwargs):
        return self.layer.compute_output_spec(*args, **kwargs)

    def call(self, *args, **kwargs):
        return self.layer(*args, **kwargs)


def of(model):
    """The Graph of a built Sequential or functional model."""
    calls = []

    def use(layer, *args, **kwargs):
        outputs = _Use(layer)(*args, **kwargs)
        calls.append(Call(layer, args, kwargs, keras.tree.flatten(outputs)))
        return outputs

    # Keras shows no calls of a Sequential model, and would compile the drawing of a compiled one.
    drawn = keras.models.clone_model(functional(model), clone_function=lambda layer: layer, call_function=use)
    return Graph(drawn.inputs, calls, drawn.outputs)


@contextlib.contextmanager
def same_randomness():
    """Leaves Python's random state as it was: Keras draws from it the seeds of new layers, also of those made to be asked."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


def functional(model):
    """A functional model of the layers of a built Sequential or functional one, not compiled."""
    sequential = isinstance(model, keras.Sequential)
    ends = (model.inputs, model.outputs) if sequential else (model.input, model.output)
    return keras.Model(*ends, name=model.name)


def is_graph(layer):
    """Whether a layer is a model that has a graph: a functional or a built Sequential one."""
    return hasattr(layer, "operations") or (isinstance(layer, keras.Sequential) and layer.built)


def inside(layer):
    """All layers that a layer holds, however deep: those of a model or a wrapper, and those of a user's own layer, in attributes,
    lists and dictionaries. Each once."""
    seen = {id(layer)}

    def held(its):
        if id(its) in seen or not isinstance(its, (keras.layers.Layer, dict, list, tuple, set)):
            return
        seen.add(id(its))
        if isinstance(its, keras.layers.Layer):
            yield its
            its = vars(its)
        for part in its.values() if isinstance(its, dict) else its:
            yield from held(part)

    yield from held(vars(layer))


def _items(structure):
    return structure.values() if isinstance(structure, dict) else structure


def own_variables(layer):
    """Variables of TensorFlow that a layer or model keeps itself, in order; Keras neither counts nor saves them."""
    return list(parts(layer, tf.Variable))


def parts(obj, kind, seen=None):
    """All objects of a kind that hang on layers and modules, in attributes, lists and dictionaries."""
    seen = {} if seen is None else seen
    if id(obj) in seen:
        return
    seen[id(obj)] = obj
    if isinstance(obj, kind):
        yield obj
    inside = vars(obj) if isinstance(obj, (keras.layers.Layer, tf.Module)) else obj
    if isinstance(inside, (list, tuple, set, dict)):
        for its in list(_items(inside)):
            yield from parts(its, kind, seen)
