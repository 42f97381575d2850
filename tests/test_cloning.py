"""Copies of layers compute the same, and have the same state."""

import keras
import numpy as np
import pytest

from tf_supermask import cloning


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Dense(3, activation=lambda x: x**2, name="own function"),
        keras.layers.Dense(3, activation=keras.layers.PReLU(), name="activation with weights"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Lambda(lambda x: x + 1, name="lambda"),
    ],
    ids=lambda layer: layer.name,
)
def test_a_copy_is_the_same_function(layer):
    """Oracle: the layer."""
    model = keras.Sequential([keras.Input((4,)), layer])
    draw = np.random.default_rng(0)
    layer.set_weights([draw.random(weight.shape) + 0.1 for weight in layer.get_weights()])
    layer.trainable = False
    clone, pairs = cloning.cloned(model, cloning.copied)
    source, copy = pairs[-1]
    cloning.carry(source, copy)
    x = draw.normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_array_equal(clone(x), model(x))
    assert source is layer and copy is not layer and copy.name == layer.name and not copy.trainable


def test_changes_are_to_the_configuration_alone():
    layer = keras.layers.Dense(3, "elu", name="d")
    copy = cloning.copied(layer, units=5)
    assert (copy.units, copy.activation, copy.name, copy.built) == (5, keras.activations.elu, "d", False)
    assert layer.units == 3


class Around(keras.layers.Layer):
    """A user's layer whose configuration has the words of the function's arguments."""

    def __init__(self, layer=1, changes=2, **kwargs):
        super().__init__(**kwargs)
        self.layer, self.changes = layer, changes

    def get_config(self):
        return super().get_config() | {"layer": self.layer, "changes": self.changes}


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.TimeDistributed(keras.layers.Dense(2)),
        keras.layers.Bidirectional(keras.layers.GRU(2)),
        Around(layer=3, changes=4),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_any_name_of_a_configuration_can_be_changed(layer):
    config = layer.get_config()
    assert cloning.copied(layer, **config).get_config() == config


def test_a_layer_that_cannot_be_made_again_is_named_in_one_line():
    class Needy(keras.layers.Layer):
        def __init__(self, needed, **kwargs):
            super().__init__(**kwargs)

        def get_config(self):
            return {}

    with pytest.raises(ValueError, match=r"^needy \(Needy\) cannot be made again from its configuration: [^\n]*$"):
        cloning.copied(Needy(1, name="needy"))
