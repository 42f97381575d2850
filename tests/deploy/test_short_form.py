"""Short forms of descriptions: Keras' description comes back, except for the shapes of tensors, which Keras finds again."""

import hashlib
import json

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_supermask.deploy import architecture, short_form
from tf_supermask.experiments import networks
from tf_supermask.experiments.spec import Spec


def described(model):
    return architecture.stripped(json.loads(model.to_json()))


def shapeless(part):
    if isinstance(part, list):
        return [shapeless(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    if part.get("class_name") == "__keras_tensor__":
        return part["config"]["keras_history"]
    return {key: shapeless(value) for key, value in part.items()}


def branches():
    """Layers that are called twice, read several tensors, or take arguments; a model in a model; other settings and layers."""
    inputs = keras.Input((6, 6, 2))
    conv, drop = keras.layers.Conv2D(2, 3, padding="same"), keras.layers.Dropout(0.1)
    x = keras.layers.Add()([conv(inputs), conv(keras.layers.ELU(2.0)(inputs))])
    x = drop(keras.layers.ReLU(6.0)(x), training=True)
    inner = keras.Sequential([keras.Input((6, 6, 2)), keras.layers.BatchNormalization(trainable=False)])
    x = keras.layers.GlobalAveragePooling2D(keepdims=True)(keras.layers.Concatenate()([inner(x), x]))
    x = keras.layers.Dense(3, dtype="bfloat16")(keras.layers.Flatten()(x))
    return keras.Model(inputs, [keras.layers.Softmax(dtype="float32")(x), keras.ops.relu(x)])


@pytest.mark.parametrize(
    "make",
    [
        branches,
        lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu"), keras.layers.Activation("tanh")]),
        lambda: networks.build(Spec.of(model="fcn", mode="baseline"), (8, 8, 1), 10),
        lambda: networks.build(Spec.of(model="resnet20", mode="baseline"), (8, 8, 3), 10),
    ],
)
def test_a_description_comes_back(make):
    description = described(make())
    text = json.dumps(short_form.shortened(description))
    again = short_form.full(json.loads(text))
    assert json.dumps(shapeless(again), sort_keys=True) == json.dumps(shapeless(description), sort_keys=True)
    assert 2 * len(text) < len(json.dumps(description))


def test_the_layers_of_a_chain_are_names_and_what_is_not_usual():
    layers = [keras.Input((4,), name="x"), keras.layers.Dense(10, name="a"), keras.layers.Dense(3, name="b")]
    for made in (keras.Sequential(layers), keras.Model(layers[0], layers[2](layers[1](layers[0])))):
        short = short_form.shortened(described(made))["config"]["layers"]
        assert short == [["InputLayer", "x", {"batch_shape": [None, 4]}], ["Dense", "a"], ["Dense", "b", {"units": 3}]]


def test_what_is_no_description_stays_as_it_is():
    entries = [1, None, {}, {"class_name": "Dense"}, {"class_name": "Dense", "config": 3}, {"class_name": ["Dense"]}]
    for value in (*entries, [1], {"config": {"layers": entries}}, {"config": {"layers": [{"config": {"name": 1}}]}}):
        assert short_form.full(short_form.shortened(value)) == value


ENTRIES = st.deferred(
    lambda: st.sampled_from(
        [["Dense", "x"], ["Dense", "x", {}, [["y", 0, 0]]], [8, "relu"], [], [[]], [["Dense", "x"]], None, 3]
    )
    | st.builds(_layer, st.sampled_from(["Dense", "ReLU", "Mine"]), st.booleans(), st.booleans(), st.booleans())
    | MODELS
)
MODELS = st.builds(
    lambda kind, layers, more: {
        "class_name": kind,
        "config": {"name": "m", "layers": layers} | dict.fromkeys(more, []),
    },
    st.sampled_from(["Functional", "Sequential", "Mine"]),
    st.lists(ENTRIES, max_size=4),
    st.sets(st.sampled_from(["input_layers", "output_layers"])),
)


def _layer(kind, usual, called, beside):
    config = {"name": "a"} | (short_form.DEFAULTS.get(kind) if usual and kind != "Mine" else {"units": 3})
    calls = [{"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["b", 0, 0]}}], "kwargs": {}}]
    entry = {"module": "keras.layers", "class_name": kind, "config": config} | ({"name": "a"} if beside else {})
    return entry | ({"inbound_nodes": calls} if called else {})


@settings(max_examples=300, deadline=None)
@given(MODELS)
def test_any_description_comes_back(description):
    """Also of models of the user's own classes, and of classes with lists for layers."""
    again = short_form.full(json.loads(json.dumps(short_form.shortened(description))))
    assert short_form.alike(again, description) and shapeless(again) == shapeless(description)


@pytest.mark.parametrize("layer", [[], ["Dense"], ["Lambda", "x"], ["Dense", 1], ["Dense", "x", [], []], ["Dense"] * 5])
def test_what_is_no_short_form_is_refused(layer):
    with pytest.raises(ValueError, match="a layer that is not described|a short form of Lambda"):
        short_form.full({"class_name": "Functional", "config": {"layers": [layer]}})


@pytest.mark.parametrize("layers", [[["Dense", "x"]] * 20_001, [["Dense", "x", {}, [[]] * 20_001]]])
def test_too_many_layers_and_calls_are_refused(layers):
    with pytest.raises(ValueError, match="more than 20,000 layers and calls"):
        short_form.full({"class_name": "Functional", "config": {"layers": layers}})


def test_defaults_never_change():
    """They are part of the format of version 4: files would come back with other layers."""
    text = json.dumps(short_form.DEFAULTS, sort_keys=True).encode()
    assert hashlib.sha256(text).hexdigest() == "b21befbd61ddf8fcc0c489355d82dfc9d4a0c8c51ee1d9b319708c31018bc866"
