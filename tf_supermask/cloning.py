"""Copies of models and layers with the same configuration and state, in which some layers may be replaced."""

import contextlib
import inspect
import itertools
import textwrap
import warnings

import keras

from tf_supermask import arguments, graph, replacing
from tf_supermask.masked import Masked


def checked(model):
    """`model`. Raises ValueError if `model` is not a built Sequential or functional model that Keras can clone."""
    keras_model(model)
    if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
        masked = any(hasattr(type(part), "masked_kernels") for part in graph.inside(model))
        hint = "export_saved_model writes it" if masked else "mask_layers masks its layers in place, before its first call"
        raise ValueError(
            f"`model` must be a Sequential or functional model. Received: {type(model).__name__}, subclassed; {hint}"
        )
    built_model(model)
    if not hasattr(model, "inputs"):  # Keras builds a Sequential model without them where a shape is not known
        raise ValueError(
            f"`model` must be one whose layers all know the shapes of their outputs. Received: {model.name}, "
            "of which Keras makes no graph; give its own layers compute_output_shape"
        )
    kind = type(graph.functional(model)) if hasattr(model, "operations") else keras.Sequential
    if type(model).call is not kind.call:
        raise ValueError(
            f"`model` must be one that only calls its layers. Received: {type(model).__name__}, with its own call"
        )
    quantized = [layer.name for layer in graph.inside(model) if getattr(layer, "quantization_mode", None)]
    if quantized:
        raise ValueError(f"`model` must be one that is not quantized yet. Received: {quantized[0]}, quantized")
    return model


def built_model(model):
    """Raises ValueError if `model` is not a built Keras model."""
    keras_model(model)
    if not model.built:
        raise ValueError("`model` must be built: begin with keras.Input, or call the model once")


def keras_model(model):
    """Raises ValueError if `model` is not a Keras 3 model."""
    if isinstance(model, keras.Model):
        return
    arguments.keras_3("model", model, "model")
    hint = "; a tensor is not a model: keras.Model(inputs, outputs)" if isinstance(model, keras.KerasTensor) else ""
    raise ValueError(f"`model` must be a Keras model. Received: {type(model).__name__}{hint}")


@graph.same_randomness()
def cloned(model, make, inputs=None):
    """`(clone, pairs)`: a clone of a Sequential or functional model, and pairs of each layer or operation and its copy, which the
    function `make` returns for it. `inputs`: the inputs of the clone, a list, by default like those of the model.

    The clone is compiled like the model if Keras can make its loss and metrics again.
    """
    pairs, compiled = [], model.compiled

    def made(layer):
        copy = make(layer)
        pairs.append((layer, copy))
        return copy

    try:
        model.compiled = False
        structure = model.inputs if isinstance(model, keras.Sequential) else model.input
        given = {} if inputs is None else {"input_tensors": keras.tree.pack_sequence_as(structure, inputs)}
        clone = keras.models.clone_model(model, clone_function=made, **given)
    finally:
        model.compiled = compiled
    clone.dtype_policy = model.dtype_policy  # Keras gives a clone the global one
    if compiled:
        with contextlib.suppress(TypeError, ValueError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of losses that are lambdas
            clone.compile_from_config(model.get_compile_config())
    return clone, pairs


_HARMLESS = {"build", "call", "compute_output_shape", "from_config", "get_config"}  # methods that do not train
_PASSED_ON = {"self", "args", "kwargs", "inputs", "outputs", "name", "trainable"}  # arguments that Keras gives a clone


def same_training(model, clone, pairs):
    """Freezes in a clone the variables that are frozen by themselves in the model. Raises ValueError for a model whose class
    trains in its own way, if the clone is of another class or lacks what the class was given."""
    for layer, copy in pairs:
        if isinstance(layer, keras.layers.Layer):
            for variable, other in zip(layer.weights, copy.weights, strict=False):
                other.trainable = variable.trainable
    own = list(itertools.takewhile(lambda its: not its.__module__.startswith("keras."), type(model).__mro__))
    methods = {name for its in own for name in vars(its) if hasattr(keras.Model, name) and not name.startswith("_")}
    given = {name for its in own if "__init__" in vars(its) for name in inspect.signature(its.__init__).parameters}
    if methods - _HARMLESS and (type(clone) is not type(model) or given - _PASSED_ON):
        raise ValueError(
            f"`model` must train as Keras' models do, or be functional and of a class without arguments of its own. Received: "
            f"{type(model).__name__}, with its own {', '.join(sorted(methods - _HARMLESS))}"
        )


def copied(layer, /, **changes):
    """A layer or operation with the same configuration but for `changes`, not built: with the same functions, and with the
    vocabulary that the layer has adapted to. Raises ValueError if it cannot be made from its configuration.
    """
    if graph.is_model(layer):
        return cloned(layer, copied)[0]
    if isinstance(layer, Masked):
        return layer.around(copied(layer.layer))
    with refused_in_one_line(layer):
        copy = _configured(layer, layer.get_config() | changes)
    copy.name = layer.name  # a user's get_config may leave it out
    if adapted(layer):
        copy.set_vocabulary(layer.get_vocabulary())
    if not type(layer).__module__.startswith("keras.") and isinstance(layer, keras.layers.Layer):
        _with_parts_of(layer, copy)
    return copy


def _with_parts_of(layer, copy):
    """Gives a new copy of a user's own layer parts of the classes of those of the layer, which may have been replaced."""
    parts = replacing.by_path(layer)

    def made(part, path):
        return None if path not in parts or type(parts[path]) is type(part) else copied(parts[path])

    replacing.replace(copy, made)


@contextlib.contextmanager
def refused_in_one_line(layer):
    """Turns any error while a layer is made again from its configuration into a ValueError of one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of lambdas; they are passed on here
            yield
    except Exception as error:  # the code of a user's layer may raise any
        reason = textwrap.shorten(str(error), 200)
        raise ValueError(
            f"{layer.name} ({type(layer).__name__}) cannot be made again from its configuration: {reason}"
        ) from error


def functions(layer, config):
    """Name -> function of the arguments of a layer that are functions. `config`: its configuration."""
    names = [name for name in config if name in vars(layer) or isinstance(getattr(type(layer), name, None), property)]
    return {name: getattr(layer, name) for name in names if inspect.isroutine(getattr(layer, name, None))}


def _configured(layer, config):
    """A layer of the class of `layer`, with its functions: Keras cannot make lambdas and some others from a configuration."""
    given = functions(layer, config)
    if not isinstance(layer, keras.layers.Lambda):
        return type(layer).from_config(config | given)
    if isinstance(config.get("output_shape"), dict):
        given["output_shape"] = layer.compute_output_shape
    return type(layer)(**config | given | {"arguments": layer.arguments})


def adapted(layer):
    """Whether a layer has a vocabulary that is not in its configuration."""
    return hasattr(layer, "get_vocabulary") and layer.get_config().get("vocabulary", ()) is None


def fill(layer, weights):
    """Sets the variables of a layer or model, and the tensors that `Normalization` computes from its variables."""
    layer.set_weights(weights)
    for part in (layer, *graph.inside(layer)):
        if isinstance(part, keras.layers.Normalization):
            part.finalize_state()  # Keras calls it only for files


def carry(source, copy, weights=None):
    """Gives a built copy of a layer its weights and the state that is in no configuration: which parts are frozen, the states of
    random generators, and variables of TensorFlow that the layer keeps itself. `weights`: others than those of `source`.
    """
    if not isinstance(source, keras.layers.Layer):  # an operation of keras.ops
        return
    for part, copied_part in zip((source, *graph.inside(source)), (copy, *graph.inside(copy)), strict=False):
        if part.built and not copied_part.built:  # activations with weights are built by the first call of their layer
            copied_part.build_from_config(part.get_build_config())
        if not part.trainable:
            copied_part.trainable = False
    fill(copy, source.get_weights() if weights is None else weights)
    for variables in (_generators, graph.own_variables):
        for value, variable in zip(variables(source), variables(copy), strict=False):
            variable.assign(value)


def state(layer):
    """All variables of Keras of a layer: its weights, and where its random generators are."""
    return [*layer.weights, *_generators(layer)]


def _generators(layer):
    weights = set(map(id, layer.weights))
    return [variable for variable in layer.variables if id(variable) not in weights]
