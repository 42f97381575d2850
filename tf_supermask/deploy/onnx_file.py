"""Export as ONNX, by Keras' own exporter."""

import importlib.util
import pathlib
import tempfile
import warnings

import keras

from tf_supermask import cloning, conversion, files
from tf_supermask.deploy.saved_model import write_file
from tf_supermask.errors import InputError, one_line
from tf_supermask.silence import hidden

_NEEDED = ("onnx", "tf2onnx")


def export_onnx(model, path):
    """Writes a model, its masks folded into kernels, as ONNX: float32 in and out, any batch size. Returns the path.

    All layers do what they do in inference, as in `keras.Model.export` for this format.

    Raises ValueError for anything but a Keras model; InputError if the packages of the extra `onnx` are missing, or the model
    cannot be converted or written.
    """
    files.expanded(path)  # is one, before the model is converted, which takes long
    cloning.built_model(model)
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"ONNX needs {' and '.join(missing)}: pip install -e '.[onnx]'")
    with tempfile.TemporaryDirectory() as folder:
        made = pathlib.Path(folder, "model.onnx")
        try:
            with hidden(1, 2, show=False), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of tf2onnx, on names that NumPy has dropped
                plain = conversion.strip_masks(model)
                plain(plain.inputs[0] if isinstance(plain, keras.Sequential) else plain.input)  # Keras asks for a call
                plain.export(str(made), format="onnx", verbose=False)
        except Exception as error:  # of the many kinds that Keras and tf2onnx raise
            raise InputError(f"{model.name} cannot be converted to ONNX: {one_line(error)}") from error
        return write_file(path, made.read_bytes())
