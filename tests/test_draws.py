"""Random numbers that are the same on every backend. Oracles: the published vectors of Philox, TensorFlow, and what Keras drew on
TensorFlow before these were made, as digests, so that each backend is checked alone."""

import hashlib

import keras
import numpy as np
import pytest

from tf_supermask import Masked, SignedMaskDense, draws, initializers, mask_model, sparsity

FUNCTIONS = {
    "uniform": (draws.uniform, keras.random.uniform),
    "normal": (draws.normal, keras.random.normal),
    "truncated_normal": (draws.truncated_normal, keras.random.truncated_normal),
}
DRAWN = {
    "He": "53537676f99f80dd",
    "ELUS uniform": "e5bbcc8ee3972194",
    "Xavier normal": "267c3975f65ae35e",
    "Xavier truncated": "b4a10f9e5968eb56",
    "GlorotUniform": "5906c993380ca922",
    "HeNormal": "2ff78058bc77eaae",
    "VarianceScaling": "0777b30c3c2073f2",
    "RandomUniform": "97546f793857fa34",
    "RandomNormal": "c6e5fa344657ec5e",
    "TruncatedNormal": "be8de00c4ee0065c",
}
MODEL = {
    "signed": "12ea42c78814aa1c",
    "uniform": "ff96e533d7596cbd",
    "levels": "94fd886bb62304b5",
    "layer": "0bf8d022d7f73600",
}


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(keras.ops.convert_to_numpy(array))).hexdigest()[:16]


@pytest.mark.parametrize(
    "counter, key, words",
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (4 * (2**32 - 1,), 2 * (2**32 - 1,), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_the_published_vectors_of_philox(counter, key, words):
    assert tuple(draws.philox(np.array(counter, np.uint64), np.array(key, np.uint64))) == words


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="other backends draw other numbers")
@pytest.mark.parametrize("seed", [0, 3, 2**31 - 3, 2**31 - 2, 2**31 - 1])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_numbers_are_those_of_tensorflow(name, seed):
    ours, theirs = FUNCTIONS[name]
    for shape in ((), (1,), (3, 3), (5, 4, 3, 20)):
        np.testing.assert_array_equal(ours(seed, shape), theirs(shape, seed=seed))


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="other backends draw other numbers")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_generator_is_advanced(name):
    ours, theirs = FUNCTIONS[name]
    one, other = keras.random.SeedGenerator(5), keras.random.SeedGenerator(5)
    for _ in range(2):
        np.testing.assert_array_equal(ours(one, (9,)), theirs((9,), seed=other))


def test_signs_are_those_of_normal_numbers():
    np.testing.assert_array_equal(draws.normal_signs(4, (30, 7)), np.where(draws.normal(4, (30, 7)) < 0, -1, 1))


EACH = {
    "He": lambda: initializers.He("signed_constant", 7),
    "ELUS uniform": lambda: initializers.ELUS("uniform", 7),
    "Xavier normal": lambda: initializers.Xavier("normal", 7),
    "Xavier truncated": lambda: initializers.Xavier("truncated_normal", 7),
    "GlorotUniform": lambda: keras.initializers.GlorotUniform(7),
    "HeNormal": lambda: keras.initializers.HeNormal(7),
    "VarianceScaling": lambda: keras.initializers.VarianceScaling(0.5, "fan_out", "untruncated_normal", 7),
    "RandomUniform": lambda: keras.initializers.RandomUniform(0.01, 0.05, 7),
    "RandomNormal": lambda: keras.initializers.RandomNormal(0.1, 0.02, 7),
    "TruncatedNormal": lambda: keras.initializers.TruncatedNormal(0.1, 0.02, 7),
}


@pytest.mark.parametrize("name", EACH)
def test_initializers_draw_the_same_on_every_backend(name):
    assert digest(initializers.drawn(EACH[name](), (3, 5, 4, 6))) == DRAWN[name]
    if keras.config.backend() == "tensorflow":
        np.testing.assert_array_equal(initializers.drawn(EACH[name](), (11,)), EACH[name]()((11,)))


def test_an_initializer_of_ones_own_draws_by_itself():
    class Mine(keras.initializers.GlorotUniform):
        def __call__(self, shape, dtype=None):
            return keras.ops.ones(shape, dtype)

    assert (keras.ops.convert_to_numpy(initializers.drawn(Mine(), (2, 3))) == 1).all()
    layer = SignedMaskDense(
        3, score_initializer=Mine(), weight_initializer=lambda shape, dtype: keras.ops.ones(shape, dtype)
    )
    layer.build((None, 2))
    assert (keras.ops.convert_to_numpy(layer.score) == 1).all() and (layer.mask == 1).all()


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")  # which JAX has only when it is told so
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_types_have_the_same_numbers(dtype):
    expected = keras.ops.convert_to_numpy(initializers.He("uniform", 2)((4, 3)))
    seen = initializers.He("uniform", 2)((4, 3), dtype)
    assert keras.backend.standardize_dtype(seen.dtype) == dtype or keras.config.backend() == "jax"
    np.testing.assert_allclose(keras.ops.convert_to_numpy(keras.ops.cast(seen, "float32")), expected, rtol=0.01)


def network():
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Conv2D(3, 3),
            keras.layers.Reshape((4, 12)),
            keras.layers.LSTM(4, name="lstm"),
            keras.layers.Dense(5),
        ],
        name="drawn",
    )


def masked():
    """Models whose weights and scores all come from seeds."""
    yield "signed", mask_model(network(), seed=5)
    yield "uniform", mask_model(network(), seed=6, distribution="uniform", scheme="he")
    yield "levels", mask_model(
        network(), "signed_2_levels", seed=7, distribution="normal", score_initializer="he_normal"
    )
    inputs = keras.Input((4,))
    layer = Masked(
        keras.layers.Dense(3, kernel_initializer=initializers.He(seed=1)), score_initializer=initializers.He(seed=2)
    )
    yield "layer", keras.Model(inputs, layer(inputs))


def values(model):
    """All weights and scores with masks, in one array."""
    variables = [v for kernel in sparsity.masked_kernels(model).values() for v in (kernel.weight, kernel.score)]
    return np.concatenate([np.ravel(keras.ops.convert_to_numpy(variable)) for variable in variables])


def test_weights_and_scores_of_models_are_the_same_on_every_backend():
    assert {name: digest(values(model)) for name, model in masked()} == MODEL
