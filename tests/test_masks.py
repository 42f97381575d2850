import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tf_supermask import masks

ORACLES = {
    "signed": lambda s, t: np.where(s > t, 1, np.where(s < -t, -1, 0)),
    "binary": lambda s, t: np.where(s > t, 1, 0),
    "bernoulli": lambda s, t: np.where(tf.sigmoid(s) > t, 1, 0),
    "rounded": lambda s, t: np.where(tf.sigmoid(s) > t, 1, 0),
}
STRAIGHT = ("signed", "binary")
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


def test_rounding_is_that_of_the_probability():
    assert masks.RULES["rounded"](tf.constant([-0.1, 0.0, 0.1]), masks.RULES["rounded"].threshold).numpy().tolist() == [
        0,
        0,
        1,
    ]


@pytest.mark.parametrize("rule", STRAIGHT)
def test_thresholds_are_strict(rule):
    score = tf.constant([-0.25, 0.25, np.nextafter(np.float32(0.25), np.float32(1))])
    assert masks.RULES[rule](score, 0.25).numpy().tolist() == [0, 0, 1]


def test_compiled_rule_is_the_eager_rule():
    score = tf.random.stateless_normal([1000], [0, 0])
    for rule in masks.RULES.values():
        np.testing.assert_array_equal(tf.function(rule, jit_compile=True)(score, 0.3), rule(score, 0.3))
