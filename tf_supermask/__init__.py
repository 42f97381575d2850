"""Supermasks for Keras 3: train masks instead of weights.

    from tf_supermask import SignedMaskDense, SignedMaskConv2D, ELUS

Importing the package does nothing, not even import TensorFlow; the names below are looked up when they are first used.
"""

import importlib

# name -> module, or module.name where the module calls it otherwise
_WHERE = {
    "SignedMaskDense": "layers",
    "SignedMaskConv2D": "layers",
    "He": "initializers",
    "Xavier": "initializers",
    "ELU": "initializers",
    "ELUS": "initializers",
    "Spec": "spec",
    "InputError": "errors",
    "mask_model": "masking",
    "strip_masks": "masking",
    "summary": "masking",
    "compact": "compaction",
    "save": "container",
    "load": "container",
    "export_saved_model": "export.saved_model",
    "export_tflite": "export.tflite",
    "load_run": "runs",
}
__all__ = list(_WHERE)


def __getattr__(name):
    if name not in _WHERE:
        raise AttributeError(f"module 'tf_supermask' has no attribute {name!r}")
    importlib.import_module("tf_supermask.errors").require_tensorflow()
    module, _, its_name = _WHERE[name].partition(".")
    return getattr(importlib.import_module(f"tf_supermask.{module}"), its_name or name)
