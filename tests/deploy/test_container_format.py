"""The frame of a .supermask file, and kernels of codes."""

import hashlib

import keras
import numpy as np
import pytest

from tf_supermask.deploy.container_format import Kernel, drawn, sealed
from tf_supermask.errors import InputError

INITIALIZER = keras.initializers.serialize(keras.initializers.GlorotNormal(seed=3))


def test_a_file_begins_with_magic_version_and_checksum():
    checksum = hashlib.sha256(b"\x02body").digest()[:16]
    assert sealed(2, b"body") == b"SMSK\x02" + checksum + b"body"


def test_kernels_are_codes_times_scale_times_what_is_drawn():
    codes, weight = np.int8([[1, -1], [0, 1]]), np.asarray(keras.initializers.GlorotNormal(seed=3)((2, 2)))
    np.testing.assert_array_equal(Kernel(codes, 0.5).array(), np.float32([[0.5, -0.5], [0, 0.5]]))
    draw = {"initializer": INITIALIZER, "shape": [2, 2], "sha256": hashlib.sha256(weight.tobytes()).hexdigest()}
    np.testing.assert_array_equal(Kernel(codes, 2.0, draw).array(), weight * codes * np.float32(2))
    assert drawn(INITIALIZER, (2, 2)).dtype == np.float32
    with pytest.raises(InputError):
        Kernel(codes, 2.0, draw | {"sha256": "0" * 64}).array()
