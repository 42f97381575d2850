"""Mask rules against numpy, their gradients, and a rule that a user registers."""

import dataclasses
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tf_supermask import SignedMaskDense, mask_model, masks, strip_masks

ORACLES = {
    "signed": lambda s, t: np.where(s > t, 1, np.where(s < -t, -1, 0)),
    "signed_2_levels": lambda s, t: np.sign(s) * sum(abs(s) > k * t for k in (1, 2)) / np.float32(2),
    "signed_4_levels": lambda s, t: np.sign(s) * sum(abs(s) > k * t for k in (1, 2, 3, 4)) / np.float32(4),
    "binary": lambda s, t: np.where(s > t, 1, 0),
    "bernoulli": lambda s, t: np.where(tf.sigmoid(s) > t, 1, 0),
    "rounded": lambda s, t: np.where(tf.sigmoid(s) > t, 1, 0),
    "iterand": lambda s, t: np.where(s > t, 1, 0),
    "edge_popup": lambda s, t: np.where(np.abs(s) > t, 1, 0),
    "mpt": lambda s, t: np.where(np.abs(s) > t, 1, 0),
    "twn": lambda s, t: np.sign(s) * (np.abs(s) > t * np.asarray(tf.reduce_mean(np.abs(s)))),
    "ttq": lambda s, t: np.sign(s) * (np.abs(s) > t * np.abs(s).max()),
    "binaryconnect": lambda s, t: np.where(s >= t, 1, -1),
    "binaryconnect_stochastic": lambda s, t: np.where(np.clip((s + 1) / 2, 0, 1) > t, 1, -1),
    "sparse": lambda s, t: np.where(s > t, 1, 0),
}
THROUGH = {"bernoulli": "sigmoid", "rounded": "sigmoid", "edge_popup": "size", "mpt": "size", "sparse": None}
STRAIGHT = [rule for rule in ORACLES if rule not in THROUGH]
normal = {"width": 32, "allow_subnormal": False}  # TensorFlow's processors take numbers below 1e-38 for 0
scores = hnp.arrays(np.float32, hnp.array_shapes(max_dims=4, max_side=5), elements=st.floats(-2, 2, **normal))
thresholds = st.floats(0, 1, **normal).map(np.float32)


def test_every_rule_has_an_oracle():
    assert masks.RULES.keys() == ORACLES.keys()


@pytest.mark.parametrize("rule", masks.RULES)
@given(score=scores, threshold=thresholds)
def test_forward(rule, score, threshold):
    mask = masks.RULES[rule](score, threshold).numpy()
    np.testing.assert_array_equal(mask, ORACLES[rule](score, threshold))
    assert mask.dtype == score.dtype and mask.shape == score.shape


@pytest.mark.parametrize("rule", STRAIGHT)
@given(score=scores, threshold=thresholds)
def test_backward_is_exactly_one_everywhere(rule, score, threshold):
    upstream = np.random.default_rng(0).normal(size=score.shape).astype(np.float32)
    variable = tf.Variable(score)
    with tf.GradientTape() as tape:
        mask = masks.RULES[rule](variable, threshold)
    np.testing.assert_array_equal(tape.gradient(mask, variable, output_gradients=upstream), upstream)


@given(score=scores, threshold=thresholds)
def test_backward_of_a_probability_is_that_of_the_sigmoid(score, threshold):
    upstream = np.random.default_rng(0).normal(size=score.shape).astype(np.float32)
    variable = tf.Variable(score)
    with tf.GradientTape() as tape:
        mask = masks.RULES["bernoulli"](variable, threshold)
    p = 1 / (1 + np.exp(-score))
    np.testing.assert_allclose(
        tape.gradient(mask, variable, output_gradients=upstream), upstream * p * (1 - p), rtol=1e-4
    )


@given(score=scores, threshold=thresholds)
def test_backward_of_a_size_is_the_sign(score, threshold):
    upstream = np.random.default_rng(0).normal(size=score.shape).astype(np.float32)
    variable = tf.Variable(score)
    with tf.GradientTape() as tape:
        mask = masks.RULES["edge_popup"](variable, threshold)
    np.testing.assert_array_equal(tape.gradient(mask, variable, output_gradients=upstream), upstream * np.sign(score))


def test_rounding_is_that_of_the_probability():
    rounded = masks.rule("rounded")
    assert rounded(tf.constant([-0.1, 0.0, 0.1]), rounded.threshold).numpy().tolist() == [0, 0, 1]


@pytest.mark.parametrize("rule", ["signed", "binary"])
def test_thresholds_are_strict(rule):
    score = tf.constant([-0.25, 0.25, np.nextafter(np.float32(0.25), np.float32(1))])
    assert masks.RULES[rule](score, 0.25).numpy().tolist() == [0, 0, 1]


def test_compiled_rule_is_the_eager_rule():
    score = tf.random.stateless_normal([1000], [0, 0])
    for rule in masks.RULES.values():
        np.testing.assert_array_equal(tf.function(rule, jit_compile=True)(score, 0.3), rule(score, 0.3))


@pytest.fixture
def keep_large():
    """A rule that a user registers, until the test ends."""

    @masks.register("keep_large", threshold=0.1)
    def keep_large(score, threshold):
        return masks.straight_through(score, tf.cast(tf.abs(score) > threshold, score.dtype))

    yield "keep_large"
    del masks.RULES["keep_large"]


@pytest.mark.parametrize("rescale", [False, True])
def test_a_registered_rule_is_known_everywhere(keep_large, rescale, tmp_path):
    """In a layer, in mask_model, with rescale, in a .keras file. Oracle: numpy."""
    layer = SignedMaskDense(20, rule=keep_large, rescale=rescale)
    network = keras.Sequential([keras.Input((30,)), keras.layers.Dense(20, "relu"), keras.layers.Dense(3)])
    model, x = mask_model(network, keep_large, rescale=rescale), np.random.default_rng(0).normal(size=(4, 30))
    model.compile("sgd", "mse")
    model.fit(x, np.ones((4, 3)), verbose=0)
    model.save(tmp_path / "x.keras")
    same = keras.models.load_model(tmp_path / "x.keras")
    layer.build((None, 30))
    for layer in (layer, *model.layers, *same.layers):
        mask, weight = np.abs(layer.score.numpy()) > np.float32(0.1), layer.weight.numpy()
        np.testing.assert_array_equal(layer.mask, mask)
        factor = mask.size / mask.sum() if rescale else 1
        np.testing.assert_allclose(layer.effective_kernel, weight * mask * factor, rtol=1e-6)
        assert layer.threshold == 0.1 and 0 < mask.sum() < mask.size
    for other in (same, strip_masks(model)):
        np.testing.assert_array_equal(other(x), model(x))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "signed", "threshold": 0.1}, "'signed' is registered already"),
        ({"name": "new", "threshold": 0.1, "needs_density": True}, "needs one of `threshold`, .*`needs_density=True`"),
        ({"name": "new"}, "needs one of .* Received: threshold=None, sampled=False, needs_density=False"),
        ({"name": "new", "threshold": 0.1, "sampled": True}, "needs one of .* Received: threshold=0.1, sampled=True"),
        ({"name": "new", "sampled": True, "needs_density": True}, "needs one of .*needs_density=True"),
        ({"name": len}, "`name` must be the name of the rule"),
    ],
)
def test_a_rule_that_cannot_be_registered_is_refused(arguments, message):
    before = dict(masks.RULES)
    with pytest.raises(ValueError, match=message):
        masks.register(**arguments)
    assert masks.RULES == before


def test_all_properties_of_a_rule_are_arguments_with_the_same_names():
    """So `help` has all of them, and Python names one that is wrong."""
    arguments = inspect.signature(masks.register).parameters
    assert [*arguments][1:] == [field.name for field in dataclasses.fields(masks.Rule)][1:]
    with pytest.raises(TypeError, match=r"^register\(\) got an unexpected keyword argument 'signd'"):
        masks.register("new", threshold=0.1, signd=True)


@pytest.mark.parametrize("name", ["ternary", None, ["signed"], 3])
def test_an_unknown_rule_is_named(name):
    with pytest.raises(ValueError, match="`rule` must be one of signed, binary, rounded, bernoulli, .*. Received"):
        masks.rule(name)


@pytest.mark.parametrize(
    "function, message",
    [
        (lambda score, threshold: keras.ops.sum(score), r"of the shape of its scores, \(3, 2\). Received: \(\)"),
        (lambda score, threshold: 0.5 + 0 * score, "'wrong' gives masks that are no multiples of 1 / 1 from -1 to 1"),
        (lambda score, threshold: 2 + 0 * score, "'wrong' gives masks that are no multiples of 1 / 1 from -1 to 1"),
        (lambda score, threshold: score / 0, "'wrong' gives masks that are no multiples of 1 / 1 from -1 to 1"),
    ],
    ids=["shape", "half", "two", "no number"],
)
def test_masks_that_a_registered_rule_does_not_promise_are_refused(function, message, monkeypatch):
    monkeypatch.setattr(masks, "RULES", dict(masks.RULES))
    masks.register("wrong", threshold=0.1)(function)
    with pytest.raises(ValueError, match=message):
        layer = SignedMaskDense(2, rule="wrong")
        layer.build((None, 3))
        layer(np.ones((1, 3)))
        assert layer.mask is not None
