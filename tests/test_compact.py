"""compact: smaller models with the same outputs, for random masks, biases, additions and layers it does not know."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_supermask import compaction, models, sparsity
from tf_supermask.spec import Spec

SHAPE = (8, 8, 3)


def images(shape=SHAPE, count=6, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


def masked(name, density, seed=0, **given):
    """A network of the papers with random masks of a density."""
    model = models.build(Spec.of(model=name, **given), SHAPE, 10)
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


def test_a_layer_used_twice_is_refused():
    inputs, dense = keras.Input((4,)), keras.layers.Dense(4)
    with pytest.raises(ValueError, match="used more than once"):
        compaction.compact(keras.Model(inputs, dense(dense(inputs))))


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


def test_a_functional_model_inside_is_named():
    inner = keras.Input((4,))
    inner = keras.Model(inner, keras.layers.ReLU()(inner), name="inner")
    inputs = keras.Input((4,))
    with pytest.raises(ValueError, match="is a functional model"):
        compaction.compact(keras.Model(inputs, keras.layers.Dense(2)(inner(inputs))))
