"""Every use of every layer, and what layers hold."""

import keras
import numpy as np
import tensorflow as tf

from tf_supermask import graph


def test_every_use_of_a_layer_is_a_call():
    inputs = keras.Input((4,))
    dense, inner = keras.layers.Dense(4, name="dense"), keras.Sequential([keras.Input((4,)), keras.layers.ReLU()])
    x = keras.layers.Dropout(0.5, name="drop")(dense(dense(inputs)), training=True)
    model = keras.Model(inputs, keras.layers.add([inner(x), x * 2]))
    _, calls, outputs = graph.of(model)
    names = [call.layer.name for call in calls]
    assert names.count("dense") == 2 and names.index("drop") == 2 and len(calls) == 6
    assert [call.options for call in calls[:4]] == [[], [], ["training"], []]
    assert calls[1].inputs[0] is calls[0].outputs[0] and outputs[0] is calls[-1].outputs[0]


def test_layers_and_variables_inside_are_each_listed_once():
    class Own(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.variable = tf.Variable(3.0)
            self.parts = {"a": [keras.layers.Dense(2, name="one")], "b": keras.layers.ReLU(name="two")}
            self.again = self.parts["b"]

        def build(self, shape):
            self.parts["a"][0].build(shape)

        def call(self, x):
            return self.parts["b"](self.parts["a"][0](x)) * self.variable

    layer = Own()
    outer = keras.Sequential([keras.Input((3,)), layer, keras.layers.Flatten(name="three")])
    assert sorted(part.name for part in graph.inside(layer)) == ["one", "two"]
    assert {"one", "two", "three"} < {part.name for part in graph.inside(outer)}
    assert [float(np.asarray(variable)) for variable in graph.own_variables(outer)] == [3.0]
