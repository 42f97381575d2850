"""The graph of a model: every use of every layer, in the order in which they are computed.

The public API of Keras shows the inputs of a layer only if the layer is used once. Here the graph is computed again, with a
stand-in for each use. The model and its layers are not changed.
"""

import contextlib
import random
import sys
from typing import NamedTuple

import keras


class Call(NamedTuple):
    """One use of a layer or of an operation of keras.ops: its arguments and the tensors that it returned."""

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
        """Names of the arguments that can make the result differ from `layer(x)`."""
        given = {name: keras.tree.flatten(value) for name, value in self.kwargs.items()}
        return ["more than one input"] * (len(self.args) != 1) + [
            name for name, values in given.items() if any(value is not None and value is not False for value in values)
        ]


class Graph(NamedTuple):
    """Flat lists; the identity of a tensor says where it is used."""

    inputs: list
    calls: list
    outputs: list


class _Use(keras.Operation):
    """Stand-in for one use of a layer: has the shapes of its outputs, and does not change the layer."""

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

    # clone_model takes a call_function for functional models only, and would compile the clone of a compiled model.
    clone = keras.models.clone_model(functional(model), clone_function=lambda layer: layer, call_function=use)
    return Graph(clone.inputs, calls, clone.outputs)


@contextlib.contextmanager
def same_randomness():
    """Restores the state of Python's random generator, from which Keras draws the seeds of new layers: making temporary layers
    does not change the seeds of later ones."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


def functional(model):
    """A functional model with the layers of a built Sequential or functional model, not compiled."""
    sequential = isinstance(model, keras.Sequential)
    ends = (model.inputs, model.outputs) if sequential else (model.input, model.output)
    return keras.Model(*ends, name=model.name)


def is_graph(layer):
    """Whether a layer is a model with a graph: functional, or Sequential and built."""
    return hasattr(layer, "operations") or (isinstance(layer, keras.Sequential) and layer.built)


def leaves(model):
    """All layers of a model and of the models inside it, without these."""
    for layer in model.layers:
        if is_model(layer):
            yield from leaves(layer)
        else:
            yield layer


def inside(layer):
    """All layers inside a layer, each once: those of a model or wrapper, and those in attributes, lists and dictionaries of a
    user's own layer, at any depth."""
    return (path[-1] for path in paths(layer))


def paths(layer):
    """For each of the layers `inside` a layer the tuple of layers that lead to it, and itself."""
    seen = {id(layer)}

    def held(part, path):
        if id(part) in seen or not isinstance(part, (keras.layers.Layer, dict, list, tuple, set)):
            return
        seen.add(id(part))
        if isinstance(part, keras.layers.Layer):
            path = (*path, part)
            yield path
            part = vars(part)
        for inner in items(part):
            yield from held(inner, path)

    yield from held(vars(layer), ())


def is_model(layer):
    """Whether a layer is a Sequential or functional model of Keras that only calls its layers, of which a clone can be made."""
    return is_graph(layer) and type(layer).__module__.startswith("keras.")


def items(structure):
    """The values of a dictionary, or the items of another collection."""
    return structure.values() if isinstance(structure, dict) else structure


def variables(layer):
    """Variables of Keras of a layer, and those that Keras does not count: the states of recurrent layers from batch to batch."""
    counted = layer.variables
    known = set(map(id, counted))
    return counted + [variable for variable in parts(layer, keras.Variable) if id(variable) not in known]


def own_variables(layer):
    """Variables of TensorFlow that a layer or model keeps itself, in order. Keras neither counts nor saves them."""
    return list(parts(layer, _tensorflow("Variable")))


def _tensorflow(name):
    """`(tensorflow.NAME,)`, empty where TensorFlow is not loaded: then nothing is of that class."""
    return (getattr(sys.modules["tensorflow"], name),) if "tensorflow" in sys.modules else ()


def parts(obj, kind, seen=None):
    """All objects of class `kind` in `obj`: in attributes of layers and modules, in lists and dictionaries."""
    seen = {} if seen is None else seen
    if id(obj) in seen:
        return
    seen[id(obj)] = obj
    if isinstance(obj, kind):
        yield obj
    content = vars(obj) if isinstance(obj, (keras.layers.Layer, *_tensorflow("Module"))) else obj
    if isinstance(content, (list, tuple, set, dict)):
        for part in list(items(content)):
            yield from parts(part, kind, seen)
