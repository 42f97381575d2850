"""Objects that a file may describe come back, others are refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_supermask import SignedMaskDense, conversion
from tf_supermask.deploy import allowed, container, loading
from tf_supermask.errors import InputError


@keras.saving.register_keras_serializable("tests")
class Scaled(keras.layers.Layer):
    """A user's own layer."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, shape):
        self.shift = self.add_weight(shape=shape[-1:], initializer="ones", name="shift")

    def call(self, x):
        return x * self.factor + self.shift

    def get_config(self):
        return super().get_config() | {"factor": self.factor}


def of_layers(*layers, shape=(6, 4), dtype=None):
    return keras.Sequential(
        [keras.Input(shape, dtype=dtype), *layers, keras.layers.Flatten(), SignedMaskDense(3, name="mask")]
    )


def attention():
    inputs = keras.Input((6, 4))
    x = keras.layers.MultiHeadAttention(2, 3)(inputs, inputs, use_causal_mask=True)
    x = keras.layers.LayerNormalization()(x + inputs * np.float32(0.5))[:, 1:]
    left, right = keras.ops.split(x, 2, axis=-1)
    return keras.Model(
        inputs, SignedMaskDense(3)(keras.layers.Flatten()(keras.ops.concatenate([left, keras.ops.relu(right)])))
    )


def shared():
    inputs, layer = keras.Input((6, 4)), keras.layers.Dense(4, activation=keras.layers.LeakyReLU(0.1))
    inner = keras.Sequential([keras.Input((6, 4)), layer, keras.layers.PReLU()])
    x = keras.layers.add([layer(layer(inputs)), inner(inner(inputs))])
    return keras.Model(inputs, SignedMaskDense(3)(keras.layers.Flatten()(x)))


ALLOWED = {
    "attention, operations": attention,
    "layers called twice, models in models": shared,
    "recurrent": lambda: of_layers(
        keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True)),
        keras.layers.TimeDistributed(keras.layers.Dense(2)),
        keras.layers.RNN([keras.layers.GRUCell(3), keras.layers.SimpleRNNCell(2)]),
    ),
    "preparation": lambda: of_layers(
        keras.layers.Rescaling(2.0),
        keras.layers.Dropout(0.3),
        keras.layers.SpectralNormalization(keras.layers.Dense(2)),
    ),
    "a class of the user's": lambda: of_layers(Scaled(3.0), keras.layers.Activation("silu")),
    "words": lambda: of_layers(
        keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot"), shape=(2,), dtype="string"
    ),
    "half precision": lambda: of_layers(keras.layers.Conv1D(3, 2, dtype="mixed_float16")),
}


@pytest.mark.parametrize("made", ALLOWED.values(), ids=ALLOWED)
def test_what_is_allowed_comes_back(made):
    model = made()
    draw = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(draw.normal(size=variable.shape).astype(np.float16) * 0.1)
    loaded = loading.built(loading.parsed(container.packed(model), "x"))
    x = draw.normal(size=(2, 6, 4)).astype(np.float32)
    x = x if model.inputs[0].dtype == "float32" else keras.ops.convert_to_tensor([["a", "c"], ["b", "a"]])
    np.testing.assert_array_equal(loaded(x), conversion.strip_masks(model)(x))


class Unregistered(Scaled):
    pass


class Plain(keras.layers.Layer):
    """Has Keras' own get_config, so that Keras gives no module for it."""

    def call(self, x):
        return 2 * x


class Own(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.factor = tf.Variable(3.0)

    def call(self, x):
        return x * self.factor


@keras.saving.register_keras_serializable("tests")
class Doubled(Scaled):
    """Its configuration has no name."""

    def __init__(self, **kwargs):
        super().__init__(2.0, **kwargs)

    def get_config(self):
        return {}


def test_layers_whose_configuration_has_no_name_keep_theirs(tmp_path):
    """Names that Keras would give again depend on how many layers of a kind there were before."""
    inputs = keras.Input((4,))
    second, first = Doubled(), Doubled()
    inner = keras.Sequential([keras.Input((4,)), Doubled(), keras.layers.ReLU()])
    model = keras.Model(inputs, SignedMaskDense(3)(inner(keras.ops.negative(second(first(inputs))))))
    first.shift.assign([1.0, 2, 3, 4])
    x = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    container.save(model, tmp_path / "x.supermask")
    for _ in range(2):
        loaded = loading.load(tmp_path / "x.supermask")
        assert [layer.name for layer in loaded.layers[1:]] == [layer.name for layer in model.layers[1:]]
        np.testing.assert_allclose(loaded(x), model(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "layer, message",
    [
        (
            Unregistered(3.0, name="its"),
            "layer 'its' has 'Unregistered', which is not registered with Keras here: decorate it with @keras",
        ),
        (
            Plain(name="its"),
            r"layer 'its' has 'Plain', .*: decorate it with @keras.saving.register_keras_serializable\(\), and import the module",
        ),
        (
            keras.layers.Discretization(np.linspace(0, 1, 10**5).tolist(), name="its"),
            "layer 'its' has 100,000 values in 'bin_boundaries', more than 65,536",
        ),
        (Own(), "keeps variables of TensorFlow, which .supermask files do not hold; use add_weight"),
        (
            keras.layers.RandomGrayscale(name="its"),
            "layer 'its' has 'RandomGrayscale' of keras.layers, which may run code",
        ),
    ],
)
def test_what_would_not_be_read_is_not_written(layer, message, tmp_path):
    model = keras.Sequential([keras.Input((6, 6, 3)), layer, SignedMaskDense(3)])
    with pytest.raises(InputError, match=message):
        container.save(model, tmp_path / "x.supermask")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "entry, message",
    [
        (
            {"class_name": "Mine"},
            "layer 'its' has 'Mine', which is not registered .* import the module that defines it first$",
        ),
        ({"class_name": "Mine", "module": "mine.layers"}, "has 'Mine', which is not registered .* import the module"),
        ({"class_name": "Dense"}, "layer 'its' has Dense without its module, which is keras.layers in Keras' descriptions"),
        ({"class_name": "__lambda__"}, "has '__lambda__', which may run code"),
        ({"class_name": "x" * 9999, "module": "keras"}, r"has 'x+\.\.\.x+' of keras, which may run code"),
        ({"class_name": "x" * 9999, "registered_name": "y" * 9999}, r"has 'y+\.\.\.y+', which is not registered"),
    ],
)
def test_reasons_are_right_and_names_are_short(entry, message):
    with pytest.raises(allowed.Refused, match=message) as error:
        allowed.check_object(entry | {"config": {}}, "its")
    assert len(str(error.value)) < 300


def relu(x):
    return 2 * x


@keras.saving.register_keras_serializable("tests")
def tripled(x):
    return 3 * x


@pytest.mark.parametrize(
    "function, message",
    [
        (lambda x: x, "has a lambda as activation, which files do not hold: use a function of keras.activations, or one of"),
        (keras.ops.sin, "has 'sin' as activation, which files do not hold: use"),
        (relu, "has 'relu' as activation, which is not the one of keras.activations: use"),
        (keras.ops.gelu, "has 'gelu' as activation, which is not the one of keras.activations"),  # it is an approximation
    ],
    ids=["lambda", "sin", "own_relu", "gelu"],
)
@pytest.mark.parametrize("kind", [keras.layers.Dense, keras.layers.LSTM])
def test_functions_that_a_name_does_not_give_back_are_not_written(kind, function, message):
    model = keras.Sequential([keras.Input((4, 3)), kind(3, activation=function, name="its"), SignedMaskDense(3)])
    with pytest.raises(InputError, match=f"^sequential.*: layer 'its' {message}"):
        container.packed(model)


def test_functions_of_keras_and_of_users_come_back():
    functions = [keras.ops.relu6, keras.activations.gelu, keras.ops.tanh, tripled]
    x = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    model = keras.Sequential([keras.Input((4,)), *(SignedMaskDense(4, activation=function) for function in functions)])
    contents = loading.parsed(container.packed(model), "x")
    np.testing.assert_array_equal(loading.built(contents)(x), model(x))


def test_a_class_that_is_not_imported_is_named(monkeypatch):
    content = container.packed(ALLOWED["a class of the user's"]())
    monkeypatch.delitem(keras.saving.get_custom_objects(), "tests>Scaled")
    with pytest.raises(
        InputError, match="^x: layer 'scaled.*' has 'tests>Scaled', which is not registered .* import the module that"
    ):
        loading.parsed(content, "x")
