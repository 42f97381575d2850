"""Reading of .supermask files (container.py), of files that nobody has checked."""

import contextlib
import dataclasses
import functools
import json
import math
import pathlib
import struct
import zlib

import constriction
import numpy as np

from tf_supermask import cloning
from tf_supermask.deploy import allowed, architecture, coding
from tf_supermask.deploy.container_format import _CHECKSUM, ENDING, MAGIC, VERSION, Kernel, sealed
from tf_supermask.deploy.remasking import remasked
from tf_supermask.errors import InputError, one_line

MOST_WEIGHTS = 2**28  # of a file to be read: 1 GiB of float32


_MOST_HEADER = 2**22


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
                name: Kernel(
                    coding.decode(tuple(its["view"]), its["codes"], decoder), float(its["scale"]), its.get("draw")
                )
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


def load(path, most_weights=MOST_WEIGHTS, masked=False, rule="signed", seed=0):
    """The network in a file as a plain Keras model, or with masks so that training can go on; not compiled.

    Scores are not stored. With `masked` they are 2 * threshold * mask, and the kernels equal those of the file bit for bit.
    Frozen weights of signed constants are not stored either where they are pruned: their signs are drawn, and their magnitude
    too in a layer that keeps no weight. Layers with other frozen weights have `rescale` if the file was written with it.

    Args:
        most_weights: bound on the number of weights that the file may hold.
        masked: give a mask to each kernel of the file that has one.
        rule: mask rule of these layers, one that does not sample; its default threshold is used.
        seed: seed of the signs, int >= 0.

    Raises:
        InputError: see `read`; TensorFlow draws other weights from the seed in the file.
        ValueError: the rule samples, or cannot make the masks of the file.
    """
    contents = read(path, most_weights)
    model = built(contents)
    return remasked(model, contents.kernels, rule, seed) if masked else model


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
            cloning.fill(layer, weights)
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
