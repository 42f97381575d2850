"""Training of one round against plain Keras layers fed `weight * mask`."""

import dataclasses

import keras
import numpy as np
import pytest

from tf_supermask.errors import InputError
from tf_supermask.experiments import data, lottery, networks, training
from tf_supermask.experiments.callbacks import Diverged
from tf_supermask.experiments.spec import Spec
from tf_supermask.experiments.trainer import Best, Layer, Trainer, kernels_of

QUIET = training.Options(progress=0, log=lambda line: None, jit_compile=False)


SHORT = {"mode": "lottery", "iterations": 12, "evaluate_every": 4, "batch_size": 10, "validation_images": 14}


def spec_of(**given):
    return Spec.of(**(SHORT | {"rounds": 3, "learning_rate": 0.01} | given))


@pytest.fixture(scope="module")
def trainer(tiny):
    return Trainer(spec_of(), tiny, QUIET)


def a_state(trainer, share=0.5):
    draw, state = np.random.default_rng(3), {}
    for name, kernel in trainer.initial.items():
        mask = draw.random(kernel.shape) < share
        held = np.where(mask, 0, draw.normal(size=kernel.shape)).astype(np.float32)
        state[name] = Layer(np.where(mask, kernel, held), mask, held, np.where(mask, 255, 1).astype(np.uint8))
    return state


def test_training_is_that_of_a_kernel_times_a_mask(trainer, tiny):
    """Oracle: Adam on where(mask, kernel, held), in which pruned weights get no gradient at all."""
    import tensorflow as tf

    state, spec = a_state(trainer), trainer.spec
    finals, _ = trainer(state)
    kernels = {name: tf.Variable(layer.start) for name, layer in state.items()}
    biases = {name: tf.Variable(np.zeros(layer.start.shape[1], np.float32)) for name, layer in state.items()}
    optimizer = keras.optimizers.Adam(spec.learning_rate, epsilon=1e-8)
    batches = iter(data.batches(data.held_out(tiny, 14), spec))
    for _ in range(spec.iterations):
        images, labels = next(batches)
        with tf.GradientTape() as tape:
            x = tf.reshape(images, (len(images), -1))
            for name, layer in state.items():
                x = x @ tf.where(layer.mask, kernels[name], layer.held) + biases[name]
                x = x if name == "out" else tf.nn.relu(x)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, x))
        variables = [*kernels.values(), *biases.values()]
        optimizer.apply(tape.gradient(loss, variables), variables)
    for name, layer in state.items():
        np.testing.assert_allclose(finals[name], np.where(layer.mask, kernels[name], layer.held), atol=2e-4)


def test_pruned_weights_never_move(tiny):
    spec = spec_of(optimizer="sgd", momentum=0.9, nesterov=True, weight_decay=0.01)
    trainer = Trainer(spec, tiny, QUIET)
    state = a_state(trainer)
    finals, _ = trainer(state)
    for name, layer in state.items():
        assert np.array_equal(finals[name][~layer.mask], layer.held[~layer.mask])
        assert (finals[name] != layer.start)[layer.mask].mean() > 0.5


def test_every_round_has_a_new_optimizer_and_zero_biases(trainer):
    state = a_state(trainer)
    first, again = trainer(state), trainer(state)
    assert first[1] == again[1]
    for name in state:
        assert np.array_equal(first[0][name], again[0][name])


@pytest.mark.parametrize("iterations, every", [(1, 4), (5, 2), (6, 4), (7, 1)])
def test_exactly_the_iterations_asked_are_trained(tiny, monkeypatch, iterations, every):
    """Oracle: Keras' own `fit` for so many steps."""
    spec = spec_of(iterations=iterations, evaluate_every=every)
    evaluated, real = [], Best.evaluate
    monkeypatch.setattr(Best, "evaluate", lambda self, n: (evaluated.append(n), real(self, n)))
    trainer = Trainer(spec, tiny, QUIET)
    finals, result = trainer(lottery.dense(trainer.initial))
    assert int(trainer.model.optimizer.iterations) == iterations
    assert evaluated == [*range(0, iterations, every), iterations] and result["best_iteration"] in evaluated
    model = networks.build(spec, tiny.input_shape, 10)
    training.compile_model(model, spec, 1, QUIET)
    model.fit(data.batches(trainer.split, spec), steps_per_epoch=iterations, shuffle=False, verbose=0)
    for name, kernel in kernels_of(model).items():
        np.testing.assert_allclose(finals[name], kernel, rtol=1e-5, atol=1e-7)
    again, _ = trainer(lottery.dense(trainer.initial))  # the next round
    assert all(np.array_equal(again[name], finals[name]) for name in finals)


def test_a_divergence_is_found_when_it_is_evaluated(tiny):
    trainer = Trainer(spec_of(learning_rate=1e30), tiny, QUIET)
    with pytest.raises(Diverged, match="diverged at iteration 4: (train|validation) loss (nan|inf)"):
        trainer(lottery.dense(trainer.initial))


def test_a_test_loss_that_is_not_a_number_is_found(trainer, monkeypatch):
    monkeypatch.setattr(trainer, "test", lambda: (float("nan"), 10.0))
    with pytest.raises(Diverged, match="test loss nan"):
        trainer(lottery.dense(trainer.initial))


def test_a_batch_of_more_images_than_are_left_for_training_is_named(tiny):
    with pytest.raises(InputError, match="--batch_size=60 is more than the 50 training images"):
        Trainer(spec_of(batch_size=60), tiny, QUIET)


def test_steps_per_execution_must_divide_every_stretch(tiny):
    with pytest.raises(InputError, match="--steps_per_execution=4 must divide --iterations=6 and --evaluate_every=4"):
        Trainer(spec_of(iterations=6), tiny, dataclasses.replace(QUIET, steps_per_execution=4))
    trainer = Trainer(spec_of(iterations=6), tiny, dataclasses.replace(QUIET, steps_per_execution=2))
    trainer(lottery.dense(trainer.initial))
    assert int(trainer.model.optimizer.iterations) == 6


def test_the_iteration_of_the_lowest_validation_loss_counts(trainer, monkeypatch):
    losses = iter([3.0, 2.0, 1.0, 2.5])  # before the first step, and after 4, 8 and 12
    seen = []

    def test():
        seen.append([np.asarray(kernel).copy() for kernel in trainer.kernels.values()])
        return 0.5, 60.0

    monkeypatch.setattr(trainer, "validation", lambda: (next(losses), 50.0))
    monkeypatch.setattr(trainer, "test", test)
    finals, result = trainer(lottery.dense(trainer.initial))
    assert result["best_iteration"] == 8 and result["val_loss"] == 1.0 and result["test_accuracy"] == 60.0
    end, best = seen
    assert all(np.array_equal(a, b) for a, b in zip(end, finals.values(), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(best, end, strict=True))


def test_validation_images_are_held_out_once_for_all(tiny):
    split = data.held_out(tiny, 14)
    assert len(split.train_images) == 50 and len(split.test_images) == 14
    together = np.concatenate([split.train_images, split.test_images]).reshape(64, -1)
    assert sorted(map(tuple, together)) == sorted(map(tuple, tiny.train_images.reshape(64, -1)))
    assert split.fingerprint == data.held_out(tiny, 14).fingerprint
    with pytest.raises(InputError, match="--validation_images=64 leaves none of the 64 training images"):
        data.held_out(tiny, 64)
