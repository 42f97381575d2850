"""Files of supermasks: exact, small, and refused whatever byte of them is wrong."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import ROOT

from tf_supermask import SignedMaskConv2D, SignedMaskDense, conversion
from tf_supermask.deploy import container, loading
from tf_supermask.errors import InputError
from tf_supermask.experiments import networks
from tf_supermask.experiments.spec import Spec

SHAPE = (8, 8, 3)


def masked(name="conv2", **given):
    model = networks.build(Spec.of(model=name, **given), SHAPE, 10)
    draw = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(draw.normal(size=variable.shape) * 0.02)
    return model


def unregistered(x):
    return x


def test_what_a_file_cannot_hold_is_refused():
    normalization = keras.layers.BatchNormalization(dtype="float64")
    model = keras.Sequential([keras.Input((4,)), SignedMaskDense(3), normalization])
    normalization.gamma.assign([0.1, 0.2, 0.3])
    with pytest.raises(InputError, match="variables of float64"):
        container.packed(model)
    with pytest.raises(InputError, match="has 'unregistered', which is not registered with Keras here"):
        container.packed(keras.Sequential([keras.Input((4,)), SignedMaskDense(3, activation=unregistered)]))


def test_how_a_model_was_trained_is_not_stored():
    model = masked("fcn")
    size = len(container.packed(model))
    model.compile(keras.optimizers.SGD(0.05), keras.losses.SparseCategoricalCrossentropy())
    assert len(container.packed(model)) == size


@pytest.mark.parametrize(
    "name, given",
    [
        ("fcn", {}),
        ("conv2", {"mode": "binary"}),
        ("resnet20", {}),
        ("resnet20", {"batch_norm": "trainable"}),
        ("fcn", {"dialect": "zhou"}),
        ("conv2", {"weight_scheme": "he", "weight_distribution": "uniform"}),
        ("fcn", {"weight_scheme": "xavier", "weight_distribution": "truncated_normal"}),
        ("fcn", {"mode": "bernoulli"}),
        ("fcn", {"mode": "rounded", "rescale": True}),
        ("fcn", {"mode": "rounded", "rescale": True, "weight_distribution": "signed_constant"}),
    ],
)
def test_the_model_comes_back_bit_for_bit(name, given, tmp_path):
    model, path = masked(name, **given), tmp_path / "model.supermask"
    assert container.save(model, path) == path.stat().st_size == loading.read(path).size
    loaded = loading.load(path)
    samples = given.get("mode") == "bernoulli"  # another sample each time
    for layer, source, expected in zip(loaded.layers, model.layers, conversion.strip_masks(model).layers, strict=True):
        assert type(layer) is type(expected)
        for one, other in zip(layer.get_weights(), expected.get_weights(), strict=True):
            if samples:
                assert np.isin(one, [*np.unique(source.weight), 0]).all() and 0.4 < np.mean(one == 0) < 0.6
            else:
                np.testing.assert_array_equal(one, other)


def test_drawn_weights_come_back_in_another_process(tmp_path):
    model = masked(weight_scheme="he", weight_distribution="uniform")
    container.save(model, tmp_path / "model.supermask")
    x = np.random.default_rng(1).normal(size=(4, *SHAPE)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    code = "import sys, numpy as np; from tf_supermask.deploy import loading\n"
    code += "np.save(sys.argv[3], loading.load(sys.argv[1]).get_weights()[2])"
    files = [str(tmp_path / name) for name in ("model.supermask", "x.npy", "y.npy")]
    subprocess.run([sys.executable, "-c", code, *files], check=True, cwd=ROOT, capture_output=True)
    np.testing.assert_array_equal(np.load(files[2]), conversion.strip_masks(model).get_weights()[2])


def test_any_model_of_the_user(tmp_path):
    """Layers with and without masks, biases, a branch."""
    inputs = keras.Input((6, 6, 2))
    x = SignedMaskConv2D(4, 3, padding="same", use_bias=True, activation="elu")(inputs)
    x = keras.layers.add([x, keras.layers.Conv2D(4, 1)(inputs)])
    x = SignedMaskDense(3)(keras.layers.Flatten()(keras.layers.BatchNormalization()(x)))
    model = keras.Model(inputs, x)
    container.save(model, tmp_path / "x.supermask")
    images = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype(np.float32)
    np.testing.assert_array_equal(loading.load(tmp_path / "x.supermask")(images), conversion.strip_masks(model)(images))


def test_what_cannot_be_written_is_refused(tmp_path):
    path = tmp_path / "x.supermask"
    with pytest.raises(InputError, match="has no layer with a mask"):
        container.save(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), path)
    unseeded = SignedMaskDense(4, weight_initializer="glorot_normal", name="loose")
    with pytest.raises(
        InputError, match="frozen weights of loose cannot be drawn again: they are not signed constants"
    ):
        container.save(keras.Sequential([keras.Input((3,)), unseeded]), path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="cannot write"):
        container.save(masked("fcn"), "/proc/nowhere/x.supermask")


# ---------------------------------------------------------------------------------------------------------------------
# Files of strangers


def test_scales_that_float32_cannot_hold_are_refused():
    """An unmasked layer of float64 whose kernel happens to be ternary."""
    head = keras.layers.Dense(2, dtype="float64", use_bias=False, name="head")
    model = keras.Sequential([keras.Input((3,)), SignedMaskDense(4), head])
    head.kernel.assign(np.full((4, 2), 0.1))
    with pytest.raises(InputError, match="head has variables of float64 that float32"):
        container.packed(model)
