"""Short form of Keras' description of a model, as files have it: what a common layer leaves at its default is left out.

A layer is a list in place of Keras' object:

    [class, name]                             all settings as in DEFAULTS; it reads the output of the layer before it
    [class, name, settings]                   those that differ
    [class, name, settings, calls]            for each call what it reads: ["layer", 0, 0], or a list of such
    [list]                                    a list that is no short form: a user's own model may have such layers

Layers in the lists of functional and Sequential models get it, if they have the settings of DEFAULTS and no others;
anything else stays as Keras describes it. Shapes and types of the tensors between layers, which Keras finds again, are left out.
"""

import json

MOST_PARTS = 20_000  # layers in short form and their calls: more would take too long to build
_FLOAT32 = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}
_ANY = {"trainable": True, "dtype": _FLOAT32}
_IMAGES = _ANY | {"data_format": "channels_last"}
_KERNEL = {"activation": "linear", "use_bias": True}
_POOLING = _IMAGES | {"pool_size": [2, 2], "strides": [2, 2], "padding": "valid"}
_GLOBAL = _IMAGES | {"keepdims": False}
_WINDOW = {"kernel_size": [3, 3], "strides": [1, 1], "padding": "valid", "dilation_rate": [1, 1], "groups": 1}
DEFAULTS = (
    {  # class -> settings without the name, as Keras 3.15 describes them; part of the format, never to be changed
        "InputLayer": {"batch_shape": [None], "dtype": "float32", "sparse": False, "ragged": False, "optional": False},
        "Activation": _ANY | {"activation": "elu"},
        "Add": _ANY,
        "AveragePooling2D": _POOLING,
        "BatchNormalization": _ANY
        | {"axis": -1, "momentum": 0.99, "epsilon": 0.001, "center": True, "scale": True, "synchronized": False},
        "Conv2D": _IMAGES | _KERNEL | _WINDOW | {"filters": 32},
        "Dense": _ANY | _KERNEL | {"units": 10, "quantization_config": None},
        "Dropout": _ANY | {"rate": 0.5, "seed": None, "noise_shape": None},
        "ELU": _ANY | {"alpha": 1.0},
        "Flatten": _IMAGES,
        "GlobalAveragePooling2D": _GLOBAL,
        "GlobalMaxPooling2D": _GLOBAL,
        "MaxPooling2D": _POOLING,
        "ReLU": _ANY | {"max_value": None, "negative_slope": 0.0, "threshold": 0.0},
        "Softmax": _ANY | {"axis": -1},
    }
)


def shortened(description):
    """A description of a model in short form, models inside it too; other objects as they are."""
    layers = _layers(description)
    if layers is None:
        return description
    functional, before, short = _functional(description), None, []
    for entry in layers:
        short.append(_short(entry, before, functional))
        before = entry.get("name") if isinstance(entry, dict) else None
    return description | {"config": description["config"] | {"layers": short}}


def full(description):
    """Keras' description of what `shortened` gives. Raises ValueError for a short form that is not one, or of too many layers."""
    return _full(description, [MOST_PARTS])


def _layers(description):
    """The list of layers of a model's description; None if it has none."""
    config = description.get("config") if isinstance(description, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else None
    return layers if isinstance(layers, list) else None


def _functional(description):
    """Whether the layers of a model, which may be of a class of the user's, have their names and calls beside them."""
    return "input_layers" in description["config"]


def alike(one, other):
    """Whether two descriptions are the same but for shapes and types of tensors."""
    return _same(_without_shapes(one), _without_shapes(other))


def _same(one, other):
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)  # 1, 1.0 and True are not the same


def _short(entry, before, functional):
    """The short form of a layer; `before`: the name of the layer before it; `functional`: as of `_entry`."""
    if isinstance(entry, list):
        return [entry]
    config, kind = (entry.get("config"), entry.get("class_name")) if isinstance(entry, dict) else (None, None)
    default = DEFAULTS.get(kind) if isinstance(kind, str) and isinstance(config, dict) else None
    if default is None or config.keys() != default.keys() | {"name"}:
        return shortened(entry)
    name, settings = config["name"], {key: value for key, value in config.items() if key != "name"}
    changed = {key: value for key, value in settings.items() if not _same(value, default[key])}
    calls = _calls(entry.get("inbound_nodes"))
    short = [kind, name, changed, calls]
    if not isinstance(name, str) or not _same(_without_shapes(entry), _entry(short, functional)):
        return entry
    short = short[:3] if calls is None or calls == _usual(kind, before) else short
    return short if short[2:] != [{}] else short[:2]


def _usual(kind, before):
    """The calls of a layer in a chain."""
    return [] if kind == "InputLayer" else [[before, 0, 0]]


def _calls(nodes):
    """What each call reads; None if the description has no calls, or others than of a tensor, or of a list of tensors."""
    if not isinstance(nodes, list):
        return None
    try:
        return [_read(*node["args"]) for node in nodes]
    except (TypeError, KeyError):
        return None


def _read(tensors):
    if isinstance(tensors, list):
        return [_read(tensor) for tensor in tensors]
    return tensors["config"]["keras_history"]


def _without_shapes(part):
    """A description whose tensors have the shape and type that `_tensor` gives them."""
    if isinstance(part, list):
        return [_without_shapes(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    if part.get("class_name") == "__keras_tensor__" and isinstance(part.get("config"), dict):
        part = part | {"config": part["config"] | {"shape": [], "dtype": "float32"}}
    return {key: _without_shapes(value) for key, value in part.items()}


def _tensor(read):
    if read and isinstance(read[0], list):
        return [_tensor(inner) for inner in read]
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [], "dtype": "float32", "keras_history": read},
    }


def _entry(short, functional):
    """Keras' object of a short form with all four parts; `functional`: of a layer of a functional model."""
    kind, name, settings, calls = short
    entry = {"module": "keras.layers", "class_name": kind, "config": {"name": name} | DEFAULTS[kind] | settings}
    if functional:
        entry |= {"name": name, "inbound_nodes": [{"args": [_tensor(read)], "kwargs": {}} for read in calls or ()]}
    return entry


def _full(description, left):
    layers = _layers(description)
    if layers is None:
        return description
    functional, before, made = _functional(description), None, []
    for entry in layers:
        if isinstance(entry, list) and len(entry) == 1 and isinstance(entry[0], list):
            (entry,) = entry
        elif isinstance(entry, list):
            short = _completed(entry, before)
            left[0] -= 1 + _size(short[3])
            if left[0] < 0:
                raise ValueError(f"more than {MOST_PARTS:,} layers and calls")
            entry = _entry(short, functional)
        else:
            entry = _full(entry, left)
        before = entry.get("name") if isinstance(entry, dict) else None
        made.append(entry)
    return description | {"config": description["config"] | {"layers": made}}


def _size(part):
    return 1 + sum(map(_size, part)) if isinstance(part, list) else 0


def _completed(short, before):
    """A short form with all four parts. Raises ValueError if it is no short form."""
    types = (str, str, dict, list)
    if not 2 <= len(short) <= 4 or any(type(part) is not kind for part, kind in zip(short, types)):
        raise ValueError("a layer that is not described")
    if short[0] not in DEFAULTS:
        raise ValueError(f"a short form of {short[0]}")
    return [*short, *[{}, _usual(short[0], before)][len(short) - 2 :]]
