"""Train, rank, cut, act, repeat: the method with made-up trainings, and real ones on a tiny data set."""

import json

import keras
import numpy as np
import pytest
from quiet import QUIET

from tf_supermask.errors import InputError
from tf_supermask.experiments import criteria, lottery, records
from tf_supermask.experiments.spec import Spec
from tf_supermask.experiments.trainer import KEPT, Trainer, trainer_of

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
