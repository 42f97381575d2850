"""What is found and logged at the end of an epoch."""

import dataclasses

import numpy as np
import pytest
from quiet import QUIET

from tf_supermask.experiments import callbacks, records, training
from tf_supermask.experiments.callbacks import Diverged, check_finite
from tf_supermask.experiments.spec import Spec


def spec_of(**given):
    return Spec.of(**({"model": "fcn", "epochs": 4, "batch_size": 16, "shuffle": True} | given))


def test_divergence_is_one_clear_line(tiny):
    with pytest.raises(Diverged, match="epoch [0-9]+: train loss (nan|inf)"):
        training.train(spec_of(mode="baseline", learning_rate=1e30, weight_decay=0.0), tiny, options=QUIET)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_divergence_in_the_last_step_of_an_epoch_is_found_in_this_epoch(tiny, tmp_path):
    """The train loss is that of the steps before it."""
    spec = spec_of(mode="baseline", learning_rate=1e30, weight_decay=0.0, batch_size=64)
    run = records.Run(tmp_path, "x", 0)
    with pytest.raises(Diverged, match="in epoch 1: test loss (nan|inf); a smaller --learning_rate may help"):
        training.train(spec, tiny, run, QUIET)
    assert not run.checkpoint.exists() and not run.record.exists()


def test_scores_that_are_no_numbers_are_found_although_the_loss_is_one(tiny, monkeypatch):
    """The mask of a score that is not a number is 0, and all logits are."""
    spec = spec_of(learning_rate=3e38, epochs=5)
    with pytest.raises(Diverged, match="in epoch [1-5]: .*/score has values that are no numbers"):
        training.train(spec, tiny, options=QUIET)


def test_measures_that_are_no_numbers_are_named():
    check_finite("at iteration 3", {"loss": 1.0, "remaining": 5}, [np.ones(3)])
    for value in (float("nan"), float("inf"), -float("inf"), np.float32("nan")):
        with pytest.raises(Diverged, match=f"diverged at iteration 3: validation loss {value};"):
            check_finite("at iteration 3", {"accuracy": 1.0, "validation_loss": value})


ESTIMATES = {  # (number of the last step, seconds) of each call of steps, and of batches of the test; the line's epoch
    "three calls": ([(2, 0.3), (5, 0.3), (6, 0.1)], [(1, 0.4), (3, 0.4)], 1),
    "a last call of fewer steps": ([(9, 1.0), (11, 0.2)], [(4, 0.5), (8, 0.4)], 1),
    "one call of steps": ([(6, 0.7)], [(1, 0.4), (3, 0.4)], 2),
    "one call of the test": ([(5, 0.6), (6, 0.1)], [(3, 0.8)], 2),
}


@pytest.mark.parametrize("train, test, epoch", ESTIMATES.values(), ids=ESTIMATES)
def test_an_estimate_is_without_tracing(train, test, epoch, monkeypatch):
    clock, said = [100.0], []
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(callbacks, "duration", lambda seconds: f"{seconds:.3f}")
    estimate = callbacks.Estimate(Spec.of(epochs=4), said.append)
    estimate.on_train_begin()
    for number in range(3):
        estimate.on_epoch_begin(number)
        for calls, report in ((train, estimate.on_train_batch_end), (test, estimate.on_test_batch_end)):
            clock[0] += 10 * (number == 0)  # tracing
            for batch, seconds in calls:
                clock[0] += seconds
                report(batch)
        estimate.on_epoch_end(number)
        assert len(said) == (number + 1 >= epoch)
    seconds = sum(seconds for _, seconds in train + test)
    assert said == [f"  one epoch takes about {seconds:.3f}, this run {seconds * (4 - epoch):.3f} more"]


def test_an_estimate_that_was_wrong_is_corrected_once(monkeypatch):
    """Epochs take 100 s, from the sixth on 20 s."""
    clock, said = [0.0], []
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: clock[0])
    estimate, epochs = callbacks.Estimate(Spec.of(epochs=40), said.append), [100.0] * 5 + [20.0] * 35
    ends, right = np.cumsum(epochs), []
    for number, seconds in enumerate(epochs):
        if number in (0, 5):  # two calls of `fit`: the network has shrunk
            estimate.on_train_begin()
        for batch in (1, 3):
            clock[0] = ends[number] - seconds * (1 - (batch + 1) / 4)
            estimate.on_train_batch_end(batch)
        for batch in (0, 1):
            estimate.on_test_batch_end(batch)
        estimate.on_epoch_end(number)
        right.append(abs(estimate.promised - ends[-1]) <= max(0.25 * (ends[-1] - clock[0]), 3))
    assert not any(right[:6]) and all(right[6:]) and len(said) == 2  # the first epoch of a `fit` is no measure


def test_estimate_after_the_first_epoch(tiny):
    said = []
    training.train(spec_of(epochs=3), tiny, options=dataclasses.replace(QUIET, log=said.append))
    assert len(said) == 1 and said[0].startswith("  one epoch takes about ")
