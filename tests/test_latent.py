"""Rules of other papers in layers: kernels, gradients and one step of training against numpy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_supermask import He, SignedMaskDense, mask_model, masks, strip_masks
from tf_supermask.latent import glorot_size
from tf_supermask.masked import Masked

N_IN, UNITS, RATE = 12, 7, 0.1
CASES = dict.fromkeys(("edge_popup", "mpt", "iterand", "signed"), {"density": 0.3})
CASES |= dict.fromkeys(("twn", "ttq", "binaryconnect", "sparse"), {})


def alpha(values, mask):
    return np.abs(values[mask != 0]).mean() if mask.any() else 0


def numpy_kernel(rule, w, s, scales=None, density=0.3):
    """`(kernel, function of the gradient G to the kernel -> gradient to what is trained)`: the formulae of the papers."""
    if "density" in CASES[rule]:
        rank = s if rule == "iterand" else np.abs(s)
        mask = np.zeros(s.size)
        mask[np.argsort(-rank, axis=None, kind="stable")[: s.size - int((1 - density) * s.size)]] = 1
        mask = mask.reshape(s.shape)
        kernel = alpha(w, mask) * np.sign(w) * mask if rule == "mpt" else w * mask
        if rule == "signed":
            kernel = w * np.where(s < 0, -1, 1) * mask  # a score of 0 can be kept
        return kernel, lambda g: w * g * (np.sign(s) if rule in ("edge_popup", "mpt") else 1)
    if rule == "twn":
        t = np.sign(s) * (np.abs(s) > 0.7 * np.abs(s).mean())
        return alpha(s, t) * t, lambda g: g
    if rule == "ttq":
        t = np.sign(s) * (np.abs(s) > 0.05 * np.abs(s).max())
        (p, n), c = scales, np.sqrt(2 / N_IN)
        return c * np.where(t > 0, p, np.where(t < 0, -n, 0)), lambda g: g * np.where(t > 0, p, np.where(t < 0, n, 1))
    if rule == "binaryconnect":
        return np.where(s >= 0, 1, -1) * np.sqrt(1.5 / (N_IN + UNITS)), lambda g: g
    return w * (s > 0.5), lambda g: g * (s > 0.5)


def layer_of(rule, wrapped, dtype=None, **given):
    start, arguments = He("normal", seed=1), {"rule": rule} | CASES.get(rule, {}) | given
    if wrapped:
        return Masked(keras.layers.Dense(UNITS, use_bias=False, kernel_initializer=start, dtype=dtype), **arguments)
    return SignedMaskDense(UNITS, weight_initializer=start, dtype=dtype, **arguments)


def kernel_of(layer):
    (kernel,) = layer.masked_kernels.values()
    return kernel


STARTS = {"at random": None, "all scores 0": np.zeros, "equal scores": np.ones}
STEPS = [(rule, start, 0.3) for rule in CASES for start in STARTS]
STEPS += [(rule, "at random", density) for rule in CASES if "density" in CASES[rule] for density in (1, 1e-9)]


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("rule, start, density", STEPS)
def test_kernel_and_one_step_against_numpy(rule, start, density, wrapped):
    """Of a density of 1 all weights remain, of 1e-9 one."""
    layer = layer_of(rule, wrapped, **{key: density for key in CASES[rule]})
    draw = np.random.default_rng(3)
    x, g = draw.normal(size=(5, N_IN)).astype(np.float32), draw.normal(size=(5, UNITS)).astype(np.float32)
    layer.build((None, N_IN))
    kernel = kernel_of(layer)
    if STARTS[start]:
        kernel.score.assign(STARTS[start](kernel.score.shape))
    if rule == "sparse":
        kernel.score.assign(draw.integers(0, 2, kernel.score.shape))
    w, s = kernel.weight.numpy().copy(), kernel.score.numpy().copy()
    if rule == "ttq":
        kernel.scales.assign([1.5, 0.02])  # of which one step makes the second negative, but for the constraint
    scales = kernel.scales.numpy().copy() if rule == "ttq" else None
    expected, gradient = numpy_kernel(rule, w, s, scales, density)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(g * layer(x))
    np.testing.assert_allclose(kernel.array(), expected, rtol=1e-5, atol=1e-7)
    optimizer = keras.optimizers.SGD(RATE)
    optimizer.apply(tape.gradient(loss, layer.trainable_variables), layer.trainable_variables)
    before, others = (w, s) if rule == "sparse" else (s, w)
    now = before - RATE * gradient(x.T @ g)
    if rule == "binaryconnect":
        now = np.clip(now, -glorot_size(w.shape), glorot_size(w.shape))
    np.testing.assert_allclose(kernel.trained.numpy(), now, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(kernel.frozen.numpy(), others)
    if rule == "ttq":
        g, c = x.T @ g, np.sqrt(2 / N_IN)
        sums = c * np.array([g[expected > 0].sum(), -g[expected < 0].sum()])
        np.testing.assert_allclose(kernel.scales.numpy(), np.maximum(scales - RATE * sums, 0), rtol=1e-4, atol=1e-5)


PRECISIONS = {"float64": "float64", "float16": "float32", "mixed_bfloat16": "float32"}  # policy -> type of kernels


@pytest.mark.parametrize("rule", [*CASES, "binaryconnect_stochastic", "bernoulli"])
def test_every_precision_has_the_kernels_and_the_training_of_float32(rule):
    """Scores, scales and kernels are float64 under float64 and float32 under all others, in both kinds of layers."""
    x = np.random.default_rng(0).normal(size=(5, N_IN)).astype(np.float32)
    arguments = {"rescale": True, "sample_seed": 1, "score_initializer": He("uniform", seed=2)}
    kernels = []
    for policy, wrapped in [("float32", False), *((policy, wrapped) for policy in PRECISIONS for wrapped in (False, True))]:
        layer = layer_of(rule, wrapped, dtype=policy, **arguments)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(layer(x), tf.float32) ** 2)
        optimizer = keras.optimizers.SGD(0.01)
        optimizer.apply(tape.gradient(loss, layer.trainable_variables), layer.trainable_variables)
        kernel, found = kernel_of(layer), PRECISIONS.get(policy, "float32")
        assert {v.dtype for v in (kernel.score, kernel.scales) if v is not None} == {found}
        assert keras.backend.standardize_dtype(kernel.array().dtype) == found
        kernels.append(np.asarray(kernel.array()))
    for kernel in kernels[1:]:
        assert np.isclose(kernel, kernels[0], rtol=0.1, atol=0.01).mean() > 0.9  # some scores are close to a threshold


@pytest.mark.parametrize("wrapped", [False, True])
def test_latent_weights_start_as_weights_do(wrapped):
    for rule in ("twn", "ttq", "binaryconnect", "sparse"):
        layer = layer_of(rule, wrapped)
        layer.build((None, N_IN))
        start = He("normal", seed=1)((N_IN, UNITS))
        np.testing.assert_array_equal(kernel_of(layer).start.numpy(), start)
        assert len(layer.trainable_variables) == (2 if rule == "ttq" else 1)


@pytest.mark.parametrize("rule", ["signed", "sparse", "twn", "binaryconnect"])
def test_only_frozen_weights_start_as_signed_constants(rule):
    """Those that are trained start as in dense networks, unless the caller says how."""
    plain = keras.Sequential([keras.Input((N_IN,)), keras.layers.Dense(UNITS)])
    models = [mask_model(plain, rule, **its) for its in ({}, {"scheme": "he"}, {"distribution": "uniform"})]
    values = [np.asarray(kernel_of(model.layers[0]).start) for model in models]
    sizes = [len(np.unique(np.abs(value))) for value in values]
    assert sizes == [1, 1, N_IN * UNITS] if rule == "signed" else sizes == [N_IN * UNITS] * 3
    assert np.isclose(np.abs(values[1]).max(), np.sqrt(2 / N_IN)) == (rule == "signed")
    assert np.array_equal(values[0], values[1]) == (rule in ("sparse", "twn"))
    assert rule != "binaryconnect" or np.mean(np.abs(values[0]) <= glorot_size((N_IN, UNITS))) > 0.95


def test_mpt_on_signed_constants_is_edge_popup():
    """alpha is the constant."""
    models = [
        keras.Sequential([keras.Input((N_IN,)), SignedMaskDense(9, rule=rule, density=0.2, weight_initializer=He(seed=1),
                                                                score_initializer=He("uniform", seed=2))])
        for rule in ("edge_popup", "mpt")
    ]  # fmt: skip
    x = np.random.default_rng(0).normal(size=(16, N_IN)).astype(np.float32)
    for model in models:
        model.compile(keras.optimizers.SGD(0.5, 0.9), "mse", run_eagerly=True)
        model.fit(x, x[:, :9], batch_size=4, epochs=3, shuffle=False, verbose=0)
    one, other = (model.layers[0] for model in models)
    np.testing.assert_array_equal(one.mask, other.mask)
    np.testing.assert_allclose(one.effective_kernel, other.effective_kernel, rtol=1e-6)
    np.testing.assert_allclose(one.score, other.score, rtol=1e-4, atol=1e-6)


def test_a_signed_supermask_on_signed_constants_is_a_ternary_network_of_one_latent_weight():
    """V = sign(W) M: kernel c sign(V) where |V| > threshold, gradient c G. Momentum and decay commute with the change of sign."""
    layer = SignedMaskDense(5, threshold=0.1, weight_initializer=He(seed=1), score_initializer=He("uniform", seed=2))
    model = keras.Sequential([keras.Input((N_IN,)), layer])
    model.compile(
        keras.optimizers.SGD(0.3, 0.9, nesterov=True, weight_decay=0.02), lambda y, out: tf.reduce_sum(y * out, -1)
    )
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(20, N_IN)).astype(np.float32), draw.normal(size=(20, 5)).astype(np.float32)
    c, v, speed = np.sqrt(2 / N_IN), layer.score.numpy() * np.sign(layer.weight.numpy()), 0
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    for i in range(0, 20, 4):
        g = c * x[i : i + 4].T @ y[i : i + 4] / 4
        v = v - 0.3 * 0.02 * v
        speed = 0.9 * speed - 0.3 * g
        v = v + 0.9 * speed - 0.3 * g
    np.testing.assert_allclose(layer.effective_kernel, c * np.sign(v) * (np.abs(v) > 0.1), rtol=1e-5)


def test_stochastic_binary_weights_have_their_probabilities():
    layer = SignedMaskDense(400, rule="binaryconnect_stochastic", sample_seed=1)
    layer.build((None, 300))
    size = glorot_size((300, 400))
    layer.score.assign(np.full((300, 400), 0.5 * size))
    drawn = [layer.draw_kernel().numpy() for _ in range(2)]
    assert (drawn[0] != drawn[1]).any() and abs((drawn[0] > 0).mean() - 0.75) < 0.01
    np.testing.assert_allclose(np.abs(drawn[0]), size, rtol=1e-6)


@pytest.mark.parametrize("rule", [*CASES, "binaryconnect_stochastic"])
def test_a_whole_model_from_mask_model_to_a_file_and_back(rule, tmp_path):
    """Also of kernels that are kept, in other layers; plain layers give the same outputs."""
    plain = keras.Sequential(
        [keras.Input((6, 3)), keras.layers.SimpleRNN(4, kernel_regularizer="l2"), keras.layers.Dense(2, use_bias=True)]
    )
    model = mask_model(plain, rule, keep_weights=True, **CASES.get(rule, {}))
    for kernel, before in zip(model.layers[0].masked_kernels.values(), plain.layers[0].weights, strict=False):
        np.testing.assert_array_equal(kernel.start, before)
    np.testing.assert_array_equal(model.layers[1].masked_kernels["kernel"].start, plain.layers[1].kernel)
    x = np.random.default_rng(0).normal(size=(8, 6, 3)).astype(np.float32)
    model.compile(keras.optimizers.SGD(0.1, 0.9), "mse", run_eagerly=True)
    loss = model.evaluate(x, np.zeros((8, 2)), verbose=0)
    model.fit(x, np.zeros((8, 2)), verbose=0)
    assert np.isfinite(loss)
    model.save(tmp_path / "x.keras")
    again = keras.models.load_model(tmp_path / "x.keras")
    assert [v.trainable for v in again.variables] == [v.trainable for v in model.variables]
    if not masks.rule(rule).sampled:
        np.testing.assert_allclose(again(x), model(x), rtol=1e-6)
        np.testing.assert_allclose(strip_masks(model)(x), model(x), rtol=1e-5, atol=1e-6)
