"""Heads and units of attention that go, and what keeps them. Oracle: the model itself."""

import keras
import numpy as np
import pytest

from tf_supermask import compact

L = keras.layers
DEAD = {0: "output", 2: "value"}  # heads whose projection, of the output or of the value, is 0


def dead_heads(model, use_bias):
    """Random weights. Of four heads two are dead, and of the output's units the first."""
    random, layer = np.random.default_rng(0), model.get_layer("attention")
    for variable in model.weights:
        variable.assign(random.normal(size=variable.shape))
    output, value = layer.output_dense.kernel, layer.value_dense.kernel
    output.assign(output * (np.arange(4) != 0)[:, None, None] * (np.arange(output.shape[-1]) != 0))
    value.assign(value * (np.arange(4) != 2)[:, None])
    if use_bias:
        layer.value_dense.bias.assign(layer.value_dense.bias * (np.arange(4) != 2)[:, None])
    query = layer.query_dense.kernel
    query.assign(query * (np.arange(query.shape[0]) != 1)[:, None, None])


CALLS = {
    "self-attention": lambda attention, x, y: attention(x, x),
    "causal": lambda attention, x, y: attention(x, x, use_causal_mask=True),
    "key": lambda attention, x, y: attention(x, y, key=L.Dense(3, name="keys")(y)),
    "mask": lambda attention, x, y: attention(x, y, attention_mask=L.Reshape((5, 4))(L.Dense(4)(x)) > 0),
}


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("name", CALLS)
def test_dead_heads_go(name, use_bias):
    first, second = keras.Input((5, 3)), keras.Input((4, 3))
    x, y = L.Dense(6, name="before", use_bias=False)(first), L.Dense(6, "tanh")(second)
    attention = L.MultiHeadAttention(4, 2, value_dim=3, use_bias=use_bias, name="attention")
    z = CALLS[name](attention, x, y)
    ends = [L.GlobalAveragePooling1D()(its) for its in (z, y)]
    model = keras.Model([first, second], L.Dense(2)(L.Concatenate()(ends)))
    dead_heads(model, use_bias)
    small = compact(model)
    inputs = [
        np.random.default_rng(1).normal(size=(2, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs
    ]
    np.testing.assert_allclose(small(inputs), model(inputs), rtol=1e-4, atol=1e-4)
    layer = small.get_layer("attention")
    assert (layer.num_heads, layer.get_config()["output_shape"]) == (2, (5,))
    expected = {"self-attention": 6, "causal": 6, "key": 5, "mask": 6}
    assert small.get_layer("before").units == expected[name]


WHOLE = {
    "scores": lambda attention, x: L.Add()([attention(x, x, return_attention_scores=True)[0], x]),
    "training": lambda attention, x: attention(x, x, training=True),
    "a mask for each head": lambda attention, x: attention(
        x, x, attention_mask=L.Reshape((4, 5, 5))(L.Dense(20)(x)) > 0
    ),
    "twice": lambda attention, x: attention(attention(x, x), x),
}


@pytest.mark.parametrize("name", WHOLE)
def test_calls_that_keep_all_heads(name):
    inputs = keras.Input((5, 3))
    x = L.Dense(6, name="before")(inputs)
    model = keras.Model(inputs, L.Dense(2)(WHOLE[name](L.MultiHeadAttention(4, 2, value_dim=3, name="attention"), x)))
    dead_heads(model, True)
    small, x = compact(model), np.random.default_rng(1).normal(size=(2, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(small(x), model(x), rtol=1e-4, atol=1e-4)
    assert small.get_layer("attention").num_heads == 4
