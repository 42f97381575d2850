"""The frame of a .supermask file, and kernels of codes."""

import hashlib

import keras
import numpy as np
import pytest

from tf_supermask.deploy.container_format import Kernel, drawn, sealed
from tf_supermask.deploy.words import WORDS
from tf_supermask.errors import InputError

INITIALIZER = keras.initializers.serialize(keras.initializers.GlorotNormal(seed=3))


def test_a_file_begins_with_magic_version_and_checksum():
    checksum = hashlib.sha256(b"\x02body").digest()[:16]
    assert sealed(2, b"body") == b"SMSK\x02" + checksum + b"body"


def test_the_preset_dictionary_never_changes():
    """Its bytes are part of the format of version 4: files would not be read any more."""
    assert hashlib.sha256(WORDS).hexdigest() == "6eebbbf99f78a4e36b8870a0df23c41c7ed9a0e875c3564dca1ce63a2df7bbf9"


def test_kernels_are_codes_times_scale_times_what_is_drawn():
    codes, weight = np.int8([[1, -1], [0, 1]]), np.asarray(keras.initializers.GlorotNormal(seed=3)((2, 2)))
    np.testing.assert_array_equal(Kernel(codes, 0.5).array(), np.float32([[0.5, -0.5], [0, 0.5]]))
    draw = {"initializer": INITIALIZER, "shape": [2, 2], "sha256": hashlib.sha256(weight.tobytes()).hexdigest()}
    np.testing.assert_array_equal(Kernel(codes, 2.0, draw).array(), weight * codes * np.float32(2))
    assert drawn(INITIALIZER, (2, 2)).dtype == np.float32
    with pytest.raises(InputError):
        Kernel(codes, 2.0, draw | {"sha256": "0" * 64}).array()
