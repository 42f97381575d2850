"""Supermasks for Keras 3: train masks instead of weights.

    import tf_supermask

    masked = tf_supermask.mask_model(model)

Importing the package loads neither TensorFlow nor Keras; each name below is looked up when it is first used.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import sys

# name -> module that defines it (None: the name is a module)
_PUBLIC = {
    "SignedMaskDense": "layers",  # Dense layer with a mask
    "SignedMaskConv2D": "layers",  # 2-D convolution with a mask
    "Masked": "masked",  # any other Keras layer with masks
    "masks": None,  # mask rules: score -> mask; masks.register adds one
    "He": "initializers",  # initializers: a scheme and a distribution
    "Xavier": "initializers",
    "ELU": "initializers",
    "ELUS": "initializers",
    "mask_model": "conversion",  # a Keras model -> the same with masks
    "mask_layers": "masking",  # the layers of a subclassed model, in place
    "MaskUpdates": "rivals.callback",  # callback that sets masks while weights are trained: RigL, SET, SNIP...
    "strip_masks": "conversion",  # and back: plain Keras layers
    "summary": "deploy.summary",  # what is left of a model, per layer
    "csr_compression": "sparsity",  # compression in scipy's CSR form, percent
    "compact": "deploy.compaction",  # the same function without dead units
    "shrink": "deploy.shrinking",  # a masked model without units that are dead for good, to train on
    "save": "deploy.container",  # a masked model -> a small file
    "load": "deploy.loading",  # and back
    "export_saved_model": "deploy.saved_model",  # a SavedModel that needs no code of this package
    "export_tflite": "deploy.tflite",  # a TensorFlow Lite file
    "export_onnx": "deploy.onnx_file",  # an ONNX file
    "export_c": "deploy.c_source",  # C code without any library
    "export_codes": "deploy.codes_file",  # whole numbers and scales as .npz
    "zoo": None,  # trained networks that come with the package
    "Spec": "experiments.spec",  # everything that decides the outcome of a run
    "load_run": "experiments.runs",  # the trained model of a record
    "InputError": "errors",  # the error of bad input
}
__all__ = list(_PUBLIC)
# Modules; all others need TensorFlow.
_EVERY_BACKEND = {"layers", "masked", "masks", "initializers", "errors", "conversion", "masking", "sparsity", "zoo"}
_EVERY_BACKEND |= {"deploy.compaction", "deploy.container", "deploy.loading", "deploy.summary"}


def __getattr__(name):
    if name == "__version__":
        return importlib.metadata.version("tf_supermask")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tf_supermask' has no attribute {name!r}")
    home = _PUBLIC[name] or name
    if home not in _EVERY_BACKEND:
        importlib.import_module("tf_supermask.errors").require_tensorflow(f"tf_supermask.{name}")
    module = importlib.import_module(f"tf_supermask.{home}")
    return getattr(module, name) if _PUBLIC[name] else module


def __dir__():
    return [*__all__, "__version__"]


class _RegisterLayers(importlib.abc.MetaPathFinder):
    """Imports the layers when Keras has been imported: `keras.models.load_model` then knows them by name.

    Where a module of this package imports Keras, the layers wait until that module is complete: they may import it themselves.
    """

    def __init__(self):
        self.unfinished = 0  # imports of modules of this package

    def find_spec(self, name, path=None, target=None):
        own = name.startswith(f"{__name__}.")
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if own or name == "keras" else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_register(module):
            self.unfinished += own
            try:
                execute(module)
            finally:
                self.unfinished -= own
                if self in sys.meta_path and "keras" in sys.modules and not self.unfinished:
                    sys.meta_path.remove(self)
                    _register_layers()

        spec.loader.exec_module = execute_and_register
        return spec


def _register_layers():
    for module in ("layers", "masked"):
        importlib.import_module(f"tf_supermask.{module}")


if "keras" in sys.modules:
    _register_layers()
else:
    sys.meta_path.insert(0, _RegisterLayers())
