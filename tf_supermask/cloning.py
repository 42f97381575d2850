"""Copies of models and layers: the same configuration and state, other layers where wanted."""

import contextlib
import inspect
import textwrap
import warnings

import keras

from tf_supermask import graph
from tf_supermask.graph import inside


def checked(model):
    """Raises ValueError where `model` is not a built Sequential or functional model, of which a clone can be made."""
    keras_model(model)
    if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
        raise ValueError(f"this needs a Sequential or functional model. Received: {type(model).__name__}, subclassed")
    built_model(model)
    kind = type(graph.functional(model)) if hasattr(model, "operations") else keras.Sequential
    if type(model).call is not kind.call:
        raise ValueError(
            f"this needs a model whose layers are all it does. Received: {type(model).__name__}, with its own call"
        )
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
    that it is made of, and with the vocabulary that it has adapted to. Raises ValueError where its configuration does not do.
    """
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
    for variables in (_generators, graph.own_variables):
        for its, other in zip(variables(source), variables(copy), strict=False):
            other.assign(its)


def state(layer):
    """All variables of Keras of a layer: its weights, and where its random generators are."""
    return [*layer.weights, *_generators(layer)]


def _generators(layer):
    weights = set(map(id, layer.weights))
    return [variable for variable in layer.variables if id(variable) not in weights]
