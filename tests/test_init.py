"""Importing the package does nothing but make its layers known to Keras."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import ROOT

import tf_supermask
from tf_supermask import mask_model

# Imports the package, reads a masked model, and gets each public name. TensorFlow and Keras change the environment themselves.
PROGRAM = """
import os, sys

def state():
    return dict(os.environ), [os.fstat(number)[:3] for number in (1, 2)]

def redirected(*args):
    raise AssertionError("a descriptor is redirected")

os.dup2, before = redirected, state()
import tf_supermask
assert state() == before and not {"tensorflow", "keras", "numpy"} & set(sys.modules)

import keras, numpy, tensorflow
model = keras.models.load_model(sys.argv[1])
numpy.save(sys.argv[2], model(numpy.ones((2, 4))))
before = state()
for name in tf_supermask.__all__:
    assert getattr(tf_supermask, name) is not None
    assert state() == before, name
assert not {"tensorflow_datasets", "ray"} & set(sys.modules)
"""

# Imports each module that the layers need as the first of the package, before Keras; at the end Keras has the layers of this
# import. Other modules cannot be unfinished when the layers need them. Only `keras` itself is imported again: that is quick.
FIRST = """
def first(name):
    for module in [key for key in sys.modules if key == "keras" or key.split(".")[0] == "tf_supermask"]:
        del sys.modules[module]
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "tf_supermask"]
    importlib.import_module(name)
    if "keras" in sys.modules:
        layer = sys.modules["keras"].saving.get_registered_object("tf_supermask>SignedMaskDense")
        assert layer is sys.modules["tf_supermask.layers"].SignedMaskDense, name
        assert all(type(finder).__module__ != "tf_supermask" for finder in sys.meta_path), name

import importlib
first("tf_supermask.masked")
needed = [key for key in sys.modules if key.startswith("tf_supermask.")]
assert {"tf_supermask.density", "tf_supermask.latent", "tf_supermask.graph"} < set(needed)
for name in [*needed, "tf_supermask.rivals.methods", "tf_supermask.deploy.allowed", "tf_supermask.files"]:
    first(name)
"""


def test_importing_does_nothing_and_keras_finds_the_layers_whatever_is_imported_first(tmp_path):
    model = mask_model(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(2)]))
    model.save(tmp_path / "x.keras")
    command = [sys.executable, "-c", PROGRAM + FIRST, tmp_path / "x.keras", tmp_path / "y.npy"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert not done.stdout
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model(np.ones((2, 4))), rtol=1e-5)


def test_public_names_are_listed():
    assert sorted([*tf_supermask.__all__, "__version__"]) == dir(tf_supermask)
    with pytest.raises(AttributeError, match="module 'tf_supermask' has no attribute 'nosuch'"):
        tf_supermask.nosuch
