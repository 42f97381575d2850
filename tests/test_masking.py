"""Masks for any Keras model, and back."""

import keras
import numpy as np
import pytest

from tf_supermask import SignedMaskConv2D, SignedMaskDense, compact, mask_model, sparsity, strip_masks, summary


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
    for layer in sparsity.masked_layers(masked):
        layer.score.assign(np.ones(layer.score.shape))
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
    for layer in sparsity.masked_layers(masked):
        layer.score.assign(np.ones(layer.score.shape))
    for same in (masked, strip_masks(masked), compact(masked)):
        np.testing.assert_allclose(same(data), model(data), rtol=1e-4, atol=1e-4)


def test_padding_is_passed_on():
    layers = [keras.layers.Embedding(10, 6, mask_zero=True), keras.layers.Dense(8, "sigmoid"), keras.layers.LSTM(7)]
    model = keras.Sequential([keras.Input((7,), dtype="int32"), *layers, keras.layers.Dense(3)])
    masked = mask_model(model, keep_weights=True, rule="binary")
    for layer in sparsity.masked_layers(masked):
        layer.score.assign(np.ones(layer.score.shape))
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
        (Own(), "Received: Own, subclassed"),
        (
            keras.Sequential(
                [keras.Input((3,)), keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)], name="inner")]
            ),
            "inner inside .* has layers to mask",
        ),
        (keras.Sequential([keras.layers.Dense(2)]), "needs a built model: begin with keras.Input"),
        (keras.Sequential([keras.Input((3,)), keras.layers.ReLU()]), "has no layer to mask"),
        (
            keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, kernel_regularizer="l2", name="d")]),
            "d has a kernel_regularizer",
        ),
    ],
)
def test_what_cannot_be_masked_is_named(model, message):
    with pytest.raises(ValueError, match=message):
        mask_model(model)


def test_models_with_masks_inside_others_are_not_stripped():
    inner = mask_model(keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)], name="inner"))
    with pytest.raises(ValueError, match="has masked layers inside inner"):
        strip_masks(keras.Sequential([keras.Input((3,)), inner]))


def test_summary_of_what_cannot_be_compacted_or_has_no_size():
    inputs, relu = keras.Input((None, None, 3)), keras.layers.ReLU()
    x = relu(keras.layers.Conv2D(4, 3, name="conv")(relu(inputs)))
    lines = []
    found = summary(keras.Model(inputs, x), print_fn=lines.append)
    assert found["conv"]["macs"] is found["conv"]["dead_units"] is None and "used more than once" in lines[-1]
    with pytest.raises(ValueError, match="no dense layer and no convolution"):
        summary(keras.Sequential([keras.Input((3,)), keras.layers.ReLU()]))


def test_summary_of_sampled_masks_is_of_one_sample():
    masked = mask_model(
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(60, name="a"), keras.layers.Dense(1)]), rule="bernoulli"
    )
    for layer in sparsity.masked_layers(masked):
        layer.score.assign(np.full(layer.score.shape, -2.5))
    its = summary(masked, print_fn=len)["a"]
    assert its["compact_macs"] == 2 * (its["units"] - its["dead_units"])


def test_summary_counts_and_prints():
    """Oracle: numpy on the kernels of the stripped model."""
    masked = mask_model(a_model(), distribution="uniform")
    masked.get_layer("conv").score.assign(masked.get_layer("conv").score * np.array([1, 0, 1, 1, 1, 1]))
    constant = mask_model(a_model())
    lines = []
    found = summary(masked, print_fn=lines.append)
    for name, its in found.items():
        kernel = np.asarray(strip_masks(masked).get_layer(name).kernel)
        assert (its["minus"], its["zero"], its["plus"]) == tuple(int(np.sum(np.sign(kernel) == v)) for v in (-1, 0, 1))
        assert its["csr_bytes"] == sparsity.csr_bytes(kernel) and its["shape"] == kernel.shape
        assert its["coded_bytes"] is None and summary(constant, print_fn=len)[name]["coded_bytes"] > 0
    assert found["conv"]["macs"] == 16 * 27 * 6 and found["conv"]["units"] == 6
    assert len(lines) == 6 and lines[2].startswith("conv") and "weights remain" in lines[-1]


def test_layers_far_inside_are_refused_and_those_not_counted_named():
    def nested(depth):
        return keras.Sequential(
            [keras.Input((3,)), nested(depth - 1) if depth else keras.layers.Dense(3)], name=f"n{depth}"
        )

    with pytest.raises(ValueError, match="n1 inside n2 has layers to mask"):
        mask_model(nested(2))
    outer = keras.Sequential([keras.Input((3,)), nested(1), keras.layers.Dense(2, name="out")])
    lines = []
    assert list(summary(outer, print_fn=lines.append)) == ["out"] and "not counted: the layers inside n1" in lines


def test_multiplications_with_channels_first():
    inputs = keras.Input((3, 8, 8))
    layer = keras.layers.Conv2D(4, 3, data_format="channels_first")
    layer.build(inputs.shape)

    class Placed:  # the processor cannot run it
        kernel, data_format, output = (
            layer.kernel,
            layer.data_format,
            keras.KerasTensor(layer.compute_output_shape(inputs.shape)),
        )

    assert sparsity.layer_macs(Placed) == 6 * 6 * 4 * 3 * 9
