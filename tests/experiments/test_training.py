import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from quiet import QUIET

from tf_supermask import sparsity
from tf_supermask.errors import InputError
from tf_supermask.experiments import data, learned, lottery, networks, one_shot, records, runs, training
from tf_supermask.experiments.spec import Spec

AS_MAIN = dataclasses.replace(QUIET, jit_compile=None, steps_per_execution=None)  # XLA and loops: longer than a tiny run takes


def spec_of(**given):
    return Spec.of(**({"model": "fcn", "epochs": 4, "batch_size": 16, "shuffle": True} | given))


def numbers(record):
    """What two equal runs share: everything but times and environment."""
    history = {k: v for k, v in record["history"].items() if k != "seconds"}
    final = {k: v for k, v in record["final"].items() if k != "seconds_per_epoch"}
    return json.loads(json.dumps([record["spec"], record["initial"], history, final, record["layers"], record["data"]]))


# ---------------------------------------------------------------------------------------------------------------------
# A run


@pytest.mark.parametrize("mode", ["baseline", "signed", "binary"])
def test_learns_and_records(tiny, mode, tmp_path):
    spec = spec_of(mode=mode, epochs=30, learning_rate=0.02)
    run = records.Run(tmp_path, "learns", 0)
    model, record = training.train(spec, tiny, run, AS_MAIN if mode == "signed" else QUIET)
    assert record["environment"]["jit_compile"] == (mode == "signed")
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
    quiet = AS_MAIN if given in (RESUMED["fcn"], RESUMED["conv"]) else QUIET
    _, whole = training.train(spec, tiny, records.Run(tmp_path, "whole", 0), quiet)
    save = records.save_checkpoint
    for stop_after in (1, 2) if spec.model == "fcn" else (2,):
        with monkeypatch.context() as patch:

            def save_and_die(run, spec, variables, history):
                save(run, spec, variables, history)
                if len(history["train_loss"]) == stop_after:
                    raise Killed

            patch.setattr(records, "save_checkpoint", save_and_die)
            with pytest.raises(Killed):
                training.train(spec, tiny, records.Run(tmp_path, "stopped", 0), quiet)
        keras.backend.clear_session()
    said, run = [], records.Run(tmp_path, "stopped", 0)
    lines = run.history.read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "0", "1"]
    assert lines[0].startswith("epoch,accuracy,learning_rate,loss,remaining")
    options = dataclasses.replace(quiet, log=said.append)
    _, record = training.train(spec, tiny, run, options)
    assert "  going on after epoch 2" in said
    assert numbers(record) == numbers(whole)
    assert not run.history.exists() and not run.checkpoint.exists()


def test_a_step_is_traced_once(tiny, monkeypatch):
    traced, step = [], keras.Model.train_step
    monkeypatch.setattr(keras.Model, "train_step", lambda model, batch: traced.append(model) or step(model, batch))
    training.train(spec_of(), tiny, options=QUIET)
    assert len(traced) == 1


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
    "optimizer": "adam", "affine": 1.0,
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
    "weight_fan": "test_networks",
    **dict.fromkeys(("density", "allocation", "method", "update_every", "update_share"), "test_updates"),
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


@pytest.mark.parametrize(
    "steps, xla, expected", [(469, True, 67), (391, True, 23), (391, False, 1), (12, False, 6), (7, True, 7)]
)
def test_steps_at_once_divides_the_epoch(steps, xla, expected):
    assert training.steps_at_once(steps, xla) == expected and steps % expected == 0
