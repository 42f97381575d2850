"""Masks for any Keras model, and back."""

import functools
import random

import keras
import numpy as np
import pytest
import saved_models
import tensorflow as tf

from tf_supermask import (
    Masked,
    SignedMaskConv2D,
    SignedMaskDense,
    compact,
    graph,
    load,
    mask_model,
    save,
    sparsity,
    strip_masks,
    summary,
)
from tf_supermask.deploy import container, loading
from tf_supermask.deploy.saved_model import export_keras, export_saved_model
from tf_supermask.experiments import layer_rows, learned, networks


def a_model():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="conv")(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.add([x, keras.layers.Conv2D(6, 1, strides=2, use_bias=False, name="skip")(inputs)])
    outputs = keras.layers.Dense(4, name="out")(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, outputs)
    draw = np.random.default_rng(0)
    model.set_weights([draw.normal(size=weight.shape) ** 2 for weight in model.get_weights()])
    return model


def open_all(masked):
    for kernel in sparsity.masked_kernels(masked).values():
        kernel.score.assign(np.ones(kernel.score.shape))


def images(count=3):
    return np.random.default_rng(1).normal(size=(count, 8, 8, 3)).astype(np.float32)


def test_dense_and_convolutions_are_replaced_and_the_rest_kept():
    model = a_model()
    masked = mask_model(model, filter=lambda layer: layer.name != "skip", threshold=0.02)
    kinds = [type(layer) for layer in masked.layers]
    assert kinds.count(SignedMaskConv2D) == kinds.count(SignedMaskDense) == 1 and kinds.count(keras.layers.Conv2D) == 1
    conv = masked.get_layer("conv")
    assert (conv.filters, conv.strides, conv.padding, conv.threshold) == (6, (2, 2), "same", 0.02)
    assert conv.activation is keras.activations.relu and masked.output.shape == model.output.shape
    np.testing.assert_array_equal(conv.bias, model.get_layer("conv").bias)
    for one, other in zip(masked.layers, model.layers, strict=True):
        if type(one) is type(other):
            assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def test_kept_weights_under_full_masks_are_the_model_itself():
    model = a_model()
    masked = mask_model(model, keep_weights=True, rule="binary")
    open_all(masked)
    np.testing.assert_allclose(strip_masks(masked)(images()), model(images()), rtol=1e-5)


def test_seeds_are_of_layers_and_come_back():
    one, same, other = (mask_model(a_model(), seed=seed) for seed in (1, 1, 2))
    for a, b, c in zip(*(sparsity.masked_layers(m) for m in (one, same, other)), strict=True):
        assert np.array_equal(a.weight, b.weight) and np.array_equal(a.score, b.score)
        assert not np.array_equal(a.weight, c.weight) and not np.array_equal(a.score, c.score)


def test_sequential_models_train_and_strip():
    model = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dense(7, "elu"), keras.layers.Dropout(0.5), keras.layers.Dense(3)]
    )
    masked = mask_model(model, scheme="he", distribution="uniform")
    masked.compile(keras.optimizers.SGD(0.1), "mse")
    x = np.random.default_rng(0).normal(size=(32, 5)).astype(np.float32)
    masked.fit(x, x[:, :3], verbose=0)
    plain = strip_masks(masked)
    assert [type(layer) for layer in plain.layers] == [type(layer) for layer in model.layers]
    np.testing.assert_array_equal(plain(x), masked(x))


def test_normalization_keeps_what_it_adapted_to():
    data = np.random.default_rng(0).normal(5, 3, (200, 6)).astype(np.float32)
    normalization = keras.layers.Normalization()
    normalization.adapt(data)
    model = keras.Sequential([keras.Input((6,)), normalization, keras.layers.Dense(4), keras.layers.Dense(3)])
    masked = mask_model(model, keep_weights=True, rule="binary")
    open_all(masked)
    for same in (masked, strip_masks(masked), compact(masked)):
        np.testing.assert_allclose(same(data), model(data), rtol=1e-4, atol=1e-4)


def test_padding_is_passed_on():
    layers = [keras.layers.Embedding(10, 6, mask_zero=True), keras.layers.Dense(8, "sigmoid"), keras.layers.LSTM(7)]
    model = keras.Sequential([keras.Input((7,), dtype="int32"), *layers, keras.layers.Dense(3)])
    masked = mask_model(model, keep_weights=True, rule="binary")
    open_all(masked)
    x = np.array([[1, 2, 3, 0, 0, 0, 0], [4, 5, 0, 0, 0, 0, 0]])
    for same in (masked, strip_masks(masked)):
        np.testing.assert_allclose(same(x), model(x), rtol=1e-5)


def test_frozen_layers_and_activity_regularizers_stay_so():
    layers = [
        keras.layers.Dense(4, activity_regularizer="l2", name="one"),
        keras.layers.Dense(3, trainable=False, name="two"),
    ]
    masked = mask_model(keras.Sequential([keras.Input((5,)), *layers]))
    for model in (masked, strip_masks(masked)):
        model(np.ones((1, 5)))
        assert len(model.losses) == 1 and not model.get_layer("two").trainable_variables


def test_what_trains_a_bias_is_kept():
    bias = {"bias_regularizer": lambda b: keras.ops.sum(b * b), "bias_constraint": keras.constraints.NonNeg()}
    network = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, bias_initializer="ones", **bias),
            keras.layers.Dense(2, use_bias=False),
        ]
    )
    masked = mask_model(network, use_bias=True)
    for model in (masked, strip_masks(masked)):
        assert float(model.losses[0]) == 3 and len(model.losses) == 1
        assert model.layers[0].bias.constraint is bias["bias_constraint"]
        np.testing.assert_array_equal(model.layers[1].bias, [0, 0])


def test_an_adapted_dense_layer_stays_as_it_is():
    """Its kernel is a sum of its own and a product of two small ones: no weight of it could be pruned alone."""
    adapted = keras.layers.Dense(4, name="adapted")
    model = keras.Sequential([keras.Input((5,)), adapted, keras.layers.Dense(3, name="out")])
    adapted.enable_lora(2)
    draw = np.random.default_rng(0)
    model.set_weights([draw.normal(size=weight.shape) for weight in model.get_weights()])
    masked = mask_model(model)
    assert [its.name for its in sparsity.masked_layers(masked)] == ["out"]
    x = np.ones((2, 5), np.float32)
    np.testing.assert_allclose(masked.get_layer("adapted")(x), adapted(x), rtol=1e-6)


class Own(keras.Model):
    def call(self, inputs):
        return inputs


@pytest.mark.parametrize(
    "model, message",
    [
        (keras.Input((3,)), "Received: KerasTensor; a tensor is not a model"),
        (Own(), "Received: Own, subclassed; mask_layers masks its layers in place, before its first call"),
        (keras.Sequential([keras.layers.Dense(2)]), "must be built: begin with keras.Input"),
        (keras.Sequential([keras.Input((3,)), keras.layers.ReLU()]), "has no layer to mask"),
        (keras.Sequential([keras.Input((3,)), keras.layers.Layer()], name="open"), "Received: open, of which Keras makes no"),
    ],
)
def test_what_cannot_be_masked_is_named(model, message):
    with pytest.raises(ValueError, match=message):
        mask_model(model)


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
    masked = saved_models.build(model, **given)
    for variable in masked.trainable_variables:
        variable.assign_add(0.01 * np.random.default_rng(1).normal(size=variable.shape))
    plain = strip_masks(masked)
    np.testing.assert_array_equal(plain(saved_models.images()), masked(saved_models.images()))
    assert all(type(layer).__module__.startswith("keras.") for layer in plain.layers)
    assert [layer.name for layer in plain.layers[1:]] == [layer.name for layer in masked.layers[1:]]


def test_any_model_of_the_user_is_stripped():
    """Sequential, and a functional model with two branches, mixed with layers of Keras."""
    sequential = keras.Sequential(
        [
            keras.Input(saved_models.SHAPE),
            SignedMaskConv2D(4, 3, strides=2, use_bias=True),
            keras.layers.Flatten(),
            SignedMaskDense(3),
        ]
    )
    inputs = keras.Input(saved_models.SHAPE)
    branches = [SignedMaskConv2D(4, 3, padding="same")(inputs), keras.layers.Conv2D(4, 3, padding="same")(inputs)]
    outputs = SignedMaskDense(2, activation="softmax")(keras.layers.GlobalMaxPooling2D()(keras.layers.add(branches)))
    for model in (sequential, keras.Model(inputs, outputs)):
        np.testing.assert_array_equal(strip_masks(model)(saved_models.images()), model(saved_models.images()))


def test_masks_inside_a_wrapper_are_stripped(tmp_path):
    parts = [
        keras.layers.TimeDistributed(part)
        for part in (SignedMaskDense(5, use_bias=True), Masked(keras.layers.Dense(4)))
    ]
    model = keras.Sequential([keras.Input((4, 3)), *parts])
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    plain = strip_masks(model)
    assert [type(layer.layer) for layer in plain.layers] == [keras.layers.Dense] * 2
    np.testing.assert_array_equal(plain(x), model(x))
    save(model, tmp_path / "x.supermask", verbose=False)
    np.testing.assert_array_equal(load(tmp_path / "x.supermask")(x), model(x))
    assert [np.prod(row["shape"]) for row in summary(model, print_fn=len).values()] == [15, 20]
    assert [kernel.mask().shape for kernel in sparsity.masked_kernels(model).values()] == [(3, 5), (5, 4)]


def test_quantized_layers_are_named():
    quantized = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="head")])
    quantized.layers[0].quantize("int8")
    with pytest.raises(ValueError, match="not quantized yet. Received: head, quantized"):
        strip_masks(quantized)


def test_multiplications_of_all_uses_count():
    """Those of a layer used three times, and of a model used twice, in which a layer is used twice."""
    inputs = keras.Input((4,))
    square, twice = keras.layers.Dense(3, name="square"), keras.layers.Dense(3, name="twice")
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, name="a")], name="inner")
    middle = keras.Input((3,))
    middle = keras.Model(middle, twice(twice(inner(middle))), name="middle")
    x = square(square(square(keras.layers.Dense(3, name="first")(inputs))))
    model = keras.Model(inputs, middle(x) + middle(2 * x))
    expected = {"first": 12, "square": 27, "middle/twice": 36, "middle/inner/a": 18}
    assert sparsity.macs(model) == expected and sparsity.multiply_adds(model) == 93
    lines = []
    found = summary(model, print_fn=lines.append)
    assert {name: its["macs"] for name, its in found.items()} == expected
    assert {name: its["compact_macs"] for name, its in found.items()} == expected
    assert "39 of 39 weights remain (100.00 %); 93 multiplications, compact 93" in lines
    assert "compact keeps all units of square: square (Dense) is used 3 times" in lines


def test_layers_far_inside_are_masked_and_counted():
    """Each with its own seed; numpy on the kernels is the oracle, and the nested model is made again as it was."""

    def nested(depth):
        return keras.Sequential(
            [keras.Input((3,)), nested(depth - 1) if depth else keras.layers.Dense(3, name="d")], name=f"n{depth}"
        )

    outer = keras.Sequential([keras.Input((3,)), nested(1), nested(0), keras.layers.Dense(2, name="out")])
    assert list(summary(outer, print_fn=len)) == ["out", "n1/n0/d", "n0/d"]
    masked = mask_model(outer)
    kernels = sparsity.masked_kernels(masked)
    assert list(kernels) == ["out", "n1/n0/d", "n0/d"] == list(summary(masked, print_fn=len))
    assert not np.array_equal(kernels["n1/n0/d"].score, kernels["n0/d"].score)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    expected = x @ np.asarray(kernels["n1/n0/d"].array()) @ np.asarray(kernels["n0/d"].array())
    expected = expected @ np.asarray(kernels["out"].array())
    for model in (masked, strip_masks(masked), compact(masked)):
        np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)
        assert [layer.name for layer in model.layers] == ["n1", "n0", "out"]


def recurrent():
    """A functional model of layers of many kinds, with a model inside, a shared layer and arguments of a call."""
    inputs = keras.Input((6, 4), name="x")
    shared = keras.layers.LSTM(5, name="lstm", return_sequences=True)
    x = shared(shared(keras.layers.Dense(5, name="in")(inputs)[:, :, :4])[:, :, :4])
    x = keras.layers.MultiHeadAttention(2, 3, name="mha")(x, x, use_causal_mask=True)
    x = keras.layers.Bidirectional(keras.layers.GRU(3, return_sequences=True), name="both")(x)
    block = keras.Sequential(
        [keras.Input((6, 6)), keras.layers.Conv1D(4, 3, name="conv"), keras.layers.BatchNormalization()]
    )
    x = keras.layers.TimeDistributed(keras.layers.Dense(3, kernel_regularizer="l2"), name="each")(block(x))
    return keras.Model(inputs, keras.layers.Dense(2, name="out")(keras.layers.Flatten()(x)))


def sequences(count=3):
    return np.random.default_rng(1).normal(size=(count, 6, 4)).astype(np.float32)


def test_layers_of_all_kinds_get_masks_and_lose_them(tmp_path):
    """Open masks over kept weights are the model itself. A trained model, stripped or in files of all kinds, is one function."""
    model = recurrent()
    kept = mask_model(model, keep_weights=True, rule="binary")
    open_all(kept)
    np.testing.assert_allclose(kept(sequences()), model(sequences()), rtol=1e-5, atol=1e-6)
    masked = mask_model(model, seed=3)
    names = list(sparsity.masked_kernels(masked))
    assert {
        "in",
        "out",
        "lstm/kernel",
        "lstm/recurrent_kernel",
        "mha/query",
        f"{model.layers[-4].name}/conv",
        "each",
    } <= set(names)
    assert len(names) == 14 and all(row["coded_bytes"] for row in summary(masked, print_fn=len).values())
    masked.compile(keras.optimizers.Adam(0.01), "mse")
    before = masked.evaluate(sequences(64), np.ones((64, 2)), verbose=0)
    masked.fit(sequences(64), np.ones((64, 2)), epochs=2, verbose=0)
    assert masked.evaluate(sequences(64), np.ones((64, 2)), verbose=0) < before
    y = masked(sequences())
    plain = strip_masks(masked)
    assert [type(layer) for layer in plain.layers] == [type(layer) for layer in model.layers]
    masked.save(tmp_path / "x.keras")
    container.save(masked, tmp_path / "x.supermask")
    again = loading.load(tmp_path / "x.supermask", masked=True)
    export_saved_model(masked, tmp_path / "saved")
    served = tf.saved_model.load(tmp_path / "saved")  # its variables live as long as it does
    for other in (
        plain,
        compact(masked),
        keras.models.load_model(tmp_path / "x.keras"),
        loading.load(tmp_path / "x.supermask"),
        again,
    ):
        np.testing.assert_allclose(other(sequences()), y, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(served.serve(sequences()), y, rtol=1e-4, atol=1e-5)
    assert list(sparsity.masked_kernels(again)) == names
    for name, kernel in sparsity.masked_kernels(again).items():
        np.testing.assert_array_equal(kernel.array(), sparsity.masked_kernels(masked)[name].array())


def test_a_filter_of_two_arguments_is_asked_for_kernels():
    masked = mask_model(
        recurrent(), filter=lambda layer, name: layer.name == "lstm" and name == "kernel", verbose=False
    )
    assert list(sparsity.masked_kernels(masked)) == ["lstm/kernel"]
    assert masked.get_layer("lstm").layer.cell.recurrent_kernel.trainable
    only = mask_model(recurrent(), filter=lambda layer: isinstance(layer, keras.layers.Conv1D), verbose=False)
    assert [name.split("/")[-1] for name in sparsity.masked_kernels(only)] == ["conv"]


def test_regularizers_and_constraints_of_kernels_stay():
    layers = [
        keras.layers.Dense(4, kernel_regularizer="l2", name="one"),
        keras.layers.Dense(3, kernel_constraint="non_neg", name="two"),
    ]
    masked = mask_model(keras.Sequential([keras.Input((5,)), *layers]))
    x = np.ones((1, 5), np.float32)
    for model in (masked, strip_masks(masked)):
        model(x)
        kernel = np.asarray(sparsity.masked_kernels(masked)["one"].array())
        assert float(model.losses[0]) == pytest.approx(0.01 * np.sum(kernel**2), rel=1e-5)
    two = np.asarray(sparsity.masked_kernels(masked)["two"].array())
    assert (two >= 0).all() and two.any() and (masked.get_layer("two").mask["kernel"] < 0).any()
    np.testing.assert_array_equal(strip_masks(masked).get_layer("two").kernel, two)


@keras.saving.register_keras_serializable("tests")
class Block(keras.layers.Layer):
    """A user's own layer: 4 * 5 + 5 * 6 + 6 * 4 weights in dense layers here and there, and 4 * 4 of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = keras.layers.Dense(5, name="first")
        self.parts = [
            {"second": keras.layers.Dense(6, name="second")},
            keras.Sequential([keras.layers.Dense(4, name="third")]),
        ]

    def build(self, shape):
        self.matrix = self.add_weight(name="matrix", shape=(4, 4))

    def call(self, x):
        return self.parts[1](self.parts[0]["second"](self.first(x @ self.matrix)))


def with_a_block():
    return keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(4, name="in"), Block(name="block"), keras.layers.Dense(2, name="out")],
        name="m",
    )


def test_what_gets_no_mask_is_said(capsys):
    model = with_a_block()
    masked = mask_model(model)
    assert not capsys.readouterr().out  # its parts, and its own matrix
    names = ["in", "out", "block/matrix", "block/first", "block/second", "block/sequential/third"]
    assert list(sparsity.masked_kernels(masked)) == names
    layers = [
        keras.layers.Embedding(7, 4, name="e"),
        keras.layers.SpectralNormalization(keras.layers.Dense(3), name="s"),
    ]
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(2)], name="m")
    mask_model(model)
    told = "m: 40 weights stay without a mask, in e (Embedding: rows of a table), s (SpectralNormalization: sets its kernel "
    assert capsys.readouterr().out.startswith(told)
    mask_model(model, verbose=False)
    mask_model(a_model(), filter=lambda layer: layer.name == "conv")  # the others on purpose
    assert not capsys.readouterr().out


def test_lora_is_the_reason_that_is_said_and_groups_are_none(capsys):
    layers = [keras.layers.Conv2D(4, 3, groups=2), keras.layers.Dense(5, name="adapted"), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((4, 4, 2)), *layers], name="m")
    model.get_layer("adapted").enable_lora(3)
    masked = mask_model(model)
    assert "in adapted (Dense: has LoRA, in adapted: mask it first) (verb" in capsys.readouterr().out
    assert len(sparsity.masked_kernels(masked)) == 2


class Own(keras.layers.Layer):
    """Masked and plain parts, and a variable of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = [SignedMaskDense(3), keras.layers.Dense(3), {"last": Masked(keras.layers.Dense(2))}]

    def build(self, shape):
        self.shift = self.add_weight(shape=(3,), initializer="ones")

    def call(self, x):
        return self.inner[2]["last"](self.shift + self.inner[0](x) + self.inner[1](x))


def test_masks_inside_a_layer_of_the_user_are_stripped():
    model = keras.Sequential([keras.Input((3,)), Own(name="own")])
    model.layers[0].shift.assign([1.0, 2.0, 3.0])
    plain, x = strip_masks(model), np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_array_equal(plain(x), model(x))
    assert not any(hasattr(its, "masked_kernels") for its in graph.inside(plain.layers[0]))
    assert type(model.layers[0].inner[0]) is SignedMaskDense  # the model is left as it is
    assert [np.prod(row["shape"]) for row in summary(model, print_fn=len).values()] == [9, 9, 6]


class Stubborn(Own):
    def __setattr__(self, name, value):
        if name == "inner" and hasattr(self, "inner"):
            raise AttributeError("inner is set once")
        super().__setattr__(name, value)


def test_layers_that_cannot_be_replaced_are_named():
    with pytest.raises(
        ValueError, match=r"layers of own \(Stubborn\) cannot be replaced: inner is set once. Make them as"
    ):
        strip_masks(keras.Sequential([keras.Input((3,)), Stubborn(name="own")]))


def arrays(model):
    return [np.asarray(its) for layer in sparsity.masked_layers(model) for its in (layer.weight, layer.score)]


def same(one, other):
    return [np.array_equal(a, b) for a, b in zip(one, other, strict=True)]


def unnamed():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(5), keras.layers.Dense(5), keras.layers.Dense(2)])


def test_models_of_the_same_code_get_the_same_weights():
    """Whatever names Keras gives their layers, and whatever the filter leaves out."""
    one, other = unnamed(), unnamed()
    assert one.layers[0].name != other.layers[0].name
    masks = arrays(mask_model(one, seed=3))
    assert all(same(masks, arrays(mask_model(other, seed=3))))
    assert not np.array_equal(masks[0][:, :2], masks[2][:4, :2])  # each layer has its own
    last = one.layers[-1].name
    assert all(same(masks[-2:], arrays(mask_model(one, seed=3, filter=lambda layer: layer.name == last))))


def test_without_a_seed_that_of_keras_decides():
    found = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        found.append(arrays(mask_model(unnamed(), seed=None)))
    assert all(same(found[0], found[1])) and not any(same(found[0], found[2]))
    assert not any(same(found[2], arrays(mask_model(unnamed(), seed=None))))


def test_arguments_reach_the_layers():
    given = {"relative_threshold": 0.3, "rescale": True, "score_initializer": "he_normal", "use_bias": True}
    masked = mask_model(a_model(), seed=4, **given)
    for layer in sparsity.masked_layers(masked):
        assert {name: getattr(layer, name) for name in ("relative_threshold", "rescale", "use_bias")} == {
            name: given[name] for name in ("relative_threshold", "rescale", "use_bias")
        }
    assert not np.asarray(masked.get_layer("skip").bias).any()  # it had none
    np.testing.assert_array_equal(masked.get_layer("conv").bias, a_model().get_layer("conv").bias)
    one, *_, other = (layer.score_initializer for layer in sparsity.masked_layers(masked))
    assert type(one) is keras.initializers.HeNormal and one.get_config() != other.get_config()
    assert all(same(arrays(masked), arrays(mask_model(a_model(), seed=4, **given))))
    without = mask_model(a_model(), use_bias=False, score_initializer=keras.initializers.Constant(3.0))
    assert all(layer.bias is None and layer.mask.all() for layer in sparsity.masked_layers(without))


@pytest.mark.parametrize(
    "given, larger",
    [
        ({"rule": "edge_popup", "density": 0.04}, 5),
        ({"rule": "mpt", "density": 0.04, "distribution": "normal"}, 5),
        ({"rule": "edge_popup", "density": 0.04, "weight_fan": "all"}, 1),
        ({"rule": "edge_popup", "density": np.float32(0.04)}, 5),
        ({"rule": "edge_popup", "threshold": 0.1}, 1),
        ({"density": 0.04}, 1),
        ({"density": 0.04, "weight_fan": "kept"}, 5),
        ({"density": 1, "weight_fan": "kept"}, 1),
    ],
)
def test_weights_are_of_the_size_for_the_inputs_that_a_density_keeps(given, larger):
    """That is also the size of those that IteRand draws again: unless the weights are the model's own."""
    own = sparsity.masked_layers(mask_model(a_model(), keep_weights=True, rule="iterand", density=0.04))
    assert all(layer.weight_initializer.density == 1 for layer in own)
    one = mask_model(a_model(), seed=4, distribution=given.get("distribution"))
    for a, b in zip(sparsity.masked_layers(one), sparsity.masked_layers(mask_model(a_model(), seed=4, **given)), strict=True):
        np.testing.assert_allclose(b.weight, larger * np.asarray(a.weight), rtol=1e-5)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"filter": ["dense"]}, r"`filter` must be a function .* Received: \['dense'\]"),
        ({"filter": None}, "`filter` must be a function .* Received: None"),
        ({"filter": lambda layer: None}, "`filter` must return True or False. It returned None for"),
        ({"filter": lambda layer: layer.name}, "`filter` must return True or False. It returned 'dense"),
        ({"seed": -1}, "`seed` must be an integer >= 0 or None. Received: -1"),
        ({"seed": "0"}, "`seed` must be an integer >= 0 or None. Received: '0'"),
        ({"seed": 1.5}, "`seed` must be an integer >= 0 or None. Received: 1.5"),
        ({"threshold": "0.1"}, "`threshold` must be a finite number >= 0. Received: '0.1'"),
        ({"threshold": float("nan")}, "`threshold` must be a finite number >= 0. Received: nan"),
        ({"relative_threshold": 2}, "`relative_threshold` must be a number between 0 and 1. Received: 2"),
        ({"score_initializer": None}, "`score_initializer` must be an initializer or the name of one. Received: None"),
        ({"rule": "ternary"}, "`rule` must be one of"),
        ({"scheme": "glorot"}, "`scheme` must be one of"),
        ({"scheme": ["a"]}, r"`scheme` must be one of .* Received: \['a'\]"),
        ({"rescale": "yes"}, "`rescale` must be True or False. Received: 'yes'"),
        ({"keep_weights": "x"}, "`keep_weights` must be True or False. Received: 'x'"),
        ({"keep_weights": None}, "`keep_weights` must be True or False. Received: None"),
        ({"keep_weights": True, "scheme": "he"}, "`keep_weights=True` freezes the weights that there are; leave `scheme`"),
        ({"keep_weights": True, "distribution": "uniform"}, "`keep_weights=True` freezes the weights that there are"),
        ({"use_bias": "no"}, "`use_bias` must be True or False. Received: 'no'"),
        ({"distribution": "cauchy"}, "`distribution` must be one of"),
        ({"weight_fan": "some"}, "`weight_fan` must be one of"),
        ({"weight_fan": "kept"}, "`weight_fan='kept'` needs a `density` and frozen weights that are drawn"),
        ({"weight_fan": "kept", "density": 0.1, "keep_weights": True}, "`weight_fan='kept'` needs a `density` and frozen"),
        ({"weight_fan": "kept", "density": 2}, "`density` must be a number above 0 and up to 1. Received: 2"),
        ({"weight_fan": "kept", "density": 0.1, "rule": "sparse"}, "`weight_fan='kept'` needs a `density` and frozen"),
        ({"score_initializer": "nothing"}, "nothing"),
    ],
)
def test_arguments_that_cannot_be_honoured_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        mask_model(unnamed(), **given)


@pytest.mark.parametrize("name", ["activation", "units", "filters", "name", "kernel_initializer", "plain"])
def test_arguments_of_the_layers_themselves_are_not_taken(name):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        mask_model(unnamed(), **{name: None})


def test_activations_that_no_configuration_holds_are_named():
    part = functools.partial(keras.activations.leaky_relu, negative_slope=0.3)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation=part, name="d")])
    for function in (mask_model, strip_masks):
        with pytest.raises(
            ValueError, match=r"d \(Dense\) cannot be made again from its configuration: Cannot serialize"
        ):
            function(model)


def test_a_masked_model_keeps_its_masks():
    masked = mask_model(unnamed(), filter=lambda layer: layer.units == 5, seed=1)
    again = mask_model(masked, seed=2)
    assert all(same(arrays(masked), arrays(again)[:4])) and len(arrays(again)) == 6
    with pytest.raises(ValueError, match="has masks already, and no other layer to mask"):
        mask_model(again)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64", keras.dtype_policies.DTypePolicy("mixed_float16")])
def test_policies_are_kept(policy):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu", dtype=policy), keras.layers.Dense(2)])
    masked = mask_model(model)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    for its in (masked, strip_masks(masked), compact(masked)):
        assert its.layers[0].dtype_policy == model.layers[0].dtype_policy
        np.testing.assert_allclose(its(x), masked(x), rtol=1e-2, atol=1e-2)


def test_a_layer_of_several_inputs_has_one_mask():
    inputs, dense = [keras.Input((4,)) for _ in range(2)], keras.layers.Dense(3, name="shared")
    model = keras.Model(inputs, dense(inputs[0]) - dense(inputs[1]))
    masked = mask_model(model)
    x = [np.random.default_rng(seed).normal(size=(2, 4)).astype(np.float32) for seed in range(2)]
    expected = (x[0] - x[1]) @ np.asarray(masked.get_layer("shared").effective_kernel)
    for its in (masked, strip_masks(masked), compact(masked)):
        np.testing.assert_allclose(its(x), expected, rtol=1e-4, atol=1e-5)


def test_parts_that_are_frozen_stay_so():
    """Also those of which no configuration says it."""
    model = with_a_block()
    model.get_layer("block").first.trainable = False
    for its in (mask_model(model, verbose=False), strip_masks(model)):
        block = its.get_layer("block")
        if isinstance(block, Masked):
            assert len(block.trainable_variables) == 3 + 2  # scores and biases
            block = block.layer
        else:
            assert len(block.trainable_variables) == len(model.get_layer("block").trainable_variables) == 5
        assert not block.first.trainable and block.parts[0]["second"].trainable


class Halved(keras.Model):
    def call(self, inputs):
        return super().call(inputs) / 2


def test_a_model_with_its_own_call_is_refused():
    """Its layers do not say what it does."""
    inputs = keras.Input((3,))
    with pytest.raises(ValueError, match="Received: Halved, with its own call"):
        mask_model(Halved(inputs, keras.layers.Dense(2)(inputs)))


def test_losses_that_keras_cannot_make_again_do_not_matter():
    def own(y, its):
        return keras.ops.mean(keras.ops.abs(y - its))

    model = unnamed()
    model.compile("sgd", loss=own)
    masked = mask_model(model)
    masked.compile("sgd", loss=own)
    masked.fit(np.ones((4, 4)), np.ones((4, 2)), verbose=0)
    np.testing.assert_array_equal(strip_masks(masked)(np.ones((2, 4))), masked(np.ones((2, 4))))


@pytest.fixture(scope="module")
def sampled():
    """A trained model whose layers draw numbers, in training and, one, always."""
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.Dropout(0.5)(keras.layers.Conv2D(4, 3, name="conv")(inputs))
    x = keras.layers.Dropout(0.5, seed=2)(keras.layers.BatchNormalization()(x), training=True)
    x = keras.layers.Dense(5, "relu", name="dense")(keras.layers.Flatten()(x))
    model = mask_model(
        keras.Model(inputs, keras.layers.Dense(2, name="out")(x)), "bernoulli", lambda its: its.name != "out"
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    model.fit(np.ones((4, 6, 6, 2)), np.ones((4, 2)), verbose=0)
    return model


READERS = {
    "mask": lambda model, path: [layer.mask for layer in sparsity.masked_layers(model)],
    "effective_kernel": lambda model, path: [layer.effective_kernel for layer in sparsity.masked_layers(model)],
    "masks_of": lambda model, path: sparsity.masks_of(model),
    "macs": lambda model, path: sparsity.macs(model),
    "layer_table": lambda model, path: layer_rows.of_model(model),
    "snapshot": lambda model, path: networks.snapshot(model),
    "remaining": lambda model, path: learned.remaining(model),
    "summary": lambda model, path: summary(model, print_fn=len),
    "strip_masks": lambda model, path: strip_masks(model),
    "compact": lambda model, path: compact(model),
    "mask_model": lambda model, path: mask_model(model),
    "container": lambda model, path: container.save(model, path / "x.supermask"),
    "keras": lambda model, path: (export_keras(model, path / "x.keras"), model.save(path / "y.keras")),
    "saved_model": lambda model, path: export_saved_model(model, path / "saved"),
}


def state_of(model):
    variables = [*model.variables, *model.optimizer.variables]
    return (
        [np.array(its) for its in variables],
        random.getstate(),
        [its.trainable for its in model.layers],
        model.compiled,
    )


@pytest.mark.parametrize("name", READERS)
def test_reading_changes_nothing(name, sampled, tmp_path):
    """Neither what the model draws next, nor what layers made later start from, nor what its layers read."""
    before = state_of(sampled)
    READERS[name](sampled, tmp_path)
    for one, other in zip(before[0], state_of(sampled)[0], strict=True):
        np.testing.assert_array_equal(one, other)
    assert before[1:] == state_of(sampled)[1:]
    assert all(layer.output is not None for layer in sampled.layers)  # Keras shows it of layers with one use


def test_the_sample_that_is_shown_is_the_one_that_is_written(sampled, tmp_path):
    container.save(sampled, tmp_path / "x.supermask")
    for its in (strip_masks(sampled), loading.load(tmp_path / "x.supermask")):
        for layer in sparsity.masked_layers(sampled):
            np.testing.assert_array_equal(its.get_layer(layer.name).kernel, layer.effective_kernel)
    x = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype(np.float32)
    copies = [strip_masks(sampled), compact(sampled)]
    expected = sampled(x)  # with training=True in one layer: the copies go on from where its generator was
    for its in copies:
        np.testing.assert_allclose(its(x), expected, rtol=1e-4, atol=1e-5)
