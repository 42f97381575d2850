"""One-shot masks on weights that were never trained: what they keep, what the networks say, and runs that are stopped."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quiet import QUIET

from tf_supermask.errors import InputError
from tf_supermask.experiments import criteria, data, lottery, one_shot, records
from tf_supermask.experiments.spec import Spec

SHORT = {"iterations": 6, "evaluate_every": 3, "batch_size": 10, "validation_images": 14}
HALVES = {"rounds": 2, "prune_dense": 0.5, "prune_conv": 0.5, "prune_output": 0.5}
SPEC = Spec.of(mode="supermask", **SHORT, **HALVES)


def evaluated(dataset, folder):
    dense, first = records.Run(folder, "dense", 0), Spec.of(mode="lottery", rounds=0, **SHORT)
    if records.find(dense, first) is None:
        lottery.train(first, dataset, dense, QUIET)
    return one_shot.train(SPEC, dataset, records.Run(folder, "supermasks", 0), QUIET, dense)[1]


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 60), st.floats(0.05, 0.6), st.integers(0, 10**6))
def test_each_level_keeps_the_weights_of_the_highest_scores(size, rate, seed):
    """Oracle: a sorted list. Levels are nested, and their number of weights is what is left of all after k prunings at once."""
    draw = np.random.default_rng(seed)
    initial, final = draw.normal(size=(2, size, 3))
    levels = one_shot.masks("large_final", {"a": initial}, {"a": final}, {"a": rate}, 4, lambda name: draw)
    before = np.ones_like(final, bool)
    for level, kept in enumerate(mask["a"] for mask in levels):
        count = criteria.kept(final.size, 1 - (1 - rate) ** level) if level else final.size
        assert sorted(np.abs(final[kept])) == sorted(np.abs(final.ravel()))[final.size - count :]
        assert not (kept & ~before).any()
        before = kept


def test_equal_scores_are_kept_at_random():
    """Large_final_same_sign has score 0 wherever the sign changed."""
    initial = np.ones((40, 50))
    masks = [
        list(one_shot.masks("large_final_same_sign", {"a": initial}, {"a": -initial}, {"a": 0.5}, 1, lambda name: draw))
        for draw in map(np.random.default_rng, (0, 1, 0))
    ]
    first, second, again = (levels[1]["a"] for levels in masks)
    assert first.sum() == second.sum() == 1000 and 400 < (first & second).sum() < 600
    assert np.array_equal(first, again)


def test_what_an_untrained_network_says(tiny):
    """Oracle: FC in four lines of numpy, with biases of 0."""
    network = one_shot.Untrained(SPEC, tiny)
    draw = np.random.default_rng(0)
    kernels = {name: draw.normal(size=kernel.shape).astype(np.float32) for name, kernel in network.kernels.items()}
    held_out = data.held_out(tiny, SPEC.validation_images)
    for name, dataset in (("test", tiny), ("val", held_out)):
        x = data.PREPROCESS[SPEC.preprocess](dataset.test_images).reshape(len(dataset.test_labels), -1)
        *hidden, out = kernels.values()
        for kernel in hidden:
            x = np.maximum(x @ kernel, 0)
        right = 100 * np.mean((x @ out).argmax(axis=1) == dataset.test_labels)
        assert network.accuracies(kernels)[name] == pytest.approx(right)


def test_all_criteria_and_treatments_are_recorded(tiny, tmp_path):
    record = evaluated(tiny, tmp_path)
    columns = [f"{c}/{t}/{s}" for c in criteria.CRITERIA for t in one_shot.TREATMENTS for s in ("test", "val")]
    assert all(len(record["history"][column]) == 3 for column in columns)
    untrained = record["history"]["untrained"][0]
    assert {record["history"][f"{criterion}/init/test"][0] for criterion in criteria.CRITERIA} == {untrained}
    assert record["history"]["large_final/sign_changed"][0] > 0
    assert set(record["history"]["large_final_same_sign/sign_changed"][1:]) == {0.0}
    assert record["final"]["seconds"] == pytest.approx(sum(record["history"]["seconds"]))


def test_a_stopped_run_repeats_no_finished_criterion(tiny, tmp_path, monkeypatch):
    whole = evaluated(tiny, tmp_path / "whole")
    seen, real = [], one_shot.masks

    def dies(criterion, *rest):
        seen.append(criterion)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(criterion, *rest)

    monkeypatch.setattr(one_shot, "masks", dies)
    with pytest.raises(KeyboardInterrupt):
        evaluated(tiny, tmp_path / "broken")
    broken = evaluated(tiny, tmp_path / "broken")
    assert len(seen) == len(criteria.CRITERIA) + 1  # each once, and the one that was interrupted
    for record in (whole, broken):
        for part, name in ((record, "environment"), (record["history"], "seconds"), (record["final"], "seconds")):
            del part[name]
    assert json.dumps(broken) == json.dumps(whole)
    assert [path.name for path in (tmp_path / "broken" / "supermasks").iterdir()] == ["seed0.json"]


def test_a_missing_dense_run_is_named(tiny, tmp_path):
    with pytest.raises(InputError, match="dense.seed0.json is missing"):
        one_shot.train(SPEC, tiny, records.Run(tmp_path, "a", 0), QUIET, records.Run(tmp_path, "dense", 0))


def test_a_layer_keeps_one_weight_however_many_levels():
    assert [one_shot.kept_at(1000, 0.9, level) for level in (0, 1, 3, 20, 254)] == [1000, 100, 1, 1, 1]
