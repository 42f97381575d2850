"""How sparse a network is: counts, remaining weights, and the paper's compressed size.

Functions of masks (numpy arrays) are pure; those of models look at their layers in model order.
"""

import keras
import numpy as np
import scipy.sparse

from tf_supermask.layers import SignedMask

_FLOAT_BYTES = 4


def kernel_layers(model):
    """Layers with a kernel that a mask may cover, in model order."""
    kinds = (SignedMask, keras.layers.Dense, keras.layers.Conv2D)
    return [layer for layer in model.layers if isinstance(layer, kinds)]


def masked_layers(model):
    """Layers with a mask, in model order; empty for a baseline."""
    return [layer for layer in model.layers if isinstance(layer, SignedMask)]


def masks_of(model):
    """Layer name -> int8 mask."""
    return {layer.name: layer.mask for layer in masked_layers(model)}


def multiply_adds(model):
    """Multiplications of one image's way through `model`, all weights counted: each weight once per place it is used at."""
    return sum(layer_macs(layer) for layer in kernel_layers(model))


def layer_macs(layer):
    """Those of one layer."""
    first = getattr(layer, "data_format", None) == "channels_first"
    places = layer.output.shape[2:] if first else layer.output.shape[1:-1]
    return int(np.prod(places, dtype=int)) * int(np.prod(kernel_shape(layer)))


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
