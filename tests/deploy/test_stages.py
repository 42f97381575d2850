"""Stages compute what the layers of Keras compute."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_supermask.deploy.integer import _windows, applied
from tf_supermask.deploy.stages import Window, stages_of
from tf_supermask.errors import InputError


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 3), st.sampled_from(["same", "valid"]))
def test_windows_are_those_of_keras(length, size, step, padding):
    """Oracle: MaxPooling2D, whose output shows where its windows are."""
    if padding == "valid" and size > length:
        return
    windows = (Window.over(length, size, step, padding), Window(1, 1, 0, 1))
    x = np.random.default_rng(0).random((1, length, 1, 1), np.float32)
    pooled = keras.layers.MaxPooling2D((size, 1), (step, 1), padding=padding)(x)
    np.testing.assert_array_equal(_windows(x, windows, -1).max(axis=(-2, -1)), pooled)


def test_stages_of_a_chain_are_its_function():
    """Oracle: Keras. A normalization with a negative gamma changes the sign of codes, not of factors."""
    norm = keras.layers.BatchNormalization()
    layers = [keras.layers.Conv2D(3, 2, strides=2, padding="same", name="conv"), norm, keras.layers.ReLU()]
    tail = [keras.layers.GlobalMaxPooling2D(), keras.layers.Dense(4, "elu", name="head")]
    model = keras.Sequential([keras.Input((5, 5, 2)), *layers, *tail])
    draw = np.random.default_rng(0)
    model.set_weights([np.sign(draw.normal(size=w.shape)) * 0.5 for w in model.get_weights()])
    norm.set_weights(np.float32([[1, -2, 3], [0.1, 0.2, 0.3], [0, 1, 2], [1, 2, 3]]))
    conv, head = stages_of(model)
    assert (conv.kind, conv.pool, conv.alpha, head.kind, head.alpha) == ("conv", "max", 0.0, "dense", 1.0)
    assert (conv.factor > 0).all() and conv.places == (3, 3) and (conv.outputs, head.outputs) == (1, 1)
    x = draw.integers(-3, 4, (6, 5, 5, 2))
    values = np.maximum(conv.factor * applied(conv, x) + conv.bias, 0).max(axis=(1, 2))
    values = head.factor * (values @ head.codes) + head.bias
    expected = model(x.astype(np.float32))
    np.testing.assert_allclose(np.where(values > 0, values, np.expm1(values)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "layer, message",
    [
        (keras.layers.Conv1D(2, 1, name="its"), r"its \(Conv1D\) has no C; what has: Dense, Conv2D"),
        (keras.layers.Dense(2, name="its"), "has weights of several sizes in one unit"),
        (keras.layers.Activation("tanh", name="its"), "has the activation tanh; C has elu, relu, none"),
    ],
)
def test_layers_without_a_stage_are_named(layer, message):
    shape = (4, 3) if isinstance(layer, keras.layers.Conv1D) else (4,)
    with pytest.raises(InputError, match=f"{message}|has the shape"):
        stages_of(keras.Sequential([keras.Input(shape), layer]))
