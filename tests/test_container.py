"""Files of supermasks: exact, small, and refused whatever byte of them is wrong."""

import json
import struct
import subprocess
import sys
import zlib

import constriction
import keras
import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tf_supermask import He, SignedMaskConv2D, SignedMaskDense, container, export, models, ternary
from tf_supermask.errors import InputError
from tf_supermask.spec import Spec

SHAPE = (8, 8, 3)
HEAD = 21  # bytes before what the checksum covers
KERNELS = hnp.arrays(
    np.int8, hnp.array_shapes(min_dims=4, max_dims=4, max_side=9), elements=st.sampled_from((-1, 0, 0, 0, 1))
)


def masked(name="conv2", **given):
    model = models.build(Spec.of(model=name, **given), SHAPE, 10)
    draw = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(draw.normal(size=variable.shape) * 0.02)
    return model


def through_coder(codes):
    encoder = constriction.stream.queue.RangeEncoder()
    parameters = ternary.encode(codes, encoder)
    words = encoder.get_compressed()
    return ternary.decode(codes.shape, parameters, constriction.stream.queue.RangeDecoder(words)), words.nbytes


@settings(max_examples=200, deadline=None)
@given(KERNELS)
def test_codes_come_back(codes):
    assert np.array_equal(through_coder(codes)[0], codes)


@settings(max_examples=50, deadline=None)
@given(KERNELS)
def test_passes_may_be_divided(codes):
    """As those over layers of many millions of weights are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ternary, "_AT_ONCE", 40)
        assert np.array_equal(through_coder(codes)[0], codes)


@pytest.mark.parametrize("density", [0, 1e-4, 0.03, 0.5, 1])
def test_random_codes_take_about_their_entropy(density):
    """Oracle: no code for random symbols takes less; ours takes little more."""
    draw = np.random.default_rng(0)
    codes = (draw.choice([-1, 1], (8, 8, 64, 50)) * (draw.random((8, 8, 64, 50)) < density)).astype(np.int8)
    found, size = through_coder(codes)
    least = ternary.entropy_bytes(codes)
    assert np.array_equal(found, codes) and 0.99 * least <= size <= 1.1 * least + 80


def test_codes_of_one_sign_take_nothing_for_it():
    """As those of binary masks on weights that are drawn again."""
    codes = (np.random.default_rng(0).random((1, 1, 400, 200)) < 0.05).astype(np.int8)
    assert through_coder(codes)[1] <= 1.1 * ternary.entropy_bytes(codes) + 80


def unregistered(x):
    return x


def test_what_a_file_cannot_hold_is_refused():
    normalization = keras.layers.BatchNormalization(dtype="float64")
    model = keras.Sequential([keras.Input((4,)), SignedMaskDense(3), normalization])
    normalization.gamma.assign([0.1, 0.2, 0.3])
    with pytest.raises(InputError, match="variables of float64"):
        container.packed(model)
    with pytest.raises(InputError, match="cannot be made again from its description"):
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
        ("fcn", {"mode": "rounded", "rescale": True}),
        ("fcn", {"mode": "rounded", "rescale": True, "weight_distribution": "signed_constant"}),
    ],
)
def test_the_model_comes_back_bit_for_bit(name, given, tmp_path):
    model, path = masked(name, **given), tmp_path / "model.supermask"
    assert container.save(model, path) == path.stat().st_size == container.read(path).size
    loaded = container.load(path)
    samples = given.get("mode") == "bernoulli"  # another sample each time
    for layer, source, expected in zip(loaded.layers, model.layers, export.plain(model).layers, strict=True):
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
    code = "import sys, numpy as np; from tf_supermask import container\n"
    code += "np.save(sys.argv[3], container.load(sys.argv[1]).get_weights()[2])"
    files = [str(tmp_path / name) for name in ("model.supermask", "x.npy", "y.npy")]
    subprocess.run([sys.executable, "-c", code, *files], check=True, cwd=ROOT, capture_output=True)
    np.testing.assert_array_equal(np.load(files[2]), export.plain(model).get_weights()[2])


def test_any_model_of_the_user(tmp_path):
    """Layers with and without masks, biases, a branch."""
    inputs = keras.Input((6, 6, 2))
    x = SignedMaskConv2D(4, 3, padding="same", use_bias=True, activation="elu")(inputs)
    x = keras.layers.add([x, keras.layers.Conv2D(4, 1)(inputs)])
    x = SignedMaskDense(3)(keras.layers.Flatten()(keras.layers.BatchNormalization()(x)))
    model = keras.Model(inputs, x)
    container.save(model, tmp_path / "x.supermask")
    images = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype(np.float32)
    np.testing.assert_array_equal(container.load(tmp_path / "x.supermask")(images), export.plain(model)(images))


def test_what_cannot_be_written_is_refused(tmp_path):
    path = tmp_path / "x.supermask"
    with pytest.raises(InputError, match="has no layer with a mask"):
        container.save(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), path)
    unseeded = SignedMaskDense(4, weight_initializer="glorot_normal", name="loose")
    with pytest.raises(
        InputError, match="frozen weights of loose cannot be drawn again: they are not signed constants"
    ):
        container.save(keras.Sequential([keras.Input((3,)), unseeded]), path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="cannot write"):
        container.save(masked("fcn"), "/proc/nowhere/x.supermask")


@pytest.fixture(scope="module")
def content():
    return container.packed(masked("fcn"))


def test_ten_thousand_damaged_files_are_refused(content):
    draw = np.random.default_rng(0)
    for number in range(10_000):
        damaged, place = bytearray(content), int(draw.integers(len(content)))
        if number % 4 < 2:
            damaged[place] ^= 1 << int(draw.integers(8))
        elif number % 4 == 2:
            damaged = damaged[:place]
        else:
            damaged.insert(place, int(draw.integers(256)))
        with pytest.raises(InputError, match=r"x (is damaged|is not a \.supermask file)"):
            container.parsed(bytes(damaged), "x")


def test_files_with_a_right_checksum_and_wrong_content_are_refused_or_read(content, tmp_path):
    path, draw = tmp_path / "x.supermask", np.random.default_rng(1)
    for _ in range(300):
        body = bytearray(content[HEAD:])
        body[int(draw.integers(len(body)))] ^= 1 << int(draw.integers(8))
        path.write_bytes(container.sealed(container.VERSION, bytes(body)))
        try:
            assert container.read(path).kernels  # other codes, where a bit of the codes was changed
        except InputError as error:
            assert "is damaged" in str(error)


def test_sizes_are_bounded_before_memory_is_taken(content, tmp_path):
    path = tmp_path / "x.supermask"
    path.write_bytes(content)
    with pytest.raises(InputError, match="weights, more than 1,000"):
        container.read(path, most_weights=1000)


@pytest.mark.parametrize(
    "change", [{"draw": {"shape": [20000, 5000]}}, {"scale": float("nan")}, {"view": [1, 1, 1, 10**9]}]
)
def test_headers_that_lie_are_refused(change, tmp_path):
    """With a checksum that is right, as somebody could make it."""
    model = keras.Sequential([keras.Input((4,)), SignedMaskDense(3, weight_initializer=He("uniform", seed=1))])
    body = container.packed(model)[HEAD:]
    (length,) = struct.unpack_from("<I", body)
    header = json.loads(zlib.decompress(body[4 : 4 + length]))
    (kernel,) = header["kernels"].values()
    kernel |= {key: kernel[key] | value if isinstance(value, dict) else value for key, value in change.items()}
    part = zlib.compress(json.dumps(header).encode())
    path = tmp_path / "x.supermask"
    path.write_bytes(container.sealed(container.VERSION, struct.pack("<I", len(part)) + part + body[4 + length :]))
    with pytest.raises(InputError, match="is damaged"):
        container.load(path)


def test_newer_versions_and_other_files_are_named(content, tmp_path):
    path = tmp_path / "x.supermask"
    path.write_bytes(container.sealed(container.VERSION + 1, content[HEAD:]))
    with pytest.raises(InputError, match=r"version 3, newer than 2; update"):
        container.read(path)
    path.write_bytes(container.sealed(1, content[HEAD:]))
    with pytest.raises(InputError, match=r"version 1, which is not read any more; export its run again"):
        container.read(path)
    with pytest.raises(InputError, match="cannot read .*none"):
        container.read(tmp_path / "none")


def test_scales_that_float32_cannot_hold_are_refused():
    """An unmasked layer of float64 whose kernel happens to be ternary."""
    head = keras.layers.Dense(2, dtype="float64", use_bias=False, name="head")
    model = keras.Sequential([keras.Input((3,)), SignedMaskDense(4), head])
    head.kernel.assign(np.full((4, 2), 0.1))
    with pytest.raises(InputError, match="head has variables of float64 that float32"):
        container.packed(model)
