"""ONNX files, run by onnxruntime where it is installed."""

import importlib.util

import keras
import numpy as np
import pytest

from tf_supermask import SignedMaskConv2D, SignedMaskDense, compact
from tf_supermask.deploy.onnx_file import export_onnx
from tf_supermask.errors import InputError


def network():
    layers = [SignedMaskConv2D(4, 3, padding="same", activation="elu"), keras.layers.Flatten(), SignedMaskDense(3)]
    return keras.Sequential([keras.Input((6, 6, 2)), *layers])


def test_onnxruntime_computes_what_keras_does(tmp_path):
    for name in ("onnx", "tf2onnx", "onnxruntime"):
        pytest.importorskip(name, reason=f"NO {name}: ONNX was not tested; pip install -e '.[onnx]'")
    import onnxruntime

    model, x = network(), np.random.default_rng(0).normal(size=(5, 6, 6, 2)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(export_onnx(compact(model), tmp_path / "x.onnx")))
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(found, model(x), rtol=1e-4, atol=1e-5)


def test_a_missing_extra_is_one_line(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "tf2onnx" else find(name, *more)
    )
    monkeypatch.setattr("tf_supermask.deploy.onnx_file._NEEDED", ("numpy", "tf2onnx"))
    with pytest.raises(InputError, match=r"^ONNX needs tf2onnx: pip install -e '.\[onnx\]'$"):
        export_onnx(network(), tmp_path / "x.onnx")
    with pytest.raises(ValueError):
        export_onnx("network", tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
