"""Exports that need no code of this package to be read: a SavedModel, a Keras file."""

import contextlib
import pathlib
import shutil
import tempfile

import tensorflow as tf

from tf_supermask import cloning, conversion, files
from tf_supermask.deploy import serving
from tf_supermask.errors import InputError, one_line


def export_saved_model(model, folder):
    """Writes a model, its masks folded into kernels, as a SavedModel that needs no code of this package.

    Its function `serve` takes the model's inputs in the order of `model.inputs`, of any batch size unless a layer is stateful
    (of the papers' networks: images float32 `(batch, height, width, channels)`, preprocessed as in training), and returns what
    `model(x)` returns (logits float32 `(batch, classes)`); a layer that was called with `training=True` keeps doing what it does
    in training, as in `keras.Model.export`. For a rule that samples, one sample is written.

    `model`: any built Keras model. The folder is written beside its place and renamed; an existing one is replaced once the
    new one is whole, and restored if that fails. Links are followed. Raises ValueError for anything but a Keras model;
    InputError if the folder cannot be written or is not a SavedModel, or the model cannot be traced.
    """
    cloning.built_model(model)
    try:
        place = files.target(folder)
        if place.exists() and not (place / "saved_model.pb").exists():
            raise InputError(f"{folder} exists and is not a SavedModel; give another folder")
        _replace(place, lambda new: write_served(model, new))
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise InputError(f"cannot write {folder} ({reason}); give another folder") from error
    return files.expanded(folder)


def _replace(folder, write):
    """Calls `write(path)` for a folder beside `folder` and renames it. If anything fails, an earlier folder is restored."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    neighbour = pathlib.Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    new, old = neighbour / "new", neighbour / "old"
    try:
        write(new)
        if folder.exists():
            shutil.copymode(folder, new)
            folder.rename(old)
        new.rename(folder)
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(neighbour, ignore_errors=True)


def write_served(model, folder, prepare=lambda model: model, **options):
    """`serving.save` of `prepare(model)`, with its `options`. Errors other than those of the disk become InputError."""
    try:
        serving.save(prepare(model), folder, **options)
    except (OSError, tf.errors.OpError):
        raise
    except Exception as error:
        raise InputError(f"{model.name} cannot be exported: {one_line(error)}") from error


@contextlib.contextmanager
def temporary_folder():
    """A folder for files that others convert. Raises InputError where its disk is full."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield folder
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        place = tempfile.gettempdir()
        raise InputError(f"cannot write to {place} ({reason}); set TMPDIR to a folder on another disk") from error


def export_keras(model, path):
    """Writes the plain form of `model` as a .keras file. Raises InputError if it cannot be written."""
    files.expanded(path)  # is one, before the model is converted, which takes long
    with temporary_folder() as folder:
        made = pathlib.Path(folder) / "model.keras"
        conversion.strip_masks(model).save(made)
        content = made.read_bytes()
    return write_file(path, content)


def write_file(path, content):
    """Writes bytes to a file and returns its path. Raises InputError if it cannot be written, ValueError if
    `path` is not a path."""
    try:
        files.write(path, lambda file: file.write(content))
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}); give another path") from error
    return files.expanded(path)


def size_of(path):
    """Bytes of a file, or of all files in a folder."""
    path = pathlib.Path(path)
    return (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )
