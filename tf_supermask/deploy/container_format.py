"""What reading and writing of .supermask files share: magic, version, checksum, and the Kernel. container.py has the format."""

import dataclasses
import hashlib

import keras
import numpy as np

from tf_supermask import files
from tf_supermask.errors import InputError

MAGIC, ENDING = b"SMSK", ".supermask"
TERNARY, VERSION = 2, 3  # versions that are read: without and with codes of several levels
CHECKSUM_BYTES = 16
MOST_HEADER = 2**22  # bytes of a header


@dataclasses.dataclass
class Kernel:
    """One kernel: int8 `codes` * `scale`, times drawn weights if `draw` is not None: a dict with the configuration of their
    `initializer`, their `shape` and their `sha256`."""

    codes: np.ndarray
    scale: float
    draw: dict | None = None

    def array(self):
        """The kernel, float32. Raises InputError if the initializer draws other weights than for the writer of the file."""
        if self.draw is None:
            return self.codes * np.float32(self.scale)
        weight = drawn(self.draw["initializer"], self.draw["shape"])
        if files.sha256(weight) != self.draw["sha256"]:
            raise InputError("this TensorFlow draws other weights from the seed than the one that wrote the file")
        return weight * self.codes.reshape(weight.shape) * np.float32(self.scale)


def drawn(initializer, shape):
    """What an initializer, given by its configuration, draws: float32."""
    return np.asarray(keras.initializers.deserialize(initializer)(shape, "float32"), np.float32)


def sealed(version, body):
    """The bytes of a file: magic, version, checksum, `body`."""
    return MAGIC + bytes([version]) + hashlib.sha256(bytes([version]) + body).digest()[:CHECKSUM_BYTES] + body


def key_of(layer, place):
    """Key of a kernel in the header: the name of its layer in the model itself, and its place among the layer's variables, which
    is left out for the first."""
    return f"{layer}/{place}" if place else layer  # names of layers have no slash
