"""How sparse a network is: counts, remaining weights, and the paper's compressed size.

Functions of masks (numpy arrays) are pure; those of models look at their layers in model order.
"""

import collections
import math

import keras
import numpy as np
import scipy.sparse

from tf_supermask import graph
from tf_supermask.signed_mask import SignedMask


def listed(names):
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


_FLOAT_BYTES = 4
_KINDS = (SignedMask, keras.layers.Dense, keras.layers.Conv2D)


def kernel_layers(model):
    """Layers with a kernel that a mask may cover, in model order."""
    return [layer for layer in model.layers if isinstance(layer, _KINDS)]


def masked_layers(model):
    """Layers with a mask, in model order; empty for a baseline."""
    return [layer for layer in model.layers if isinstance(layer, SignedMask)]


def masks_of(model):
    """Layer name -> int8 mask."""
    return {layer.name: layer.mask for layer in masked_layers(model)}


def kernels(model):
    """Name -> layer of all kernels of a model that a mask may cover, each once: those of `kernel_layers`, then those inside other
    layers, with the name of the layer of the model first: `block/dense`."""
    found, seen = {}, set()
    for name, layer in _named(model):
        while name in found and id(layer) not in seen:  # layers of a user's own layer may have one name
            name += "'"
        if id(layer) not in seen:
            found[name] = layer
        seen.add(id(layer))
    return found


def _named(model):
    yield from ((layer.name, layer) for layer in kernel_layers(model))
    for layer in model.layers:
        if graph.is_graph(layer):
            within = _named(layer)
        else:
            within = ((its.name, its) for its in graph.inside(layer) if isinstance(its, _KINDS) and its.built)
        yield from ((f"{layer.name}/{name}", its) for name, its in within)


def macs(model):
    """Name, as of `kernels` -> multiplications of one image's way through the model, all weights counted: each weight once per
    place that it is used at, for each use of its layer. None where the size of images is open, and inside a user's own layer.
    """
    counts = collections.defaultdict(list)
    for layer, count in _uses(model):
        counts[id(layer)].append(count)
    return {name: _sum(counts.get(id(layer), [None])) for name, layer in kernels(model).items()}


def _uses(model):
    for call in graph.of(model).calls:
        if isinstance(call.layer, _KINDS):
            yield call.layer, layer_macs(call.layer, call.outputs[0].shape)
        elif graph.is_graph(call.layer):
            yield from _uses(call.layer)


def _sum(counts):
    return None if None in counts else sum(counts)


def layer_macs(layer, shape):
    """Those of one use of a layer, whose output is of this shape, batch and all."""
    places = shape[2:] if getattr(layer, "data_format", None) == "channels_first" else shape[1:-1]
    return None if None in places else math.prod(places) * math.prod(kernel_shape(layer))


def multiply_adds(model):
    """Multiplications of one image's way through `model`: the sum of its `macs`, None where one is not known."""
    return _sum(macs(model).values())


def others(model, layers):
    """`NAME (TYPE)` of each layer of a model -> the number of its weights in matrices, those of `layers` left out."""
    known = {id(weight) for layer in layers for weight in layer.weights}
    found = {}
    for layer in model.layers:
        matrices = [its.shape for its in layer.weights if len(its.shape) > 1 and id(its) not in known]
        if matrices:
            found[f"{layer.name} ({type(layer).__name__})"] = sum(map(math.prod, matrices))
    return found


def dense_bytes(model):
    """Bytes of all weights of a model as float32, its zeros among them."""
    return sum(_FLOAT_BYTES * int(np.prod(weight.shape)) for weight in model.weights)


def kernel_shape(layer):
    return tuple((layer.weight if isinstance(layer, SignedMask) else layer.kernel).shape)


def counts(mask):
    """`[n(-1), n(0), n(+1)]` of one mask."""
    mask = np.asarray(mask)
    return [int(np.count_nonzero(mask == value)) for value in (-1, 0, 1)]


def remaining(masks):
    """Remaining weights in percent of all masked weights, over a collection of masks: 100 * sum |mask| / sum size."""
    masks = list(masks)
    return 100 * sum(np.count_nonzero(mask) for mask in masks) / sum(np.size(mask) for mask in masks)


def csr_bytes(kernel):
    """Bytes of a kernel in scipy's CSR form: float32 values, int32 column indices, int32 row pointers.

    Dense kernels as (in, out), convolutions as (kh * kw, c_in * c_out): the shape that gives the paper's figures.
    """
    kernel = np.asarray(kernel, np.float32)
    rows = kernel.shape[0] if kernel.ndim == 2 else kernel.shape[0] * kernel.shape[1]
    csr = scipy.sparse.csr_matrix(kernel.reshape(rows, -1))
    return csr.data.nbytes + csr.indices.nbytes + csr.indptr.nbytes


def csr_compression(kernels):
    """Compression rate in percent, 100 * (1 - CSR bytes / dense bytes) over all kernels (Koster et al. 2022, section 3,
    footnote 1). Negative where more than about half of the weights remain."""
    kernels = list(kernels)
    dense = sum(_FLOAT_BYTES * np.size(kernel) for kernel in kernels)
    return 100 * (1 - sum(csr_bytes(kernel) for kernel in kernels) / dense)
