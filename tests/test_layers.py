"""Masked layers against plain Keras layers with the kernel `weight * mask`, and against the signatures of Keras."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_supermask import Masked, SignedMaskConv2D, SignedMaskDense, masks

# every way to make a layer: (class, arguments, input shape)
LAYERS = {
    "dense": (SignedMaskDense, {"units": 7}, (4, 5)),
    "dense, bias": (SignedMaskDense, {"units": 7, "use_bias": True, "bias_initializer": "ones"}, (4, 5)),
    "dense, 3-D": (SignedMaskDense, {"units": 7, "activation": "elu"}, (4, 3, 5)),
    "dense, binary": (SignedMaskDense, {"units": 7, "rule": "binary", "threshold": 0.2}, (4, 5)),
    "dense, relative": (SignedMaskDense, {"units": 7, "relative_threshold": 0.5}, (4, 5)),
    "conv": (SignedMaskConv2D, {"filters": 6, "kernel_size": 3}, (2, 8, 9, 4)),
    "conv, same": (SignedMaskConv2D, {"filters": 6, "kernel_size": (3, 2), "padding": "same"}, (2, 8, 9, 4)),
    "conv, strides": (SignedMaskConv2D, {"filters": 6, "kernel_size": 3, "strides": (2, 1)}, (2, 8, 9, 4)),
    "conv, 1x1": (SignedMaskConv2D, {"filters": 6, "kernel_size": 1, "strides": 2, "use_bias": True}, (2, 8, 9, 4)),
    "conv, dilated": (SignedMaskConv2D, {"filters": 6, "kernel_size": 3, "dilation_rate": 2}, (2, 8, 9, 4)),
    "conv, relative": (SignedMaskConv2D, {"filters": 6, "kernel_size": 3, "relative_threshold": 0.8}, (2, 8, 9, 4)),
}
all_layers = pytest.mark.parametrize("make, arguments, shape", LAYERS.values(), ids=LAYERS)


def batch(shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def built(make, arguments, shape):
    layer = make(**arguments, name="masked")
    return layer, layer(batch(shape))


@all_layers
def test_is_the_keras_layer_fed_weight_times_mask(make, arguments, shape):
    layer, outputs = built(make, arguments, shape)
    twin = layer.plain()
    twin.build(shape)
    twin.set_weights([layer.weight.numpy() * layer.mask, *([layer.bias.numpy()] if layer.use_bias else [])])
    np.testing.assert_array_equal(outputs, twin(batch(shape)))
    assert outputs.shape == layer.compute_output_shape(shape) == twin.compute_output_shape(shape)


@all_layers
def test_score_is_the_one_trained_tensor_and_weight_is_frozen(make, arguments, shape):
    layer, _ = built(make, arguments, shape)
    assert [v.name for v in layer.trainable_variables] == ["score"] + ["bias"] * layer.use_bias
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(layer(batch(shape))))
    twin = layer.plain()
    twin.build(shape)
    twin.set_weights([layer.effective_kernel.numpy(), *([layer.bias.numpy()] if layer.use_bias else [])])
    with tf.GradientTape() as twin_tape:
        twin_loss = tf.reduce_sum(tf.sin(twin(batch(shape))))
    by_kernel = twin_tape.gradient(twin_loss, twin.trainable_variables)
    by_score = tape.gradient(loss, layer.trainable_variables)
    # d loss / d score = weight * d loss / d kernel, for pruned entries too
    np.testing.assert_allclose(by_score[0], layer.weight.numpy() * by_kernel[0], rtol=1e-5, atol=1e-6)
    if layer.use_bias:
        np.testing.assert_allclose(by_score[1], by_kernel[1], rtol=1e-6)


@all_layers
def test_mask_and_kernel_for_readers(make, arguments, shape):
    layer, _ = built(make, arguments, shape)
    assert layer.mask.dtype == np.int8 and layer.mask.shape == tuple(layer.weight.shape)
    assert set(np.unique(layer.mask)) <= {-1, 0, 1}
    np.testing.assert_array_equal(layer.effective_kernel, layer.weight.numpy() * layer.mask)


@all_layers
def test_keras_file_round_trip(make, arguments, shape, tmp_path):
    model = keras.Sequential([keras.Input(shape[1:]), make(**arguments)])
    model.layers[0].score.assign_add(0.02 * np.ones(model.layers[0].score.shape, np.float32))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(batch(shape)), again(batch(shape)))
    config = again.layers[0].get_config()
    assert make.from_config(config).get_config() == model.layers[0].get_config()


def test_relative_threshold_is_fixed_at_initialization():
    layer = SignedMaskDense(200, relative_threshold=0.75)
    layer.build((None, 300))
    threshold = np.float32(0.75 * np.abs(layer.score.numpy()).max())
    assert layer.threshold.numpy() == threshold
    assert np.mean(layer.mask == 0) == pytest.approx(0.75, abs=0.01)  # uniform scores: the share itself
    layer.score.assign(layer.score * 2)
    assert layer.threshold.numpy() == threshold


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16"])
def test_half_precision_keeps_scores_in_float32(policy):
    layer = SignedMaskConv2D(6, 3, use_bias=True, dtype=policy)
    outputs = layer(tf.cast(batch((2, 8, 9, 4)), layer.compute_dtype))
    assert layer.score.dtype == layer.weight.dtype == "float32"
    assert outputs.dtype == layer.compute_dtype
    # a score on the threshold's other side by less than half precision resolves
    layer.score.assign(np.full(layer.score.shape, np.nextafter(np.float32(0.01), np.float32(1))))
    assert layer.mask.all()


@settings(max_examples=25)
@given(st.data())
def test_any_dense_layer_against_numpy(data):
    n_in, units, count = (data.draw(st.integers(1, 12)) for _ in range(3))
    rule = data.draw(st.sampled_from([name for name, rule in masks.RULES.items() if not rule.sampled and not rule.kernel]))
    threshold = data.draw(st.just(None) if masks.rule(rule).given else st.floats(0, 0.5))
    layer = SignedMaskDense(units, rule=rule, threshold=threshold)
    x = batch((count, n_in))
    y = layer(x)
    mask = layer.mask / masks.rule(rule).levels
    np.testing.assert_allclose(y, x @ (layer.weight.numpy() * mask), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "make, arguments, received",
    [
        (SignedMaskDense, {"units": 0}, "0"),
        (SignedMaskDense, {"units": 3, "kernel_initializer": "zeros"}, "kernel_initializer"),
        (SignedMaskDense, {"units": 3, "kernel_regularizer": "l2"}, "kernel_regularizer"),
        (SignedMaskDense, {"units": 3, "colour": "red"}, "colour"),
        (SignedMaskDense, {"units": 3, "rule": "ternary"}, "ternary"),
        (SignedMaskDense, {"units": 3, "threshold": -0.1}, "-0.1"),
        (SignedMaskDense, {"units": 3, "rule": "bernoulli", "threshold": 0.5}, "draws its thresholds"),
        (SignedMaskDense, {"units": 3, "relative_threshold": 1.5}, "1.5"),
        (SignedMaskDense, {"units": 3, "threshold": 0.1, "relative_threshold": 0.5}, "relative_threshold=0.5"),
        (SignedMaskConv2D, {"filters": 3, "kernel_size": 3, "data_format": "channels_first"}, "channels_first"),
        (SignedMaskConv2D, {"filters": 4, "kernel_size": 3, "groups": 2}, "2"),
        (SignedMaskConv2D, {"filters": 4, "kernel_size": 3, "padding": "reflect"}, "reflect"),
        (SignedMaskConv2D, {"filters": 4, "kernel_size": 3, "padding": 1}, "`padding` must be one of valid, same. Received: 1"),
        (SignedMaskConv2D, {"filters": "x", "kernel_size": 3}, "`filters` must be an integer >= 1. Received: 'x'"),
        (SignedMaskConv2D, {"filters": None, "kernel_size": 3}, "`filters` must be an integer >= 1. Received: None"),
        (SignedMaskDense, {"units": True}, "`units` must be an integer >= 1. Received: True"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(make, arguments, received):
    with pytest.raises(ValueError, match=received):
        make(**arguments)


# parameters of Keras' layers that masked layers have not, and why
NOT_THERE = {
    "kernel_initializer": "weight_initializer and score_initializer take its place",
    "kernel_regularizer": "no kernel is trained",
    "kernel_constraint": "no kernel is trained",
    "lora_rank": "no kernel is trained",
    "lora_alpha": "no kernel is trained",
    "quantization_config": "strip_masks gives a plain model, which can be quantized",
}
FURTHER = {SignedMaskDense: {}, SignedMaskConv2D: {"kernel_size": 3}}
OTHER_DEFAULTS = {"use_bias": "Koster et al. 2022 train without biases"}


@pytest.mark.parametrize("make", [SignedMaskDense, SignedMaskConv2D])
def test_signatures_are_those_of_keras(make):
    """Names, order and defaults; parameters of one of the tables above have to differ."""
    ours, theirs = (inspect.signature(of).parameters for of in (make, make.keras_class))
    assert [name for name in theirs if name not in ours] == [name for name in NOT_THERE if name in theirs]
    common = [name for name in ours if name in theirs]
    assert common == [name for name in theirs if name in ours]
    assert [name for name in common if ours[name].default != theirs[name].default] == list(OTHER_DEFAULTS)
    for name in NOT_THERE:
        with pytest.raises(ValueError, match=name):
            make(**{"units" if make is SignedMaskDense else "filters": 3, name: 2}, **FURTHER[make])


@pytest.mark.parametrize("make, shape", [(SignedMaskDense, (4, 5)), (SignedMaskConv2D, (2, 6, 6, 2))])
def test_biases_are_those_of_keras(make, shape, tmp_path):
    """Oracle: two steps of the Keras layer with the same kernel, frozen: losses and biases are equal."""
    bias = {"use_bias": True, "bias_initializer": "ones", "bias_regularizer": "l2", "bias_constraint": "unit_norm"}
    masked = make(3, **FURTHER[make], **bias)
    models = [keras.Sequential([keras.Input(shape[1:]), layer]) for layer in (masked, masked.plain())]
    models[1].layers[0].kernel.assign(masked.effective_kernel)
    masked.score.trainable = models[1].layers[0].kernel.trainable = False
    for model in models:
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(batch(shape), np.ones(model.compute_output_shape(shape)), epochs=2, verbose=0)
    np.testing.assert_allclose(masked.bias, models[1].layers[0].bias, rtol=1e-6)
    np.testing.assert_allclose(models[0].losses, models[1].losses, rtol=1e-6)
    assert np.linalg.norm(masked.bias) == pytest.approx(1) and len(models[0].losses) == 1
    models[0].save(tmp_path / "x.keras")
    again = keras.models.load_model(tmp_path / "x.keras").layers[0]
    assert (type(again.bias_regularizer), type(again.bias_constraint)) == (
        keras.regularizers.L2,
        keras.constraints.UnitNorm,
    )


@pytest.mark.parametrize("make", [lambda **k: SignedMaskDense(40, **k), lambda **k: SignedMaskConv2D(8, 3, **k)])
def test_a_bernoulli_mask_is_a_new_sample_at_each_use(make):
    layer = make(rule="bernoulli", score_initializer=keras.initializers.Constant(1.0), sample_seed=3)
    x = batch((4, 9, 9, 10))
    first, second = np.asarray(layer(x)), np.asarray(layer(x))
    assert not np.allclose(first, second)
    samples = np.array([np.sign(layer.draw_kernel() * layer.weight) for _ in range(200)])
    assert set(np.unique(samples)) == {0, 1}
    assert samples.mean() == pytest.approx(1 / (1 + np.exp(-1)), abs=0.01)
    again = make(rule="bernoulli", score_initializer=keras.initializers.Constant(1.0), sample_seed=3)
    again.weight_initializer = lambda shape, dtype: np.asarray(layer.weight)
    np.testing.assert_array_equal(again(x), first)


@pytest.mark.parametrize("rule", ["bernoulli", "binaryconnect_stochastic"])
def test_a_saved_model_draws_on(rule, tmp_path):
    inputs = keras.Input((6,))
    layers = [SignedMaskDense(5, rule=rule), Masked(keras.layers.Dense(4), rule=rule), SignedMaskDense(3, rule="signed")]
    model = keras.Sequential([inputs, *layers])
    x = batch((4, 6))
    for _ in range(3):
        model(x, training=True)
    model.save(tmp_path / "x.keras")
    model.save_weights(tmp_path / "x.weights.h5")
    loaded, filled = keras.models.load_model(tmp_path / "x.keras"), keras.models.clone_model(model)
    filled.load_weights(tmp_path / "x.weights.h5")
    for _ in range(2):
        expected = np.asarray(model(x, training=True))
        for other in (loaded, filled):
            np.testing.assert_allclose(other(x, training=True), expected, rtol=1e-6)


@pytest.mark.parametrize("make", [lambda **k: SignedMaskDense(40, **k), lambda **k: SignedMaskConv2D(8, 3, **k)])
def test_reading_shows_the_sample_of_the_next_call_and_leaves_it(make):
    layer = make(rule="bernoulli", sample_seed=3, score_initializer="zeros")
    x = batch((4, 9, 9, 10))
    layer.build(x.shape)
    mask, kernel = layer.mask, np.asarray(layer.effective_kernel)
    assert np.array_equal(mask, layer.mask) and np.array_equal(kernel, layer.weight.numpy() * mask)
    twin = layer.plain()
    twin.build(x.shape)
    twin.set_weights([kernel])
    np.testing.assert_array_equal(layer(x), twin(x))
    assert not np.array_equal(mask, layer.mask)  # the next one
    read = tf.function(lambda: layer.effective_kernel)  # in a graph too
    np.testing.assert_array_equal(read(), read())


@pytest.mark.parametrize("name", ["mask", "effective_kernel"])
def test_a_layer_that_is_not_built_says_so(name):
    with pytest.raises(ValueError, match="dense is not built, and has no mask yet: call it, or build"):
        getattr(SignedMaskDense(3, name="dense"), name)


def test_dynamic_weight_rescaling_and_its_gradient():
    """Kernel times size / remaining; oracle: numerical derivative of the same with probabilities for masks."""

    layer = SignedMaskDense(3, rule="rounded", rescale=True, score_initializer=keras.initializers.RandomNormal(seed=1))
    x = batch((5, 4))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(x))
    gradient = tape.gradient(total, layer.score.value)
    mask, weight, score = layer.mask.astype(float), np.asarray(layer.weight), np.asarray(layer.score)
    np.testing.assert_allclose(layer.effective_kernel, weight * mask * mask.size / mask.sum(), rtol=1e-5)
    p = 1 / (1 + np.exp(-score))
    factor = mask.size / mask.sum()
    upstream = np.repeat(x.sum(axis=0)[:, None], 3, axis=1)
    by_mask = upstream * weight * factor - np.sum(upstream * weight * mask) * factor / mask.sum()
    np.testing.assert_allclose(gradient, by_mask * p * (1 - p), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "layer, shape, other", [(SignedMaskDense(3), (2, 5), (2, 6)), (SignedMaskConv2D(8, 3), (1, 8, 8, 3), (1, 8, 8, 6))]
)
def test_inputs_of_another_size_are_refused(layer, shape, other):
    """A convolution of 6 channels with a kernel for 3 would count as one in two groups."""
    model = keras.Sequential([keras.Input(shape[1:]), layer])
    for x in (np.ones(other, np.float32), np.ones(shape[1:], np.float32)):
        with pytest.raises(ValueError, match="expected|incompatible"):
            layer(x[..., 0] if x.ndim == 1 else x)
        if x.ndim == len(shape):
            with pytest.raises(ValueError, match="incompatible"):
                model(x)


def test_an_activation_with_weights_is_refused():
    with pytest.raises(ValueError, match="weights of its own; add it as a layer. Received: PReLU"):
        SignedMaskDense(3, activation=keras.layers.PReLU())
