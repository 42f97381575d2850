"""A trained supermask in one small file, NAME.supermask: what the network is, and a mask and a number, or a mask and a seed,
per layer.

    magic, version, checksum      4 + 1 + 16 bytes; the checksum is of the version and all that follows
    header                        JSON, deflated: the architecture as Keras describes it, and per kernel what decodes it
    arrays                        other variables (biases, normalizations) as float32, deflated
    codes                         -1, 0, +1 of all kernels, entropy-coded (ternary.py)

A kernel of signed constants is codes * scale. Other frozen weights are drawn again from the seed of their initializer: Keras'
stateless, counter-based generator; the header has their checksum.

Nothing in a file is executed: it may hold layers of Keras that are on a list (allowed.py) and classes that the reader's own
code has registered. No more memory is taken than for as many weights as the file says it holds, `most_weights` at most.
"""

import json
import struct
import zlib

import constriction
import keras
import numpy as np

from tf_supermask import cloning, conversion, files, graph
from tf_supermask.deploy import allowed, architecture, coding, loading
from tf_supermask.deploy.container_format import _KINDS, ENDING, VERSION, Kernel, drawn, sealed
from tf_supermask.errors import InputError, one_line
from tf_supermask.signed_mask import SignedMask

# ---------------------------------------------------------------------------------------------------------------------
# Writing


def save(model, path):
    """Writes a masked model; returns the size of the file in bytes. Masks, weights and all other variables are exact.

    `model`: Sequential or functional, with masks; of a rule that samples, one sample is written. Raises InputError where there
    is no mask, where frozen weights cannot be drawn again, and where the file cannot be written.
    """
    content = packed(model)
    try:
        files.write(path, lambda file: file.write(content))
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror})") from error
    return len(content)


@graph.same_randomness()
def packed(model):
    """The bytes of `save`."""
    plain = conversion.strip_masks(model)
    if not any(isinstance(layer, SignedMask) for layer in model.layers):
        raise InputError(f"{model.name} has no layer with a mask; mask_model makes one with masks")
    adapted = [its.name for its in model.layers if cloning.adapted(its)]
    if adapted:
        raise InputError(
            f"{adapted[0]} has a vocabulary, which {ENDING} files do not hold; give the model what it puts out"
        )
    if graph.own_variables(model):
        raise InputError(
            f"{model.name} keeps variables of TensorFlow, which {ENDING} files do not hold; use add_weight"
        )
    views, encoder = kernel_views(plain), constriction.stream.queue.RangeEncoder()
    kernels, arrays = {}, []
    for source, layer in zip(model.layers, plain.layers, strict=True):
        weights = layer.get_weights()
        kernel = _kernel(source, weights[0]) if isinstance(layer, _KINDS) else None
        if kernel is not None:
            view = views[layer.name]
            coded = coding.encode(kernel.codes.reshape(view), encoder)
            kernels[layer.name] = {"view": list(view), "codes": coded, "scale": float(kernel.scale)}
            kernels[layer.name] |= {"draw": kernel.draw} if kernel.draw else {}
            weights = weights[1:]
        for array in weights:
            if not np.array_equal(array, np.asarray(array, np.float32).astype(array.dtype), equal_nan=True):
                raise InputError(f"{layer.name} has variables of {array.dtype} that float32, as files hold it, cannot")
            arrays.append(np.asarray(array, np.float32).tobytes())
    description = _description(model, plain)
    header = json.dumps({"model": description, "kernels": kernels}, separators=(",", ":")).encode()
    if len(header) > loading._MOST_HEADER:
        raise InputError(f"{model.name} has a description of {len(header):,} bytes, more than {loading._MOST_HEADER:,}")
    parts = [zlib.compress(header, 9), zlib.compress(b"".join(arrays), 9)]
    body = b"".join(struct.pack("<I", len(part)) + part for part in parts)
    body += encoder.get_compressed().astype("<u4").tobytes()
    return sealed(VERSION, body)


def _description(model, plain):
    """The description of the plain form of a model. Raises InputError where it does not give the same layers when it is read."""
    try:
        description = architecture.stripped(json.loads(plain.to_json()))
        made = architecture.build(description, plain.count_params())
    except allowed.Refused as refused:
        raise InputError(f"{model.name}: {refused}") from refused
    except Exception as error:
        raise InputError(f"{model.name} cannot be made again from its description: {one_line(error)}") from error
    for layer, again in zip(plain.layers, made.layers, strict=True):
        if [its.shape for its in layer.weights] != [its.shape for its in again.weights]:
            raise InputError(f"{layer.name} has other weights when {model.name} is made again from its description")
    return description


def _kernel(source, kernel):
    """The Kernel of a layer, None where its array is neither masked nor ternary."""
    found = coding.codes_of(kernel)
    if found is not None:
        return Kernel(*found)
    if not isinstance(source, SignedMask):
        return None
    weight = np.asarray(source.weight)
    initializer = keras.initializers.serialize(source.weight_initializer)
    if not np.array_equal(drawn(initializer, weight.shape), weight):
        raise InputError(
            f"the frozen weights of {source.name} cannot be drawn again: they are not "
            "signed constants, nor what its weight_initializer draws from a seed"
        )
    codes = (np.sign(kernel) * np.sign(weight)).astype(np.int8)
    there = np.flatnonzero(codes)
    scale = np.float32(kernel.size / len(there)) if source.rescale and len(there) else np.float32(1)
    found = Kernel(
        codes, scale, {"initializer": initializer, "shape": list(weight.shape), "sha256": files.sha256(weight)}
    )
    if not np.array_equal(found.array(), kernel):
        raise InputError(f"the kernel of {source.name} is not weight * mask")
    return found


def kernel_views(model):
    """Layer name -> `(height, width, channels, units)` of all kernels of a plain model.

    Dense layers that read flattened images have the images' places, others one.
    """
    flat, views = {}, {}
    for call in graph.of(model).calls:
        layer = call.layer
        if isinstance(layer, keras.layers.Flatten) and layer.data_format == "channels_last":
            flat[id(call.outputs[0])] = call.inputs[0].shape[1:]
        elif isinstance(layer, keras.layers.Dense):
            image = flat.get(id(call.inputs[0]), ())
            views[layer.name] = (*image, layer.units) if len(image) == 3 else (1, 1, *layer.kernel.shape)
        elif isinstance(layer, keras.layers.Conv2D):
            views[layer.name] = tuple(layer.kernel.shape)
    return views
