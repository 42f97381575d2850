"""Which kernels of a model get masks, and the positions that their seeds are made of."""

import keras
import pytest

from tf_supermask import choosing

L = keras.layers


def nested():
    inner = keras.Sequential([keras.Input((4,)), L.Dense(4, name="inside")], name="inner")
    layers = [
        L.Conv2D(2, 3, name="conv"),
        L.Flatten(),
        L.Dense(4, name="a"),
        inner,
        L.LayerNormalization(),
        L.Dense(3, name="b"),
    ]
    return keras.Sequential([keras.Input((3, 3, 1)), *layers])


@pytest.mark.parametrize(
    "layer, expected",
    [
        (L.Dense(3), True),
        (L.Conv2D(4, 3), True),
        (L.Conv2D(4, 3, groups=2), False),
        (L.Conv2D(4, 3, data_format="channels_first"), False),
        (L.Dense(3, lora_rank=2), False),
        (L.Conv1D(3, 3), False),
        (type("Own", (L.Dense,), {})(3), False),
    ],
)
def test_only_plain_dense_layers_and_convolutions_are_replaced(layer, expected):
    assert choosing.convertible(layer) is expected


def test_positions_count_the_layers_with_kernels():
    choices = {layer.name: choice for layer, choice in choosing.chosen(nested(), lambda layer: True).items()}
    assert {name: choice.position for name, choice in choices.items()} == {
        "conv": "0", "a": "1", "inside": "model0/0", "b": "2"
    }  # fmt: skip
    assert all(choice.kernels == ["kernel"] for choice in choices.values())


def test_a_layer_that_the_filter_leaves_out_changes_no_position():
    choices = choosing.chosen(nested(), lambda layer: layer.name == "b")
    assert [(layer.name, choice.position) for layer, choice in choices.items()] == [("b", "2")]


def test_a_filter_of_two_arguments_is_asked_for_each_kernel():
    model, asked = keras.Sequential([keras.Input((5, 4)), L.LSTM(3, name="memory")]), []
    choices = choosing.chosen(model, lambda layer, kernel: asked.append((layer.name, kernel)) or kernel == "kernel")
    assert asked == [("memory", "kernel"), ("memory", "recurrent_kernel")]
    assert [choice.kernels for choice in choices.values()] == [["kernel"]]


@pytest.mark.parametrize(
    "filter, message",
    [
        (["a"], r"`filter` must be a function .* Received: \['a'\]"),
        (lambda a, b, c: True, "`filter` must take a layer, or a layer and the name of a kernel. Received: a, b, c"),
        (lambda layer: None, "`filter` must return True or False. It returned None for conv"),
        (lambda layer: False, "has no layer to mask: a layer needs a kernel without LoRA"),
    ],
)
def test_wrong_filters_are_named(filter, message):
    with pytest.raises(ValueError, match=message):
        choosing.chosen(nested(), filter)
