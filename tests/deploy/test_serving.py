"""SavedModels return what the model returns, whatever its layers read."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from saved_models import build, images, served

from tf_supermask import SignedMaskDense, conversion
from tf_supermask.deploy import container
from tf_supermask.deploy.saved_model import export_saved_model, size_of
from tf_supermask.errors import InputError


class Stateful(keras.layers.Layer):
    """Reads what a layer can keep beside weights: a random generator, a variable of TensorFlow, a table of a file, a metric."""

    def __init__(self, words, **kwargs):
        super().__init__(**kwargs)
        file = tf.lookup.TextFileInitializer(
            words, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        self.generator, self.factor = keras.random.SeedGenerator(7), tf.Variable(2.0, trainable=False)
        self.tables, self.mean = {"words": [tf.lookup.StaticHashTable(file, -1)]}, keras.metrics.Mean()

    def call(self, x):
        self.mean.update_state(keras.ops.mean(x))
        number = tf.cast(self.tables["words"][0].lookup(tf.constant("b")), x.dtype)
        return (x + keras.random.normal(keras.ops.shape(x), seed=self.generator)) * self.factor + number


class Composite(keras.layers.Layer):
    """A layer of two others, one of them masked; its configuration does not say by how much it multiplies."""

    def __init__(self, factor):
        super().__init__()
        self.factor, self.inner = factor, [SignedMaskDense(4, use_bias=True), keras.layers.Dense(3)]

    def build(self, shape):
        for layer in self.inner:
            layer.build((None, 4))

    def call(self, x):
        return self.factor * self.inner[1](self.inner[0](x))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.body = [SignedMaskDense(5, activation="relu"), keras.layers.Dense(2)]

    def call(self, x, training=False):
        return self.body[1](self.body[0](x))


def stateful(tmp_path):
    (tmp_path / "words").write_text("a\nb\n")
    layer = Stateful(str(tmp_path / "words"))
    layer.factor.assign(3.0)
    return keras.Sequential([keras.Input((4,)), layer, SignedMaskDense(3)]), images(5, (4,))


def composite(tmp_path):
    model = keras.Sequential([keras.Input((4,)), Composite(3.0), keras.layers.Lambda(lambda x: x + 1)])
    return model, images(5, (4,))


def structures(tmp_path):
    two = keras.Input((3,), name="0"), keras.Input((2,), dtype="int32")
    inputs = {"an odd:name": keras.Input((3,), name="an odd:name"), "two": two}
    embedded = keras.layers.Flatten()(keras.layers.Embedding(9, 3)(two[1]))
    sums = SignedMaskDense(2)(inputs["an odd:name"]) + keras.layers.Dense(2)(embedded)
    model = keras.Model(inputs, {"both": [sums, two[0]], "first": sums})
    return model, {
        "an odd:name": images(5, (3,)),
        "two": (images(5, (3,)) + 1, np.arange(10, dtype=np.int32).reshape(5, 2) % 9),
    }


def recurrent(tmp_path):
    layers = [
        keras.layers.LSTM(3, stateful=True, return_sequences=True),
        keras.layers.TimeDistributed(SignedMaskDense(2)),
    ]
    return keras.Sequential([keras.Input(batch_shape=(4, 5, 3)), *layers]), images(4, (5, 3))


def nested(tmp_path):
    inner = keras.Sequential([keras.Input((4,)), SignedMaskDense(6), keras.layers.Dropout(0.3), keras.layers.Dense(4)])
    mixed = [SignedMaskDense(4, dtype="mixed_float16"), keras.layers.BatchNormalization(dtype="float16")]
    return keras.Sequential([keras.Input((4,)), inner, *mixed, SignedMaskDense(3)]), images(5, (4,))


def subclassed(tmp_path):
    model, x = Subclassed(), images(5, (4,))
    model(x)
    return model, x


@pytest.mark.parametrize("made", [stateful, composite, structures, recurrent, nested, subclassed])
def test_all_that_keras_exports_is_exported(made, tmp_path):
    """Oracle: the model itself."""
    model, x = made(tmp_path)
    folder = export_saved_model(model, tmp_path / "saved")
    (tmp_path / "words").unlink(missing_ok=True)
    expected, loaded = model(x, training=False), tf.saved_model.load(str(folder))
    if made is recurrent:
        expected = (model.layers[0].reset_states(), model(x, training=False))[1]
    found = loaded.serve(*keras.tree.flatten(x))
    keras.tree.assert_same_structure(found, expected)
    for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert len(loaded.signatures["serve"].structured_outputs) == len(keras.tree.flatten(expected))


def test_what_is_exported_has_every_kernel_once(tmp_path):
    """Neither weights nor scores, and nothing twice: a few kilobytes more than its kernels."""
    folder = export_saved_model(build("fcn"), tmp_path / "saved")
    kernels = conversion.strip_masks(build("fcn")).count_params()
    assert 4 * kernels < (folder / "variables" / "variables.data-00000-of-00001").stat().st_size < 4 * kernels + 3000
    assert size_of(folder) < 4 * kernels + 25_000


def test_named_inputs_come_in_their_order(tmp_path):
    inputs = {"zz": keras.Input((3,), name="zz"), "aa": keras.Input((3,), name="aa")}
    model = keras.Model(
        inputs, keras.layers.Subtract()([SignedMaskDense(2)(inputs["zz"]), SignedMaskDense(2)(inputs["aa"])])
    )
    x = {name: images(2, (3,)) * n for n, name in enumerate(inputs, 1)}
    found = served(model, tmp_path)(*(x[its.name] for its in model.inputs))
    np.testing.assert_allclose(found, model(x), rtol=1e-6)


@pytest.mark.parametrize(
    "lookup, dtype, its",
    [
        (keras.layers.IntegerLookup(output_mode="one_hot"), "int64", np.array([[5], [7], [9]])),
        (keras.layers.StringLookup(output_mode="multi_hot"), "string", np.array([["a"], ["b"], ["c"]])),
        (
            keras.layers.Discretization(num_bins=4, output_mode="one_hot"),
            "float32",
            np.array([[0.1], [0.5], [0.9]], np.float32),
        ),
    ],
    ids=lambda its: getattr(its, "name", ""),
)
def test_what_layers_have_adapted_to_goes_along(lookup, dtype, its, tmp_path):
    from tf_supermask import compact, mask_model

    lookup.adapt(its)
    inputs = keras.Input((1,), dtype=dtype)
    model = keras.Model(inputs, SignedMaskDense(3)(lookup(inputs)))
    x = tf.constant(its)
    for same in (conversion.strip_masks(model), compact(model), served(model, tmp_path)):
        np.testing.assert_allclose(same(x), model(x), rtol=1e-6)
    assert mask_model(conversion.strip_masks(model))(x).shape == (3, 3)
    if hasattr(lookup, "get_vocabulary"):

        with pytest.raises(InputError, match="has a vocabulary, which .supermask files do not hold"):
            container.save(model, tmp_path / "x.supermask")


def test_a_layer_called_with_training_does_what_it_does_in_training(tmp_path):
    """Oracles: the model, and Keras' own export, which for this format is not what `predict` gives."""
    x = images(6, (4,)) + 2
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.BatchNormalization()(inputs, training=True))
    start = model.get_weights()
    expected = np.asarray(model(x))
    model.set_weights(start)
    model.export(str(tmp_path / "keras"), verbose=False)
    theirs = tf.saved_model.load(str(tmp_path / "keras"))
    np.testing.assert_allclose(theirs.serve(x), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(served(model, tmp_path)(x), expected, rtol=1e-5, atol=1e-5)
    assert not np.allclose(model.predict(x, verbose=0), expected, atol=0.1)
