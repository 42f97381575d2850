"""Files of supermasks: exact, small, and refused whatever byte of them is wrong."""

import json
import re

import commands
import keras
import numpy as np
import pytest

from tf_supermask import SignedMaskConv2D, SignedMaskDense, conversion
from tf_supermask.deploy import allowed, architecture, container, container_format, loading, remasking, short_form
from tf_supermask.errors import InputError
from tf_supermask.experiments import networks
from tf_supermask.experiments.spec import Spec

SHAPE = (8, 8, 3)


def masked(name="conv2", **given):
    model = networks.build(Spec.of(model=name, **given), SHAPE, 10)
    draw = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(draw.normal(size=variable.shape) * 0.02)
    return model


def unregistered(x):
    return x


@keras.saving.register_keras_serializable("tests")
class Renamed(keras.layers.Identity):
    """Its configuration has no name."""

    def get_config(self):
        return {name: value for name, value in super().get_config().items() if name != "name"}


@keras.saving.register_keras_serializable("tests")
class TakesNoName(keras.layers.Identity):
    def __init__(self):
        super().__init__()

    def get_config(self):
        return {}


@pytest.mark.parametrize("inside", [False, True], ids=["in the model", "in a model inside"])
@pytest.mark.parametrize("functional", [False, True], ids=["Sequential", "functional"])
def test_a_layer_that_takes_no_name_leaves_the_others_theirs(inside, functional):
    layers = [Renamed(name="mine"), TakesNoName(), SignedMaskDense(3, name="masked")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    if functional:
        model = keras.Model(model.inputs[0], model.outputs[0])
    if inside:
        model = keras.Sequential([keras.Input((4,)), model])
    loaded = loading.built(loading.parsed(container.packed(model), "x"))
    names = [layer.name for layer in (loaded.layers[0] if inside else loaded).layers]
    assert "mine" in names and "masked" in names
    x = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(loaded(x), model(x))


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("kind", ["Sequential", "functional", "model in a model"])
def test_a_file_depends_on_the_model_alone(policy, kind):
    """Not on Keras' global policy when it is written or read."""
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        model = keras.Sequential([keras.Input((4,), name="x"), SignedMaskDense(3, name="masked")], name="model")
        if kind == "functional":
            model = keras.Model(model.inputs[0], model.outputs[0], name="model")
        elif kind == "model in a model":
            model = keras.Sequential([keras.Input((4,), name="x"), model], name="outer")
        written = []
        for other in ("float32", "mixed_float16", "float64"):
            keras.config.set_dtype_policy(other)
            written.append(container.packed(model))
            loaded = loading.built(loading.parsed(written[-1], "x"))
            inner = loaded.layers[-1].layers if kind == "model in a model" else loaded.layers
            assert {layer.dtype_policy.name for layer in inner if layer.weights} == {policy}
        assert len(set(written)) == 1
    finally:
        keras.config.set_dtype_policy(before)


def test_a_description_that_is_refused_is_built_once(monkeypatch):
    calls = []

    def refused(description, most):
        calls.append(most)
        raise allowed.Refused("too much")

    monkeypatch.setattr(architecture, "build", refused)
    with pytest.raises(InputError, match="too much"):
        container.packed(masked("fcn"))
    assert len(calls) == 1


def test_what_a_file_cannot_hold_is_refused():
    normalization = keras.layers.BatchNormalization(dtype="float64")
    model = keras.Sequential([keras.Input((4,)), SignedMaskDense(3), normalization])
    normalization.gamma.assign([0.1, 0.2, 0.3])
    with pytest.raises(InputError, match="variables of float64"):
        container.packed(model)
    with pytest.raises(InputError, match="has 'unregistered' as activation, which files do not hold"):
        container.packed(keras.Sequential([keras.Input((4,)), SignedMaskDense(3, activation=unregistered)]))


def test_how_a_model_was_trained_is_not_stored():
    model = masked("fcn")
    size = len(container.packed(model))
    model.compile(keras.optimizers.SGD(0.05), keras.losses.SparseCategoricalCrossentropy())
    assert len(container.packed(model)) == size


@pytest.mark.parametrize(
    "name, given",
    [
        ("fcn", {}),
        ("conv2", {"mode": "binary"}),
        ("resnet20", {}),
        ("resnet20", {"batch_norm": "trainable"}),
        ("fcn", {"dialect": "zhou"}),
        ("conv2", {"weight_scheme": "he", "weight_distribution": "uniform"}),
        ("fcn", {"weight_scheme": "xavier", "weight_distribution": "truncated_normal"}),
        ("fcn", {"mode": "bernoulli"}),
        ("fcn", {"mode": "edge_popup", "density": 0.1, "weight_distribution": "normal"}),
        ("fcn", {"mode": "rounded", "rescale": True}),
        ("fcn", {"mode": "rounded", "rescale": True, "weight_distribution": "signed_constant"}),
    ],
)
def test_the_model_comes_back_bit_for_bit(name, given, tmp_path):
    model, path = masked(name, **given), tmp_path / "model.supermask"
    assert container.save(model, path) == path.stat().st_size == loading.read(path).size
    loaded = loading.load(path)
    samples = given.get("mode") == "bernoulli"  # another sample each time
    for layer, source, expected in zip(loaded.layers, model.layers, conversion.strip_masks(model).layers, strict=True):
        assert type(layer) is type(expected)
        for one, other in zip(layer.get_weights(), expected.get_weights(), strict=True):
            if samples:
                assert np.isin(one, [*np.unique(source.weight), 0]).all() and 0.4 < np.mean(one == 0) < 0.6
            else:
                np.testing.assert_array_equal(one, other)


def test_drawn_weights_come_back_in_another_process(tmp_path):
    model = masked(weight_scheme="he", weight_distribution="uniform")
    container.save(model, tmp_path / "model.supermask")
    x = np.random.default_rng(1).normal(size=(4, *SHAPE)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    code = "import sys, numpy as np; from tf_supermask.deploy import loading\n"
    code += "np.save(sys.argv[3], loading.load(sys.argv[1]).get_weights()[2])"
    files = [str(tmp_path / name) for name in ("model.supermask", "x.npy", "y.npy")]
    commands.run("-c", code, *files).check_returncode()
    np.testing.assert_array_equal(np.load(files[2]), conversion.strip_masks(model).get_weights()[2])


def test_any_model_of_the_user(tmp_path):
    """Layers with and without masks, biases, a branch."""
    inputs = keras.Input((6, 6, 2))
    x = SignedMaskConv2D(4, 3, padding="same", use_bias=True, activation="elu")(inputs)
    x = keras.layers.add([x, keras.layers.Conv2D(4, 1)(inputs)])
    x = SignedMaskDense(3)(keras.layers.Flatten()(keras.layers.BatchNormalization()(x)))
    model = keras.Model(inputs, x)
    container.save(model, tmp_path / "x.supermask")
    images = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype(np.float32)
    np.testing.assert_array_equal(loading.load(tmp_path / "x.supermask")(images), conversion.strip_masks(model)(images))


def test_what_cannot_be_written_is_refused(tmp_path):
    path = tmp_path / "x.supermask"
    with pytest.raises(InputError, match="has no layer with a mask"):
        container.save(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), path)
    for ending in (".keras", ".H5", ".tflite", ".onnx"):
        with pytest.raises(InputError, match=rf"x{ending} would be a container .* give it the ending .supermask"):
            container.save(masked("fcn"), tmp_path / f"x{ending}")
    with pytest.raises(ValueError, match="`own_weights` must be one of float32, float16. Received: 'int8'"):
        container.save(masked("fcn"), path, own_weights="int8")
    large = SignedMaskDense(4, weight_initializer=keras.initializers.RandomNormal(stddev=1e6), name="large")
    with pytest.raises(InputError, match="large has weights that are too large or too small for float16; use"):
        container.save(keras.Sequential([keras.Input((3,)), large]), path, own_weights="float16")
    for value in (np.inf, np.nan):
        layer = SignedMaskDense(2, weight_initializer=keras.initializers.Constant(value), name="wrong")
        with pytest.raises(InputError, match="^wrong has weights that are not finite"):
            container.save(keras.Sequential([keras.Input((3,)), layer]), path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="cannot write"):
        container.save(masked("fcn"), "/proc/nowhere/x.supermask")


@pytest.mark.parametrize("kind, bytes_each", [("float32", 4), ("float16", 2)])
def test_weights_of_the_users_own(kind, bytes_each, tmp_path, capsys):
    """Kernels that are kept, also of layers with several, beside signed constants, biases and a plain layer."""
    layers = [
        keras.layers.Conv1D(4, 3),
        keras.layers.LSTM(5),
        keras.layers.Dense(3, name="drawn"),
        keras.layers.Dense(2),
    ]
    network = keras.Sequential([keras.Input((6, 3)), *layers])
    model = conversion.mask_model(
        network, keep_weights=True, filter=lambda layer: layer is not layers[-1], verbose=False
    )
    constant = model.get_layer("drawn")
    constant.weight.assign(np.sign(constant.weight) * 0.5)
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape) * 0.02)
    container.save(model, tmp_path / "x.supermask", own_weights=kind)
    left = sum(np.count_nonzero(kernel) for layer in model.layers[:2] for kernel in _kernels(layer))
    size = int(re.search(r"no seed draws take (\d+) bytes as " + kind, capsys.readouterr().out)[1])
    assert 0 <= size - bytes_each * left <= 9
    plain = conversion.strip_masks(model)
    for loaded in (loading.load(tmp_path / "x.supermask"), loading.load(tmp_path / "x.supermask", masked=True)):
        for layer, other in zip(conversion.strip_masks(loaded).layers, plain.layers, strict=True):
            for one, two in zip(layer.get_weights(), other.get_weights(), strict=True):
                rounded = two.astype(kind).astype(np.float32) if len(two.shape) > 1 and layer.name != "drawn" else two
                np.testing.assert_array_equal(one, two if other is plain.layers[-1] else rounded)


@pytest.mark.parametrize(
    "rule, kind, version, bytes_most",
    [("ttq", "signs and two scales", 5, 900), ("sparse", "a mask and the weights that are left", 4, 9000)],
)
@pytest.mark.parametrize("scales", [(0.7, 1.3), (0.0, 1.3), (0.0, 0.0)], ids=str)
def test_trained_kernels(rule, kind, version, bytes_most, scales, capsys):
    """Oracle: the kernels that the model multiplies with, and its masks. TTQ keeps two numbers for each, sparse training all that
    are left. Scales of TTQ can be 0, which hides weights that the mask keeps."""
    model = conversion.mask_model(
        keras.Sequential([keras.Input((20,)), keras.layers.Dense(100), keras.layers.Dense(10)]), rule, verbose=False
    )
    for number, layer in enumerate(model.layers):
        draw = np.random.default_rng(number)
        if rule == "ttq":
            layer.score.assign(draw.normal(size=layer.score.shape))
            layer.scales.assign(scales)
        else:
            layer.weight.assign(draw.normal(size=layer.weight.shape))
            layer.score.assign(draw.integers(0, 2, layer.score.shape))
    content = container.packed(model, verbose=True)
    assert content[4] == version and len(content) < bytes_most
    assert ("no seed draws" in capsys.readouterr().out) == (rule == "sparse")
    contents = loading.parsed(content, "x")
    assert {kernel.kind for kernel in contents.kernels.values()} == {kind}
    for one, two in zip(loading.built(contents).layers, model.layers, strict=True):
        np.testing.assert_array_equal(one.kernel, two.effective_kernel)
        codes = contents.kernels[two.name].codes.reshape(two.mask.shape)
        np.testing.assert_array_equal(codes, two.mask if rule == "ttq" else np.sign(two.effective_kernel))
    again = remasking.remasked(loading.built(contents), contents.kernels)
    for one, two in zip(again.layers, model.layers, strict=True):
        np.testing.assert_array_equal(one.effective_kernel, two.effective_kernel)


@pytest.mark.parametrize("latent", [[1, 1, 1, 1], [1, -1, 0, 0], [-1, 1, 1, 1], [-1, -1, -1, 0], [1]], ids=str)
@pytest.mark.parametrize("scales", [(0, 0.9), (0.9, 0), (0, 0), (0.9, 0.9)], ids=str)
def test_two_scales_of_few_weights(latent, scales):
    """Oracle: mask and kernel of the layer. Of one sign, of two weights, of one."""
    layer = SignedMaskDense(1, rule="ttq")
    model = keras.Sequential([keras.Input((len(latent),)), layer])
    layer.score.assign(np.reshape(latent, (-1, 1)))
    layer.scales.assign(scales)
    contents = loading.parsed(container.packed(model), "x")
    np.testing.assert_array_equal(loading.built(contents).layers[0].kernel, layer.effective_kernel)
    np.testing.assert_array_equal(contents.kernels[layer.name].codes.ravel(), layer.mask.ravel())


@pytest.mark.parametrize("rescale", [False, True])
def test_layers_of_one_kernel_and_of_several_that_are_drawn_and_rescaled(rescale, tmp_path):
    """Oracle: the model itself."""
    layers = [keras.Input((5, 3)), keras.layers.LSTM(4), keras.layers.Dense(3, kernel_regularizer="l2")]
    model = conversion.mask_model(keras.Sequential(layers), distribution="uniform", rescale=rescale)
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape) * 0.02)
    container.save(model, tmp_path / "x.supermask")
    again = conversion.strip_masks(loading.load(tmp_path / "x.supermask", masked=True))
    for ours, its in zip(again.get_weights(), conversion.strip_masks(model).get_weights(), strict=True):
        np.testing.assert_array_equal(ours, its)


@pytest.mark.parametrize("rule", ["signed", "signed_4_levels", "ttq", "mpt"])
@pytest.mark.parametrize("constraint", ["max_norm", "unit_norm", "non_neg", keras.constraints.MinMaxNorm(0.1, 0.2)])
def test_kernels_that_a_constraint_changes_come_back_bit_for_bit(constraint, rule):
    """Oracle: the kernels that the model multiplies with. Of signed constants, of drawn weights, of a layer with two kernels."""
    layers = [
        keras.layers.LSTM(3, recurrent_constraint=constraint),
        keras.layers.Dense(30, kernel_constraint=constraint),
    ]
    plain = keras.Sequential([keras.Input((5, 4)), *layers])
    density = {"density": 0.5} if rule == "mpt" else {}
    for its in ("signed_constant", "uniform"):
        model = conversion.mask_model(plain, rule, scheme="he", distribution=its, verbose=False, **density)
        contents = loading.parsed(container.packed(model), "x")
        loaded, expected = loading.built(contents), conversion.strip_masks(model)
        for one, two in zip(loaded.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
        again = conversion.strip_masks(remasking.remasked(loaded, contents.kernels, "signed_4_levels"))
        for one, two in zip(again.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("layer", [keras.layers.Dense(3, dtype="float64"), keras.layers.Conv1D(3, 2, dtype="float64")])
def test_weights_that_are_drawn_again_under_float64(layer):
    model = conversion.mask_model(keras.Sequential([keras.Input((5, 4)), layer]), scheme="he", distribution="uniform")
    loaded = loading.built(loading.parsed(container.packed(model), "x"))
    np.testing.assert_array_equal(loaded.get_weights()[0], conversion.strip_masks(model).get_weights()[0])


def test_weights_that_are_kept_and_0():
    """As sparse training grows them where an input is always 0: they stay in the mask of a file."""
    model = conversion.mask_model(keras.Sequential([keras.Input((6,)), keras.layers.Dense(5)]), "sparse", verbose=False)
    (layer,) = model.layers
    layer.score.assign(np.random.default_rng(0).integers(0, 2, (6, 5)))
    weight = np.array(layer.weight)
    weight[:2] = 0
    layer.weight.assign(weight)
    contents = loading.parsed(container.packed(model, "float16"), "x")
    again = remasking.remasked(loading.built(contents), contents.kernels, "sparse")
    np.testing.assert_array_equal(again.layers[0].mask, layer.mask)
    np.testing.assert_allclose(again.layers[0].effective_kernel, layer.effective_kernel, rtol=1e-3)


def _kernels(layer):
    return [np.asarray(kernel.array()) for kernel in layer.masked_kernels.values()]


# ---------------------------------------------------------------------------------------------------------------------
# Files of strangers


def test_damaged_headers_of_own_weights_are_refused():
    layer = keras.layers.Dense(3)
    content = container.packed(conversion.mask_model(keras.Sequential([keras.Input((4,)), layer]), keep_weights=True))
    start = 5 + container_format.CHECKSUM_BYTES
    description, headers, rest = container_format.opened(content[4], content[start:])
    for own in (["float64", 12], ["float32", -1], ["float32", 11], ["float32"], "float32", ["by_sign", 12], ["by_sign", 2]):
        headers[layer.name]["own"] = own
        body = container_format.headed(description, headers) + rest
        with pytest.raises(InputError, match="is damaged"):
            loading.built(loading.parsed(container_format.sealed(content[4], body), "x"))


def test_files_that_lie_about_two_scales_are_refused():
    """With a checksum that is right: of an older version, sizes that are no sizes, codes that go on."""
    layer = SignedMaskDense(3, rule="ttq", score_initializer="glorot_uniform")
    model = keras.Sequential([keras.Input((4,)), layer])
    layer.score.assign(np.random.default_rng(0).normal(size=(4, 3)))
    layer.scales.assign([0.5, 2])
    content = container.packed(model)
    start = 5 + container_format.CHECKSUM_BYTES
    description, headers, rest = container_format.opened(5, content[start:])
    codes = loading.parsed(content, "x").codes
    head = container_format.headed(description, headers)
    lies = {"of version 4": container_format.sealed(4, content[start:])}
    lies["codes"] = container_format.sealed(5, content[start:] + bytes(400))
    for size in (-0.5, np.inf, np.nan):
        sizes = container_format.deflated(np.array([size, 1], "<f4").tobytes())
        lies[size] = container_format.sealed(5, head + sizes + codes)
    for lie in lies.values():
        with pytest.raises(InputError, match="^x is damaged"):
            loading.built(loading.parsed(lie, "x"))
    assert loading.built(loading.parsed(container_format.sealed(5, head + rest), "x")).count_params() == 12


def test_scales_that_float32_cannot_hold_are_refused():
    """An unmasked layer of float64 whose kernel happens to be ternary."""
    head = keras.layers.Dense(2, dtype="float64", use_bias=False, name="head")
    model = keras.Sequential([keras.Input((3,)), SignedMaskDense(4), head])
    head.kernel.assign(np.full((4, 2), 0.1))
    with pytest.raises(InputError, match="head has variables of float64 that float32"):
        container.packed(model)


@keras.saving.register_keras_serializable("test_container")
class Functional2(keras.Model):
    """A functional model of the user's class."""


@keras.saving.register_keras_serializable("test_container")
class Trained(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


@keras.saving.register_keras_serializable("test_container")
class Row(keras.Sequential):
    pass


@keras.saving.register_keras_serializable("test_container")
class Perceptron(keras.layers.Layer):
    """A user's layer with a list of lists in its configuration under the name that models have for their layers."""

    def __init__(self, layers, **kwargs):
        super().__init__(**kwargs)
        self.given = layers
        self.parts = [keras.layers.Dense(units, activation) for units, activation in layers]

    def build(self, shape):
        for part in self.parts:
            part.build(shape)
            shape = part.compute_output_shape(shape)

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return x

    def get_config(self):
        return super().get_config() | {"layers": self.given}


def of_class(kind):
    """A model of dense layers, of any class."""
    layers = [keras.layers.Dense(5, "relu"), keras.layers.Dense(2)]
    if issubclass(kind, keras.Sequential):
        return kind([keras.Input((6,)), *layers])
    inputs = keras.Input((6,))
    return kind(inputs, layers[1](layers[0](inputs)))


def around(inner):
    inputs = keras.Input((6,))
    return keras.Model(inputs, keras.layers.Dense(3)(inner(inputs)))


@pytest.mark.parametrize("kind", [Functional2, Trained, Row])
@pytest.mark.parametrize("inner", [False, True])
def test_models_of_users_classes_come_back(kind, inner, tmp_path):
    model = conversion.mask_model(around(of_class(kind)) if inner else of_class(kind))
    container.save(model, tmp_path / "x.supermask")
    x = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    np.testing.assert_allclose(loading.load(tmp_path / "x.supermask")(x), model(x), rtol=1e-6, atol=1e-6)


def test_layers_whose_configuration_has_lists_for_layers_come_back():
    model = conversion.mask_model(around(Perceptron([[4, "relu"], [3, None]])))
    loaded = loading.built(loading.parsed(container.packed(model), "x"))
    x = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    np.testing.assert_allclose(loaded(x), model(x), rtol=1e-6, atol=1e-6)


def test_a_description_that_would_be_read_as_another_one_is_not_written(tmp_path, monkeypatch):
    full = short_form.full
    monkeypatch.setattr(short_form, "full", lambda description: full(description) | {"other": 1})
    with pytest.raises(InputError, match="would be read as another one"):
        container.save(conversion.mask_model(of_class(keras.Model)), tmp_path / "x.supermask")
    assert not list(tmp_path.iterdir())


def test_calls_in_models_of_users_classes_are_checked():
    """As those of Keras' own: Keras makes the objects among their arguments."""
    description = architecture.stripped(json.loads(of_class(Functional2).to_json()))
    architecture.check(description)
    node = description["config"]["layers"][1]["inbound_nodes"][0]
    node["args"].append({"class_name": "TFSMLayer", "module": "keras.layers", "config": {"filepath": "/"}})
    with pytest.raises(allowed.Refused, match="has 'TFSMLayer' of keras.layers, which may run code"):
        architecture.check(description)
