"""Descriptions of models in files: which ones may be built, and building one within bounds of time and memory."""

import copy
import math

import keras
import tensorflow as tf

from tf_supermask.deploy.allowed import DATA, MODELS, NEVER_CALLED, POLICIES, Refused, check_object

MOST_STEPS = 20_000  # a layer takes 8 steps, a call of it 1; about .2 ms each
_MOST_TRIES = 20_000  # of Keras to call a layer whose inputs are not there yet
_DEEPEST = 100
_SPARE = 2**20  # numbers of variables that are no weights: states of random generators and of recurrent layers
_SMALL = 8  # numbers of a variable that begins as its layer says


def stripped(description):
    """Keras' description of a model without what a network with given weights does not need."""
    if isinstance(description, list):
        return [stripped(part) for part in description]
    if not isinstance(description, dict):
        return description
    unused = ("_initializer", "_regularizer", "_constraint", "build_config", "compile_config")
    kept = {key: stripped(value) for key, value in description.items() if not key.endswith(unused)}
    return {key: value for key, value in kept.items() if (key, value) != ("registered_name", None)}


def check(description):
    """Raises Refused where a description of a model, an initializer or any other object holds something that is not on the
    lists, or more layers and calls than can be built in seconds; ValueError and TypeError where it is none."""
    if not isinstance(description, dict) or "class_name" not in description:
        raise ValueError("no description of an object")
    steps, _ = _steps(description, "the model", 0)
    if steps > MOST_STEPS:
        raise Refused(f"its layers take {steps:,} steps to build, more than {MOST_STEPS:,}")


def _steps(part, layer, depth):
    """`(to build, to call)`: steps that the objects in part of a description take, once all of them are found to be allowed.

    `layer`: name of the layer that the part belongs to.
    """
    if depth > _DEEPEST:
        raise Refused(f"layer {layer!r} has more than {_DEEPEST} levels of parts in parts")
    if isinstance(part, dict) and "class_name" in part:
        return _object_steps(part, layer, depth)
    parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    inner = [_steps(its, layer, depth + 1) for its in parts if isinstance(its, (dict, list))]
    return sum(build for build, _ in inner), sum(call for _, call in inner)


def _object_steps(entry, layer, depth):
    name, config = entry["class_name"], entry.get("config")
    if isinstance(config, dict) and not str(name).endswith("Policy"):
        layer = config.get("name", layer)
    check_object(entry, layer)
    if name in MODELS and isinstance(config, dict) and isinstance(config.get("layers"), list):
        return _model_steps(name, config["layers"], layer, depth)
    build, call = _steps(config, layer, depth + 1)
    if name in DATA or name in POLICIES or name == "function" or entry.get("module") in NEVER_CALLED:
        return build, call
    return 8 + 2 * build, 1 + 2 * call  # wrappers copy what they wrap, and call it once more to see its shapes


def _model_steps(name, layers, layer, depth):
    """Steps of the layers of a model, each as often as it is called. Keras calls all layers of a Sequential model again whenever
    one is added."""
    build, call = 8, 0
    for entry in layers:
        if not isinstance(entry, dict) or "class_name" not in entry:
            raise ValueError(f"{layer!r} has something among its layers that is none")
        built, called = _steps(entry, layer, depth + 1)
        nodes = entry.get("inbound_nodes", []) if name == "Functional" else [entry]
        for node in nodes if name == "Functional" else ():
            _steps(node, layer, depth + 1)
            if not _tensors(node):  # an operation on numbers alone is not described but done
                raise Refused(f"layer {entry.get('name', layer)!r} is called without a tensor of the model")
        call += len(nodes) * max(called, 1)
        build += built + (call if name == "Sequential" else len(nodes) * max(called, 1))
    if name == "Functional":
        _in_order(layers)
    return build, call


def _tensors(part):
    """`(layer, number of its call)` of each tensor of the model in part of a description."""
    if isinstance(part, list):
        return [its for inner in part for its in _tensors(inner)]
    if not isinstance(part, dict):
        return []
    if part.get("class_name") == "__keras_tensor__":
        return [tuple(part["config"]["keras_history"][:2])]
    return [its for inner in part.values() for its in _tensors(inner)]


def _in_order(layers):
    """Raises Refused where layers are listed so that Keras, which goes through them again and again, would try for too long."""
    calls = {entry["name"]: [_tensors(node) for node in entry["inbound_nodes"]] for entry in layers}
    first = {entry["name"]: int(entry["class_name"] == "Functional") for entry in layers}  # calls are counted from
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
            return  # Keras says which ones cannot be reached
        if tries > _MOST_TRIES:
            raise Refused("its layers are listed in an order that takes too long to build")


# ---------------------------------------------------------------------------------------------------------------------
# Building


class _Counted:
    """Creator of variables that counts their numbers before they take memory; once there are too many it makes scalars."""

    def __init__(self, most):
        self.most, self.count, self.scratch = most, 0, tf.Graph()

    def __call__(self, create, **arguments):
        value = arguments["initial_value"]
        if callable(value):
            with self.scratch.as_default():
                value = value()
        size, dtype = value.shape.num_elements(), value.dtype
        size = math.inf if size is None else size
        self.count += size
        if self.count > self.most:
            arguments["initial_value"] = tf.zeros((), dtype)
        elif size > _SMALL and dtype.is_floating:  # its value comes from the file
            arguments["initial_value"] = lambda shape=value.shape: tf.zeros(shape, dtype)
        return create(**arguments)


def build(description, most):
    """The model of a stripped description, once it is checked, with weights of any value.

    Raises Refused as `check` does, and where its weights would have more than `most` numbers in all, before they take memory;
    whatever Keras raises where the description gives no model.
    """
    check(description)
    counted = _Counted(most + _SPARE)
    try:
        with tf.variable_creator_scope(counted):
            model = keras.saving.deserialize_keras_object(copy.deepcopy(description), safe_mode=True)
    except Exception:
        if counted.count <= counted.most:
            raise
    if counted.count > counted.most:
        raise Refused(f"its layers have more than the {most:,} weights that it holds")
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError("the description is not one of a model that can be built")
    return model
