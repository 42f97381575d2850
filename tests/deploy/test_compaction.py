"""compact: smaller models with the same outputs, for random masks, biases, additions and layers it does not know."""

import re

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_supermask import sparsity
from tf_supermask.deploy import compaction
from tf_supermask.experiments import networks
from tf_supermask.experiments.spec import Spec

SHAPE = (8, 8, 3)


def images(shape=SHAPE, count=6, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


def masked(name, density, seed=0, **given):
    """A network of the papers with random masks of a density."""
    model = networks.build(Spec.of(model=name, **given), SHAPE, 10)
    draw = np.random.default_rng(seed)
    for layer in sparsity.masked_layers(model):
        score = np.sign(draw.normal(size=layer.score.shape)) * (draw.random(layer.score.shape) < density)
        layer.score.assign(score * 10)
    return model


def same(model, small, x):
    expected = np.asarray(model(x))
    np.testing.assert_allclose(np.asarray(small(x)), expected, rtol=1e-4, atol=1e-5 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("name", ["fcn", "conv2", "conv8", "resnet20"])
@pytest.mark.parametrize("density", [0.001, 0.01, 0.1, 1.0])
def test_the_same_outputs_from_fewer_units(name, density):
    model = masked(name, density)
    small = compaction.compact(model)
    same(model, small, images())
    assert all(type(layer).__module__.startswith("keras.") for layer in small.layers)
    before, after = sparsity.multiply_adds(model), sparsity.multiply_adds(small)
    assert after == before if density == 1 else after <= before
    if density <= 0.01 and name in ("fcn", "conv2"):
        assert after < before


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(-3, 0), st.booleans(), st.sampled_from(["relu", "elu", "sigmoid"]))
def test_dense_networks_with_and_without_biases(seed, exponent, use_bias, activation):
    """Oracle: the network itself. A dead unit with a bias, or behind a sigmoid, is a constant that is not 0."""
    draw = np.random.default_rng(seed)
    dense = [keras.layers.Dense(n, activation, use_bias=use_bias) for n in (12, 8)]
    model = keras.Sequential([keras.Input((9,)), *dense, keras.layers.Dense(4, use_bias=use_bias)])
    for layer in model.layers:
        kernel, *bias = layer.get_weights()
        kernel = draw.normal(size=kernel.shape) * (draw.random(kernel.shape) < 10**exponent)
        layer.set_weights([kernel, *(draw.normal(size=b.shape) for b in bias)])
    small = compaction.compact(model)
    same(model, small, draw.normal(size=(5, 9)).astype(np.float32))
    report = compaction.Analysis(model).report()
    assert [layer.units for layer in small.layers] == [its["units"][0] for its in report.values()]


def test_a_dead_unit_goes_and_with_it_all_that_only_served_it():
    model = keras.Sequential(
        [keras.Input((3,)), *(keras.layers.Dense(n, "elu", use_bias=False) for n in (4, 3)), keras.layers.Dense(2)]
    )
    first, second, out = model.layers
    first.set_weights([np.array([[1, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "f")])  # unit 1 has no inputs
    second.set_weights([np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], "f")])  # unit 2 is read by none below
    out.set_weights([np.array([[1, 1], [1, 0], [0, 0]], "f"), np.zeros(2)])
    report = compaction.Analysis(model).report()
    assert [its["units"] for its in report.values()] == [[2, 4], [2, 3], [2, 2]]
    assert report[first.name]["inputs"] == [2, 3]  # the last input only reaches what is gone
    same(model, compaction.compact(model), images((3,)))


def test_constants_of_convolutions_fold_only_without_padding():
    """Within a padded convolution a constant channel is not constant at the border: it stays, and the outputs with it."""
    for padding, filters in (("valid", 1), ("same", 2)):
        layers = [
            keras.layers.Conv2D(2, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(3, 3, padding=padding),
        ]
        model = keras.Sequential([keras.Input(SHAPE), *layers, keras.layers.Flatten(), keras.layers.Dense(2)])
        kernel, bias = layers[0].get_weights()
        kernel[..., 1] = 0
        layers[0].set_weights([kernel, np.array([0.1, 0.7], "f")])
        small = compaction.compact(model)
        assert small.layers[0].filters == filters
        same(model, small, images())


def test_channels_of_an_addition_stay_together():
    inputs = keras.Input(SHAPE)
    one, other = (keras.layers.Conv2D(4, 1, use_bias=False, name=n)(inputs) for n in ("one", "other"))
    outputs = keras.layers.Conv2D(2, 1, name="last")(keras.layers.add([one, other]))
    model = keras.Model(inputs, outputs)
    for name, alive in (("one", [1, 0, 0, 1]), ("other", [0, 1, 0, 1])):
        layer = model.get_layer(name)
        layer.set_weights([layer.get_weights()[0] * np.array(alive, "f")])
    small = compaction.compact(model)
    assert small.get_layer("one").filters == small.get_layer("other").filters == 3  # only channel 2 is dead in both
    same(model, small, images())


def test_unknown_layers_keep_what_they_touch():
    inputs = keras.Input(SHAPE)
    x = keras.layers.Conv2D(4, 1, use_bias=False, name="before")(inputs)
    x = keras.layers.LayerNormalization()(x)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(keras.ops.relu(x))))
    kernel = model.get_layer("before").get_weights()[0]
    kernel[..., 1] = 0
    model.get_layer("before").set_weights([kernel])
    small = compaction.compact(model)
    assert small.get_layer("before").filters == 4
    assert "LayerNormalization" in compaction.Analysis(model).report()["before"]["kept"]
    same(model, small, images())


@keras.saving.register_keras_serializable("test")
def of_length_one(x):
    return x / keras.ops.sqrt(1e-6 + keras.ops.sum(x * x, axis=-1, keepdims=True))


@pytest.mark.parametrize(
    "activation", [keras.layers.Softmax(), keras.layers.UnitNormalization(), of_length_one, "softmax", keras.ops.elu]
)
def test_activations_that_it_does_not_know_keep_all_units(activation):
    for layers in (
        [keras.layers.Dense(8, activation=activation)],
        [keras.layers.Dense(8), keras.layers.Activation(activation)],
    ):
        model = keras.Sequential([keras.Input((12,)), *layers, keras.layers.Dense(3)])
        kernel, bias = model.layers[0].get_weights()
        kernel[:, ::2] = 0
        model.layers[0].set_weights([kernel, bias])
        same(model, compaction.compact(model), images((12,)))


@pytest.mark.parametrize(
    "layers",
    [
        [keras.layers.Flatten(data_format="channels_first")],
        [keras.layers.MaxPooling2D(2, data_format="channels_first"), keras.layers.Flatten()],
        [keras.layers.GlobalAveragePooling2D(data_format="channels_first")],
    ],
)
def test_layers_that_take_channels_first_keep_all(layers):
    conv = keras.layers.Conv2D(8, 3, activation="relu")
    model = keras.Sequential([keras.Input((6, 6, 3)), conv, *layers, keras.layers.Dense(3)])
    kernel, bias = conv.get_weights()
    kernel[..., ::2] = 0
    conv.set_weights([kernel, bias])
    same(model, compaction.compact(model), images((6, 6, 3)))


def test_an_addition_of_other_arrangements_keeps_all():
    inputs = keras.Input(SHAPE)
    flat = keras.layers.Flatten()(keras.layers.Conv2D(2, 1)(inputs))
    outputs = keras.layers.add([flat, keras.layers.Dense(128)(keras.layers.Flatten()(inputs))])
    model = keras.Model(inputs, keras.layers.Dense(3)(outputs))
    same(model, compaction.compact(model), images())


def test_a_network_of_which_nothing_is_left():
    model = masked("conv2", 0.0)
    same(model, compaction.compact(model), images())


@keras.saving.register_keras_serializable("tests")
class Nameless(keras.layers.Layer):
    """Its configuration has no name."""

    def get_config(self):
        return {}

    def call(self, x):
        return 2 * x


def inner_model(x):
    inputs = keras.Input(x.shape[1:])
    return keras.Model(inputs, keras.layers.Dense(x.shape[-1])(inputs), name="inner")


def inside_a_model(x):
    inner = inner_model(x)
    return inner(inner(x))


def three_times(x):
    dense = keras.layers.Dense(x.shape[-1], "relu", name="shared")
    return dense(dense(dense(x)))


L = keras.layers
WHOLE = {  # what follows a convolution with dead units -> what the report says of these
    "lambda": (L.Activation(lambda x: x + 1), "may use any of them"),
    "ops function": (L.Activation(keras.ops.sin), "may use any of them"),
    "operation": (keras.ops.sin, r"\(Sin\) may use any"),
    "sum": (lambda x: x + keras.ops.square(x), "may use any of them"),
    "Lambda": (L.Lambda(lambda x: keras.ops.sin(x), output_shape=lambda shape: shape), r"\(Lambda\) may use any"),
    "no name": (Nameless(), r"\(Nameless\) may use any"),
    "norm over rows": (L.BatchNormalization(axis=1), r"\(BatchNormalization\) may use any"),
    "norm over columns": (L.BatchNormalization(axis=2), r"\(BatchNormalization\) may use any"),
    "norm in training": (lambda x: L.BatchNormalization()(x, training=True), "is called with training"),
    "dropout in training": (lambda x: L.Dropout(0.5, seed=1)(x, training=True), "is called with training"),
    "unseeded": (lambda x: L.Dropout(0.5)(x, training=True), "is called with training"),
    "model": (inside_a_model, r"inner \(Functional\) is used 2 times"),
    "model in training": (lambda x: inner_model(x)(x, training=True), r"inner \(Functional\) is called with training"),
    "shared": (three_times, r"shared \(Dense\) is used 3 times"),
    "padding": (lambda x: L.LSTM(3)(L.Masking()(L.Reshape((-1, x.shape[-1]))(x))), r"not_equal\w* \(NotEqual\)"),
    "weights of an activation": (L.Dense(3, activation=L.PReLU()), r"\(Dense\) may use any"),
    "groups": (L.Conv2D(4, 1, groups=4), r"\(Conv2D\) may use any"),
}


def before(*after):
    """A model whose first layer `before` has four filters, of which two are dead, and then `after`, dense layers and outputs."""
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(4, 1, use_bias=False, name="before")(inputs)
    for layer in after:
        x = layer(x)
    x = keras.layers.Flatten()(x)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Dense(5, "relu", name="after")(x)))
    for layer in (model.get_layer("before"), model.get_layer("after")):
        layer.kernel.assign(layer.kernel * (np.arange(layer.kernel.shape[-1]) % 2))
    return model


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_not_understood_stays_whole_and_is_named(name):
    layer, reason = WHOLE[name]
    model = before(layer)
    model(images((4, 4, 3)))  # builds activations that have weights
    small = compaction.compact(model)
    assert small.get_layer("before").filters == 4 and small.get_layer("after").units == 2
    assert re.search(reason, compaction.Analysis(model).report()["before"]["kept"])
    for training in (False, None):
        np.testing.assert_allclose(
            small(images((4, 4, 3)), training=training),
            model(images((4, 4, 3)), training=training),
            rtol=1e-4,
            atol=1e-5,
        )


def test_a_use_in_inference_is_understood():
    model = before(lambda x: L.BatchNormalization()(L.Dropout(0.5)(x, training=False), training=False))
    small = compaction.compact(model)
    assert small.get_layer("before").filters == 2
    same(model, small, images((4, 4, 3)))


def test_layers_after_one_in_training_may_be_in_training_too():
    """Keras passes training=True on, from a layer that is called with it to those after it."""
    middle, inputs = L.Dense(4, name="middle"), keras.Input((3,))
    x = L.BatchNormalization()(middle(L.BatchNormalization()(inputs, training=True)))
    model = keras.Model(inputs, L.Dense(2)(x))
    middle.set_weights([middle.kernel * np.array([0, 1, 1, 0], "f"), np.array([0, 0.1, 0.2, 0.7], "f")])
    small = compaction.compact(model)
    assert small.get_layer("middle").units == 4
    assert "as another layer is" in compaction.Analysis(model).report()["middle"]["kept"]
    for training in (False, None):
        np.testing.assert_allclose(
            small(images((3,)), training=training), model(images((3,)), training=training), rtol=1e-4
        )


def test_how_a_model_is_compiled_does_not_matter():
    """A loss that Keras cannot make again is left out; others are there."""
    model = before()
    model.compile("sgd", loss=lambda y, its: keras.ops.mean(its))
    same(model, compaction.compact(model), images((4, 4, 3)))
    assert model.compiled and not compaction.compact(model).compiled
    model.compile("sgd", loss="mse")
    assert compaction.compact(model).compiled


def test_layers_that_no_configuration_makes_are_named():
    class Own(keras.layers.Layer):
        def __init__(self, function):
            super().__init__(name="own")
            self.function = function

        def call(self, x):
            return self.function(x)

    with pytest.raises(ValueError, match=r"own \(Own\) cannot be made again from its configuration: "):
        compaction.compact(before(Own(keras.ops.sin)))


@keras.saving.register_keras_serializable("tests")
class Mix(keras.layers.ReLU):
    """Reads all channels for each."""

    def call(self, x):
        return x - keras.ops.mean(x, -1, keepdims=True)


def test_layers_made_of_known_ones_keep_all_that_they_touch():
    first = keras.layers.Dense(5, use_bias=False)
    model = keras.Sequential([keras.Input((4,)), first, Mix(), keras.layers.Dense(3)])
    first.kernel.assign(np.random.default_rng(0).normal(size=(4, 5)) * [1, 0, 0, 1, 0])
    x = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_allclose(compaction.compact(model)(x), model(x), rtol=1e-5, atol=1e-6)


def test_inputs_of_open_length_and_without_axes():
    words = keras.Input((None,), dtype="int32")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(5, 8)(words))
    number = keras.Input(())
    x = keras.layers.Concatenate()([x, keras.layers.Reshape((1,))(number)])
    model = keras.Model([words, number], keras.layers.Dense(3)(keras.layers.Dense(4, "relu")(x)))
    its = [np.array([[1, 2, 3]]), np.ones(1, np.float32)]
    np.testing.assert_allclose(compaction.compact(model)(its), model(its), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("merge", ["Add", "Maximum", "Average", "Multiply"])
@pytest.mark.parametrize("width", [1, 4])
def test_constants_among_the_inputs_of_a_layer_count(merge, width):
    inputs = keras.Input((3,))
    x = keras.layers.Dense(4, use_bias=False, name="first")(inputs)
    x = getattr(keras.layers, merge)()([x, np.full((1, width), 0.5, np.float32)])
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    kernel = np.array(model.get_layer("first").kernel)
    kernel[:, :2] = 0
    model.get_layer("first").kernel.assign(kernel)
    data = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_allclose(compaction.compact(model)(data), model(data), rtol=1e-5, atol=1e-6)
