"""Format of .supermask files (container.py describes it): magic, version, checksum, and how a kernel is held."""

import dataclasses
import hashlib

import keras
import numpy as np

from tf_supermask import files
from tf_supermask.errors import InputError

MAGIC, VERSION, ENDING = b"SMSK", 2, ".supermask"


_CHECKSUM = 16


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
        if files.sha256(weight) != self.draw["sha256"]:
            raise InputError("this TensorFlow draws other weights from the seed than the one that wrote the file")
        return weight * self.codes.reshape(weight.shape) * np.float32(self.scale)


def drawn(initializer, shape):
    return np.asarray(keras.initializers.deserialize(initializer)(shape, "float32"), np.float32)


def sealed(version, body):
    """The bytes of a file with this content."""
    return MAGIC + bytes([version]) + hashlib.sha256(bytes([version]) + body).digest()[:_CHECKSUM] + body
