import os
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from tf_supermask import SignedMaskConv2D, SignedMaskDense, c_codes, container, data
from tf_supermask.c_source import export_c
from tf_supermask.errors import InputError

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
    found = np.frombuffer(run.stdout, out).reshape(len(inputs), -1)
    return found[:, :-1], found[:, -1].astype(int)


def agrees(model, images, folder):
    """C against the twin, bit for bit, and against Keras."""
    program = export_c(model, folder / "int8", images)
    inputs = program.network.quantized(images)
    found, classes = outputs_of(program, inputs)
    np.testing.assert_array_equal(found, program.network.logits(inputs))
    np.testing.assert_array_equal(classes, found.argmax(axis=-1))
    exact = export_c(model, folder / "float", arithmetic="float")
    expected = before_softmax(exact.model)(images)
    found, _ = outputs_of(exact, images.astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * max(1, np.abs(expected).max()))


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
        codes = draw.choice([-1, 0, 1], layer.kernel.shape, p=(0.2, 0.6, 0.2)) * (draw.random(layer.kernel.shape[-1]) < 0.9)
        scale = draw.uniform(0.1, 1, layer.kernel.shape[-1] if draw.random() < 0.3 else 1)
        bias = [draw.normal(size=layer.kernel.shape[-1])] if layer.use_bias else []
        layer.set_weights([codes * scale.astype(np.float32), *bias])
    elif isinstance(layer, keras.layers.BatchNormalization):
        shape = layer.moving_mean.shape
        gamma = draw.normal(size=shape) * (draw.random(shape) < 0.9)
        layer.set_weights([gamma, draw.normal(size=shape), draw.normal(size=shape), draw.uniform(0.1, 2, shape)])


ACTIVATIONS = [None, "relu", "elu"]
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
    some, pick = lambda kinds, most: [kinds[k] for k in draw(st.lists(st.sampled_from([*kinds]), max_size=most))], draw
    shape = draw(st.sampled_from([(7,), (6, 7, 1), (7, 6, 3), (8, 8, 2)]))
    layers, flat = [], len(shape) == 1
    if not flat:
        layers += some({name: IMAGES[name] for name in IMAGES if name != "max"}, 1)
        for _ in range(draw(st.integers(0, 2))):
            kernel = {"filters": pick(st.integers(1, 4)), "kernel_size": pick(st.sampled_from([1, 2, 3, (3, 2)]))}
            kernel |= {"strides": pick(st.sampled_from([1, 2])), "padding": pick(st.sampled_from(["same", "same", "valid"]))}
            layers.append(("Conv2D", kernel | {"use_bias": pick(st.booleans()), "activation": pick(st.sampled_from(ACTIVATIONS))}))
            layers += some(IMAGES, 3)
        layers.append(draw(st.sampled_from([(name, {}) for name in ("GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten")])))
    for _ in range(draw(st.integers(int(flat or layers[-1][0] == "Flatten"), 2))):
        layers += some(FLAT, 2)
        dense = {"units": pick(st.integers(1, 6)), "use_bias": pick(st.booleans()), "activation": pick(st.sampled_from(ACTIVATIONS))}
        layers.append(("Dense", dense))
    if layers[-1][0] == "Dense":
        layers += draw(st.sampled_from([[], [("Softmax", {})], [("Activation", {"activation": "softmax"})]]))
    return shape, layers, draw(st.integers(0, 2**16))


def built(shape, layers, seed):
    """A model with random ternary kernels, and images."""
    model = keras.Sequential([keras.Input(shape), *(getattr(keras.layers, name)(**given) for name, given in layers)])
    random = np.random.default_rng(seed)
    for layer in model.layers:
        ternary(layer, random)
    return model, random.normal(size=(9, *shape)).astype(np.float32)


@needs_cc
@settings(max_examples=int(os.environ.get("C_EXAMPLES", 12)), suppress_health_check=list(HealthCheck))
@given(networks())
def test_c_equals_its_twin_and_keras(tmp_path_factory, network):
    try:
        model, images = built(*network)
    except ValueError:  # an image has become smaller than a window
        reject()
    agrees(model, images, tmp_path_factory.mktemp("c"))
