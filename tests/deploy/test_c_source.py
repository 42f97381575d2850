import os
import re
import shutil
import subprocess

import keras
import numpy as np
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, example, given, reject, settings
from hypothesis import strategies as st

from tf_supermask import SignedMaskConv2D, SignedMaskDense
from tf_supermask.deploy import c_render, loading
from tf_supermask.deploy.c_source import accuracies, export_c
from tf_supermask.errors import InputError
from tf_supermask.experiments import data, paths

CC = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
needs_cc = pytest.mark.skipif(not CC, reason="NO C COMPILER: nothing of the C was tested; install gcc")
STRICT = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror"]
SANITIZED = ["-fsanitize=undefined,address", "-fno-sanitize-recover=all"]
HARNESS = """
#include <stdio.h>
#include "network.h"
int main(void)
{
    static TYPE_IN image[NETWORK_INPUTS];
    static TYPE_OUT outputs[NETWORK_OUTPUTS + 1];
    while (fread(image, sizeof *image, NETWORK_INPUTS, stdin) == NETWORK_INPUTS) {
        outputs[NETWORK_OUTPUTS] = (TYPE_OUT)network_run(image, outputs);
        fwrite(outputs, sizeof *outputs, NETWORK_OUTPUTS + 1, stdout);
    }
    return 0;
}
"""


def outputs_of(program, inputs, flags=SANITIZED):
    """What compiled C makes of inputs: `(n, outputs)`, and the class of each."""
    folder, out = program.paths[0].parent, np.int32 if program.network else np.float32
    types = ["-DTYPE_IN=int8_t", "-DTYPE_OUT=int32_t"] if program.network else ["-DTYPE_IN=float", "-DTYPE_OUT=float"]
    (folder / "harness.c").write_text(HARNESS)
    command = [CC, *STRICT, *flags, *types, "-o", "harness", "harness.c", "network.c", "-lm"]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    run = subprocess.run([folder / "harness"], input=np.ascontiguousarray(inputs).tobytes(), capture_output=True)
    assert run.returncode == 0, run.stderr.decode()
    found = np.frombuffer(run.stdout, out).reshape(len(inputs), -1 if len(inputs) else 1)
    return found[:, :-1], found[:, -1].astype(int)


def agrees(model, images, folder, favor="size"):
    """C against its twin, bit for bit; both arithmetics against Keras."""
    program = export_c(model, folder / "int8", images, favor=favor)
    inputs = program.network.quantized(images)
    found, classes = outputs_of(program, inputs)
    np.testing.assert_array_equal(found, program.network.logits(inputs))
    np.testing.assert_array_equal(classes, found.argmax(axis=-1))
    expected = before_softmax(program.model)(images)
    inner = keras.Model(program.model.inputs[0], [program.model.inputs[0], *(its.tensors[1] for its in program.stages)])
    largest = max(np.abs(np.asarray(tensor)).max() for tensor in inner(images))
    assert np.abs(found * program.network.output_scale - expected).max() < 0.1 * largest
    exact = export_c(model, folder / "float", arithmetic="float", favor=favor)
    found, _ = outputs_of(exact, images.astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))


def before_softmax(model):
    """A Keras model's flattened outputs without softmax at the end."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    if isinstance(copy.layers[-1], keras.layers.Softmax):
        copy = keras.Model(copy.inputs[0], copy.layers[-1].input)
    elif getattr(copy.layers[-1], "activation", None) is keras.activations.softmax:
        copy.layers[-1].activation = keras.activations.linear
    return lambda x: np.asarray(copy(x)).reshape(len(x), -1)


def ternary(layer, draw):
    """Random codes times one number, or one for each unit, and random biases and normalizations."""
    if isinstance(layer, (keras.layers.Dense, keras.layers.Conv2D)):
        units = layer.kernel.shape[-1]
        codes = draw.choice([-1, 0, 1], layer.kernel.shape, p=(0.2, 0.6, 0.2)) * (draw.random(units) < 0.9)
        scale = draw.uniform(0.1, 1, units if draw.random() < 0.3 else 1)
        bias = [draw.normal(size=units)] if layer.use_bias else []
        layer.set_weights([codes * scale.astype(np.float32), *bias])
    elif isinstance(layer, keras.layers.BatchNormalization):
        shape = layer.moving_mean.shape
        gamma = draw.normal(size=shape) * (draw.random(shape) < 0.9)
        layer.set_weights([gamma, draw.normal(size=shape), draw.normal(size=shape), draw.uniform(0.1, 2, shape)])


FLAT = {
    "relu": ("ReLU", {}),
    "elu": ("ELU", {"alpha": 0.7}),
    "norm": ("BatchNormalization", {}),
    "dropout": ("Dropout", {"rate": 0.5}),
}
IMAGES = FLAT | {
    "max": ("MaxPooling2D", {"pool_size": 2}),
    "overlapping": ("MaxPooling2D", {"pool_size": 3, "strides": 1, "padding": "same"}),
    "average": ("AveragePooling2D", {"pool_size": (2, 3), "strides": (2, 1), "padding": "same"}),
}


@st.composite
def networks(draw):
    """`(shape, [(class, arguments)...], seed)`: chains of all that C has, from one layer on."""

    def pick(values):
        return draw(st.sampled_from(values))

    def some(kinds, most):
        return [kinds[name] for name in draw(st.lists(st.sampled_from([*kinds]), max_size=most))]

    def kernel_layer():
        return {"use_bias": draw(st.booleans()), "activation": pick([None, "relu", "elu"])}

    shape = pick([(7,), (6, 7, 1), (7, 6, 3), (8, 8, 2)])
    layers, flat = [], len(shape) == 1
    if not flat:
        layers += some({name: IMAGES[name] for name in IMAGES if name != "max"}, 1)
        for _ in range(draw(st.integers(0, 2))):
            kernel = {
                "filters": draw(st.integers(1, 4)),
                "kernel_size": pick([1, 2, 3, (3, 2)]),
                "strides": pick([1, 2]),
            }
            layers.append(("Conv2D", kernel | {"padding": pick(["same", "same", "valid"])} | kernel_layer()))
            layers += some(IMAGES, 3)
        layers.append((pick(["GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten"]), {}))
    for _ in range(draw(st.integers(int(flat or layers[-1][0] == "Flatten"), 2))):
        layers += some(FLAT, 2)
        layers.append(("Dense", {"units": draw(st.integers(1, 6))} | kernel_layer()))
    if layers[-1][0] == "Dense":
        layers += pick([[], [("Softmax", {})], [("Activation", {"activation": "softmax"})]])
    return shape, layers, draw(st.integers(0, 2**16))


def built(shape, layers, seed):
    """A model with random ternary kernels, and images."""
    model = keras.Sequential([keras.Input(shape), *(getattr(keras.layers, name)(**given) for name, given in layers)])
    random = np.random.default_rng(seed)
    for layer in model.layers:
        ternary(layer, random)
    return model, random.normal(size=(9, *shape)).astype(np.float32)


def pointwise(filters):
    return "Conv2D", {"filters": filters, "kernel_size": 1, "padding": "same", "use_bias": False}


# The weights of the last layer cancel exactly: its outputs are what rounding leaves of 0.
CANCELLING = (8, 8, 2), [pointwise(3), pointwise(1), ("GlobalAveragePooling2D", {})], 115


EMPTY = (6, 7, 1), [pointwise(1), ("GlobalAveragePooling2D", {}), ("Dense", {"units": 1})], 0


@needs_cc
@example(CANCELLING, "size")
@example(EMPTY, "size")
@settings(max_examples=int(os.environ.get("C_EXAMPLES", 8)), suppress_health_check=list(HealthCheck))
@given(networks(), st.sampled_from(["size", "speed"]))
def test_c_equals_its_twin_and_keras(tmp_path_factory, network, favor):
    try:
        model, images = built(*network)
    except ValueError:  # an image has become smaller than a window
        reject()
    agrees(model, images, tmp_path_factory.mktemp("c"), favor)


@needs_cc
def test_masked_layers_and_an_input_too_long_for_16_bits(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((9, 9, 2)),
            SignedMaskConv2D(5, 3, strides=2, padding="same", activation="elu"),
            keras.layers.Flatten(),
            SignedMaskDense(4),
        ]
    )
    images = np.random.default_rng(0).normal(size=(20, 9, 9, 2)).astype(np.float32)
    agrees(model, images, tmp_path)
    program = export_c(model, tmp_path, images)
    for level in ("-O0", "-Os", "-O2", "-O3"):  # each warns of other things
        outputs_of(program, images[:0], [level])
    kernel = np.zeros((70_000, 2), np.float32)
    kernel[[3, 69_990], [0, 1]] = 0.5, -0.5
    for favor in ("size", "speed"):
        model = keras.Sequential([keras.Input((70_000,)), keras.layers.Dense(2, use_bias=False)])
        model.set_weights([kernel])
        agrees(model, np.random.default_rng(0).normal(size=(2, 70_000)).astype(np.float32), tmp_path / favor, favor)


@needs_cc
def test_large_windows_of_averages(tmp_path):
    """Oracle: the twin. 9,216 places of 127: their sum times their number leaves 32 bits."""
    layers = [dense(2, 1, activation="relu"), keras.layers.GlobalAveragePooling2D(), dense(3, 2)]
    images = np.ones((3, 96, 96, 1), np.float32) * np.float32([[[[1]]], [[[-0.5]]], [[[0.1]]]])
    agrees(keras.Sequential([keras.Input((96, 96, 1)), *layers]), images, tmp_path)


@needs_cc
@pytest.mark.parametrize("bias", [1e2, 8256, 1e4, 1e5, 1e9])
def test_a_large_bias_beside_factors_of_other_sizes(bias, tmp_path):
    """Oracle: the twin; or one line, where the bias leaves 32 bits. The small factor is rounded from 1.49 to 1."""
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2, name="fc")])
    kernel = np.zeros((8, 2), np.float32)
    kernel[:4, 0], kernel[:, 1] = 1.49 / 2048, 1
    model.set_weights([kernel, np.float32([bias, 0])])
    images = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    try:
        program = export_c(model, tmp_path, images)
    except InputError as error:
        assert "fc has sums of up to" in str(error) and bias > 1e3
        return
    inputs = program.network.quantized(images)
    np.testing.assert_array_equal(outputs_of(program, inputs)[0], program.network.logits(inputs))


@needs_cc
@pytest.mark.parametrize("alpha", [0.5, 10, 20])
def test_elu_on_the_image(alpha, tmp_path):
    """Its outputs go further below 0 than the image does."""
    model = keras.Sequential([keras.Input((16,)), keras.layers.ELU(alpha), dense(3, 16)])
    images = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
    agrees(model, images, tmp_path)


@needs_cc
def test_the_header_is_c_plus_plus_too(tmp_path):
    compiler = shutil.which("c++") or shutil.which("g++")
    if not compiler:
        pytest.skip("NO C++ COMPILER: the header was not tested with one")
    export_c(small(), tmp_path, ONES)
    (tmp_path / "user.cpp").write_text(
        '#include "network.h"\nint main() { int8_t x[4] = {}; int32_t y[2]; return network_run(x, y) > 1; }\n'
    )
    subprocess.run([CC, "-c", "network.c"], cwd=tmp_path, check=True)
    subprocess.run([compiler, "user.cpp", "network.o", "-o", "user"], cwd=tmp_path, check=True)
    subprocess.run([tmp_path / "user"], check=True)


@needs_cc
def test_main_reads_values_that_are_no_numbers(tmp_path):
    program = export_c(small(), tmp_path, ONES, main=True)
    command = [CC, *STRICT, *SANITIZED, "-fsanitize=float-cast-overflow", "main.c", "network.c", "-o", "user", "-lm"]
    subprocess.run(command, cwd=program.paths[0].parent, check=True)
    images = np.float32([[np.nan] * 4, [np.inf] * 4, [-np.inf] * 4, [1e38] * 4])
    done = subprocess.run([tmp_path / "user"], input=images.tobytes(), capture_output=True, text=False)
    assert done.returncode == 0 and len(done.stdout.split()) == 4 and not done.stderr


NETWORKS = {  # experiment -> bytes of the codes in its container; those in C may have 1.15 times as many
    "koster_table15_fcn_sinn1": 1788,
    "koster_table1_fcn_signed_elus": 4540,
}


@needs_cc
def test_trained_networks_on_all_test_images(real_data, tmp_path):
    mnist, prepare = data.load("mnist", real_data, paths.default_cache_dir()), data.PREPROCESS["standardize"]
    images = prepare(mnist.test_images)
    for (experiment, limit), level in zip(NETWORKS.items(), ["-O2", "-O3"], strict=True):
        model = loading.load(ROOT / "results" / experiment / "seed0.supermask")
        program = export_c(model, tmp_path / experiment, prepare(mnist.train_images[:500]), main="standardize")
        assert sum(len(layer.code.data) for layer in program.layers) <= 1.15 * limit
        inputs = program.network.quantized(images)
        found, classes = outputs_of(program, inputs, [level])
        np.testing.assert_array_equal(found, program.network.logits(inputs))
        percent = accuracies(program, images, mnist.test_labels)
        assert percent["int8"] == pytest.approx(100 * np.mean(classes == mnist.test_labels))
        assert abs(percent["int8"] - percent["float"]) < 0.3
    pixels = mnist.test_images[:200].tobytes()
    run = subprocess.run(["make", "-s", "run"], cwd=tmp_path / experiment, input=pixels[:-1], capture_output=True)
    np.testing.assert_array_equal(np.array(run.stdout.split(), int), classes[:199])
    assert run.returncode != 0 and b"the last image has 783 of 784 values" in run.stderr


def dense(units=3, size=4, **given):
    layer = keras.layers.Dense(units, **given)
    layer.build((None, size))
    layer.set_weights([np.eye(size, units), *layer.get_weights()[1:]])
    return layer


def diverged(value):
    layer = dense(name="diverged_")
    layer.set_weights([layer.get_weights()[0], np.full(layer.units, value)])
    return layer


def odd_kernel():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="odd")])
    model.set_weights([np.arange(12).reshape(4, 3), np.zeros(3)])
    return model


def branches():
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Add()([dense()(inputs), dense(name="branch")(inputs)]))


IMAGE = (6, 6, 2)
UNSUPPORTED = {
    "odd": odd_kernel,
    "branch": branches,
    "wide": lambda: [IMAGE, keras.layers.Conv2D(2, 3, dilation_rate=2, name="wide")],
    "groups": lambda: [IMAGE, keras.layers.Conv2D(2, 3, groups=2, name="groups")],
    "depth": lambda: [IMAGE, keras.layers.DepthwiseConv2D(3, name="depth")],
    "inner": lambda: [(4,), keras.Sequential([keras.Input((4,)), dense()], name="inner"), dense(2, 3)],
    "diverged": lambda: [(4,), diverged(np.nan)],
    "diverged_": lambda: [(4,), diverged(np.inf)],
    "gelu": lambda: [(4,), dense(activation="gelu", name="gelu")],
    "relu6": lambda: [(4,), dense(), keras.layers.ReLU(6.0, name="relu6")],
    "leaky": lambda: [(4,), dense(), keras.layers.LeakyReLU(name="leaky")],
    "early": lambda: [(4,), keras.layers.Softmax(), dense(name="early")],
    "axis": lambda: [
        (6, 6, 6),
        keras.layers.BatchNormalization(axis=1, name="axis"),
        keras.layers.GlobalMaxPooling2D(),
    ],
    "(5, 4)": lambda: [(5, 4), dense()],
    "last": lambda: [IMAGE, keras.layers.ReLU(), keras.layers.Flatten(), keras.layers.ReLU(name="last")],
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_has_no_c_is_named_in_one_line(name, tmp_path):
    model = UNSUPPORTED[name]()
    if isinstance(model, list):
        model = keras.Sequential([keras.Input(model[0]), *model[1:]])
    with pytest.raises(InputError, match=re.escape(name)) as error:
        export_c(model, tmp_path, arithmetic="float")
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


def small():
    return keras.Sequential(
        [keras.Input((4,), name="x"), dense(3, activation="relu", name="fc1"), dense(2, 3, name="fc2")]
    )


ONES = np.ones((2, 4), np.float32)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"images": ONES, "most_flash": 3}, r"constants, more than 3 \(fc1 \d+, fc2 \d+, table of layers \d+\)"),
        ({"images": ONES, "most_flash": "4K"}, "most_flash must be a whole number of bytes.*'4K'"),
        ({"images": ONES, "most_flash": -1}, "most_flash must be .* 0 or more.*-1"),
        ({"images": ONES, "most_ram": 1.5}, "most_ram must be a whole number"),
        ({"images": ONES, "most_ram": True}, "most_ram must be a whole number.*True"),
        ({"images": ONES, "name": "main", "main": True}, "'main' is that of a file or target"),
        ({"images": ONES, "name": "Makefile", "main": True}, "'Makefile' is that of a file"),
        ({"images": ONES, "name": "run", "main": True}, "'run' is that of a file"),
        ({"images": ONES, "name": None}, "name=None is not a C identifier"),
        ({"images": ONES, "most_ram": 1}, r"2 bytes of buffers, more than 1: .*fc1 2\) as int8_t; take fewer units"),
        ({"images": None}, "needs images"),
        ({"images": ONES[:, :2]}, r"shape \(2, 2\).*takes \(n, 4\)"),
        ({"images": ONES * np.nan}, "some values are not finite"),
        ({"images": ONES * 0}, "images are all 0"),
        ({"images": ONES * 1j}, "must be an array of preprocessed images, real numbers. Received: complex64"),
        ({"images": 3}, r"needs images.*"),
        ({"images": ONES, "arithmetic": "int4"}, "int4.*int8, float"),
        ({"images": ONES, "favor": "style"}, "style.*size, speed"),
        ({"images": ONES, "main": "bytes"}, "bytes.*standardize"),
        ({"images": ONES, "name": "1x"}, "1x.*C identifier"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(given, message, tmp_path):
    with pytest.raises(InputError, match=message) as error:
        export_c(small(), tmp_path, **given)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("model", [None, "model", keras.layers.Dense(2), keras.Sequential], ids=str)
def test_what_is_no_model_is_named_first(model, tmp_path):
    for options in ({}, {"images": ONES}, {"arithmetic": "int4"}):
        with pytest.raises(ValueError, match="^`model` must be a Keras model. Received: [^\n]*$"):
            export_c(model, tmp_path, **options)


def test_files_are_the_same_each_time_and_no_other_file_is_replaced(tmp_path):
    for _ in range(2):
        program = export_c(small(), tmp_path / "a", ONES, main=True, name="tiny")
    export_c(small(), tmp_path / "b", ONES, main=True, name="tiny", most_flash=program.constants, most_ram=program.ram)
    assert [path.name for path in program.paths] == ["tiny.h", "tiny.c", "main.c", "Makefile"]
    for path in program.paths:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
        assert str(tmp_path) not in path.read_text()
    (tmp_path / "b" / "Makefile").write_text("all: mine")
    (tmp_path / "b" / "tiny.h").unlink()
    with pytest.raises(InputError, match="Makefile exists and was not made by tf_supermask"):
        export_c(small(), tmp_path / "b", ONES, main=True, name="tiny")
    assert not (tmp_path / "b" / "tiny.h").exists()


@needs_cc
@pytest.mark.parametrize("favor", ["size", "speed"])
@pytest.mark.parametrize("arithmetic", ["int8", "float"])
def test_constants_are_all_that_the_compiler_counts(favor, arithmetic, tmp_path):
    """Oracle: sizeof of each constant in the C code, with the pointers of this machine."""
    layers = [
        keras.layers.Conv2D(3, 2, strides=2, activation="elu"),
        keras.layers.AveragePooling2D(2),
        keras.layers.Flatten(),
    ]
    model = keras.Sequential([keras.Input((9, 9, 2)), *layers, keras.layers.Dense(5, "relu"), keras.layers.Dense(2)])
    for layer in model.layers:
        ternary(layer, np.random.default_rng(0))
    program = export_c(model, tmp_path, np.ones((2, 9, 9, 2), np.float32), arithmetic, favor=favor)
    names = re.findall(r"^static const FLASH \w+ (\w+)\[", program.paths[1].read_text(), re.MULTILINE)
    lines = [f'printf("%d ", (int)sizeof {name});' for name in names]
    (tmp_path / "sizes.c").write_text(
        f'#include "network.c"\n#include <stdio.h>\nint main(void) {{ {" ".join(lines)} return (int)sizeof(char *); }}\n'
    )
    subprocess.run([CC, "-o", "sizes", "sizes.c", "-lm"], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "sizes"], capture_output=True)
    layers, pointer = program.layers, printed.returncode
    counted = sum(map(int, printed.stdout.split()))
    assert "layers" in names and counted == sum(its.constants for its in layers) + c_render.table_bytes(layers, pointer)
    assert program.constants == counted - c_render.table_bytes(layers, pointer) + c_render.table_bytes(layers, 4)
    assert f"NETWORK_CONSTANTS {program.constants} " in program.paths[0].read_text()


def test_buffers_are_as_long_as_the_header_says(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            SignedMaskConv2D(4, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(2),
            SignedMaskConv2D(6, 3, padding="same", activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            SignedMaskDense(3),
        ]
    )
    program = export_c(model, tmp_path, np.ones((2, 8, 8, 1), np.float32))
    source, header = (program.paths[i].read_text() for i in (1, 0))
    buffers = re.findall(r"^static (int8_t|int16_t) \w+\[(\d+)\];", source, re.MULTILINE)
    units = [stage.units for stage in program.stages]  # some may be dead
    assert sorted(buffers) == [("int16_t", "64"), ("int8_t", str(16 * units[0] + units[1]))]
    assert f"#define NETWORK_RAM {128 + 16 * units[0] + units[1]} " in header
    assert "malloc" not in source and re.findall(r"#include (.*)", source + header) == ['"network.h"', "<stdint.h>"]
