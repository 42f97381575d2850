"""Stages in the form of C: arrays of constants, the fields of the type `layer` in c/types.c, and addresses of buffers.

Between stages images are stored plane by plane (channels first), so that a convolution adds one weight at all places of a plane
at a time. The input and the outputs of the program are in the order of Keras.
"""

import dataclasses
import math

import numpy as np

from tf_supermask.deploy import c_codes
from tf_supermask.errors import InputError

_NARROW = {"bias": (np.int8, np.int16, np.int32), "factors": (np.uint16,), "table": (np.int8,)}


@dataclasses.dataclass
class Layer:
    """A Stage in the form of C. `function`: name of the C function and of its file. `arrays`: name -> numpy array. `fields`: of
    the C type `layer`. `features`: the conditions in the templates in c/ that hold. `reach`: upper bound of all indices.
    `largest`: upper bound of all sums.
    """

    stage: object
    function: str
    code: c_codes.Code | None = None
    arrays: dict = dataclasses.field(default_factory=dict)
    fields: dict = dataclasses.field(default_factory=dict)
    features: set = dataclasses.field(default_factory=set)
    reach: int = 0
    largest: int = 0

    @property
    def constants(self):
        """Bytes of the arrays."""
        return sum(array.nbytes for array in self.arrays.values())


def layers_of(stages, network, fast=False):
    """The Layers of Stages. `network`: their IntegerNetwork, None for float arithmetic. `fast`: whether the weights of dense
    layers are coded for speed. Raises InputError."""
    layers, order = [], None  # order: Keras' indices of the inputs of a stage, None if they are stored in Keras' order
    for number, stage in enumerate(stages):
        layer = Layer(network.stages[number].stage if network else stage, stage.kind)
        layer.fields |= {"units": stage.units, "last": int(number == len(stages) - 1)}
        _constants(layer, network.stages[number] if network else None, order, fast)
        if stage.kind != "dense":
            _axes(layer, number == 0)
        _extent(layer)
        layers.append(layer)
        if len(stage.shape) == 3:
            order = np.arange(stage.outputs * stage.units).reshape(-1, stage.units).T.ravel()
            order = order if (np.diff(order) != 1).any() else None
        elif stage.kind == "dense":
            order = None
    last = stages[-1]
    if order is not None and len(last.shape) == 1:
        raise InputError(f"{last.name} ends the network on a flattened image; C ends on a dense layer or on the image")
    if len(stages) > 1 or last.alpha is not None or last.pool == "average":
        layers[-1].features.add("hidden")
    if last.outputs > 1:
        layers[-1].features.add("spread")
    _agree(layers)
    return layers


def _constants(layer, made, order, fast):
    """Adds weights, biases, factors and tables: those of the IntegerStage `made`, or of the float Stage if that is None."""
    stage = layer.stage
    if stage.kind == "conv":
        rows = stage.codes.transpose(3, 2, 0, 1).reshape(stage.units, -1)
    elif stage.kind == "dense":
        rows = (stage.codes if order is None else stage.codes[order]).T
        layer.fields["inputs"] = len(stage.codes)
    if stage.kind != "copy":
        layer.function = "fast" if fast and stage.kind == "dense" else stage.kind
        layer.code = (c_codes.encode_bytes if layer.function == "fast" else c_codes.encode)(rows)
        layer.arrays["code"] = np.frombuffer(layer.code.data, np.uint8)
        layer.fields |= {"form": layer.code.form, "low": layer.code.low}
        layer.features |= (
            {"weights"} if layer.code.fast else {"weights", "coded", "ternary" if layer.code.ternary else "bits"}
        )
    layer.features |= {layer.function, "flat" if stage.kind == "dense" else "plane"}
    arrays, fields = _integers(made) if made else _floats(stage)
    layer.arrays |= arrays
    layer.fields |= fields
    layer.features |= {"int8"} if made else set()
    layer.largest = made.bound if made else 0


def _integers(made):
    """`(arrays, fields)` of an IntegerStage."""
    arrays = {"factors": made.multiplier.values}
    fields = {"shift": made.multiplier.shift, "average_shift": made.average.shift}
    fields["average_factor"] = int(made.average.values[0])
    if made.bias.any():
        arrays["bias"] = made.bias
    if made.table is not None:
        arrays["table"] = made.table
        fields |= {"below": len(made.table), "coarse": made.coarse}
    return arrays, fields


def _floats(stage):
    arrays = {"factors": stage.factor.astype(np.float32)[: None if np.ptp(stage.factor) else 1]}
    if stage.bias.any():
        arrays["bias"] = stage.bias.astype(np.float32)
    fields = {"active": 0, "alpha": np.float32(0)}
    if stage.alpha is not None:
        fields = {"active": 1, "alpha": np.float32(stage.alpha)}
    return arrays, fields


def _axes(layer, first):
    """Adds the fields for both axes of a plane: windows of the convolution and of the pooling."""
    stage = layer.stage
    height, width, channels = stage.shape if len(stage.shape) == 3 else (1, 1, *stage.shape)
    layer.fields |= {"channels": channels, "average": int(stage.pool == "average")}
    layer.fields |= {"next": 1, "apart": channels} if first else {"next": height * width, "apart": 1}
    layer.features |= {"pool", stage.pool} if stage.pool else set()
    beyond = [window.padding(length) for window, length in zip(stage.pooling, stage.places)]
    layer.features |= {"padded"} if stage.pool == "average" and np.any(beyond) else set()
    for axis, name in enumerate("yx"):
        outputs = stage.places[axis]
        size, step, before, pooled = stage.pooling[axis] if stage.pool else (1, 1, 0, outputs)
        values = {"outputs": outputs, "window": size, "step": step, "lead": before, "pooled": pooled}
        if stage.kind == "conv":
            size, step, before, _ = stage.conv[axis]
            values |= {"inputs": (height, width)[axis], "kernel": size, "stride": step, "before": before}
            layer.features |= {"strides"} if step > 1 else set()
        layer.fields[name] = values


def _extent(layer):
    stage, weights = layer.stage, 0
    if layer.code:
        weights = stage.codes.size // stage.units + layer.code.longest + 1
    layer.reach = max(math.prod(stage.shape), math.prod(stage.places), stage.outputs * stage.units, weights)


def _agree(layers):
    """Gives arrays of the same name the same type. If no layer has several factors, the factor becomes a field."""
    for name, types in _NARROW.items():
        arrays = [layer.arrays[name] for layer in layers if name in layer.arrays]
        if arrays and arrays[0].dtype != np.float32:
            low, high = min(array.min() for array in arrays), max(array.max() for array in arrays)
            chosen = next(t for t in types if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
            for layer in layers:
                layer.arrays |= {name: layer.arrays[name].astype(chosen)} if name in layer.arrays else {}
    several = any(len(layer.arrays["factors"]) > 1 for layer in layers)
    for layer in layers:
        layer.fields["each"] = int(len(layer.arrays["factors"]) > 1)
        layer.fields["factor"] = layer.arrays["factors"][0] if several else layer.arrays.pop("factors")[0]
        layer.features |= {"factors"} if several else set()
        layer.features |= {name for name in ("bias", "table") if name in layer.arrays}
        layer.features |= {"coarse"} if layer.fields.get("coarse") else set()
        layer.features |= {"active"} if layer.fields.get("active") else set()
        layer.features |= {"exponential"} if layer.fields.get("alpha") else set()


def memory_of(stages):
    """`(starts, size)`: offsets of the outputs of all stages but the last in one buffer, the arena, and its size, in values.

    Outputs are placed at its start and end by turns, so that the size is that of the largest pair of neighbours. A stage that
    copies works in place.
    """
    places, size, before = [], 0, None
    for stage in stages[:-1]:
        length = stage.outputs * stage.units
        if stage.kind != "copy" or before is None or length > before[1]:
            size = max(size, length + (before[1] if before else 0))
            before = (before is not None and not before[0], length)
        places.append(before)
    return [size - length if end else 0 for end, length in places], size
