"""A trained supermask in one small file, NAME.supermask: what the network is, and a mask and a number, or a mask and a seed,
per layer.

    magic, version, checksum      4 + 1 + 16 bytes; the checksum is of the version and all that follows
    header                        JSON, deflated: the architecture as Keras describes it, and per kernel what decodes it
    arrays                        other variables (biases, normalizations) as float32, deflated
    codes                         -1, 0, +1 of all kernels, entropy-coded (ternary.py)

A kernel of signed constants is codes * scale. Other frozen weights are drawn again from the seed of their initializer: Keras'
stateless, counter-based generator; the header has their checksum.

Nothing in a file is executed: it may hold layers of Keras that are on a list (allowed.py) and classes that the reader's own
code has registered. No more memory is taken than for as many weights as the file says it holds, `most_weights` at most.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import math
import pathlib
import struct
import zlib

import constriction
import keras
import numpy as np

from tf_supermask import allowed, architecture, export, graph, records, serving, ternary
from tf_supermask.errors import InputError, one_line
from tf_supermask.layers import SignedMask

MAGIC, VERSION, ENDING = b"SMSK", 2, ".supermask"
_CHECKSUM = 16
MOST_WEIGHTS = 2**28  # of a file to be read: 1 GiB of float32
_MOST_HEADER = 2**22
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
    if serving.own_variables(model):
        raise InputError(f"{model.name} keeps variables of TensorFlow, which {ENDING} files do not hold; use add_weight")
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
    description = _description(model, plain)
    header = json.dumps({"model": description, "kernels": kernels}, separators=(",", ":")).encode()
    if len(header) > _MOST_HEADER:
        raise InputError(f"{model.name} has a description of {len(header):,} bytes, more than {_MOST_HEADER:,}")
    parts = [zlib.compress(header, 9), zlib.compress(b"".join(arrays), 9)]
    body = b"".join(struct.pack("<I", len(part)) + part for part in parts)
    body += encoder.get_compressed().astype("<u4").tobytes()
    return sealed(VERSION, body)


def _description(model, plain):
    """The description of the plain form of a model. Raises InputError where it does not give the same layers when it is read."""
    try:
        description = architecture.stripped(json.loads(plain.to_json()))
        made = architecture.build(description, plain.count_params())
    except allowed.Refused as refused:
        raise InputError(f"{model.name}: {refused}") from refused
    except Exception as error:
        raise InputError(f"{model.name} cannot be made again from its description: {one_line(error)}") from error
    for layer, again in zip(plain.layers, made.layers, strict=True):
        if [its.shape for its in layer.weights] != [its.shape for its in again.weights]:
            raise InputError(f"{layer.name} has other weights when {model.name} is made again from its description")
    return description


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

    name: str  # of the file, for error messages
    model: dict  # Keras' description
    headers: dict  # layer name -> what decodes its kernel
    numbers: int  # in `arrays`
    size: int  # of the file, in bytes
    packed: bytes  # arrays, deflated
    codes: bytes  # of all kernels, encoded

    @property
    def weights(self):
        """How many the file holds."""
        return self.numbers + sum(math.prod(its["view"]) for its in self.headers.values())

    @property
    def arrays(self):
        """All variables but the kernels, float32 `(numbers,)`."""
        return np.frombuffer(zlib.decompress(self.packed), "<f4")

    @functools.cached_property
    def kernels(self):
        """Layer name -> Kernel. Raises InputError where the codes are damaged."""
        with _damage(self.name):
            decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(self.codes, "<u4").astype(np.uint32))
            return {
                name: Kernel(ternary.decode(tuple(its["view"]), its["codes"], decoder), float(its["scale"]), its.get("draw"))
                for name, its in self.headers.items()
            }


@contextlib.contextmanager
def _damage(name):
    """Makes one InputError of whatever wrong content leads to: Keras, TensorFlow and the coder raise errors of many kinds."""
    try:
        yield
    except InputError:
        raise
    except allowed.Refused as refused:
        raise InputError(f"{name}: {one_line(refused)}") from refused
    except Exception as error:
        raise InputError(f"{name} is damaged: {one_line(error)}") from error


def read(path, most_weights=MOST_WEIGHTS):
    """The Contents of a file. Raises InputError where it is none, is damaged, is of a newer version, too large, or describes a
    model that may not be built; kernels are decoded when they are first asked for."""
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
    with _damage(name):
        header, packed, codes = _parts(content[start:])
        contents = Contents(name, header["model"], header["kernels"], 0, len(content), packed, codes)
        for its in contents.headers.values():
            _check_header(its)
        contents.numbers = _count(packed, most_weights - contents.weights)
        if contents.weights > most_weights:
            raise allowed.Refused(f"it holds {contents.weights:,} weights, more than {most_weights:,}")
        contents.model = architecture.stripped(contents.model)
        architecture.check(contents.model)
    return contents


def _parts(body):
    """`(header, deflated arrays, codes)` of the bytes after the checksum."""
    (length,) = struct.unpack_from("<I", body)
    inflate = zlib.decompressobj()
    header = inflate.decompress(body[4 : 4 + length], _MOST_HEADER)
    if inflate.unconsumed_tail or not inflate.eof:
        raise ValueError("a header that is longer than it may be")
    body = body[4 + length :]
    (length,) = struct.unpack_from("<I", body)
    return json.loads(header), body[4 : 4 + length], body[4 + length :]


def _check_header(its):
    """Raises ValueError where what decodes a kernel has no shape or scale, or draws weights of another shape or in a way that is
    not allowed."""
    shapes = [its["view"]] + ([its["draw"]["shape"]] if "draw" in its else [])
    if len(its["view"]) != 4 or not all(isinstance(n, int) and n > 0 for shape in shapes for n in shape):
        raise ValueError("a kernel without a shape")
    if math.prod(shapes[0]) != math.prod(shapes[-1]) or not math.isfinite(float(its["scale"])):
        raise ValueError("a kernel of another shape than its codes, or without a scale")
    if "draw" in its:
        architecture.check(its["draw"]["initializer"])


def _count(packed, most):
    """How many float32 numbers are in deflated arrays, found without memory for them; once there are more than `most`, the count
    up to there."""
    inflate, count, rest = zlib.decompressobj(), 0, packed
    while not inflate.eof and count <= 4 * most:
        part = inflate.decompress(rest, 2**20)
        count, rest = count + len(part), inflate.unconsumed_tail
        if not (part or rest or inflate.eof):
            raise ValueError("arrays that end too soon")
    return -(-count // 4)


def load(path, most_weights=MOST_WEIGHTS):
    """The plain Keras model in a file, not compiled. Raises InputError as `read` does, and where weights are drawn otherwise."""
    return built(read(path, most_weights))


def built(contents):
    """The model of Contents. Raises InputError as `load` does."""
    with _damage(contents.name):
        model = architecture.build(contents.model, contents.weights)
        _check_shapes(model, contents)
        rest = contents.arrays
        for layer in model.layers:
            weights = []
            for number, variable in enumerate(layer.weights):
                if number == 0 and layer.name in contents.headers:
                    weights.append(contents.kernels[layer.name].array().reshape(variable.shape))
                    continue
                size = math.prod(variable.shape)
                weights.append(rest[:size].reshape(variable.shape))
                rest = rest[size:]
            export.fill(layer, weights)
    return model


def _check_shapes(model, contents):
    """Raises ValueError where a model has other weights than a file, before kernels are decoded."""
    kernels = {its.name: its.weights[0].shape for its in model.layers if its.weights and its.name in contents.headers}
    if kernels.keys() != contents.headers.keys():
        raise ValueError("kernels of layers that it does not have")
    for name, its in contents.headers.items():
        shape = its["draw"]["shape"] if "draw" in its else kernels[name]
        if tuple(shape) != kernels[name] or math.prod(its["view"]) != math.prod(shape):
            raise ValueError(f"{name} has another shape than its codes")
    if sum(math.prod(its.shape) for layer in model.layers for its in layer.weights) != contents.weights:
        raise ValueError(f"another number of weights than {contents.weights:,}")
