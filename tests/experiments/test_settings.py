"""Keras' global settings do not change the papers' networks, their training, or runs that are read again."""

import json

import keras
import numpy as np
import pytest
from conftest import ROOT
from quiet import QUIET

from tf_supermask import conversion, layers
from tf_supermask.deploy import container, loading
from tf_supermask.experiments import learned, lottery, networks, records, runs, settings, training
from tf_supermask.experiments.spec import Spec
from tf_supermask.experiments.trainer import trainer_of

OTHER = {
    "floatx": "float16",
    "dtype_policy": "mixed_bfloat16",
    "image_data_format": "channels_first",
    "epsilon": 0.1,
    "max_epochs": 1,
    "max_steps_per_epoch": 1,
}
FEW = {"iterations": 6, "evaluate_every": 3, "batch_size": 10, "validation_images": 14}


@pytest.fixture
def setting():
    """setting(name, value) changes a setting of Keras until the test ends."""
    before = {name: getattr(keras.config, name)() for name in settings.NEEDED}

    def change(name, value):
        getattr(keras.config, f"set_{name}")(value)

    yield change
    for name, value in before.items():
        change(name, value)


def test_all_settings_are_needed_and_come_back(setting):
    for name, value in OTHER.items():
        setting(name, value)
    with pytest.raises(KeyError), settings.needed():
        assert {name: getattr(keras.config, name)() for name in settings.NEEDED if name != "dtype_policy"} == {
            name: value for name, value in settings.NEEDED.items() if name != "dtype_policy"
        }
        assert keras.config.dtype_policy().name == "float32"
        raise KeyError
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert {name: getattr(keras.config, name)() for name in OTHER if name != "dtype_policy"} == {
        name: value for name, value in OTHER.items() if name != "dtype_policy"
    }


def chain(dataset, folder):
    spec = Spec.of(mode="lottery", rounds=1, mask1_action="reinit", **FEW)
    dense, first = records.Run(folder, "dense", 0), lottery.dense_spec(spec)
    lottery.train(first, dataset, dense, QUIET)
    return lottery.train(spec, dataset, records.Run(folder, "chain", 0), QUIET, dense)


def trained(**given):
    spec = Spec.of(epochs=2, batch_size=16, **given)
    return lambda dataset, folder: training.train(spec, dataset, records.Run(folder, "x", 0), QUIET)


KINDS = {
    "signed": trained(model="conv2"),
    "adam": trained(mode="baseline", dialect="zhou", optimizer="adam", learning_rate=1e-3, weight_decay=0.0),
    "bernoulli": lambda dataset, folder: learned.train(
        Spec.of(mode="bernoulli", **FEW), dataset, records.Run(folder, "x", 0), QUIET
    ),
    "lottery": chain,
}


def said(record):
    """What a record says but for times and environment."""
    record = {name: record[name] for name in ("spec", "initial", "history", "final", "layers")}
    return json.loads(
        json.dumps(record), object_hook=lambda its: {name: its[name] for name in its if "seconds" not in name}
    )


@pytest.mark.parametrize("kind", KINDS)
def test_runs_are_equal_bit_by_bit(kind, tiny, tmp_path, setting):
    usual = said(KINDS[kind](tiny, tmp_path / "usual")[1])
    trainer_of.cache_clear()
    for name, value in OTHER.items():
        setting(name, value)
    assert said(KINDS[kind](tiny, tmp_path / "other")[1]) == usual


@pytest.mark.parametrize("name", [*settings.NEEDED, "all"])
def test_each_setting_leaves_networks_as_they_are(name, setting):
    model, mode = ("resnet20", "baseline") if name == "all" else ("conv2", "signed")
    spec = Spec.of(model=model, mode=mode)
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)
    expected = np.asarray(networks.build(spec, (8, 8, 3), 10)(x, training=True))
    for changed in OTHER if name == "all" else [name]:
        setting(changed, OTHER[changed])
    other = networks.build(spec, (8, 8, 3), 10)
    assert {variable.dtype for variable in other.variables} == {"float32"}
    np.testing.assert_array_equal(other(x, training=True), expected)


def test_weights_of_a_container_are_drawn_again_as_they_were(tmp_path, setting):
    model = networks.build(Spec.of(weight_distribution="uniform"), (8, 8, 1), 10)
    container.save(model, tmp_path / "x.supermask")
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)
    for name, value in OTHER.items():
        setting(name, value)
    np.testing.assert_allclose(loading.load(tmp_path / "x.supermask")(x), model(x), atol=1e-6)


def test_a_committed_network_says_the_same_under_other_settings(setting):
    run, _ = runs.find_run(ROOT / "results" / "koster_table12_conv2_signed_elus" / "seed0")
    x = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype(np.float32)
    reads = (lambda: runs.load_run(run.record)(x), lambda: loading.load(run.container)(x))
    expected = [np.asarray(read()) for read in reads]
    for name, value in OTHER.items():
        setting(name, value)
    for read, outputs in zip(reads, expected, strict=True):
        np.testing.assert_array_equal(read(), outputs)


def test_masked_convolutions_refuse_images_with_channels_first(setting):
    setting("image_data_format", "channels_first")
    with pytest.raises(ValueError, match="^[^\n]*data_format[^\n]*channels_first[^\n]*$"):
        layers.SignedMaskConv2D(3, 3)
    assert layers.SignedMaskConv2D(3, 3, data_format="channels_last").data_format == "channels_last"


def test_a_users_model_with_channels_last_is_masked_under_channels_first(setting):
    setting("image_data_format", "channels_first")
    model = keras.Sequential([keras.Input((6, 6, 2)), keras.layers.Conv2D(3, 3, data_format="channels_last")])
    assert conversion.mask_model(model).layers[0].data_format == "channels_last"
