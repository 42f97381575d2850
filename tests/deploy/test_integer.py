"""Integer arithmetic against the float arithmetic that it approximates."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_supermask.deploy import integer
from tf_supermask.deploy.stages import stages_of
from tf_supermask.errors import InputError


@given(st.floats(1e-6, 100), st.integers(1, 2**20))
def test_products_are_rounded_to_nearest_and_fit_in_32_bits(ratio, bound):
    """Oracle: float64. The multiplier has 16 bits; its rounding adds at most half a unit of its last place."""
    if ratio * bound > 2**24:
        return
    multiplier = integer.Multiplier.of(ratio, bound, 0, "layer")
    value = int(multiplier.values[0])
    sums = np.array([-bound, -1, 0, 1, bound])
    exact = sums * value / 2**multiplier.shift
    np.testing.assert_array_equal(multiplier(sums), np.floor(exact + 0.5))
    assert value < 2**16 and value * bound + 2 ** (multiplier.shift - 1) < 2**31
    assert value == max(1, round(ratio * 2**multiplier.shift))


def test_sums_that_no_multiplier_fits_are_named():
    with pytest.raises(InputError, match="^layer has sums of up to 1e.12, which leave 32 bits"):
        integer.Multiplier.of(1.0, 1e12, 0, "layer")


@pytest.mark.parametrize("alpha, scale", [(1.0, 0.01), (0.3, 0.002), (1.0, 5.0)])
def test_tables_are_elu(alpha, scale):
    """Oracle: ELU of float64, at most half the values that share an entry away."""
    table, coarse = integer._table(alpha, scale)
    q = np.arange(-1, -3000, -1)
    values = table[np.clip((-1 - q) >> coarse, 0, len(table) - 1)]
    exact = np.clip(alpha * np.expm1(q * scale) / scale, integer.LOWEST, 0)
    assert len(table) <= 255 and np.abs(values - exact).max() <= 0.5 + 2.0**coarse / 2


@pytest.mark.parametrize("pool", ["MaxPooling2D", "AveragePooling2D"])
def test_a_quantized_network_is_near_the_float_one(pool):
    """Oracle: Keras. Every stage adds an error of about 1 / 127 of its largest value."""
    draw = np.random.default_rng(0)
    layers = [
        keras.layers.Conv2D(6, 3, padding="same", activation="elu"),
        getattr(keras.layers, pool)(2, padding="same"),
    ]
    model = keras.Sequential([keras.Input((7, 7, 2)), *layers, keras.layers.Flatten(), keras.layers.Dense(5)])
    model.set_weights(
        [
            np.sign(draw.normal(size=w.shape)) * 0.3 if w.ndim > 1 else draw.normal(size=w.shape)
            for w in model.get_weights()
        ]
    )
    images = draw.normal(size=(40, 7, 7, 2)).astype(np.float32)
    network = integer.quantize(model, stages_of(model), images)
    expected = np.asarray(model(images))
    logits = network.logits(network.quantized(images)) * network.output_scale
    assert np.abs(logits - expected).max() < 0.05 * np.abs(expected).max()


def difference(*layers, units=2):
    """A model whose first layer has units of equal weights, of which the second one takes the difference."""
    first = keras.layers.Conv2D(units, 1, use_bias=False)
    model = keras.Sequential([keras.Input((4, 4, 3)), first, keras.layers.Conv2D(1, 1, use_bias=False), *layers])
    codes = np.array([1, -1, 0])[None, None, :, None] * np.ones(units)
    model.set_weights([0.3 * codes, 0.7 * (-1.0) ** np.arange(units)[None, None, :, None], *model.get_weights()[2:]])
    return model


CANCELLED = {
    "sums": lambda: [],
    "noise is amplified": lambda: [keras.layers.BatchNormalization(epsilon=1e-9), keras.layers.ReLU()],
    "elu": lambda: [keras.layers.ELU(), keras.layers.Flatten(), keras.layers.Dense(2, kernel_initializer="ones")],
    "average": lambda: [keras.layers.AveragePooling2D(2), keras.layers.GlobalMaxPooling2D()],
}


@pytest.mark.parametrize("layers", CANCELLED.values(), ids=CANCELLED)
def test_outputs_that_cancel_are_0(layers):
    """Oracle: exact arithmetic. In float32 the differences are not 0 after rounding."""
    model = difference(*layers(), units=6)
    images = np.random.default_rng(1).normal(size=(20, 4, 4, 3)).astype(np.float32)
    network = integer.quantize(model, stages_of(model), images)
    assert not network.logits(network.quantized(images)).any()


def test_averages_that_cancel_are_0():
    """The values are not 0, their average is but for rounding."""
    layers = [
        keras.layers.AveragePooling2D(4),
        keras.layers.Flatten(),
        keras.layers.Dense(2, kernel_initializer="ones"),
    ]
    model = keras.Sequential([keras.Input((4, 4, 1)), *layers])
    images = np.random.default_rng(0).normal(size=(20, 4, 4, 1)).astype(np.float32)
    images[:, 2:] = -images[:, :2]
    network = integer.quantize(model, stages_of(model), images)
    logits = network.logits(network.quantized(images)) * network.output_scale
    assert np.abs(logits).max() < np.abs(images).max() / 127


def test_a_bias_below_the_weights_of_a_dead_layer_is_kept():
    """Oracle: Keras. No weight is left, so that a step of the sums says nothing of the outputs."""
    layers = [keras.layers.Dense(2, activation="relu"), keras.layers.Dense(2, use_bias=False)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.set_weights([np.zeros((3, 2)), np.array([1e-6, 3e-6]), np.eye(2)])
    network = integer.quantize(model, stages_of(model), np.ones((4, 3)))
    logits = network.logits(network.quantized(np.ones((1, 3)))) * network.output_scale
    np.testing.assert_allclose(logits, [[1e-6, 3e-6]], rtol=0.01)
