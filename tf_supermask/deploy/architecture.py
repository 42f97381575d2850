"""Descriptions of models in files: which ones may be built, and building one in bounded time and memory."""

import copy
import math
import warnings

import keras

from tf_supermask import cloning, graph
from tf_supermask.deploy import allowed, tensor_sizes
from tf_supermask.deploy.allowed import DATA, NEVER_CALLED, POLICIES, Refused, check_function, check_object, model_kind
from tf_supermask.errors import short

MOST_STEPS = 10_000  # a layer takes 8 steps, a call of it 1; a step takes about 0.2 ms
_MOST_TRIES = 20_000  # of Keras to call a layer whose inputs are not made yet
_DEEPEST = 100
_MOST_VALUES = 2**28  # of a tensor between layers: 1 GiB of float32
_SPARE = 2**20  # numbers in variables that are not weights: states of random generators and of recurrent layers


def stripped(description):
    """Keras' description of a model without the parts that only training needs: the weights are given."""
    if isinstance(description, list):
        return [stripped(part) for part in description]
    if not isinstance(description, dict):
        return description
    unused = ("_initializer", "_regularizer", "_constraint", "build_config", "compile_config")
    kept = {key: stripped(value) for key, value in description.items() if not key.endswith(unused)}
    return {key: value for key, value in kept.items() if (key, value) != ("registered_name", None)}


def named(description, model, takes_name=lambda entry: True):
    """The description of `model`, with the name of each layer in its configuration: those of users often have none there.

    `takes_name`: description of a layer with its name -> whether it stays there.
    """
    layers = {layer.name: layer for layer in model.layers}
    entries, names = description["config"]["layers"], layers
    if model_kind(description) == "Sequential":  # has no names beside the configurations, and `model.layers` no input
        entries = [entry for entry in entries if entry["class_name"] != "InputLayer"]
    else:
        names = [entry["name"] for entry in entries]
    for entry, name in zip(entries, names, strict=True):
        config = {**entry["config"], "name": name}
        if "name" not in entry["config"] and takes_name({**entry, "config": config}):
            entry["config"] = config
        if model_kind(entry):
            named(entry, layers[name], takes_name)
    return description


def can_be_made(entry):
    """Whether a layer can be made from its description: the code of a user's layer may raise any error."""
    try:
        _made(entry)
    except Exception:
        return False
    return True


def check_functions(model):
    """Raises Refused if a layer has a function for an argument that its description would not give back."""
    for layer in graph.inside(model):
        if isinstance(layer, keras.layers.Lambda):
            continue  # refused by its class
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of lambdas
            functions = cloning.functions(layer, layer.get_config())
        for argument, function in functions.items():
            check_function(function, argument, layer.name)


def check(description):
    """Raises Refused if the description of a model, an initializer or any other object holds something that is not allowed, or
    more layers and calls than can be built in seconds; ValueError or TypeError if it is not a description."""
    if not isinstance(description, dict) or "class_name" not in description:
        raise ValueError("no description of an object")
    steps, _ = _steps(description, "the model", 0)
    if steps > MOST_STEPS:
        raise Refused(f"its layers take {steps:,} steps to build, more than {MOST_STEPS:,}")


def _steps(part, layer, depth):
    """`(build, call)`: steps that the objects in a part of a description take to build and to call. All of them are checked.

    `layer`: name of the layer that the part belongs to.
    """
    if depth > _DEEPEST:
        raise Refused(f"layer {short(layer)} has more than {_DEEPEST} levels of parts in parts")
    if isinstance(part, dict) and "class_name" in part:
        return _object_steps(part, layer, depth)
    parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    inner = [_steps(child, layer, depth + 1) for child in parts if isinstance(child, (dict, list))]
    return sum(build for build, _ in inner), sum(call for _, call in inner)


def _object_steps(entry, layer, depth):
    name, config = entry["class_name"], entry.get("config")
    if isinstance(config, dict) and not str(name).endswith("Policy"):
        layer = config.get("name", layer)
    check_object(entry, layer)
    if kind := model_kind(entry):
        return _model_steps(kind, config["layers"], layer, depth)
    build, call = _steps(config, layer, depth + 1)
    if name in DATA or name in POLICIES or name == "function" or entry.get("module") in NEVER_CALLED:
        return build, call
    return 8 + 2 * build, 1 + 2 * call  # wrappers copy the layer inside, and call it once more for its shapes


def _model_steps(kind, layers, layer, depth):
    """Steps of the layers of a model, each counted as often as it is called. Keras calls all layers of a Sequential model again
    each time that one is added."""
    build, call = 8, 0
    for entry in layers:
        if not isinstance(entry, dict) or "class_name" not in entry:
            raise ValueError(f"{short(layer)} has an entry among its layers that is not a layer")
        built, called = _steps(entry, layer, depth + 1)
        nodes = entry.get("inbound_nodes", []) if kind == "Functional" else [entry]
        for node in nodes if kind == "Functional" else ():
            _steps(node, layer, depth + 1)
            _check_call(node, entry.get("name", layer))
        call += len(nodes) * max(called, 1)
        build += built + (call if kind == "Sequential" else len(nodes) * max(called, 1))
    if kind == "Functional":
        _in_order(layers)
    return build, call


def _check_call(node, layer):
    """Raises Refused for a call of a layer or operation that Keras would compute, since no argument is a tensor of the model.

    Keras takes `training` out of the arguments of layers that have none.
    """
    if {key: type(part) for key, part in node.items()} != {"args": list, "kwargs": dict}:
        raise ValueError(f"a call of {short(layer)} with other parts than a list and a dictionary of arguments")
    if not _tensors([node["args"], {key: value for key, value in node["kwargs"].items() if key != "training"}]):
        raise Refused(f"layer {short(layer)} is called without a tensor of the model")


def _tensors(part):
    """`(layer, number of its call)` of each tensor of the model in arguments: where Keras makes one, in lists and in dictionaries
    that are no objects."""
    if isinstance(part, list):
        return [tensor for inner in part for tensor in _tensors(inner)]
    if not isinstance(part, dict):
        return []
    if part.keys() >= {"class_name", "config"}:
        return [tuple(part["config"]["keras_history"][:2])] if part["class_name"] == "__keras_tensor__" else []
    return _tensors(list(part.values()))


def _in_order(layers):
    """Raises Refused if the order of layers would make Keras, which tries them again and again, take too long."""
    calls = {entry["name"]: [_tensors(list(node.values())) for node in entry["inbound_nodes"]] for entry in layers}
    first = {entry["name"]: int(model_kind(entry) == "Functional") for entry in layers}  # calls are counted from
    done, tries = {name: int(not nodes) for name, nodes in calls.items()}, 0
    waiting = {name: nodes for name, nodes in calls.items() if nodes}
    while waiting:
        before = sum(done.values())
        for name in list(waiting):
            for inputs in waiting[name][done[name] :]:
                tries += 1
                if not all(done.get(layer, 0) + first.get(layer, 0) > number for layer, number in inputs):
                    break
                done[name] += 1
            if done[name] == len(calls[name]):
                del waiting[name]
        if sum(done.values()) == before:
            return  # Keras raises an error that names the layers without inputs
        if tries > _MOST_TRIES:
            raise Refused("its layers are listed in an order that takes too long to build")


# ---------------------------------------------------------------------------------------------------------------------
# Building


def build(description, most):
    """The model of a stripped description, after `check`. The values of its weights are not defined.

    Raises Refused as `check` does, and if its weights had more than `most` numbers in all, before they take memory; any error of
    Keras if the description is not one of a model.
    """
    check(description)
    counting = _built_on_tensorflow if keras.config.backend() == "tensorflow" else _built
    given = _without_state(description)
    for part in [description] if given == description else [given, description]:
        model, count = counting(part, most + _SPARE)
        if count <= most + _SPARE:
            _check_values(model)
            count += 0 if part is description else tensor_sizes.states(model)
        if count > most + _SPARE:
            raise Refused(f"its layers have more than the {most:,} weights that it holds")
    return model


def _check_values(model):
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError("the description is not one of a model that can be built")
    values = tensor_sizes.largest(model)
    if values > _MOST_VALUES:
        raise Refused(f"its layers make {values:,} values of one input, more than {_MOST_VALUES:,}")


def _without_state(description):
    """A description whose layers keep no states, which Keras would make before they can be counted, and have statistics as
    variables, which are counted, in place of given numbers."""
    if isinstance(description, list):
        return [_without_state(part) for part in description]
    if not isinstance(description, dict):
        return description
    kept = {key: _without_state(value) for key, value in description.items()}
    if isinstance(kept.get("config"), dict) and isinstance(kept.get("class_name"), str):
        if kept["class_name"] == "Normalization":
            kept["config"] |= {"mean": None, "variance": None}
        if kept["config"].get("stateful") and allowed.is_recurrent(kept):
            kept["config"] |= {"stateful": False}
    return kept


def _made(description):
    return keras.saving.deserialize_keras_object(copy.deepcopy(description), safe_mode=True)


def _built_on_tensorflow(description, most):
    """`(model, count)`: the model, and how many numbers its variables have; the model is None if they are more than `most`."""
    from tf_supermask.deploy import counted_variables

    with counted_variables.at_most(most) as counted:
        try:
            return _made(description), counted.count
        except Exception:
            if counted.count <= most:
                raise
    return None, counted.count


def _built(description, most):
    """The same on other backends. In a StatelessScope variables have shapes and no values yet: it is made there first."""
    with keras.StatelessScope(initialize_variables=False):
        shapes = [v.shape for v in getattr(_made(description), "variables", [])]
    count = sum(map(math.prod, shapes))
    return (_made(description) if count <= most else None), count
