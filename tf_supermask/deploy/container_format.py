"""What reading and writing of .supermask files share: magic, version, checksum, and the Kernel. container.py has the format."""

import dataclasses
import hashlib
import json
import math
import zlib

import keras
import numpy as np

from tf_supermask import files, initializers
from tf_supermask.deploy import header_bits, own_weights, short_form
from tf_supermask.deploy.allowed import Refused
from tf_supermask.deploy.words import WORDS
from tf_supermask.errors import InputError

MAGIC, ENDING = b"SMSK", ".supermask"
OLDEST, VERSION = 2, 5  # versions that are read
ONE_SIZE = 4  # the last version that has no kernels of two sizes; written where there are none
_ZLIB = 3  # the last version whose streams are of zlib, each after its length, and without WORDS
CHECKSUM_BYTES = 16
MOST_HEADER, MOST_OBJECTS = 2**22, 2**16  # bytes of a header, objects and lists in it
MOST_PRODUCTS = 2**30  # of the decomposition of weights that are drawn: it takes about a second
_ANY_SIZE, _WEIGHTS_PER_BYTE, _NUMBERS_PER_BYTE = 2**24, 2**14, 16  # see check_size
_AS_TEXT = {"draw": "draws", "own": "own"}  # parts of a kernel's header that are text in what is written, and where


@dataclasses.dataclass
class Kernel:
    """One kernel: int8 `codes` * `scale`, times drawn weights if `draw` is not None: a dict with the configuration of their
    `initializer`, their `shape` and their `sha256`; times the sizes of what is left, float32, if `own` is not None."""

    codes: np.ndarray
    scale: float
    draw: dict | None = None
    own: np.ndarray | None = None

    @property
    def kind(self):
        """What a file has of the kernel."""
        if self.own is not None:
            two = own_weights.sizes_by_sign(self.codes, self.array()) is not None
            return "signs and two scales" if two else "a mask and the weights that are left"
        return "signs and a scale" if self.draw is None else "a mask and a seed"

    def array(self):
        """The kernel, float32. Raises InputError if the initializer draws other weights than for the writer of the file."""
        if self.own is not None:
            return own_weights.placed(self.codes, self.own)
        if self.draw is None:
            return self.codes * np.float32(self.scale)
        weight = drawn(self.draw["initializer"], self.draw["shape"])
        if files.sha256(weight) != self.draw["sha256"]:
            raise InputError("this machine draws other weights from the seed than the writer of the file")
        return weight * self.codes.reshape(weight.shape) * np.float32(self.scale)


def slow_draw(initializer, shape):
    """If an initializer, given by its configuration, takes more than about a second for a shape: a QR decomposition does."""
    rows, units = math.prod(shape[:-1]), shape[-1]
    return "Orthogonal" in initializer["class_name"] and rows * units * min(rows, units) > MOST_PRODUCTS


def drawn(initializer, shape):
    """What an initializer, given by its configuration, draws: float32."""
    return keras.ops.convert_to_numpy(initializers.drawn(keras.initializers.deserialize(initializer), shape, "float32"))


def check_size(weights, numbers, size):
    """Raises Refused if a file of `size` bytes holds far more weights or float32 `numbers` than a network has in it:
    one that keeps 0.01 % of its weights has about 5,000 per byte. So a small file takes little memory."""
    for count, per_byte, what in ((weights, _WEIGHTS_PER_BYTE, "weights"), (numbers, _NUMBERS_PER_BYTE, "numbers")):
        if count > _ANY_SIZE + per_byte * size:
            raise Refused(f"it holds more than {_ANY_SIZE + per_byte * size:,} {what} in {size:,} bytes")


def most_numbers(size):
    """How many float32 numbers `check_size` lets a file of `size` bytes hold."""
    return _ANY_SIZE + _NUMBERS_PER_BYTE * size


def key_of(layer, place):
    """Key of a kernel in the header: the name of its layer in the model itself, and its place among the layer's variables, which
    is left out for the first."""
    return f"{layer}/{place}" if place else layer  # names of layers have no slash


def version_for(headers):
    """The version of a file with headers of kernels: the oldest that is still written and has them all."""
    return VERSION if any(its.get("own", "")[:1] == [own_weights.BY_SIGN] for its in headers.values()) else ONE_SIZE


def sealed(version, body):
    """The bytes of a file: magic, version, checksum, `body`."""
    return MAGIC + bytes([version]) + hashlib.sha256(bytes([version]) + body).digest()[:CHECKSUM_BYTES] + body


def headed(description, headers):
    """The beginning of a body that is written: Keras' `description`, and the headers of the kernels by their keys. The arrays,
    deflated, and the codes follow. Raises InputError if the description is too long."""
    text = {"model": short_form.shortened(description), "kernels": list(headers)}
    for part in _AS_TEXT:
        its = {key: header[part] for key, header in headers.items() if part in header}
        text |= {_AS_TEXT[part]: its} if its else {}
    text = json.dumps(text, separators=(",", ":")).encode()
    bits = header_bits.Writer()
    for header in headers.values():
        header_bits.write(header, bits)
    for count, most, what in (
        (len(text), MOST_HEADER, "a description of {:,} bytes"),
        (_objects(text), MOST_OBJECTS, "a description of {:,} objects and lists"),
        (len(bits), header_bits.MOST_NUMBERS, "kernels that take {:,} numbers to describe"),
    ):
        if count > most:
            raise InputError(f"{description['config']['name']} has {what.format(count)}, more than {most:,}")
    return deflated(text, zdict=WORDS) + bits.content()


def _objects(text):
    """An upper bound of the numbers of objects and lists in JSON."""
    return text.count(b"{") + text.count(b"[")


def deflated(content, **words):
    """Bytes as a raw deflate stream (RFC 1951), which tells where it ends."""
    deflate = zlib.compressobj(9, wbits=-zlib.MAX_WBITS, **words)
    return deflate.compress(content) + deflate.flush()


def opened(version, body):
    """`(description, headers, rest)` of a body: what `headed` was given, and the arrays, deflated, followed by the codes.
    Raises errors of many kinds if it is damaged."""
    skipped = 0 if version > _ZLIB else 4  # the length of each part
    inflate = zlib.decompressobj(-zlib.MAX_WBITS, WORDS) if version > _ZLIB else zlib.decompressobj()
    text = inflate.decompress(body[skipped:], MOST_HEADER)
    if inflate.unconsumed_tail or not inflate.eof:
        raise ValueError("a header that is longer than it may be")
    if _objects(text) > MOST_OBJECTS:
        raise ValueError(f"a header of more than {MOST_OBJECTS:,} objects and lists")
    header, rest = json.loads(text), inflate.unused_data[skipped:]
    if version <= _ZLIB:
        return header["model"], header["kernels"], rest
    if len(set(header["kernels"])) != len(header["kernels"]):
        raise ValueError("two kernels of one name")
    bits = header_bits.Reader(rest)
    headers = {key: header_bits.read(bits) for key in header["kernels"]}
    for part, name in _AS_TEXT.items():
        for key, its in header.get(name, {}).items():
            headers[key][part] = its
    if version < version_for(headers):
        raise ValueError("kernels of a later version")
    return short_form.full(header["model"]), headers, bits.rest()


def inflating(version):
    """An object that inflates the arrays of a file."""
    return zlib.decompressobj(-zlib.MAX_WBITS) if version > _ZLIB else zlib.decompressobj()
