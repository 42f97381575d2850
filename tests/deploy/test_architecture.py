"""Descriptions of models: what is stripped, how many steps are counted, and the bound on weights."""

import contextlib
import json

import keras
import numpy as np
import pytest

from tf_supermask.deploy import allowed, architecture
from tf_supermask.deploy.allowed import Refused


def a_model():
    inputs = keras.Input((6,), name="x")
    dense = keras.layers.Dense(4, kernel_regularizer="l2", kernel_initializer="he_normal", name="dense")
    outputs = keras.layers.Dense(2, name="out")(keras.layers.Dropout(0.3, seed=5)(dense(inputs)))
    return keras.Model(inputs, outputs, name="m")


def description(model):
    return architecture.stripped(json.loads(model.to_json()))


def test_a_stripped_description_gives_the_same_function():
    """Oracle: the model, whose weights the second one gets."""
    model = a_model()
    made = architecture.build(description(model), model.count_params())
    made.set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    np.testing.assert_array_equal(made(x), model(x))
    assert "HeNormal" not in json.dumps(description(model)) and not made.losses


@pytest.mark.parametrize("weights, refused", [(2**21, False), (2**21 - 2**20 - 1, True)])
def test_weights_are_counted_before_they_are_made(weights, refused):
    """2**21 weights; 2**20 more than `most` are allowed, for the states of layers."""
    model = keras.Sequential([keras.Input((2**10,)), keras.layers.Dense(2**11, use_bias=False)])
    if refused:
        with pytest.raises(Refused, match=f"more than the {weights:,} weights that it holds"):
            architecture.build(description(model), weights)
    else:
        assert architecture.build(description(model), weights).count_params() == 2**21


@pytest.mark.parametrize("most, refused", [(915, True), (916, False)])
def test_steps_are_bounded(most, refused, monkeypatch):
    """A model and its input take 8 steps each, 100 layers 8 each and 1 for their call."""
    x = inputs = keras.Input((4,))
    for _ in range(100):
        x = keras.layers.ReLU()(x)
    monkeypatch.setattr(architecture, "MOST_STEPS", most)
    with pytest.raises(Refused) if refused else contextlib.nullcontext():
        architecture.check(description(keras.Model(inputs, x)))


TENSOR = {"class_name": "__keras_tensor__", "config": {"shape": [], "dtype": "float32", "keras_history": ["x", 0, 0]}}
ARRAY = {"class_name": "__numpy__", "config": {"value": [1.0], "dtype": "float32"}}


@pytest.mark.parametrize(
    "call, symbolic",
    [
        ({"args": [TENSOR], "kwargs": {}}, True),
        ({"args": [1.0, TENSOR], "kwargs": {}}, True),
        ({"args": [[ARRAY, TENSOR]], "kwargs": {}}, True),
        ({"args": [], "kwargs": {"x": {"a": TENSOR}, "training": True}}, True),
        ({"args": [ARRAY], "kwargs": {}}, False),
        ({"args": [ARRAY], "kwargs": {"training": TENSOR}}, False),
        ({"args": [ARRAY | {"other": TENSOR}], "kwargs": {}}, False),
        ({"args": [ARRAY], "kwargs": {}, "other": TENSOR}, False),
    ],
)
def test_calls_are_those_that_keras_makes_without_computing(call, symbolic):
    """Oracle: whether Keras gives a symbolic tensor for the arguments that it makes of the call."""
    made = [keras.saving.deserialize_keras_object(call[part]) for part in ("args", "kwargs")]
    made[1].pop("training", None)
    tensors = [isinstance(value, keras.KerasTensor) for value in keras.tree.flatten(made)]
    assert any(tensors) == symbolic
    with contextlib.nullcontext() if symbolic else pytest.raises(ValueError, match="without a tensor|other parts"):
        its = {
            "class_name": "Dense",
            "module": "keras.layers",
            "config": {"units": 3},
            "name": "its",
            "inbound_nodes": [call],
        }
        first = {"class_name": "InputLayer", "module": "keras.layers", "config": {}, "name": "x", "inbound_nodes": []}
        ends = {"input_layers": [["x", 0, 0]], "output_layers": [["its", 0, 0]]}
        entry = {"class_name": "Functional", "module": "keras", "config": {"layers": [first, its], **ends}}
        architecture.check(entry)


def test_data_have_the_keys_that_keras_writes():
    """Oracle: Keras' own serializer, for all that arguments of a layer may be."""
    inputs = keras.Input((4,))
    values = [inputs, keras.ops.ones(2), np.ones(2), b"a", slice(1, None), ...]
    entries = [keras.saving.serialize_keras_object(value) for value in values]
    assert {entry["class_name"] for entry in entries} == allowed.DATA.keys()
    for entry in entries:
        allowed.check_object(entry, "its")
        for other in (entry | {"other": 1}, entry | {"config": entry["config"] | {"other": 1}}):
            with pytest.raises(
                Refused, match=f"layer 'its' has '{entry['class_name']}' with other parts than Keras writes"
            ):
                allowed.check_object(other, "its")
