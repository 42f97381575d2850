"""Messages about what surrounds a model: the package that it comes from, the backend that Keras runs on."""

import json
import os
import subprocess
import sys

import commands
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
from tf_supermask.errors import InputError, require_tensorflow


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


@pytest.mark.parametrize("command", ["main", "report", "export --run=x", "inspect x.keras"])
def test_another_backend_is_one_line_of_every_command(command):
    done = with_backend("jax", "-m", *f"tf_supermask.{command}".split())
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


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """A function that writes keras.json, before Keras is imported; None: there is none."""
    for name in ("KERAS_BACKEND", "KERAS_NNX_ENABLED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def write(value):
        if value is not None:
            (tmp_path / "keras.json").write_text(value if isinstance(value, str) else json.dumps(value))

    return write


@pytest.mark.parametrize("backend", ["jax", "torch", "openvino", "abacus", 5, None, ""])
def test_a_backend_of_keras_json_is_named(settings, backend):
    settings({"backend": backend})
    name = backend if backend and isinstance(backend, str) else repr(backend)
    with pytest.raises(InputError, match=f"^tf_supermask needs Keras on TensorFlow, not on {name}; set KERAS_BACKEND"):
        require_tensorflow()


def test_keras_json_is_looked_for_where_keras_does(settings, monkeypatch, tmp_path):
    settings({"backend": "torch"})
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    require_tensorflow()
    (tmp_path / ".keras").mkdir()
    (tmp_path / "keras.json").rename(tmp_path / ".keras" / "keras.json")
    with pytest.raises(InputError, match="not on torch"):
        require_tensorflow()
    monkeypatch.setenv("KERAS_HOME", "~/.keras")  # Keras expands it
    with pytest.raises(InputError, match="not on torch"):
        require_tensorflow()


@pytest.mark.parametrize(
    "value", [None, {}, {"backend": "tensorflow"}, {"nnx_enabled": False}, "", "{", '{"backend": "jax"', "\0"], ids=str
)
def test_settings_that_keras_takes(settings, value):
    settings(value)
    require_tensorflow()


def test_the_variables_win(settings, monkeypatch):
    settings({"backend": "jax", "nnx_enabled": True})
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.raises(InputError, match="^Keras is set to use NNX, .* set KERAS_NNX_ENABLED=false$"):
        require_tensorflow()
    monkeypatch.setenv("KERAS_NNX_ENABLED", "false")
    require_tensorflow()
    monkeypatch.setenv("KERAS_NNX_ENABLED", "True")
    with pytest.raises(InputError, match="NNX"):
        require_tensorflow()
    monkeypatch.setenv("KERAS_BACKEND", "")  # as if it were not set
    with pytest.raises(InputError, match="not on jax"):
        require_tensorflow()


@pytest.mark.parametrize(
    "variables, content, line",
    [
        ({}, {"backend": "jax"}, "tf_supermask needs Keras on TensorFlow, not on jax; set KERAS_BACKEND=tensorflow"),
        ({}, ["jax"], "keras.json must be an object, as"),
        ({}, {"floatx": "half"}, "error: Keras refuses its settings: Invalid `floatx` configuration."),
        ({"KERAS_NNX_ENABLED": "1"}, {}, "error: Keras is set to use NNX, which is for JAX and needs flax"),
        ({"KERAS_MAX_EPOCHS": "few"}, {}, "error: Keras refuses its settings: invalid literal"),
    ],
)
def test_settings_of_keras_that_cannot_be_had_are_one_line_of_a_command(variables, content, line, tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps(content))
    variables |= {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": ""}
    done = commands.run("-m", "tf_supermask.main", "--model=fcn", variables=variables, cwd=tmp_path, fresh=True)
    assert done.returncode == 2 and not done.stdout
    assert line in done.stderr and done.stderr.count("\n") == 1, done.stderr
