"""A masked model as a plain Keras model, and as a SavedModel that needs nothing of this package."""

import os
import pathlib
import shutil

import keras
import numpy as np

from tf_supermask.errors import InputError
from tf_supermask.layers import SignedMask


def plain(model):
    """The same function in ordinary Keras layers: every `weight * mask(score)` folded into one kernel.

    `model`: a Sequential or functional model with any mix of masked and other layers; it is left as it is.
    """

    def unmask(layer):
        return layer.plain() if isinstance(layer, SignedMask) else type(layer).from_config(layer.get_config())

    folded = keras.models.clone_model(model, clone_function=unmask)
    for source, target in zip(model.layers, folded.layers, strict=True):
        if isinstance(source, SignedMask):
            bias = [] if source.bias is None else [np.asarray(source.bias)]
            target.set_weights([np.asarray(source.effective_kernel), *bias])
        else:
            target.set_weights(source.get_weights())
    return folded


def saved_model(model, folder):
    """Writes the plain form of `model` as a SavedModel with the signature `serve`: images float32
    `(batch of any size, height, width, channels)`, preprocessed as in training, to logits float32 `(batch, classes)`.

    The folder is written beside its place and renamed; an existing one is replaced only once the new one is whole.
    Raises InputError where it cannot be written, or is something else than a SavedModel.
    """
    folder = pathlib.Path(folder)
    if folder.exists() and not (folder / "saved_model.pb").exists():
        raise InputError(f"{folder} exists and is not a SavedModel; give another --export_dir")
    neighbour, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{what}") for what in ("new", "old"))
    try:
        neighbour.parent.mkdir(parents=True, exist_ok=True)
        signature = [keras.InputSpec(shape=x.shape, dtype=x.dtype, name=x.name) for x in model.inputs]
        plain(model).export(neighbour, format="tf_saved_model", verbose=False, input_signature=signature)
        if folder.exists():
            folder.rename(old)
        neighbour.rename(folder)
    except OSError as error:
        raise InputError(f"cannot write {folder} ({error.strerror}); give another --export_dir") from error
    finally:
        for leftover in (neighbour, old):
            shutil.rmtree(leftover, ignore_errors=True)
    return folder
