"""Messages about what surrounds a model: the package that it comes from, the backend that Keras runs on."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

import tf_supermask
from tf_supermask import (
    Masked,
    compact,
    export_c,
    export_codes,
    export_onnx,
    mask_layers,
    mask_model,
    shrink,
    strip_masks,
    summary,
)
from tf_supermask.deploy import container
from tf_supermask.deploy.saved_model import export_keras, export_saved_model
from tf_supermask.deploy.tflite import export_tflite


class Legacy:
    """As a model of tf_keras: of no class of Keras 3, its module tells where it is from."""

    __module__ = "tf_keras.src.engine.functional"
    name, layers = "legacy", []


@pytest.mark.parametrize(
    "call",
    [mask_model, mask_layers, strip_masks, compact, shrink, summary, Masked]
    + [lambda model, to=to: to(model, "x") for to in (container.save, export_saved_model, export_tflite, export_keras)]
    + [lambda model, to=to: to(model, "x") for to in (export_onnx, export_codes)]
    + [lambda model: export_c(model, "x", arithmetic="float")],
)
def test_a_model_or_layer_of_tf_keras_is_named(call):
    message = "^`(model|layer)` must be a Keras 3 (model|layer|model or layer). Received one of tf_keras: Legacy$"
    with pytest.raises(ValueError, match=message):
        call(type("Legacy", (Legacy,), {})())


def with_backend(backend, *arguments):
    environment = os.environ | {"KERAS_BACKEND": backend}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, env=environment)


@pytest.mark.parametrize("module", ["main", "report", "export", "inspect"])
def test_another_backend_is_one_line_of_every_command(module):
    done = with_backend("jax", "-m", f"tf_supermask.{module}", *["x.keras"] * (module == "inspect"))
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == "error: tf_supermask needs Keras on TensorFlow, not on jax; set KERAS_BACKEND=tensorflow\n"


def test_another_backend_is_named_by_the_names_that_need_tensorflow():
    names = [
        name for name in tf_supermask.__all__ if (tf_supermask._PUBLIC[name] or name) not in tf_supermask._EVERY_BACKEND
    ]
    code = f"import sys, tf_supermask\nfor name in {names}:\n    try: getattr(tf_supermask, name)\n"
    code += "    except ValueError as error: print(name, error)\nassert 'keras' not in sys.modules"
    done = with_backend("torch", "-c", code)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(names) and all("needs Keras on TensorFlow, not on torch" in its for its in lines)
