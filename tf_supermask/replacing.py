"""Layers in the attributes of a layer or model, also in lists, tuples, sets and dictionaries: found, and replaced in place.

Keras keeps the layers of an attribute among those of its owner, and drops them again when they leave a list that is an attribute.
"""

import functools

import keras

from tf_supermask import graph


@functools.cache
def _of_keras():
    """Names of the attributes that every model has."""
    return frozenset(vars(keras.Model(name="any")))


def _own(name):
    """Whether an attribute is of the class itself, not one of Keras or of TensorFlow, which keeps records in `_self_...`."""
    return name not in _of_keras() and not name.startswith("_self_")


def attributes(owner):
    """Name -> value of the attributes of a layer in which there are layers, in the order in which they were set."""
    return {name: value for name, value in vars(owner).items() if _own(name) and layers_in(value)}


def layers_in(value):
    """The layers in the value of an attribute, without those inside them."""
    if isinstance(value, keras.layers.Layer):
        return [value]
    parts = graph.items(value) if isinstance(value, (dict, list, tuple, set)) else ()
    return [layer for part in parts for layer in layers_in(part)]


def parts(layer):
    """The layers right inside a layer: those of a model that only calls its layers, or those in attributes."""
    if graph.is_model(layer) or isinstance(layer, keras.Sequential):
        return layer.layers
    return [part for value in attributes(layer).values() for part in layers_in(value)]


def replace(owner, make):
    """Replaces the layers inside `owner`, which was not called yet, at any depth. A layer in several places stays one layer.

    `make(layer, path)`: the layer to take its place, or itself; None, to replace the layers inside it. `path`: names of
    attributes, keys and positions, as in `blocks/0/dense`. Raises ValueError for an attribute that cannot be set.
    """
    made = {id(owner): owner}
    kept = []  # the layers that were replaced: their ids stay theirs

    def new(value, path):
        if isinstance(value, keras.layers.Layer):
            if id(value) not in made:
                kept.append(value)
                made[id(value)] = value  # for owners that are parts of their parts
                other = make(value, path)
                made[id(value)] = inside(value, path) if other is None else other
            return made[id(value)]
        if not layers_in(value):
            return value
        if isinstance(value, dict):
            return {key: new(part, f"{path}/{key}") for key, part in value.items()}
        items = [new(part, f"{path}/{number}") for number, part in enumerate(value)]
        return (
            type(value)(*items)
            if hasattr(value, "_fields")
            else {list: list, tuple: tuple}.get(_kind(value), set)(items)
        )

    def inside(owner, path):
        if isinstance(owner, keras.Sequential):
            items = [new(part, f"{path}/{number}") for number, part in enumerate(owner.layers)]
            _set_layers(owner, items)
            return owner
        before = attributes(owner)
        after = {name: new(value, f"{path}/{name}".lstrip("/")) for name, value in before.items()}
        if any(map(_differ, before.values(), after.values())):
            _set_attributes(owner, before, after)
        return owner

    inside(owner, "")


def by_path(owner):
    """Path -> layer of all layers that `replace` comes to."""
    found = {}

    def see(layer, path):
        found[path] = layer

    replace(owner, see)
    return found


def _kind(value):
    return next(kind for kind in (list, tuple, set) if isinstance(value, kind))


def _differ(before, after):
    return any(one is not other for one, other in zip(layers_in(before), layers_in(after), strict=True))


def _set_layers(sequential, items):
    if _differ(sequential.layers, items):
        while sequential.layers:
            sequential.pop(rebuild=False)  # with it, Keras fails after the last layer
        for layer in items:
            sequential.add(layer)


def _set_attributes(owner, before, after):
    """Sets all attributes with layers anew, so that the layers of the owner keep their order."""
    try:
        first = next(iter(before))
        setattr(owner, first, [layer for value in before.values() for layer in layers_in(value)])
        getattr(owner, first).clear()  # Keras drops them from the layers of the owner
        for name, value in after.items():
            setattr(owner, name, value)
            if _differ(getattr(owner, name), value):
                raise ValueError("it reads as another value than it was set to")
    except Exception as error:  # the code of a user's class may raise any
        raise ValueError(
            f"the layers of {owner.name} ({type(owner).__name__}) cannot be replaced: {error}. Make them as "
            "SignedMaskDense, SignedMaskConv2D or Masked(layer) where the class makes them"
        ) from error
