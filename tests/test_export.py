import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_supermask import SignedMaskConv2D, SignedMaskDense, conversion
from tf_supermask.deploy import container, serving, tflite
from tf_supermask.deploy.saved_model import export_keras, export_saved_model, size_of
from tf_supermask.deploy.tflite import export_tflite
from tf_supermask.errors import InputError
from tf_supermask.experiments import networks
from tf_supermask.experiments.spec import Spec

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
    return networks.build(Spec.of(model=name, **given), SHAPE, 10)


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
    plain = conversion.strip_masks(masked)
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
        np.testing.assert_array_equal(conversion.strip_masks(model)(images()), model(images()))


@pytest.mark.parametrize("model", ["fcn", "conv2", "resnet20"])
def test_saved_model_in_a_process_without_the_package(model, tmp_path):
    masked = build(model)
    folder = export_saved_model(masked, tmp_path / "e" / "exported")
    np.save(tmp_path / "images.npy", images())
    command = [sys.executable, "-c", READER, str(folder), str(tmp_path / "images.npy")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    np.testing.assert_allclose(json.loads(printed), masked(images()), rtol=1e-4, atol=1e-5)
    assert [path.name for path in folder.parent.iterdir()] == ["exported"]  # nothing half-written is left


def written(model, folder):
    """What `serving.save` writes, in no time."""
    os.mkdir(folder)
    pathlib.Path(folder, "saved_model.pb").write_text(model.name)


@pytest.fixture
def named(monkeypatch):
    """name -> a model whose export is a file with its name."""
    monkeypatch.setattr(serving, "save", written)
    return lambda name: keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name=name)


def test_an_earlier_export_is_replaced_whole_and_nothing_else_is(named, tmp_path, monkeypatch):
    folder = export_saved_model(named("first"), tmp_path / "exported")

    def full_disk(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(serving, "save", full_disk)
        with pytest.raises(InputError, match="cannot write .*No space left on device.*give another folder"):
            export_saved_model(named("second"), folder)
    assert (folder / "saved_model.pb").read_text() == "first"
    export_saved_model(named("second"), folder)
    assert (folder / "saved_model.pb").read_text() == "second"
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="not a SavedModel"):
        export_saved_model(named("third"), tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exported", "mine"]


@pytest.mark.parametrize("failing", [1, 2], ids=["away", "to its place"])
@pytest.mark.parametrize("error", [OSError(16, "busy"), KeyboardInterrupt()], ids=["busy", "stopped"])
def test_an_earlier_export_is_there_whichever_rename_fails(failing, error, named, tmp_path, monkeypatch):
    folder = export_saved_model(named("first"), tmp_path / "exported")
    rename, calls = pathlib.Path.rename, []

    def renamed(path, target):
        calls.append(path)
        if len(calls) == failing:
            raise error
        return rename(path, target)

    monkeypatch.setattr(pathlib.Path, "rename", renamed)
    with pytest.raises(InputError if isinstance(error, OSError) else KeyboardInterrupt):
        export_saved_model(named("second"), folder)
    assert (folder / "saved_model.pb").read_text() == "first" and len(calls) == {1: 1, 2: 3}[failing]
    assert [path.name for path in tmp_path.iterdir()] == ["exported"]


def test_an_earlier_export_that_cannot_come_back_is_kept(named, tmp_path, monkeypatch):
    folder = export_saved_model(named("first"), tmp_path / "exported")
    rename, calls = pathlib.Path.rename, []

    def renamed(path, target):
        calls.append(path)
        if len(calls) > 1:
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(pathlib.Path, "rename", renamed)
    with pytest.raises(InputError, match="Input/output error"):
        export_saved_model(named("second"), folder)
    assert [path.read_text() for path in tmp_path.glob(".exported.*/old/saved_model.pb")] == ["first"]


@pytest.mark.parametrize("there", [True, False], ids=["link", "dangling link"])
@pytest.mark.parametrize("write", [export_saved_model, export_keras, export_tflite, container.save])
def test_a_link_is_followed(write, there, named, tmp_path, monkeypatch):
    monkeypatch.setattr(tflite, "_converted", lambda converter, name: b"tflite")
    monkeypatch.setattr(tf.lite.TFLiteConverter, "from_saved_model", lambda *args, **kwargs: None)
    monkeypatch.setattr(container, "packed", lambda model: b"packed")
    target, link = tmp_path / "files" / "target", tmp_path / "link"
    target.parent.mkdir()
    if there:
        write(named("first"), target)
    link.symlink_to(pathlib.Path("files", "target"))
    write(named("second"), link)
    assert link.is_symlink() and target.exists()
    assert sorted(path.name for path in [*tmp_path.iterdir(), *target.parent.iterdir()]) == ["files", "link", "target"]
    content = target / "saved_model.pb" if target.is_dir() else target
    assert content.read_bytes() not in (b"", b"first")


@pytest.mark.parametrize("write", [export_saved_model, export_keras, container.save])
@pytest.mark.parametrize(
    "place, reason", [("folder", "not a SavedModel|Is a directory"), ("file/x", "File exists|Not a directory")]
)
def test_places_that_cannot_be_written_are_named_in_one_line(write, place, reason, named, tmp_path, monkeypatch):
    monkeypatch.setattr(container, "packed", lambda model: b"packed")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match=reason) as error:
        write(named("model"), tmp_path / place)
    assert str(tmp_path / place) in str(error.value) and len(str(error.value).splitlines()) == 1
    assert (tmp_path / "file").read_text() == "mine" and not list((tmp_path / "folder").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


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


def test_a_model_that_cannot_be_exported_is_named_in_one_line(tmp_path):
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([0], [5.0], tf.int64), -1.0)

    class Hidden(keras.layers.Layer):
        def call(self, x):
            return x + table.lookup(tf.constant(0, tf.int64))

    model = keras.Sequential([keras.Input((4,)), Hidden(), keras.layers.Dense(2)], name="reader")
    with pytest.raises(InputError, match="^reader cannot be exported: .*untracked") as error:
        export_saved_model(model, tmp_path / "saved")
    assert len(str(error.value).splitlines()) == 1 and not list(tmp_path.iterdir())


def test_what_is_exported_has_every_kernel_once(tmp_path):
    """Neither weights nor scores, and nothing twice: a few kilobytes more than its kernels."""
    folder = export_saved_model(build("fcn"), tmp_path / "saved")
    kernels = conversion.strip_masks(build("fcn")).count_params()
    assert 4 * kernels < (folder / "variables" / "variables.data-00000-of-00001").stat().st_size < 4 * kernels + 3000
    assert size_of(folder) < 4 * kernels + 25_000


def served(model, tmp_path):
    found = tf.saved_model.load(str(export_saved_model(model, tmp_path / "saved")))
    return lambda *x: found.serve(*x)  # keeps its variables


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


def test_what_tflite_cannot_do_is_one_line(tmp_path, capfd):
    """And nothing else is printed, though the converter prints pages."""
    lookup = keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot")
    words = keras.Sequential([keras.Input((2,), dtype="string"), lookup, SignedMaskDense(2)], name="words")
    pair = [keras.Input((3,)), keras.Input((3,), dtype="int32")]
    two = keras.Model(
        pair, keras.layers.Concatenate()([SignedMaskDense(2)(pair[0]), keras.ops.cast(pair[1], "float32")])
    )
    wrong = [(words, None, "words cannot be converted for TensorFlow Lite: .*DenseBincount")]
    wrong += [
        (words, images(3, (2,)), "int8 is for models that read one float32 tensor. Received: words, which reads string")
    ]
    wrong += [(two, images(3, (3,)), r"which reads float32 \(None, 3\), int32 \(None, 3\)")]
    for model, its, message in wrong:
        with pytest.raises(InputError, match=message) as error:
            export_tflite(model, tmp_path / "x.tflite", its)
        assert len(str(error.value).splitlines()) == 1
    assert not any(capfd.readouterr()) and not list(tmp_path.iterdir())


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


def test_masks_inside_other_layers_and_quantized_layers_are_named():
    inside = keras.Sequential([keras.Input((4, 3)), keras.layers.TimeDistributed(SignedMaskDense(5), name="each")])
    with pytest.raises(ValueError, match="has masked layers inside each"):
        conversion.strip_masks(inside)
    quantized = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="head")])
    quantized.layers[0].quantize("int8")
    with pytest.raises(ValueError, match="not quantized yet. Received: head, quantized"):
        conversion.strip_masks(quantized)
