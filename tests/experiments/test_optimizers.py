"""Optimizers, decay and the plateau rule against numpy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from quiet import QUIET

from tf_supermask.experiments import training
from tf_supermask.experiments.optimizers import Cosine, optimizer, plateau_reductions
from tf_supermask.experiments.spec import Spec


def spec_of(**given):
    return Spec.of(**({"model": "fcn", "epochs": 4, "batch_size": 16, "shuffle": True} | given))


def sgdw(x, gradients, rates, decays, momentum=0.9):
    v = np.zeros_like(x)
    for g, rate, decay in zip(gradients, rates, decays, strict=True):
        x = x - decay * x
        v = momentum * v - rate * g
        x = x + momentum * v - rate * g
    return x


def apply(optimizer, x, gradients):
    variable = keras.Variable(x)
    optimizer.build([variable])
    step = tf.function(lambda gradient: optimizer.apply([gradient], [variable]))
    for g in gradients:
        step(tf.constant(g))
    return variable.numpy()


def test_decay_is_the_authors_under_the_staircase():
    spec = spec_of(learning_rate=0.05, weight_decay=5e-3, decay_steps=7, decay_rate=0.5)
    draw = np.random.default_rng(0)
    x, gradients = draw.normal(size=30), draw.normal(size=(20, 30))
    stairs = 0.5 ** (np.arange(20) // 7)
    ours = apply(optimizer(spec), x.astype(np.float32), gradients.astype(np.float32))
    np.testing.assert_allclose(ours, sgdw(x, gradients, 0.05 * stairs, 5e-3 * stairs), rtol=1e-4, atol=1e-6)


def test_an_unused_score_halves_in_1386_steps():
    """koster.md 5.1: decay 5e-4 per step, whatever the learning rate."""
    spec = spec_of(decay_steps=10**6)
    halved = apply(optimizer(spec), np.ones(3, np.float32), np.zeros((1386, 3), np.float32))
    np.testing.assert_allclose(halved, 0.5, rtol=1e-3)


def test_clipping_is_per_tensor():
    spec = spec_of(clipnorm=0.5, weight_decay=0.0, momentum=0.0, nesterov=False, learning_rate=1.0)
    moved = apply(optimizer(spec), np.zeros(2, np.float32), np.array([[3, 4]], np.float32))
    np.testing.assert_allclose(moved, [-0.3, -0.4], rtol=1e-6)


def test_adam_has_the_epsilon_of_tensorflow_1():
    spec = Spec.of(mode="lottery")
    assert optimizer(spec).epsilon == 1e-8


def test_plateau_needs_more_than_patience_stagnating_epochs():
    falling = [1 - 0.01 * i for i in range(30)]
    assert plateau_reductions(falling, patience=15) == 0
    flat = falling + [falling[-1]] * 15
    assert plateau_reductions(flat, patience=15) == 0
    assert plateau_reductions(flat + [falling[-1]], patience=15) == 1


def test_plateau_counter_is_never_reset():
    constant = [1.0] * 60
    # epochs 10 to 24 stagnate 15 times, the 16th at 25 reduces; 10 epochs of rest; then each stagnation reduces
    history = [plateau_reductions(constant[:n], patience=15) for n in range(61)]
    assert [n for n in range(1, 61) if history[n] > history[n - 1]] == [26, 37, 48, 59]


def test_plateau_compares_with_the_best_of_patience_minus_2_epochs():
    # the dip of epoch 11 is forgotten 13 epochs later: from then on 0.8 undercuts the window's best, 1.0
    losses = [1.0] * 11 + [0.5] + [1.0] * 13
    assert plateau_reductions(losses + [0.8], patience=5) == plateau_reductions(losses, patience=5)


@pytest.mark.parametrize("rest", [1, 4, 10])
def test_plateau_rests_at_the_start_and_after_each_reduction(rest):
    constant = 60 * [1.0]
    history = [plateau_reductions(constant[:n], 3, rest) for n in range(61)]
    assert history.index(1) == rest + 4 and history.index(2) == history.index(1) + rest + 1


def test_plateau_sets_rate_and_stops(tiny):
    spec = spec_of(
        schedule="plateau", plateau_patience=3, plateau_limit=2, plateau_factor=0.1, epochs=60, learning_rate=1e-6,
        weight_decay=0.0,
    )  # fmt: skip
    _, record = training.train(spec, tiny, options=QUIET)
    losses, rates = record["history"]["train_loss"], record["history"]["learning_rate"]
    assert len(losses) < 60
    assert plateau_reductions(losses, 3) == 2 and plateau_reductions(losses[:-1], 3) == 1
    expected = [1e-6 * 0.1 ** plateau_reductions(losses[:n], 3) for n in range(len(losses))]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_the_cosine_falls_from_epoch_to_epoch_to_0_after_the_last():
    """Also of a run that goes on: the rate is a function of the epoch."""
    spec = Spec.of(mode="baseline", schedule="cosine", epochs=4, learning_rate=0.2)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer(spec), "mse", run_eagerly=True)
    rates, watch = [], keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(float(model.optimizer.learning_rate))
    )
    for first in (0, 2):
        model.fit(
            np.ones((2, 2)), np.ones(2), initial_epoch=first, epochs=4, callbacks=[Cosine(spec), watch], verbose=0
        )
    expected = [0.1 * (1 + np.cos(np.pi * epoch / 4)) for epoch in (0, 1, 2, 3, 2, 3)]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
