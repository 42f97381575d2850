"""Writing of .supermask files: a trained network as its architecture, and for each kernel a mask with a scale or a seed.

    magic, version, checksum      4 + 1 + 16 bytes; the checksum covers the version and all that follows
    header                        JSON, deflated: Keras' description of the model, in short form (short_form.py)
    numbers                       the parameters to decode each kernel, as bits (header_bits.py)
    arrays                        other variables (biases, normalizations) as float32, deflated
    codes                         -1, 0, +1 of all kernels, entropy-coded (coding.py); for rules of several levels their sizes

Versions 2 and 3 are read too: their numbers are in the header, which has no short forms and no preset dictionary (words.py).

A kernel of signed constants is codes * scale. Other frozen weights are drawn again from the seed of their initializer, by a
counter-based generator (draws.py); the header has their checksum. Of weights that are neither, what is left is stored
(own_weights.py), as of kernels that a constraint has changed. Scores are not stored.

Nothing in a file is executed: it may contain layers of Keras that are on a list (allowed.py) and classes that the user has
registered. Reading takes no more memory than for the weights that the file says it holds, `most_weights` at most.
"""

import json
import math

import constriction
import keras
import numpy as np

from tf_supermask import arguments, cloning, conversion, files, graph, maskable
from tf_supermask.deploy import allowed, architecture, coding, level_codes, loading, own_weights, short_form
from tf_supermask.deploy.container_format import (
    ENDING,
    Kernel,
    check_size,
    deflated,
    drawn,
    headed,
    key_of,
    sealed,
    slow_draw,
    version_for,
)
from tf_supermask.errors import InputError, one_line

_OTHER_FORMATS = (".keras", ".h5", ".hdf5", ".tflite", ".onnx", ".npz", ".npy", ".pb", ".json", ".c", ".h")


def save(model, path, own_weights="float32", verbose=True):
    """Writes a masked model. Returns the size of the file in bytes. Kernels and all other variables are exact.

    Signed constants and weights that are drawn from a seed take no room beside their masks. Weights of a layer's own, as with
    `mask_model(keep_weights=True)`, are stored where they are left, and so are those that a constraint of their kernel changes.

    Args:
        model: Sequential or functional, with masks. For a rule that samples, one sample is written.
        own_weights: "float32", or "float16" to which such weights are rounded.
        verbose: print a line that says how many bytes they take.

    Raises:
        ValueError: `path` is not a path, or another argument is not of its kind.
        InputError: the path has the ending of another format, no layer has a mask, numbers of the type of the
            file cannot hold a weight, or the file cannot be written.
    """
    ending = files.expanded(path).suffix.lower()  # before the model is encoded, which takes long
    if ending in _OTHER_FORMATS:
        raise InputError(f"{path} would be a container with the name of another format; give it the ending {ENDING}")
    content = packed(model, own_weights, verbose)
    try:
        files.write(path, lambda file: file.write(content))
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}); give another path") from error
    return len(content)


@graph.same_randomness()
def packed(model, own="float32", verbose=False):
    """The bytes of `save`."""
    arguments.choice("own_weights", own, own_weights.TYPES)
    verbose = arguments.verbosity(verbose)
    plain, masked = conversion.stripped(model)
    if not masked:
        raise InputError(
            f"{model.name} has no layer with a mask; mask_model makes a model with masks, load(path, masked=True) reads one"
        )
    for layer in model.layers:
        if cloning.adapted(layer):
            raise InputError(
                f"{layer.name} has a vocabulary, which {ENDING} files do not hold; apply the layer outside the model"
            )
    if graph.own_variables(model):
        raise InputError(
            f"{model.name} keeps variables of TensorFlow, which {ENDING} files do not hold; use add_weight"
        )
    headers, blocks, arrays, codes = _encoded(plain, masked, own)
    description = _description(model, plain, headers)
    stored = 4 * sum(own_weights.length(its["own"]) for its in headers.values() if its.get("own", "")[:1] == [own])
    if verbose and stored:
        print(
            f"{model.name}: weights that no seed draws take {stored:,} bytes as {own}, before deflation "
            "(own_weights='float16' rounds them; verbose=False hides this line)"
        )
    arrays = b"".join(blocks + arrays)
    content = _bytes(description, headers, arrays, codes)
    try:
        check_size(plain.count_params(), len(arrays) // 4, len(content))
    except allowed.Refused as error:
        raise InputError(f"{model.name} cannot be a {ENDING} file: {error}") from error
    if not short_form.alike(loading.parsed(content, f"{model.name}, read from its file,", math.inf).model, description):
        raise InputError(f"{model.name} cannot be a {ENDING} file: its description would be read as another one")
    return content


def _encoded(plain, masked, own):
    """The content of a file: key -> header of each kernel, the blocks of own_weights and the bytes of all other variables, lists,
    and the codes of all kernels. `masked`: as of `conversion.stripped`."""
    views, encoder = kernel_views(plain), constriction.stream.queue.RangeEncoder()
    headers, blocks, arrays = {}, [], []
    for layer in plain.layers:
        for place, (variable, array) in enumerate(zip(layer.weights, layer.get_weights(), strict=True)):
            source = masked.get(id(variable))
            coded = source or (place == 0 and isinstance(layer, (keras.layers.Dense, keras.layers.Conv2D)))
            kernel = _kernel(source, array) if coded else None
            if kernel is None:
                arrays.append(_exact(layer, array))
                continue
            view = views[layer.name] if place == 0 and layer.name in views else view_of(array.shape)
            header = {"view": list(view), "codes": coding.encode(np.sign(kernel.codes).reshape(view), encoder)}
            levels = level_codes.encode(kernel.codes, encoder)
            header |= {"levels": levels} if levels else {}
            header |= {"scale": float(kernel.scale)} | ({"draw": kernel.draw} if kernel.draw else {})
            if kernel.own is not None:
                header["own"], block = own_weights.packed(kernel.codes, kernel.own, layer.name, own)
                blocks.append(block)
            headers[key_of(layer.name, place)] = header
    return headers, blocks, arrays, encoder.get_compressed().astype("<u4").tobytes()


def renewed(contents):
    """The bytes of a file of the present version with the `loading.Contents` of an older one."""
    return _bytes(contents.model, contents.headers, contents.all_arrays.tobytes(), contents.codes)


def _bytes(description, headers, arrays, codes):
    return sealed(version_for(headers), headed(description, headers) + deflated(arrays) + codes)


def _exact(layer, array):
    """The bytes of an array as float32. Raises InputError if float32 cannot hold it."""
    if not np.array_equal(array, np.asarray(array, np.float32).astype(array.dtype), equal_nan=True):
        raise InputError(f"{layer.name} has variables of {array.dtype} that float32, as files hold it, cannot")
    return np.asarray(array, np.float32).tobytes()


def _description(model, plain, headers):
    """The description of the plain form of a model. Raises InputError if reading it does not give the same layers, by the same
    names where `headers` have kernels of them."""
    try:
        architecture.check_functions(plain)
        given = plain.to_json()
        description = architecture.stripped(architecture.named(json.loads(given), plain))
        try:
            made = architecture.build(description, plain.count_params())
        except allowed.Refused:
            raise
        except (TypeError, ValueError):  # a layer whose __init__ takes no name
            description = architecture.named(json.loads(given), plain, takes_name=architecture.can_be_made)
            description = architecture.stripped(description)
            made = architecture.build(description, plain.count_params())
    except allowed.Refused as refused:
        raise InputError(f"{model.name}: {refused}") from refused
    except Exception as error:
        raise InputError(f"{model.name} cannot be made again from its description: {one_line(error)}") from error
    for layer, again in zip(plain.layers, made.layers, strict=True):
        coded = any(key_of(layer, place) in headers for place in range(len(layer.weights)))
        if coded and again.name != layer.name:
            raise InputError(
                f"{layer.name} is named {again.name} when {model.name} is made again from its description: its __init__ must "
                "pass `name` on to the class of Keras"
            )
        if [weight.shape for weight in layer.weights] != [weight.shape for weight in again.weights]:
            raise InputError(f"{layer.name} has other weights when {model.name} is made again from its description")
    return description


def _kernel(source, kernel):
    """The Kernel of an array, with the whole array where it has `own`; None if it has no codes and no mask. `source`: its
    MaskedKernel, or None."""
    if source and not np.isfinite(kernel).all():
        raise InputError(f"{source.layer.name} has weights that are not finite; train the network again, from finite ones")
    coded, signs = level_codes.codes_of(kernel, source.rule.levels if source else 1), np.sign(kernel).astype(np.int8)
    if source and (source.rule.given or source.rule.scales):  # weights that the mask keeps can be trained to 0
        signs = np.where(kernel == 0, source.mask(), signs)
    if source is None or coded is not None and np.array_equal(signs, np.sign(coded[0])):
        return coded and Kernel(*coded)
    weight, layer, fans = np.asarray(source.weight), source.layer, maskable.fan_shape(source.layer, source.weight)
    initializer = keras.initializers.serialize(layer.weight_initializer)
    if (
        initializer is None
        or len(layer.masked_kernels) > 1  # each is drawn with another seed, which the layer does not say
        or source.rule.given
        or source.rule.latent
        or slow_draw(initializer, fans)
        or not np.array_equal(drawn(initializer, fans).reshape(weight.shape), weight)
    ):
        return Kernel(signs, 1.0, own=kernel)
    codes, levels = source.mask(), source.rule.levels
    remaining = np.abs(codes).sum() / levels
    scale = np.float32(kernel.size / remaining if layer.rescale and remaining else 1) / np.float32(levels)
    sha256 = files.sha256(weight.astype(np.float32))  # of what is drawn again, under float64 too
    made = Kernel(codes, scale, {"initializer": initializer, "shape": list(fans), "sha256": sha256})
    # A constraint of the kernel acts on weight * mask, and makes another array of it.
    return made if np.array_equal(made.array().reshape(kernel.shape), kernel) else Kernel(signs, 1.0, own=kernel)


def view_of(shape):
    """The shape in which a kernel is coded whose layer says no more about it: its last two axes are channels and units."""
    *window, channels, units = shape
    return (*window[:1], *(1,) * (1 - len(window[:1])), math.prod(window[1:]), channels, units)


def kernel_views(model):
    """Layer name -> shape `(height, width, channels, units)` in which the kernel is coded, for all kernels of a plain model.

    Dense layers that read flattened images have the height and width of the images, others 1 and 1.
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
