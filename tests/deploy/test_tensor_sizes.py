"""Sizes of tensors of models."""

import keras
import numpy as np
import pytest

from tf_supermask import conversion, graph
from tf_supermask.deploy import container, loading, tensor_sizes

BATCH = 5


LAYERS = {
    "LSTM": lambda: keras.layers.LSTM(3, stateful=True),
    "cells": lambda: keras.layers.RNN([keras.layers.GRUCell(3), keras.layers.LSTMCell(2)], stateful=True),
    "both directions": lambda: keras.layers.Bidirectional(keras.layers.GRU(3, stateful=True)),
    "images": lambda: keras.layers.ConvLSTM2D(3, 2, stateful=True),
}


def of(layer, batch):
    shape = (batch, 4, 6, 6, 2) if isinstance(layer, keras.layers.ConvLSTM2D) else (batch, 4, 2)
    return keras.Sequential([keras.Input(batch_shape=shape), layer, keras.layers.Flatten(), keras.layers.Dense(2)])


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_states_are_counted(make):
    """Oracle: the variables that Keras makes for them, which are no weights."""
    model = of(make(), BATCH)
    states = keras.tree.flatten([part.states for part in graph.inside(model) if isinstance(part, keras.layers.RNN)])
    assert states and tensor_sizes.states(model) == sum(int(np.prod(v.shape)) for v in states)


def test_states_of_batches_of_any_size_are_none():
    assert tensor_sizes.states(of(keras.layers.LSTM(3), None)) == 0


def test_stateful_models_come_back():
    model = conversion.mask_model(of(keras.layers.LSTM(3, stateful=True), BATCH), verbose=False)
    loaded = loading.built(loading.parsed(container.packed(model), "x"))
    plain, x = conversion.strip_masks(model), np.random.default_rng(0).normal(size=(BATCH, 4, 2)).astype(np.float32)
    for _ in range(2):
        np.testing.assert_array_equal(loaded(x), plain(x))
    assert loaded.layers[0].stateful


def test_the_largest_tensor_is_found_in_models_in_models():
    inner = keras.Sequential([keras.Input((4, 2)), keras.layers.UpSampling1D(3), keras.layers.GlobalMaxPooling1D()])
    inputs = keras.Input((4, 2))
    assert tensor_sizes.largest(keras.Model(inputs, inner(inputs))) == 24
