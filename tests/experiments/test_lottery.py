"""Train, rank, cut, act, repeat: the method with made-up trainings, and real ones on a tiny data set."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from tf_supermask.errors import InputError
from tf_supermask.experiments import criteria, data, lottery, networks, records, training
from tf_supermask.experiments.callbacks import Diverged
from tf_supermask.experiments.spec import Spec
from tf_supermask.experiments.trainer import KEPT, Best, Layer, Trainer, kernels_of, trainer_of

QUIET = training.Options(progress=0, log=lambda line: None, jit_compile=False)
SHORT = {"mode": "lottery", "iterations": 12, "evaluate_every": 4, "batch_size": 10, "validation_images": 14}


def spec_of(**given):
    return Spec.of(**(SHORT | {"rounds": 3, "learning_rate": 0.01} | given))


# ---------------------------------------------------------------------------------------------------------------------
# The method, without networks

INITIAL = {"a": np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)}


def rounds_of(**given):
    """The rounds of a chain whose training adds noise to what is kept: list of (layers, finals)."""
    spec = spec_of(**given)
    draw = np.random.default_rng(1)

    def train(layers):
        layer = layers["a"]
        moved = layer.start + 0.5 * draw.normal(size=layer.start.shape).astype(np.float32)
        return {"a": np.where(layer.mask, moved, layer.held)}, {}

    step = lottery.following(spec, INITIAL, {"a": 0.3})
    found = lottery.chain(lottery.dense(INITIAL), 0, spec.rounds, train, step)
    return [(layers["a"], finals["a"]) for _, layers, finals, _, _ in found]


@pytest.mark.parametrize("criterion", sorted(criteria.CRITERIA))
def test_masks_are_nested_and_have_the_papers_counts(criterion):
    left = [600, 420, 294, 206]
    rounds = rounds_of(criterion=criterion)
    assert [int(layer.mask.sum()) for layer, _ in rounds] == left
    for (before, _), (after, _) in zip(rounds, rounds[1:], strict=False):
        assert not (after.mask & ~before.mask).any()
    for number, (layer, _) in enumerate(rounds):
        assert np.array_equal(layer.mask, rounds[-1][0].pruned_in > number)  # one array holds all masks


def test_each_round_ranks_what_its_own_training_gave():
    for (before, finals), (after, _) in zip(rounds := rounds_of(), rounds[1:], strict=False):
        dropped = before.mask & ~after.mask
        assert np.abs(finals[after.mask]).min() >= np.abs(finals[dropped]).max()


def test_rewind_and_freeze_at_zero_is_the_lottery_ticket():
    for layer, _ in rounds_of():
        assert np.array_equal(layer.start, INITIAL["a"] * layer.mask)
        assert not layer.held.any()


def test_freeze_at_init():
    for layer, finals in rounds_of(mask0_action="init"):
        assert np.array_equal(layer.start, INITIAL["a"])
        assert np.array_equal(finals[~layer.mask], INITIAL["a"][~layer.mask])


def test_freeze_toward_zero_is_decided_once():
    rounds = rounds_of(mask0_action="toward_zero")
    for number, ((before, finals), (after, _)) in enumerate(zip(rounds, rounds[1:], strict=False)):
        now = before.mask & ~after.mask
        expected = np.where(np.abs(finals) < np.abs(INITIAL["a"]), 0, INITIAL["a"])
        assert np.array_equal(after.held[now], expected[now])
        assert np.array_equal(after.held[~before.mask], before.held[~before.mask])
        assert np.array_equal(after.start[after.mask], INITIAL["a"][after.mask])
        assert number == 0 or before.held[~before.mask].any()


def test_toward_zero_on_all_weights_accumulates_zeros_among_the_kept():
    rounds = rounds_of(mask0_action="toward_zero_all")
    for (before, finals), (after, _) in zip(rounds, rounds[1:], strict=False):
        zero = (np.abs(finals) < np.abs(before.start)) | (before.start == 0)
        assert np.array_equal(after.start[after.mask] == 0, zero[after.mask])
        assert np.array_equal(after.start[after.mask & ~zero], INITIAL["a"][after.mask & ~zero])


@pytest.mark.parametrize("action", sorted(criteria.MASK1_ACTIONS))
@pytest.mark.parametrize("frozen", sorted(criteria.MASK0_ACTIONS))
def test_any_pair_of_actions_combines(action, frozen):
    for layer, finals in rounds_of(mask1_action=action, mask0_action=frozen):
        assert np.array_equal(layer.start[~layer.mask], layer.held[~layer.mask])
        assert np.isfinite(finals).all()


def test_random_actions_draw_anew_in_every_round():
    (_, _), (one, _), (two, _), _ = rounds_of(mask1_action="reinit")
    both = one.mask & two.mask
    assert np.mean(one.start[both] == two.start[both]) < 0.01


# ---------------------------------------------------------------------------------------------------------------------
# Training


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


# ---------------------------------------------------------------------------------------------------------------------
# Runs


def run_chain(spec, dataset, folder, name="chain"):
    dense, first = records.Run(folder, "dense", 0), lottery.dense_spec(spec)
    if records.find(dense, first) is None:
        lottery.train(first, dataset, dense, QUIET)
    return lottery.train(spec, dataset, records.Run(folder, name, 0), QUIET, dense)[1]


def without_times(record):
    record = json.loads(json.dumps(record))
    del record["environment"], record["history"]["seconds"]
    return record


def test_a_chain_is_recorded_and_its_round_0_is_the_dense_run(tiny, tmp_path):
    record = run_chain(spec_of(), tiny, tmp_path)
    dense = records.read(tmp_path / "dense" / "seed0.json")
    assert record["history"]["test_accuracy"][0] == dense["final"]["test_accuracy"]
    assert len(record["history"]["remaining"]) == 4 and dense["history"]["remaining"] == [100.0]
    assert record["final"]["remaining"] == record["history"]["remaining"][-1]
    arrays = records.load_arrays(tmp_path / "chain" / "seed0.final.npz")
    left = sum(np.sum(array == KEPT) for array in arrays.values()) / sum(a.size for a in arrays.values())
    assert record["final"]["remaining"] == pytest.approx(100 * left)
    assert json.loads((tmp_path / "chain" / "seed0.json").read_text()) == record


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_an_interrupted_chain_repeats_no_finished_round(tiny, tmp_path, monkeypatch, stop):
    spec = spec_of(criterion="movement", mask1_action="reshuffle", mask0_action="toward_zero")
    whole = run_chain(spec, tiny, tmp_path / "whole")
    run_chain(lottery.dense_spec(spec), tiny, tmp_path / "broken", "dense")
    trained, real = [], Trainer.__call__

    def dies(self, layers):
        trained.append(layers)
        if len(trained) == stop:
            raise KeyboardInterrupt
        return real(self, layers)

    monkeypatch.setattr(Trainer, "__call__", dies)
    with pytest.raises(KeyboardInterrupt):
        run_chain(spec, tiny, tmp_path / "broken")
    assert without_times(run_chain(spec, tiny, tmp_path / "broken")) == without_times(whole)
    assert len(trained) == 3 + 1  # each round once, and the one that was interrupted


def test_a_missing_dense_run_and_a_damaged_round_are_named(tiny, tmp_path):
    spec, run = spec_of(), records.Run(tmp_path, "chain", 0)
    with pytest.raises(
        InputError, match="dense.seed0.json is missing: the dense run that all masks of seed 0 begin with"
    ):
        lottery.train(spec, tiny, run, QUIET, records.Run(tmp_path, "dense", 0))
    run.checkpoint.parent.mkdir(exist_ok=True)
    run.checkpoint.write_bytes(b"half a round")
    with pytest.raises(InputError, match="seed0.ckpt.npz is damaged"):
        run_chain(spec, tiny, tmp_path)
    assert (tmp_path / "chain" / "seed0.ckpt.npz.damaged").read_bytes() == b"half a round"
    run_chain(spec, tiny, tmp_path)
    (tmp_path / "dense" / "seed0.final.npz").unlink()
    with pytest.raises(InputError, match="seed0.final.npz is missing"):
        run_chain(spec, tiny, tmp_path, "another")


def test_chains_in_one_process_are_those_of_processes_of_their_own(tiny, tmp_path):
    """They share a compiled network."""
    one, other = spec_of(criterion="large_final"), spec_of(criterion="random")
    run_chain(one, tiny, tmp_path / "a", "one")
    second = run_chain(other, tiny, tmp_path / "a", "other")
    keras.backend.clear_session()
    trainer_of.cache_clear()
    assert without_times(run_chain(other, tiny, tmp_path / "b")) == without_times(second)


def test_a_share_of_no_weights_is_none():
    """Once no layer has weights to prune, a round prunes none; nan could not be written."""
    assert (
        lottery._share([np.zeros(0, bool)]) is None
        and lottery._share([np.array([True, False]), np.zeros(0, bool)]) == 50
    )
