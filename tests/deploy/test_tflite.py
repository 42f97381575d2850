"""Export for TensorFlow Lite: float32 in and out, one line for what cannot be converted."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from saved_models import images, served

from tf_supermask import SignedMaskDense
from tf_supermask.deploy.tflite import export_tflite
from tf_supermask.errors import InputError


def test_a_model_built_by_its_first_images_takes_any_number_of_them(tmp_path):
    model = keras.Sequential([SignedMaskDense(3)])
    model(images(4, (8,)))
    np.testing.assert_allclose(served(model, tmp_path)(images(7, (8,))), model(images(7, (8,))), rtol=1e-6)
    pytest.importorskip("ai_edge_litert", reason="TFLite files are read with the extra tflite")
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(export_tflite(model, tmp_path / "x.tflite")))
    assert interpreter.get_input_details()[0]["shape_signature"].tolist() == [-1, 8]


def lite(path):
    """The function of a TFLite file: inputs by name -> outputs, and the inputs' dtypes."""
    interpreter = pytest.importorskip(
        "ai_edge_litert.interpreter", reason="TFLite files are read with the extra tflite"
    )
    runner = interpreter.Interpreter(str(path)).get_signature_runner()
    return lambda **x: next(iter(runner(**x).values())), [its["dtype"] for its in runner.get_input_details().values()]


@pytest.mark.parametrize("precision", ["mixed_float16", "float16", "mixed_bfloat16", "float64"])
def test_tflite_is_float32_whatever_the_precision_of_a_model(precision, tmp_path):
    inputs = keras.Input((4,), dtype=precision.removeprefix("mixed_") if "mixed" not in precision else None, name="x")
    body = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, activation="relu", dtype=precision)])
    x = body(SignedMaskDense(6, dtype=precision, use_bias=True)(inputs))
    model = keras.Model(inputs, keras.ops.cast(keras.layers.BatchNormalization(dtype=precision)(x) * 2, inputs.dtype))
    call, dtypes = lite(export_tflite(model, tmp_path / "x.tflite"))
    found = call(x=images(3, (4,)))
    assert dtypes == [np.float32] and found.dtype == np.float32
    np.testing.assert_allclose(found, np.asarray(model(images(3, (4,))), np.float32), rtol=0.03, atol=0.03)
    assert {layer.compute_dtype for layer in model.layers[1:2]} == {precision.removeprefix("mixed_")}


def test_wrappers_of_another_precision_are_float32(tmp_path):
    inputs = keras.Input((5, 4), name="x")
    x = keras.layers.TimeDistributed(keras.layers.Dense(2, dtype="mixed_float16"), dtype="mixed_float16")(inputs)
    model = keras.Model(inputs, x)
    call, dtypes = lite(export_tflite(model, tmp_path / "x.tflite"))
    found = call(x=images(3, (5, 4)))
    assert dtypes == [np.float32] and found.dtype == np.float32
    np.testing.assert_allclose(found, np.asarray(model(images(3, (5, 4))), np.float32), rtol=0.03, atol=0.03)


def lookup():
    return keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot")


@pytest.mark.parametrize(
    "make, dtype, operation",
    [(lambda: keras.layers.LSTM(3), "float32", b"FlexTensorListReserve"), (lookup, "string", b"FlexDenseBincount")],
)
def test_what_tflite_does_not_have_is_written_with_operations_of_tensorflow(make, dtype, operation, tmp_path):
    """As by Keras' export."""
    inputs = keras.Input((5, 4) if dtype == "float32" else (4,), dtype=dtype)
    model = keras.Model(inputs, make()(inputs), name="model")
    with pytest.warns(UserWarning, match="^model needs operations of TensorFlow: run it with the Flex delegate$"):
        content = export_tflite(model, tmp_path / "x.tflite").read_bytes()
    assert operation in content


def test_what_tflite_has_is_written_without_operations_of_tensorflow(tmp_path):
    dense = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert b"Flex" not in export_tflite(dense, tmp_path / "x.tflite").read_bytes()


def test_what_tflite_cannot_do_is_one_line(tmp_path, capfd):
    """And nothing else is printed, though the converter prints pages."""
    words = keras.Sequential([keras.Input((2,), dtype="string"), lookup(), SignedMaskDense(2)], name="words")
    python = keras.layers.Lambda(lambda x: tf.ensure_shape(tf.numpy_function(np.sin, [x], tf.float32), (None, 3)), (3,))
    python = keras.Sequential([keras.Input((3,)), python], name="python")
    pair = [keras.Input((3,)), keras.Input((3,), dtype="int32")]
    two = keras.Model(
        pair, keras.layers.Concatenate()([SignedMaskDense(2)(pair[0]), keras.ops.cast(pair[1], "float32")])
    )
    wrong = [(python, None, "^python cannot be converted for TensorFlow Lite: 'tf.PyFunc' op is neither a custom op")]
    wrong += [
        (words, images(3, (2,)), "int8 is for models that read one float32 tensor. Received: words, which reads string")
    ]
    wrong += [(two, images(3, (3,)), r"which reads float32 \(None, 3\), int32 \(None, 3\)")]
    for model, its, message in wrong:
        with pytest.raises(InputError, match=message) as error:
            export_tflite(model, tmp_path / "x.tflite", its)
        assert len(str(error.value).splitlines()) == 1
    assert not any(capfd.readouterr()) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "images, message",
    [
        ("x", "must be an array of preprocessed images"),
        ([None, "x"], "must be an array of preprocessed images"),
        (5, r"have the shape \(\); model takes \(n, 3\)"),
        (np.ones((0, 3)), r"have the shape \(0, 3\); model takes"),
        (np.ones((2, 4)), r"have the shape \(2, 4\); model takes"),
        (np.ones((2, 3)) * 1j, "must be an array of preprocessed images, real numbers. Received: complex128"),
        ([["1", "2", "3"]], "must be an array of preprocessed images, real numbers. Received: <U1"),
        (
            np.zeros((2, 3), "datetime64[s]"),
            "must be an array of preprocessed images, real numbers. Received: datetime64",
        ),
        (np.zeros((2, 3)), "are all 0, or some values are not finite"),
        (np.full((2, 3), np.inf), "are all 0, or some values are not finite"),
    ],
)
def test_calibration_images_that_are_none_are_named_in_one_line(images, message, tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="model")
    with pytest.raises(InputError, match=f"^calibration images {message}[^\n]*$"):
        export_tflite(model, tmp_path / "x.tflite", images)
    assert not list(tmp_path.iterdir())
