import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_supermask import sparsity
from tf_supermask.errors import InputError
from tf_supermask.experiments import data, learned, lottery, networks, one_shot, records, runs, training
from tf_supermask.experiments.callbacks import Diverged, check_finite
from tf_supermask.experiments.optimizers import optimizer, plateau_reductions
from tf_supermask.experiments.spec import Spec

QUIET = training.Options(progress=0, log=lambda line: None, checkpoint_seconds=0)


def spec_of(**given):
    return Spec.of(**({"model": "fcn", "epochs": 4, "batch_size": 16, "shuffle": True} | given))


def numbers(record):
    """What two equal runs share: everything but times and environment."""
    history = {k: v for k, v in record["history"].items() if k != "seconds"}
    final = {k: v for k, v in record["final"].items() if k != "seconds_per_epoch"}
    return json.loads(json.dumps([record["spec"], record["initial"], history, final, record["layers"], record["data"]]))


# ---------------------------------------------------------------------------------------------------------------------
# The authors' optimizer in numpy


def sgdw(x, gradients, rates, decays, momentum=0.9):
    v = np.zeros_like(x)
    for g, rate, decay in zip(gradients, rates, decays, strict=True):
        x = x - decay * x
        v = momentum * v - rate * g
        x = x + momentum * v - rate * g
    return x


def apply(optimizer, x, gradients):
    variable = keras.Variable(x)
    for g in gradients:
        optimizer.apply([tf.constant(g)], [variable])
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


# ---------------------------------------------------------------------------------------------------------------------
# The plateau rule


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


# ---------------------------------------------------------------------------------------------------------------------
# A run


@pytest.mark.parametrize("mode", ["baseline", "signed", "binary"])
def test_learns_and_records(tiny, mode, tmp_path):
    spec = spec_of(mode=mode, epochs=30, learning_rate=0.02)
    run = records.Run(tmp_path, "learns", 0)
    model, record = training.train(spec, tiny, run, QUIET)
    assert record["final"]["test_accuracy"] > 60
    assert json.loads(run.record.read_text()) == json.loads(json.dumps(record))
    files = ["seed0.final.npz", "seed0.json"] if mode == "baseline" else ["seed0.json", "seed0.supermask"]
    assert sorted(path.name for path in run.record.parent.iterdir()) == files
    assert {len(column) for column in record["history"].values()} == {30}
    counted = sum(sum(layer["counts"][::2]) for layer in record["layers"])
    assert record["final"]["remaining"] == pytest.approx(
        100 * counted / sum(sum(la["counts"]) for la in record["layers"])
    )
    images = tf.constant(data.PREPROCESS[spec.preprocess](tiny.test_images))
    accuracy = 100 * np.mean(np.argmax(model(images), -1) == tiny.test_labels)
    assert record["final"]["test_accuracy"] == pytest.approx(accuracy)
    np.testing.assert_array_equal(model(images), runs.load_run(run.record)(images))


def test_weights_stay_frozen(tiny):
    spec = spec_of(epochs=3)
    before = networks.build(spec, tiny.input_shape, 10)
    after, _ = training.train(spec, tiny, options=QUIET)
    for a, b in zip(sparsity.masked_layers(before), sparsity.masked_layers(after), strict=True):
        np.testing.assert_array_equal(a.weight, b.weight)
        assert not np.array_equal(a.score, b.score)


class Killed(BaseException):
    pass


RESUMED = {
    "fcn": {"model": "fcn"},
    "conv": {"model": "conv4", "epochs": 3},
    "resnet, plateau, augmented": {
        "model": "resnet20", "batch_norm": "trainable", "augment": True, "plateau_patience": 3, "epochs": 3,
    },
    "zhou, adam": {"mode": "baseline", "dialect": "zhou", "optimizer": "adam", "learning_rate": 1e-3, "weight_decay": 0.0},
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the killed run closes no file
@pytest.mark.parametrize("given", RESUMED.values(), ids=RESUMED)
def test_a_stopped_run_ends_as_an_undisturbed_one(tiny, given, tmp_path, monkeypatch):
    spec = spec_of(**given)
    _, whole = training.train(spec, tiny, records.Run(tmp_path, "whole", 0), QUIET)
    save = records.save_checkpoint
    for stop_after in (1, 2):
        with monkeypatch.context() as patch:

            def save_and_die(run, spec, variables, history):
                save(run, spec, variables, history)
                if len(history["train_loss"]) == stop_after:
                    raise Killed

            patch.setattr(records, "save_checkpoint", save_and_die)
            with pytest.raises(Killed):
                training.train(spec, tiny, records.Run(tmp_path, "stopped", 0), QUIET)
        keras.backend.clear_session()
    said, run = [], records.Run(tmp_path, "stopped", 0)
    lines = run.history.read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "0", "1"]
    assert lines[0].startswith("epoch,accuracy,learning_rate,loss,remaining")
    options = dataclasses.replace(QUIET, log=said.append)
    _, record = training.train(spec, tiny, run, options)
    assert "  going on after epoch 2" in said
    assert numbers(record) == numbers(whole)
    assert not run.history.exists() and not run.checkpoint.exists()


def test_equal_runs_are_equal_and_seeds_differ(tiny):
    one, again, other = (numbers(training.train(spec_of(seed=s), tiny, options=QUIET)[1]) for s in (0, 0, 1))
    assert one == again
    assert one[2] != other[2] and one[4] != other[4]


# one other value for each field of Spec that a run of FCN (or, for batch_norm and the plateau, a ResNet) reads
OTHER = {
    "mode": "binary", "dialect": "zhou", "seed": 1, "preprocess": "unit", "augment": True, "shuffle": False, "passes": 2,
    "batch_size": 20, "epochs": 3, "learning_rate": 0.1, "momentum": 0.5, "nesterov": False, "weight_decay": 1e-3,
    "clipnorm": 0.01, "schedule": "constant", "decay_rate": 0.5, "decay_steps": 3, "weight_scheme": "he",
    "weight_distribution": "uniform", "score_scheme": "he", "score_distribution": "normal", "threshold": 0.02,
    "optimizer": "adam",
}  # fmt: skip
ELSEWHERE = {
    "model": "the weight counts of test_models",
    "dataset": "test_data",
    "splits": "test_sources",
    "scale": "test_spec",
    "relative_threshold": "test_layers",
    "batch_norm": "test_models",
    "plateau_factor": "test_plateau_sets_rate_and_stops",
    "plateau_patience": "test_plateau_sets_rate_and_stops",
    "plateau_rest": "test_plateau_rests_at_the_start_and_after_each_reduction",
    **dict.fromkeys(("criterion", "mask1_action", "mask0_action", "rounds", "iterations"), "test_lottery"),
    **dict.fromkeys(
        ("prune_dense", "prune_conv", "prune_output", "evaluate_every", "validation_images"), "test_lottery"
    ),
    **dict.fromkeys(("score_value", "rescale"), "test_learned"),
    "plateau_limit": "test_plateau_sets_rate_and_stops",
    "shrink": "test_shrinking_runs",
}
SHORT = {"epochs": 2, "decay_steps": 6, "decay_rate": 0.9}


@pytest.fixture(scope="module")
def reference(tiny):
    return numbers(training.train(spec_of(**SHORT), tiny, options=QUIET)[1])


def test_every_field_is_perturbed_somewhere():
    assert OTHER.keys() | ELSEWHERE.keys() == {field.name for field in dataclasses.fields(Spec)}


@pytest.mark.parametrize("field", OTHER)
def test_every_field_changes_the_run(tiny, reference, field):
    given = SHORT | {field: OTHER[field]}
    if field == "schedule":
        del given["decay_rate"], given["decay_steps"]
    changed = numbers(training.train(spec_of(**given), tiny, options=QUIET)[1])
    assert changed[2] != reference[2]


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


@pytest.mark.parametrize("mode", ["signed", "lottery", "bernoulli", "supermask"])
def test_empty_splits_are_named(tiny, mode, tmp_path):
    spec, run = Spec.of(mode=mode, dataset="digits8"), records.Run(tmp_path, "x", 0)
    method = {"signed": training, "lottery": lottery, "bernoulli": learned, "supermask": one_shot}[mode]
    for part in ("train", "test"):
        fields = {f"{part}_{name}": getattr(tiny, f"{part}_{name}")[:0] for name in ("images", "labels")}
        with pytest.raises(InputError, match=f"no {part}ing images|no {part} images|none of the 0 training images"):
            method.train(spec_of_size(spec), dataclasses.replace(tiny, **fields), run, QUIET)


def spec_of_size(spec):
    return dataclasses.replace(spec, validation_images=14, batch_size=10) if spec.iterations else spec


def test_estimate_after_the_first_epoch(tiny):
    said = []
    training.train(spec_of(epochs=3), tiny, options=training.Options(progress=0, log=said.append))
    assert len(said) == 1 and said[0].startswith("  one epoch takes about ")


@pytest.mark.parametrize(
    "steps, xla, expected", [(469, True, 67), (391, True, 23), (391, False, 1), (12, False, 6), (7, True, 7)]
)
def test_steps_at_once_divides_the_epoch(steps, xla, expected):
    assert training.steps_at_once(steps, xla) == expected and steps % expected == 0
