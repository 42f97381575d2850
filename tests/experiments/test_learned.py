"""Masks that are learned on untrained weights."""

import json

import numpy as np
import pytest
from quiet import QUIET

from tf_supermask import sparsity
from tf_supermask.errors import InputError
from tf_supermask.experiments import data, learned, modes, networks, records
from tf_supermask.experiments.callbacks import Diverged
from tf_supermask.experiments.spec import Spec
from tf_supermask.experiments.trainer import kernels_of

SHORT = {"mode": "bernoulli", "iterations": 12, "evaluate_every": 4, "batch_size": 10, "validation_images": 14}


def spec_of(**given):
    return Spec.of(**(SHORT | given))


def without_times(record):
    record = json.loads(json.dumps(record))
    del record["environment"], record["final"]["seconds"]
    return record


def test_settings_of_the_paper():
    spec = Spec.of(mode="bernoulli", model="conv4")
    assert (spec.learning_rate, spec.iterations, spec.momentum, spec.weight_decay) == (50.0, 1000, 0.9, 0.0)
    assert spec.preprocess == "unit" and spec.dialect == "relu" and spec.threshold is None and spec.score_scheme is None


def test_weights_are_those_of_the_dense_run(tiny):
    masked = networks.build(spec_of(seed=3), (8, 8, 1), 10)
    dense = networks.build(Spec.of(mode="lottery", seed=3), (8, 8, 1), 10)
    for layer in sparsity.masked_layers(masked):
        np.testing.assert_array_equal(layer.weight, kernels_of(dense)[layer.name])


@pytest.mark.parametrize("value", [-5.0, 0.0, 2.0])
def test_scores_start_at_one_value_which_decides_what_remains(tiny, value):
    model = networks.build(spec_of(score_value=value), (8, 8, 1), 10)
    assert all((np.asarray(layer.score) == value).all() for layer in sparsity.masked_layers(model))
    assert learned.remaining(model) == pytest.approx(100 / (1 + np.exp(-value)), rel=1e-5)


def test_only_scores_are_trained(tiny, tmp_path):
    spec = spec_of(learning_rate=100.0)
    before = networks.build(spec, (8, 8, 1), 10)
    model, record = learned.train(spec, tiny, records.Run(tmp_path, "x", 0), QUIET)
    assert {variable.name for variable in model.trainable_variables} == {"score"}
    pairs = list(zip(sparsity.masked_layers(before), sparsity.masked_layers(model), strict=True))
    assert all(np.array_equal(one.weight, other.weight) for one, other in pairs)
    assert any(not np.array_equal(one.score, other.score) for one, other in pairs)
    assert record["history"]["iteration"] == [0, 4, 8, 12]
    assert record["final"]["best_iteration"] in record["history"]["iteration"]


def test_one_sample_serves_all_images_and_accuracies_are_means_of_ten(tiny):
    """Oracle: the plain network with a sampled kernel, whose accuracy is a whole number of images."""
    spec = spec_of(learning_rate=100.0, iterations=40, score_value=1.0)
    model, _ = learned.train(spec, tiny, None, QUIET)
    arrays = data.evaluation_arrays(tiny, spec)
    states = [np.array(layer.seed_generator.state) for layer in sparsity.masked_layers(model)]
    one = learned.Sampled(model, arrays, 1)()[1] / 100 * 32
    ten = learned.Sampled(model, arrays, 10)()[1] / 100 * 320
    assert one == pytest.approx(round(one)) and ten == pytest.approx(round(ten), abs=1e-6)
    for layer, state in zip(sparsity.masked_layers(model), states, strict=True):
        assert np.array_equal(layer.seed_generator.state, state + [0, 13])  # each sample is another one


@pytest.mark.parametrize("iterations, every", [(1, 1), (3, 7), (5, 2)])
def test_exactly_the_iterations_asked_are_trained(tiny, iterations, every):
    spec = spec_of(iterations=iterations, evaluate_every=every)
    model, record = learned.train(spec, tiny, None, QUIET)
    assert int(model.optimizer.iterations) == iterations
    assert record["history"]["iteration"] == [*range(0, iterations, every), iterations]
    assert modes.of(spec).rows(spec) == len(record["history"]["iteration"])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("last", [12, 10, 9])
def test_a_stopped_run_ends_as_an_undisturbed_one(tiny, tmp_path, monkeypatch, last):
    spec = spec_of(learning_rate=100.0, rescale=True, weight_distribution="signed_constant", iterations=last)
    whole = learned.train(spec, tiny, records.Run(tmp_path, "whole", 0), QUIET)[1]
    evaluated, real = [], learned.Validation.evaluate

    def dies(self, iteration):
        evaluated.append(iteration)
        if len(evaluated) == 4:
            raise KeyboardInterrupt
        real(self, iteration)

    monkeypatch.setattr(learned.Validation, "evaluate", dies)
    run = records.Run(tmp_path, "broken", 0)
    with pytest.raises(KeyboardInterrupt):
        learned.train(spec, tiny, run, QUIET)
    assert run.checkpoint.exists()
    assert without_times(learned.train(spec, tiny, run, QUIET)[1]) == without_times(whole)
    assert evaluated == [0, 4, 8, last, last] and not run.checkpoint.exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_run_that_is_stopped_after_its_last_iteration_trains_no_more(tiny, tmp_path, monkeypatch):
    spec, run = spec_of(iterations=10), records.Run(tmp_path, "x", 0)
    whole = learned.train(spec, tiny, None, QUIET)[1]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(networks, "snapshot", lambda model: (_ for _ in ()).throw(KeyboardInterrupt))
        learned.train(spec, tiny, run, QUIET)
    assert learned.train(spec, tiny, run, QUIET)[1]["history"] == whole["history"]


@pytest.mark.parametrize("mode", ["bernoulli", "rounded"])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_scores_that_are_no_numbers_are_found_at_the_next_evaluation(tiny, mode):
    spec = spec_of(mode=mode)
    model = networks.build(spec, tiny.input_shape, 10)
    history = {name: [] for name in learned.COLUMNS}
    validation = learned.Validation(spec, None, model, lambda: (1.0, 50.0), history, QUIET)
    validation.evaluate(0)
    score = sparsity.masked_layers(model)[1].score
    score.assign(np.full(score.shape, np.nan))
    with pytest.raises(Diverged, match="diverged at iteration 4: .*fc2/score has values that are no numbers"):
        validation.evaluate(4)
    assert history["iteration"] == [0]


def test_a_batch_of_more_images_than_are_left_for_training_is_named(tiny):
    with pytest.raises(InputError, match="--batch_size=60 is more than the 50 training images"):
        learned.train(spec_of(batch_size=60), tiny, None, QUIET)


def test_rounded_masks_learn_without_samples(tiny):
    spec = spec_of(mode="rounded", iterations=40, learning_rate=10.0)
    model, record = learned.train(spec, tiny, None, QUIET)
    again = learned.train(spec, tiny, None, QUIET)[1]
    assert record["history"] == again["history"] and record["initial"]["remaining"] == 100
    assert {layer["counts"][0] for layer in record["layers"]} == {0}
