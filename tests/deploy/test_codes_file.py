"""Codes and scales as .npz: NumPy alone gives the network back."""

import json

import keras
import numpy as np
import pytest

from tf_supermask import ELUS, SignedMaskConv2D, SignedMaskDense, compact
from tf_supermask.deploy.codes_file import export_codes
from tf_supermask.errors import InputError


def network(rule="signed"):
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((6, 6, 2)),
        SignedMaskConv2D(4, 3, rule=rule, use_bias=True, weight_initializer=ELUS(seed=1), name="conv"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Flatten(),
        SignedMaskDense(5, rule=rule, weight_initializer=ELUS(seed=2), name="dense"),
        keras.layers.Dense(3, name="head"),
    ]
    model = keras.Sequential(layers)
    for layer in (layers[1], layers[4]):
        layer.score.assign(np.random.default_rng(1).normal(size=layer.score.shape) * 0.02)
    return model


@pytest.mark.parametrize("rule, levels", [("signed", 1), ("signed_2_levels", 2)])
def test_numpy_and_keras_give_the_network_back(rule, levels, tmp_path):
    model, x = network(rule), np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype(np.float32)
    assert export_codes(model, tmp_path / "a.npz") == tmp_path / "a.npz"
    export_codes(model, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as arrays:
        plain = keras.models.model_from_json(str(arrays["network"]))
        assert set(np.unique(arrays["conv/kernel/codes"])) == set(range(-levels, levels + 1))
        assert arrays["dense/kernel/codes"].dtype == np.int8 and arrays["dense/kernel/scale"].shape == (5,)
        for layer in plain.layers:
            values = []
            for variable in layer.weights:
                name = f"{layer.name}/{variable.name}"
                coded = f"{name}/codes" in arrays
                values.append(arrays[f"{name}/codes"] * arrays[f"{name}/scale"] if coded else arrays[name])
            layer.set_weights(values)
        names = {name for name in arrays if name.startswith("head")}
    np.testing.assert_array_equal(plain(x), compact(model)(x))
    assert names == {"head/kernel", "head/bias"}
    assert json.loads(plain.to_json())["class_name"] in ("Functional", "Sequential")


def test_scales_of_units(tmp_path):
    layer = keras.layers.Dense(2, use_bias=False, name="d")
    model = keras.Sequential([keras.Input((3,)), layer])
    layer.set_weights([np.float32([[0.3, 0.1], [-0.3, 0], [0, 0.1]])])
    export_codes(model, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as arrays:
        assert arrays["d/kernel/codes"].tolist() == [[1, 1], [-1, 0], [0, 1]]
        np.testing.assert_array_equal(arrays["d/kernel/scale"], np.float32([0.3, 0.1]))


def test_a_network_without_codes_is_refused(tmp_path):
    with pytest.raises(InputError, match="no kernel that is codes times a scale"):
        export_codes(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), tmp_path / "x.npz")
    assert not list(tmp_path.iterdir())
