import dataclasses

import numpy as np
import pytest

from tf_supermask import sparsity
from tf_supermask.experiments import choices, networks
from tf_supermask.experiments.choices import DATASETS
from tf_supermask.experiments.paper_settings import paper_settings
from tf_supermask.experiments.spec import Spec

# koster.md 3: number of weights, number of layers with weights
WEIGHTS = {
    "fcn": (266_200, 3), "conv2": (4_300_992, 5), "conv4": (2_425_024, 7), "conv6": (2_261_184, 9),
    "small16": (28_944, 4), "small32": (103_968, 4),  # 9 weights a filter and channel, 3x3 before the head
    "conv8": (5_275_840, 11), "resnet20": (248_624, 23), "resnet20x1.5": (558_600, 23), "resnet20x2": (992_352, 23),
    "resnet20x2.5": (1_549_880, 23), "resnet20x3": (2_231_184, 23), "resnet56": (834_992, 59),
    "resnet110": (1_668_272, 116), "resnet110_1c": (1_705_904, 113),
}  # fmt: skip
BIASES = {"fcn": 410, "conv2": 650, "conv4": 906, "conv6": 1_418}  # zhou.md 1.1
NORM_CHANNELS = {"resnet20": 800, "resnet56": 2_144, "resnet110": 4_272}  # koster.md 3.2
KERNELS = {
    "conv4": [1728, 36864, 73728, 147456, 2097152, 65536, 2560],
    "conv8": [1728, 36864, 73728, 147456, 294912, 589824, 1179648, 2359296, 524288, 65536, 2560],
}


def build(model, mode="signed", dialect="koster", **given):
    spec = Spec.of(model=model, mode=mode, dialect=dialect, **given)
    return networks.build(spec, DATASETS[spec.dataset], 100 if spec.dataset == "cifar100" else 10)


def kernels(model):
    return [
        np.asarray(layer.score if hasattr(layer, "score") else layer.kernel) for layer in sparsity.kernel_layers(model)
    ]


def test_every_network_is_counted():
    assert choices.NETWORKS.keys() == WEIGHTS.keys()


@pytest.mark.parametrize("mode", ["signed", "baseline"])
@pytest.mark.parametrize("name", WEIGHTS)
def test_weight_counts(name, mode):
    model = build(name, mode)
    assert (sum(kernel.size for kernel in kernels(model)), len(kernels(model))) == WEIGHTS[name]
    if mode == "signed":  # scores and nothing else is trained
        assert len(model.trainable_variables) == WEIGHTS[name][1]
    elif name in NORM_CHANNELS:
        assert model.count_params() == WEIGHTS[name][0] + 4 * NORM_CHANNELS[name]


@pytest.mark.parametrize("name", BIASES)
def test_zhou_dialect_has_biases_and_relu(name):
    for mode in ("baseline", "signed"):
        model = build(name, mode, "zhou")
        biases = [v for v in model.trainable_variables if v.name == "bias"]
        assert sum(np.asarray(bias).size for bias in biases) == BIASES[name]
        assert not any(np.asarray(bias).any() for bias in biases)
        assert {layer.get_config()["activation"] for layer in model.layers if "activation" in layer.name} == {"relu"}
    assert {layer.get_config()["activation"] for layer in build(name).layers if "activation" in layer.name} == {"elu"}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_in_order(name):
    assert [kernel.size for kernel in kernels(build(name))] == KERNELS[name]


def test_shortcuts_of_resnet20_are_layers_1_8_15():
    """The caption of Figure 11 counts the layers so; names give that order."""
    shapes = {layer.name: layer.score.shape for layer in sparsity.kernel_layers(build("resnet20"))}
    ordered = [shapes[name] for name in sorted(shapes)]
    assert [i for i, shape in enumerate(ordered) if tuple(shape[:2]) == (1, 1)] == [1, 2, 8, 9, 15, 16]
    assert ordered[-1] == (64, 10)


def test_resolutions_of_resnets():
    sizes = {name: build(name).layers[-2].input.shape[1] for name in ("resnet20", "resnet110", "resnet110_1c")}
    assert sizes == {"resnet20": 8, "resnet110": 2, "resnet110_1c": 8}


@pytest.mark.parametrize("name, pruned", [("resnet20", 75), ("resnet56", 85), ("resnet110", 85)])
def test_initial_pruning_of_resnets(name, pruned):
    """Koster et al. 2022, Table 11."""
    assert 100 - sparsity.remaining(sparsity.masks_of(build(name)).values()) == pytest.approx(pruned, abs=0.3)


@pytest.mark.parametrize("name", ["fcn", "conv2", "conv4", "conv6", "conv8"])
def test_initial_pruning(name):
    """Threshold .01: with ELUS scores the printed row of Table 10, with Xavier scores koster.md's (1.3)."""
    elus = {"fcn": 6.3, "conv2": 29.53, "conv4": 19.3, "conv6": 11.9, "conv8": 12.85}
    xavier = {"fcn": 12.81, "conv2": 51.62, "conv4": 34.63, "conv6": 25.19, "conv8": 32.51}
    for scheme, expected in (("elus", elus[name]), ("xavier", xavier[name])):
        masks = sparsity.masks_of(build(name, score_scheme=scheme)).values()
        assert 100 - sparsity.remaining(masks) == pytest.approx(expected, abs=0.15)


def test_frozen_batch_norm_is_nearly_the_identity_in_training():
    model = build("resnet20")
    norms = [layer for layer in model.layers if layer.name.endswith("_norm")]
    x = np.random.default_rng(0).normal(5, 3, norms[0].input.shape[1:]).astype(np.float32)[None]
    np.testing.assert_allclose(norms[0](x, training=True), x / np.sqrt(1.001), rtol=1e-5)
    assert len(norms) == 22


def test_settings_of_one_seed_share_scores_and_signs():
    one, other = (build("fcn", weight_scheme=scheme) for scheme in ("elus", "he"))
    for a, b in zip(one.layers, other.layers, strict=True):
        if hasattr(a, "score"):
            np.testing.assert_array_equal(a.score, b.score)
            np.testing.assert_array_equal(np.sign(a.weight), np.sign(b.weight))
    third = build("fcn", seed=1)
    assert not np.array_equal(third.get_layer("fc1").score, one.get_layer("fc1").score)
    assert not np.array_equal(np.sign(one.get_layer("fc1").weight), np.sign(one.get_layer("fc1").score))


def test_weights_are_of_the_size_for_the_inputs_that_a_density_keeps():
    for layer in build("fcn", mode="edge_popup", density=0.04).layers:
        if hasattr(layer, "score"):
            np.testing.assert_allclose(np.abs(layer.weight), np.sqrt(2 / (0.04 * layer.weight.shape[0])), rtol=1e-6)
            assert np.abs(layer.score).max() <= layer.weight.shape[0] ** -0.5  # scores count all


@pytest.mark.parametrize(
    "given", [{"mode": "signed"}, {"mode": "baseline"}, {"mode": "signed", "batch_norm": "trainable"}]
)
def test_snapshot_and_restore(given):
    spec = Spec.of(model="resnet20", **given)
    model = networks.build(spec, (16, 16, 3), 10)
    for variable in model.trainable_variables:
        variable.assign_add(0.1 * np.random.default_rng(0).normal(size=variable.shape))
    again = networks.restore(networks.build(spec, (16, 16, 3), 10), networks.snapshot(model))
    x = np.random.default_rng(1).normal(size=(2, 16, 16, 3)).astype(np.float32)
    np.testing.assert_array_equal(model(x), again(x))


def test_defaults_are_the_tables_of_the_paper():
    """Tables 8 to 11: learning rate, decay, epochs."""

    def row(model, mode):
        settings = paper_settings(model, mode)
        return settings["learning_rate"], settings["weight_decay"], settings["epochs"]

    assert row("conv8", "signed") == (0.05, 5e-4, 100)
    assert row("conv2", "signed") == (0.02, 5e-4, 100)
    assert row("conv2", "baseline") == (0.008, 7e-4, 50)
    assert row("conv8", "baseline") == (0.01, 7e-4, 50)
    assert row("resnet20x2.5", "signed") == (0.2, 1e-4, 110)
    assert row("resnet110", "signed") == (0.15, 1e-5, 120)
    assert row("fcn", "binary") == row("fcn", "signed") == (0.05, 5e-4, 100)


@pytest.mark.parametrize("mode", ["baseline", "signed", "binary"])
@pytest.mark.parametrize("dialect", choices.VARIANTS)
@pytest.mark.parametrize("name", choices.NETWORKS)
def test_every_combination_has_defaults(name, dialect, mode):
    spec = Spec.of(model=name, mode=mode, dialect=dialect)
    assert Spec.of(**dataclasses.asdict(spec)) == spec
