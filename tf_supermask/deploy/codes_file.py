"""Export of whole numbers and scales, for hardware: an .npz file that NumPy reads without this package.

network                      Keras' description of the plain model without dead units, JSON: `model_from_json` makes it
LAYER/VARIABLE/codes         int8, in the shape of the variable: -1, 0, +1, or -n to n for rules of several levels
LAYER/VARIABLE/scale         float32 `(units,)`; codes * scale is the variable, exactly
LAYER/VARIABLE               float32: what is not codes times a scale, such as biases and normalizations
"""

import io

import numpy as np

from tf_supermask import files
from tf_supermask.deploy import compaction, level_codes
from tf_supermask.deploy.saved_model import write_file
from tf_supermask.errors import InputError

_MOST_LEVELS = 8


def export_codes(model, path):
    """Writes a trained network as codes and scales, see the module, and returns the path.

    `model`: Keras model, masked or plain. Dead units are left out. Raises ValueError for anything but a Keras model; InputError
    if no kernel is codes times a scale, as masks on signed constants make them, or the file cannot be written.
    """
    files.expanded(path)  # is one, before the model is compacted, which takes long
    plain = compaction.compact(model)
    arrays = {"network": np.array(plain.to_json())}
    for layer in plain.layers:
        for number, variable in enumerate(layer.weights):
            value, name = np.asarray(variable), f"{layer.name}/{variable.path.split(f'{layer.name}/')[-1]}"
            name = f"{name}_{number}" if arrays.keys() & {name, f"{name}/codes"} else name
            coded = _coded(value) if value.ndim > 1 else None
            arrays |= {name: value} if coded is None else {f"{name}/codes": coded[0], f"{name}/scale": coded[1]}
    if not any(name.endswith("/codes") for name in arrays):
        raise InputError(
            f"{model.name} has no kernel that is codes times a scale; masks on signed constants make such kernels"
        )
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return write_file(path, content.getvalue())


def _coded(kernel):
    """`(codes, scales)` of a kernel whose codes are ternary, or of several levels with one scale; None of any other."""
    codes, scale = np.sign(kernel).astype(np.int8), np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)))
    if np.array_equal(codes * scale, kernel):
        return codes, scale
    found = level_codes.codes_of(kernel, _MOST_LEVELS)
    return found and (found[0], np.full(kernel.shape[-1], found[1], np.float32))
