"""A trained supermask in one small file, NAME.supermask: what the network is, and a mask and a number, or a mask and a seed,
per layer.

    magic, version, checksum      4 + 1 + 16 bytes; the checksum is of the version and all that follows
    header                        JSON, deflated: the architecture as Keras describes it, and per kernel what decodes it
    arrays                        other variables (biases, normalizations) as float32, deflated
    codes                         -1, 0, +1 of all kernels, entropy-coded (ternary.py)

A kernel of signed constants is codes * scale. Other frozen weights are drawn again from the seed of their initializer: Keras'
stateless, counter-based generator; the header has their checksum. Nothing in a file is ever executed.
"""

import dataclasses
import hashlib
import json
import math
import pathlib
import struct
import zlib

import constriction
import keras
import numpy as np

from tf_supermask import export, graph, records, ternary
from tf_supermask.errors import InputError
from tf_supermask.layers import SignedMask

MAGIC, VERSION, ENDING = b"SMSK", 2, ".supermask"
_CHECKSUM = 16
MOST_WEIGHTS = 2**28  # of a file to be read: 1 GiB of float32
_MOST_HEADER = 2**24
_WRONG = (ValueError, TypeError, LookupError, AttributeError, RecursionError)  # what a header of other content leads to
_KINDS = (keras.layers.Dense, keras.layers.Conv2D)


@dataclasses.dataclass
class Kernel:
    """One kernel: `codes` int8 times `scale` and, where `draw` is not None, times the weights that this initializer draws: its
    configuration, their shape, and their SHA-256."""

    codes: np.ndarray
    scale: float
    draw: dict | None = None

    def array(self):
        """The kernel, float32. Raises InputError where its weights are drawn otherwise than they once were."""
        if self.draw is None:
            return self.codes * np.float32(self.scale)
        weight = drawn(self.draw["initializer"], self.draw["shape"])
        if records.sha256(weight) != self.draw["sha256"]:
            raise InputError("this TensorFlow draws other weights from the seed than the one that wrote the file")
        return weight * self.codes.reshape(weight.shape) * np.float32(self.scale)


def drawn(initializer, shape):
    return np.asarray(keras.initializers.deserialize(initializer)(shape, "float32"), np.float32)


# ---------------------------------------------------------------------------------------------------------------------
# Writing


def save(model, path):
    """Writes a masked model; returns the size of the file in bytes. Masks, weights and all other variables are exact.

    `model`: Sequential or functional, with masks; of a rule that samples, one sample is written. Raises InputError where there
    is no mask, where frozen weights cannot be drawn again, and where the file cannot be written.
    """
    content = packed(model)
    try:
        records.write(path, lambda file: file.write(content))
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror})") from error
    return len(content)


@graph.same_randomness()
def packed(model):
    """The bytes of `save`."""
    plain = export.plain(model)
    if not any(isinstance(layer, SignedMask) for layer in model.layers):
        raise InputError(f"{model.name} has no layer with a mask; mask_model makes one with masks")
    adapted = [its.name for its in model.layers if export.adapted(its)]
    if adapted:
        raise InputError(
            f"{adapted[0]} has a vocabulary, which {ENDING} files do not hold; give the model what it puts out"
        )
    views, encoder = kernel_views(plain), constriction.stream.queue.RangeEncoder()
    kernels, arrays = {}, []
    for source, layer in zip(model.layers, plain.layers, strict=True):
        weights = layer.get_weights()
        kernel = _kernel(source, weights[0]) if isinstance(layer, _KINDS) else None
        if kernel is not None:
            view = views[layer.name]
            coded = ternary.encode(kernel.codes.reshape(view), encoder)
            kernels[layer.name] = {"view": list(view), "codes": coded, "scale": float(kernel.scale)}
            kernels[layer.name] |= {"draw": kernel.draw} if kernel.draw else {}
            weights = weights[1:]
        for array in weights:
            if not np.array_equal(array, np.asarray(array, np.float32).astype(array.dtype), equal_nan=True):
                raise InputError(f"{layer.name} has variables of {array.dtype} that float32, as files hold it, cannot")
            arrays.append(np.asarray(array, np.float32).tobytes())
    description = _without_training(json.loads(plain.to_json()))
    try:
        keras.models.model_from_json(json.dumps(description))
    except _WRONG as error:
        raise InputError(
            f"{model.name} cannot be made again from its description: {' '.join(str(error).split())}"
        ) from error
    header = json.dumps({"model": description, "kernels": kernels}, separators=(",", ":"))
    parts = [zlib.compress(header.encode(), 9), zlib.compress(b"".join(arrays), 9)]
    body = b"".join(struct.pack("<I", len(part)) + part for part in parts)
    body += encoder.get_compressed().astype("<u4").tobytes()
    return sealed(VERSION, body)


def _without_training(description):
    """Keras' description of a model without what a network with given weights does not need."""
    if isinstance(description, list):
        return [_without_training(part) for part in description]
    if not isinstance(description, dict):
        return description
    unused = ("_initializer", "_regularizer", "_constraint", "build_config", "compile_config")
    its = {key: _without_training(value) for key, value in description.items() if not key.endswith(unused)}
    return {key: value for key, value in its.items() if (key, value) != ("registered_name", None)}


def sealed(version, body):
    """The bytes of a file with this content."""
    return MAGIC + bytes([version]) + hashlib.sha256(bytes([version]) + body).digest()[:_CHECKSUM] + body


def _kernel(source, kernel):
    """The Kernel of a layer, None where its array is neither masked nor ternary."""
    found = ternary.codes_of(kernel)
    if found is not None:
        return Kernel(*found)
    if not isinstance(source, SignedMask):
        return None
    weight = np.asarray(source.weight)
    initializer = keras.initializers.serialize(source.weight_initializer)
    if not np.array_equal(drawn(initializer, weight.shape), weight):
        raise InputError(
            f"the frozen weights of {source.name} cannot be drawn again: they are not "
            "signed constants, nor what its weight_initializer draws from a seed"
        )
    codes = (np.sign(kernel) * np.sign(weight)).astype(np.int8)
    there = np.flatnonzero(codes)
    scale = np.float32(kernel.size / len(there)) if source.rescale and len(there) else np.float32(1)
    found = Kernel(
        codes, scale, {"initializer": initializer, "shape": list(weight.shape), "sha256": records.sha256(weight)}
    )
    if not np.array_equal(found.array(), kernel):
        raise InputError(f"the kernel of {source.name} is not weight * mask")
    return found


def kernel_views(model):
    """Layer name -> `(height, width, channels, units)` of all kernels of a plain model.

    Dense layers that read flattened images have the images' places, others one.
    """
    flat, views = {}, {}
    for call in graph.of(model).calls:
        layer = call.layer
        if isinstance(layer, keras.layers.Flatten) and layer.data_format == "channels_last":
            flat[id(call.outputs[0])] = call.inputs[0].shape[1:]
        elif isinstance(layer, keras.layers.Dense):
            image = flat.get(id(call.inputs[0]), ())
            views[layer.name] = (*image, layer.units) if len(image) == 3 else (1, 1, *layer.kernel.shape)
        elif isinstance(layer, keras.layers.Conv2D):
            views[layer.name] = tuple(layer.kernel.shape)
    return views


# ---------------------------------------------------------------------------------------------------------------------
# Reading


@dataclasses.dataclass
class Contents:
    """What a file holds, before a model is made of it."""

    model: dict  # Keras' description
    kernels: dict  # layer name -> Kernel
    arrays: bytes
    size: int  # of the file, in bytes


def read(path, most_weights=MOST_WEIGHTS):
    """The Contents of a file. Raises InputError where it is none, is damaged, is of a newer version or too large."""
    try:
        return parsed(pathlib.Path(path).read_bytes(), path, most_weights)
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror})") from error


def parsed(content, name, most_weights=MOST_WEIGHTS):
    """The Contents of bytes; `name` is for the error messages. Raises InputError as `read` does."""
    start = 5 + _CHECKSUM
    if content[:4] != MAGIC:
        raise InputError(f"{name} is not a {ENDING} file")
    if len(content) < start or content != sealed(content[4], content[start:]):
        raise InputError(f"{name} is damaged: its checksum does not match")
    if content[4] > VERSION:
        raise InputError(f"{name} is of version {content[4]}, newer than {VERSION}; update tf_supermask")
    if content[4] < VERSION:
        raise InputError(f"{name} is of version {content[4]}, which is not read any more; export its run again")
    try:
        return _unpacked(content[start:], len(content), most_weights)
    except (*_WRONG, ArithmeticError, AssertionError, zlib.error, struct.error) as error:  # the coder asserts
        raise InputError(f"{name} is damaged: {error}") from error


def _unpacked(body, size, most):
    parts = []
    for limit in (_MOST_HEADER, 4 * most):
        (length,) = struct.unpack_from("<I", body)
        inflate = zlib.decompressobj()
        parts.append(inflate.decompress(body[4 : 4 + length], limit))
        if inflate.unconsumed_tail or not inflate.eof:
            raise ValueError("a part is longer than it may be")
        body = body[4 + length :]
    header = json.loads(parts[0])
    views = [tuple(its["view"]) for its in header["kernels"].values()]
    if any(len(view) != 4 or not all(isinstance(n, int) and n > 0 for n in view) for view in views):
        raise ValueError("a kernel without a shape")
    if sum(map(math.prod, views)) > most:
        raise ValueError(f"{sum(map(math.prod, views)):,} weights, more than {most:,}")
    decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(body, "<u4").astype(np.uint32))
    kernels = {}
    for name, its in header["kernels"].items():
        codes = ternary.decode(tuple(its["view"]), its["codes"], decoder)
        kernels[name] = Kernel(codes, float(its["scale"]), its.get("draw"))
        if (
            kernels[name].draw
            and math.prod(kernels[name].draw["shape"]) != codes.size
            or not math.isfinite(kernels[name].scale)
        ):
            raise ValueError(f"{name} has another shape than its codes, or no scale")
    return Contents(header["model"], kernels, parts[1], size)


def load(path, most_weights=MOST_WEIGHTS):
    """The plain Keras model in a file, not compiled. Raises InputError as `read` does, and where weights are drawn otherwise."""
    return built(read(path, most_weights), path)


def built(contents, name):
    """The model of Contents; `name` is for the error messages. Raises InputError as `load` does."""
    try:
        return _built(contents)
    except _WRONG as error:
        raise InputError(f"{name} is damaged: {error}") from error


def _built(contents):
    model = keras.models.model_from_json(json.dumps(contents.model))
    rest = np.frombuffer(contents.arrays, "<f4")
    for layer in model.layers:
        weights = []
        for number, variable in enumerate(layer.weights):
            size = math.prod(variable.shape)
            if number == 0 and layer.name in contents.kernels:
                weights.append(contents.kernels[layer.name].array().reshape(variable.shape))
            else:
                weights.append(rest[:size].reshape(variable.shape))
                rest = rest[size:]
        export.fill(layer, weights)
    if rest.size:
        raise ValueError(f"{rest.size} numbers too many")
    return model
