import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from tf_supermask import SignedMaskConv2D, SignedMaskDense, export, models
from tf_supermask.errors import InputError
from tf_supermask.spec import Spec

SHAPE = (16, 16, 3)
# A process that cannot import this package loads the SavedModel and prints the logits of two batch sizes.
READER = """
import sys; sys.modules["tf_supermask"] = None
import json, numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
x = np.load(sys.argv[2])
whole, one = model.serve(x).numpy(), model.serve(x[:1]).numpy()
signature = model.signatures["serve"](images=tf.constant(x))
assert np.array_equal(list(signature.values())[0], whole)
np.testing.assert_allclose(one, whole[:1], rtol=1e-4, atol=1e-5)
print(json.dumps(whole.tolist()))
"""


def images(count=5, shape=SHAPE):
    return np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32)


def build(name, **given):
    return models.build(Spec.of(model=name, **given), SHAPE, 10)


@pytest.mark.parametrize(
    "model, given",
    [
        ("fcn", {}),
        ("conv4", {"mode": "binary"}),
        ("fcn", {"dialect": "zhou"}),
        ("resnet20", {}),
        ("conv2", {"mode": "baseline"}),
    ],
)
def test_plain_model_is_the_same_function_in_keras_layers(model, given):
    masked = build(model, **given)
    for variable in masked.trainable_variables:
        variable.assign_add(0.01 * np.random.default_rng(1).normal(size=variable.shape))
    plain = export.plain(masked)
    np.testing.assert_array_equal(plain(images()), masked(images()))
    assert all(type(layer).__module__.startswith("keras.") for layer in plain.layers)
    assert [layer.name for layer in plain.layers[1:]] == [layer.name for layer in masked.layers[1:]]


def test_any_model_of_the_user():
    """Sequential, and a functional model with two branches, mixed with layers of Keras."""
    sequential = keras.Sequential(
        [
            keras.Input(SHAPE),
            SignedMaskConv2D(4, 3, strides=2, use_bias=True),
            keras.layers.Flatten(),
            SignedMaskDense(3),
        ]
    )
    inputs = keras.Input(SHAPE)
    branches = [SignedMaskConv2D(4, 3, padding="same")(inputs), keras.layers.Conv2D(4, 3, padding="same")(inputs)]
    outputs = SignedMaskDense(2, activation="softmax")(keras.layers.GlobalMaxPooling2D()(keras.layers.add(branches)))
    for model in (sequential, keras.Model(inputs, outputs)):
        np.testing.assert_array_equal(export.plain(model)(images()), model(images()))


@pytest.mark.parametrize("model", ["fcn", "conv2", "resnet20"])
def test_saved_model_in_a_process_without_the_package(model, tmp_path):
    masked = build(model)
    folder = export.saved_model(masked, tmp_path / "e" / "exported")
    np.save(tmp_path / "images.npy", images())
    command = [sys.executable, "-c", READER, str(folder), str(tmp_path / "images.npy")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    np.testing.assert_allclose(json.loads(printed), masked(images()), rtol=1e-4, atol=1e-5)
    assert [path.name for path in folder.parent.iterdir()] == ["exported"]  # nothing half-written is left


def test_an_earlier_export_is_replaced_whole_and_nothing_else_is(tmp_path, monkeypatch):
    folder = export.saved_model(build("fcn"), tmp_path / "exported")
    before = (folder / "variables" / "variables.data-00000-of-00001").read_bytes()

    def full_disk(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(export, "_save", full_disk)
        with pytest.raises(InputError, match="cannot write .*No space left on device.*give another folder"):
            export.saved_model(build("fcn", seed=1), folder)
    assert (folder / "variables" / "variables.data-00000-of-00001").read_bytes() == before
    export.saved_model(build("fcn", seed=1), folder)
    assert (folder / "variables" / "variables.data-00000-of-00001").read_bytes() != before
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="not a SavedModel"):
        export.saved_model(build("fcn"), tmp_path / "mine")


def served(model, tmp_path):
    import tensorflow as tf

    found = tf.saved_model.load(str(export.saved_model(model, tmp_path / "saved")))
    return lambda *x: found.serve(*x)  # keeps its variables


def test_a_model_built_by_its_first_images_takes_any_number_of_them(tmp_path):
    model = keras.Sequential([SignedMaskDense(3)])
    model(images(4, (8,)))
    np.testing.assert_allclose(served(model, tmp_path)(images(7, (8,))), model(images(7, (8,))), rtol=1e-6)
    pytest.importorskip("ai_edge_litert", reason="TFLite files are read with the extra tflite")
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(export.tflite(model, tmp_path / "x.tflite")))
    assert interpreter.get_input_details()[0]["shape_signature"].tolist() == [-1, 8]


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
    import tensorflow as tf

    from tf_supermask import compact, mask_model

    lookup.adapt(its)
    inputs = keras.Input((1,), dtype=dtype)
    model = keras.Model(inputs, SignedMaskDense(3)(lookup(inputs)))
    x = tf.constant(its)
    for same in (export.plain(model), compact(model), served(model, tmp_path)):
        np.testing.assert_allclose(same(x), model(x), rtol=1e-6)
    assert mask_model(export.plain(model))(x).shape == (3, 3)
    if hasattr(lookup, "get_vocabulary"):
        from tf_supermask import container

        with pytest.raises(InputError, match="has a vocabulary, which .supermask files do not hold"):
            container.save(model, tmp_path / "x.supermask")


def test_masks_inside_other_layers_and_quantized_layers_are_named():
    inside = keras.Sequential([keras.Input((4, 3)), keras.layers.TimeDistributed(SignedMaskDense(5), name="each")])
    with pytest.raises(ValueError, match="has masked layers inside each"):
        export.plain(inside)
    quantized = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="head")])
    quantized.layers[0].quantize("int8")
    with pytest.raises(ValueError, match="not quantized yet. Received: head, quantized"):
        export.plain(quantized)
