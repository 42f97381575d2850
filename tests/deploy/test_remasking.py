"""A network that comes back from a file with masks: the same function, which can be trained and written again."""

import keras
import numpy as np
import pytest

import tf_supermask
from tf_supermask import SignedMaskDense, mask_model, masks, sparsity, strip_masks, summary
from tf_supermask.deploy import container, loading, remasking
from tf_supermask.errors import InputError

KINDS = {
    "signed constants": {},
    "drawn": {"distribution": "uniform"},
    "drawn, rescaled": {"distribution": "normal", "rescale": True},
    "constants, rescaled": {"rescale": True},
    "rounded": {"rule": "rounded", "score_initializer": "random_normal"},
    "drawn, rounded, rescaled": {"rule": "rounded", "score_initializer": "random_normal", "distribution": "normal"}
    | {"rescale": True},
    "binary": {"rule": "binary", "threshold": 0.2, "distribution": "uniform"},
}


def network():
    """Layers with and without masks; `out` keeps its weights."""
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.Conv2D(4, 3, strides=2, activation="elu", name="conv")(inputs)
    x = keras.layers.Flatten()(keras.layers.BatchNormalization()(x))
    x = keras.layers.Dense(7, "relu", use_bias=False, name="dense")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="out")(x))


def images(count=5):
    return np.random.default_rng(0).normal(size=(count, 6, 6, 2)).astype(np.float32)


def kernels(model):
    return [np.asarray(layer.effective_kernel) for layer in sparsity.masked_layers(model)]


@pytest.mark.parametrize("arguments", KINDS.values(), ids=KINDS)
def test_the_network_comes_back_with_masks(arguments, tmp_path):
    """Oracle: the model that was written, the plain model in the file, and the file that is written again."""
    source = mask_model(network(), filter=lambda layer: layer.name != "out", **arguments)
    path, again = tmp_path / "x.supermask", tmp_path / "again.supermask"
    container.save(source, path)
    model = tf_supermask.load(path, masked=True, rule=arguments.get("rule", "signed"))
    assert [layer.name for layer in sparsity.masked_layers(model)] == ["conv", "dense"]
    for one, other in zip(kernels(model), kernels(source), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(model(images()), tf_supermask.load(path)(images()))
    container.save(model, again)
    for name, kernel in loading.read(path).kernels.items():
        other = loading.read(again).kernels[name]
        assert np.array_equal(other.codes, kernel.codes) and (other.scale, other.draw) == (kernel.scale, kernel.draw)
    model.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=True)
    model.train_on_batch(images(), 10 * np.ones((5, 3)))
    assert any(not np.array_equal(one, other) for one, other in zip(kernels(model), kernels(source), strict=True))
    container.save(model, again)
    np.testing.assert_array_equal(tf_supermask.load(again)(images()), tf_supermask.load(again, masked=True)(images()))


def test_scores_and_weights_are_as_documented(tmp_path):
    """Oracle: numpy. Pruned weights have the magnitude of the kept ones, and signs of a seed."""
    source = mask_model(network(), threshold=0.3)
    container.save(source, tmp_path / "x.supermask")
    one, same, other = (tf_supermask.load(tmp_path / "x.supermask", masked=True, seed=seed) for seed in (1, 1, 2))
    for name in ("conv", "dense", "out"):
        layer, kernel = one.get_layer(name), np.asarray(source.get_layer(name).effective_kernel)
        np.testing.assert_array_equal(layer.score, np.float32(0.02) * (kernel != 0))
        weight = np.asarray(layer.weight)
        np.testing.assert_array_equal(np.abs(weight), np.abs(kernel).max())
        np.testing.assert_array_equal(weight[kernel != 0], kernel[kernel != 0])
        np.testing.assert_array_equal(weight, same.get_layer(name).weight)
    assert not np.array_equal(one.get_layer("dense").weight, other.get_layer("dense").weight)
    signs = np.sign(one.get_layer("dense").weight)[np.asarray(source.get_layer("dense").effective_kernel) == 0]
    assert set(signs) == {-1, 1}


def test_a_layer_that_keeps_no_weight_can_be_trained(tmp_path):
    source = keras.Sequential([keras.Input((4,)), SignedMaskDense(3, score_initializer="zeros")])
    container.save(source, tmp_path / "x.supermask")
    layer = tf_supermask.load(tmp_path / "x.supermask", masked=True).layers[0]
    assert not layer.mask.any() and np.asarray(layer.weight).all()


def test_only_kernels_with_masks_get_them(tmp_path):
    """Not those that only look like it: ternary ones of other layers, and of layers inside a model."""
    inner = keras.Sequential(
        [keras.Input((4, 4, 4)), keras.layers.Conv2D(4, 1, kernel_initializer="ones", name="masked")]
    )
    grouped = keras.layers.Conv2D(4, 1, groups=2, kernel_initializer="ones", name="grouped")
    activated = keras.layers.Dense(4, activation=keras.layers.PReLU(), kernel_initializer="ones", name="activated")
    last = [keras.layers.Flatten(), SignedMaskDense(3, name="masked")]
    source = keras.Sequential([keras.Input((4, 4, 4)), inner, grouped, activated, *last])
    container.save(source, tmp_path / "x.supermask")
    model = tf_supermask.load(tmp_path / "x.supermask", masked=True)
    assert [layer.name for layer in sparsity.masked_layers(model)] == ["masked"]
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 4)).astype(np.float32)
    np.testing.assert_array_equal(model(x), source(x))


@pytest.mark.parametrize(
    "rule, given",
    [
        ("signed", {"threshold": 0.05}),
        ("signed", {"density": 0.2}),
        ("edge_popup", {"density": 0.2}),
        ("mpt", {"density": 0.3}),
        ("signed_2_levels", {"threshold": 0.05}),
        ("signed_2_levels", {"density": 0.9}),
        ("signed_4_levels", {"density": 0.3}),
    ],
)
def test_rules_with_a_threshold_or_density_of_their_own(rule, given, tmp_path):
    source = mask_model(network(), rule, **given)
    container.save(source, tmp_path / "x.supermask")
    model = tf_supermask.load(tmp_path / "x.supermask", masked=True, rule=rule, **given)
    np.testing.assert_array_equal(model(images()), tf_supermask.load(tmp_path / "x.supermask")(images()))
    for layer, its in zip(*map(sparsity.masked_layers, (model, source)), strict=True):
        assert (layer.rule, layer.threshold, layer.density) == (rule, its.threshold, its.density)
    model.compile("sgd", "mse", run_eagerly=True)
    model.train_on_batch(images(), np.ones((5, 3)))


def test_another_density_than_that_of_the_file_is_refused(tmp_path):
    container.save(mask_model(network(), density=0.2), tmp_path / "x.supermask")
    message = "`rule` cannot make the mask of conv; use 'signed' or .* with a threshold. Received: 'signed' with density=0.3"
    with pytest.raises(ValueError, match=message):
        tf_supermask.load(tmp_path / "x.supermask", masked=True, density=0.3)


@pytest.mark.parametrize(
    "rule, message",
    [
        ("bernoulli", "`rule` must not sample, since the masks of a file are given. Received: 'bernoulli'"),
        ("binary", "`rule` cannot make the mask of conv; use 'signed' or 'signed_2_levels' or 'signed_4_levels'. Received"),
        ("ttq", "`rule` must not train latent weights, which a file does not hold. Received: 'ttq'"),
        ("none", "`rule` must be one of"),
    ],
)
def test_rules_that_cannot_make_the_masks_are_refused(rule, message, tmp_path):
    container.save(mask_model(network(), distribution="uniform"), tmp_path / "x.supermask")
    with pytest.raises(ValueError, match=message):
        tf_supermask.load(tmp_path / "x.supermask", masked=True, rule=rule)


def test_a_rule_that_cannot_make_a_mask_is_not_recommended(tmp_path, monkeypatch):
    inverted = masks.Rule(lambda score, threshold: -masks.rule("binary")(score, threshold), 0.01, False, True)
    monkeypatch.setitem(masks.RULES, "inverted", inverted)
    container.save(mask_model(network(), distribution="uniform"), tmp_path / "x.supermask")
    with pytest.raises(ValueError, match="use 'signed' or 'signed_2_levels' or 'signed_4_levels'. Received: 'inverted'"):
        tf_supermask.load(tmp_path / "x.supermask", masked=True, rule="inverted")


def test_weights_that_become_0_when_they_are_multiplied_are_named(tmp_path):
    """The plain network has them: nothing is multiplied there."""
    model = mask_model(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="fc")]), keep_weights=True)
    model.layers[0].weight.assign(np.full((3, 2), 1.0))
    model.layers[0].score.assign(np.ones((3, 2)))
    content = container.packed(model)
    contents = loading.parsed(content, "x")
    assert loading.built(contents).layers[0].kernel.numpy().all()
    contents.kernels["fc"].own = np.full(6, 1e-40, np.float32)
    with pytest.raises(
        ValueError, match="^fc has weights below 1.18e-38, which become 0 .*; load the network without `masked`$"
    ):
        remasking.remasked(loading.built(contents), contents.kernels)


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_rules_of_a_user_make_masks_too(threshold, tmp_path, monkeypatch):
    monkeypatch.setitem(masks.RULES, "mine", masks.Rule(masks.rule("signed").function, threshold, False, True))
    container.save(mask_model(network(), distribution="uniform"), tmp_path / "x.supermask")
    model = tf_supermask.load(tmp_path / "x.supermask", masked=True, rule="mine")
    np.testing.assert_array_equal(model(images()), tf_supermask.load(tmp_path / "x.supermask")(images()))


def test_weights_that_are_drawn_otherwise_are_named(tmp_path, monkeypatch):
    container.save(mask_model(network(), distribution="uniform"), tmp_path / "x.supermask")
    draw = container.drawn
    monkeypatch.setattr("tf_supermask.deploy.container_format.drawn", lambda *args: draw(*args) + 1)
    with pytest.raises(InputError, match="draws other weights from the seed"):
        tf_supermask.load(tmp_path / "x.supermask", masked=True)


@pytest.mark.parametrize("distribution", ["signed_constant", "uniform"])
@pytest.mark.parametrize("levels, rule", [(2, "signed_2_levels"), (4, "signed_4_levels")])
def test_masks_of_several_levels_are_in_files(levels, rule, distribution, tmp_path):
    """Oracle: the model itself; codes are counted with numpy."""
    network = keras.Sequential(
        [keras.Input((6, 4)), keras.layers.Conv1D(9, 3), keras.layers.Flatten(), keras.layers.Dense(8, "elu", name="d")]
    )
    scores = keras.initializers.RandomNormal(0, 0.03, seed=1)
    only = {} if distribution == "signed_constant" else {"filter": lambda layer: layer.name == "d", "verbose": False}
    model = mask_model(network, rule, distribution=distribution, score_initializer=scores, **only)
    x = np.random.default_rng(0).normal(size=(5, 6, 4)).astype(np.float32)
    size = container.save(model, tmp_path / "x.supermask")
    assert (
        size
        < container.save(loading.load(tmp_path / "x.supermask", masked=True, rule=rule), tmp_path / "y.supermask") + 100
    )
    for name in ("x", "y"):
        np.testing.assert_array_equal(loading.load(tmp_path / f"{name}.supermask")(x), strip_masks(model)(x))
    again = loading.load(tmp_path / "x.supermask", masked=True, rule=rule)
    for one, other in zip(*(sparsity.masked_kernels(its).values() for its in (model, again)), strict=True):
        np.testing.assert_array_equal(one.array(), other.array())
    lines = []
    if only:
        return
    table = summary(model, print_fn=lines.append)
    codes = np.abs(model.get_layer("d").mask)
    assert set(np.unique(codes)) == set(range(levels + 1))
    assert table["d"]["levels"] == [np.sum(codes == level) for level in range(1, levels + 1)]
    assert any(line.startswith("d: ") and line.endswith(f"weights at levels 1 to {levels}") for line in lines)
    with pytest.raises(ValueError, match=f"`rule` cannot make the mask of .*; use .*{rule!r}.*. Received: 'signed'"):
        loading.load(tmp_path / "x.supermask", masked=True)


def test_without_a_seed_one_is_drawn(tmp_path):
    path = tmp_path / "x.supermask"
    container.save(mask_model(network()), path)
    model = tf_supermask.load(path, masked=True, seed=None)
    np.testing.assert_array_equal(model(images()), tf_supermask.load(path)(images()))


@pytest.mark.parametrize("bound", [None, "8", True, float("nan")], ids=repr)
def test_a_bound_that_is_no_number_is_named(bound, tmp_path):
    path = tmp_path / "x.supermask"
    container.save(mask_model(network()), path)
    with pytest.raises(ValueError, match="`most_weights` must be a number. Received: "):
        tf_supermask.load(path, most_weights=bound)
