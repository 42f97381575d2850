"""The networks that come with the package, and their cards."""

import json

import numpy as np
import pytest
from conftest import ROOT
from setuptools import Distribution

from tf_supermask import load_run, strip_masks, zoo
from tf_supermask.errors import InputError
from tf_supermask.evidence import zoo_files
from tf_supermask.papers import catalogue

MOST = 40_000  # bytes of all files: they are part of every installation


def test_files_and_cards_are_those_of_the_records(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert zoo_files.stale(".", catalogue.evidence("results", "paper")) == []
    trained = [
        name for name, (its, seed) in zoo_files.ENTRIES.items() if (ROOT / f"results/{its}/seed{seed}.json").exists()
    ]
    assert zoo.names() == sorted(trained) and "mnist_fcn" in trained


@pytest.mark.parametrize("name", ["mnist_fcn", "cifar10_conv2"])
def test_a_network_is_that_of_its_record(name):
    """Oracle: the run itself."""
    model, card = zoo.load(name), zoo.card(name)
    expected = strip_masks(load_run(ROOT / card["record"].removesuffix(".json")))
    for one, other in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    record = json.loads((ROOT / card["record"]).read_text())
    assert card["weights"] == sum(np.count_nonzero(kernel) for kernel in model.get_weights())
    assert card["of"] == model.count_params() and card["test_accuracy"] == record["final"]["test_accuracy"]
    assert model.input_shape[1:] == tuple(card["input_shape"]) and model.output_shape[1:] == (card["classes"],)
    assert card["bytes"] == (ROOT / "tf_supermask" / "zoo" / f"{name}.supermask").stat().st_size
    flag_file, seed = card["command"].split("--flagfile=")[1].split()
    assert (ROOT / flag_file).exists() and seed == "--seeds=0"


def test_training_can_go_on():
    with pytest.raises(ValueError, match="`masked` must be True or False. Received: 'yes'"):
        zoo.load("mnist_sinn1", masked="yes")
    model, plain = zoo.load("mnist_sinn1", masked=True), zoo.load("mnist_sinn1")
    assert [layer.name for layer in model.layers if hasattr(layer, "score")] == ["fc1", "fc2", "out"]
    x = np.random.default_rng(0).normal(size=(2, 28, 28, 1)).astype(np.float32)
    np.testing.assert_allclose(model(x), plain(x), atol=1e-5)


@pytest.mark.parametrize("call", [zoo.load, zoo.card])
def test_unknown_names_are_refused(call):
    with pytest.raises(InputError, match="'../mnist_fcn' is not in the zoo; choose from cifar10_conv2, mnist_fcn"):
        call("../mnist_fcn")
    with pytest.raises(InputError, match=r"\['a'\] is not in the zoo; choose from cifar10_conv2"):
        call(["a"])


def test_the_files_are_part_of_a_wheel(monkeypatch):
    """Of what setuptools copies into one."""
    monkeypatch.chdir(ROOT)
    distribution = Distribution()
    distribution.parse_config_files(["setup.cfg"])
    build = distribution.get_command_obj("build_py")
    build.ensure_finalized()
    copied = {name for package, _, _, names in build.data_files if package == "tf_supermask.zoo" for name in names}
    folder = ROOT / "tf_supermask" / "zoo"
    assert copied == {path.name for path in folder.iterdir() if path.suffix in (".supermask", ".json")}
    assert len(copied) == len(zoo.names()) + 1 and sum((folder / name).stat().st_size for name in copied) < MOST
