"""How sparse a network is: counts, remaining weights, multiplications, and compressed size as in Koster et al. 2022.

Functions of masks and kernels take numpy arrays; functions of models return layers in model order.
"""

import collections
import collections.abc
import math

import keras
import numpy as np
import scipy.sparse

from tf_supermask import graph, maskable, masked
from tf_supermask.masked_kernel import MaskedKernel
from tf_supermask.signed_mask import SignedMask

_FLOAT_BYTES = 4
_KINDS = (SignedMask, keras.layers.Dense, keras.layers.Conv2D)


def listed(names):
    """The first five names as text, and how many more there are."""
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def kernel_layers(model):
    """Layers of a class that can have a mask, in model order: Dense, Conv2D and their masked forms."""
    return [layer for layer in model.layers if isinstance(layer, _KINDS)]


def masked_layers(model):
    """SignedMask layers of the model itself, in model order."""
    return [layer for layer in model.layers if isinstance(layer, SignedMask)]


def masked_kernels(model):
    """Name -> MaskedKernel of all kernels with a mask, also in models inside the model, in model order: those of a layer have its
    name, with their own where it has several, and that of the model inside first: `block/lstm/recurrent_kernel`."""
    return {name: masked for name, _, masked in _named(model) if isinstance(masked, MaskedKernel)}


def masks_of(model):
    """Name, as in `masked_kernels` -> int8 mask."""
    return {name: kernel.mask() for name, kernel in masked_kernels(model).items()}


def kernels(model, also=()):
    """Name, as in `masked_kernels` -> (layer, variable) of all kernels that a mask may cover, each once: of Dense and Conv2D
    first, then of other layers and of models inside the model. The variable of a kernel with a mask is its weight. `also`: ids of
    variables that are no kernels by default, such as embeddings."""
    found, seen = {}, set()
    for name, layer, kernel in _named(model, also):
        variable = kernel.weight if isinstance(kernel, MaskedKernel) else kernel
        if id(variable) in seen:
            continue
        while name in found:  # two layers inside a user's own layer may have the same name
            name += "'"
        found[name] = layer, variable
        seen.add(id(variable))
    return found


def _named(model, also=()):
    """`(name, layer, MaskedKernel or variable)`."""
    first = kernel_layers(model)
    for layer in [*first, *(layer for layer in model.layers if layer not in first)]:
        if graph.is_model(layer):
            yield from ((f"{layer.name}/{name}", owner, kernel) for name, owner, kernel in _named(layer, also))
            continue
        own = _kernels_of(layer, also)
        for name, kernel in own.items():
            single = len(own) == 1 and name == "kernel"
            yield layer.name if single else f"{layer.name}/{name.removesuffix('/kernel')}", layer, kernel


def _kernels_of(layer, also):
    if isinstance(layer, (SignedMask, masked.Masked, *_KINDS)) and not layer.built:
        raise ValueError(f"{layer.name} has no weights yet; begin the model with keras.Input, or call it once")
    if isinstance(layer, (SignedMask, masked.Masked)):
        inner = maskable.chosen(layer.layer) if isinstance(layer, masked.Masked) else {}
        return inner | layer.masked_kernels
    if isinstance(layer, _KINDS):
        return {"kernel": layer.kernel}
    inside = {path: path[-1] for path in graph.paths(layer) if isinstance(path[-1], (SignedMask, masked.Masked))}
    if inside:
        return _inside(layer, inside)
    return maskable.chosen(layer) | {name: v for name, v in maskable.kernels_of(layer).items() if id(v) in also}


def _inside(layer, inside):
    """Name -> MaskedKernel or variable of a layer with masked layers inside it, of which `inside` has the paths."""
    found, known = {}, set()
    for path, part in inside.items():
        known |= {id(v) for v in part.variables}
        if part.built:
            prefix = "/".join(layer.name for layer in path)
            found |= {f"{prefix}/{name}": kernel for name, kernel in part.masked_kernels.items()}
    return found | {name: v for name, v in maskable.chosen(layer).items() if id(v) not in known}


def macs(model):
    """Name, as in `kernels` -> multiplications for one image, zeros included: the number of weights times the number of places at
    which they are used, summed over the uses of the layer. None if the size of images is open, and for other layers than Dense
    and Conv2D.
    """
    counts = collections.defaultdict(list)
    for layer, count in _uses(model):
        counts[id(layer)].append(count)
    return {name: _sum(counts.get(id(layer), [None])) for name, (layer, _) in kernels(model).items()}


def _uses(model):
    for call in graph.of(model).calls:
        if isinstance(call.layer, _KINDS):
            yield call.layer, layer_macs(call.layer, call.outputs[0].shape)
        elif graph.is_graph(call.layer):
            yield from _uses(call.layer)


def _sum(counts):
    return None if None in counts else sum(counts)


def layer_macs(layer, shape):
    """Multiplications of one use of a layer; `shape` is that of its output, with the batch."""
    places = shape[2:] if getattr(layer, "data_format", None) == "channels_first" else shape[1:-1]
    return None if None in places else math.prod(places) * math.prod(kernel_shape(layer))


def multiply_adds(model):
    """Multiplications of a model for one image: the sum of its `macs`, None if one of them is."""
    return _sum(macs(model).values())


def others(model, kernels):
    """`NAME (TYPE)` of each layer of a model -> number of weights in its matrices, without those of `kernels`, variables."""
    known = set(map(id, kernels))
    sizes = {}
    for layer in model.layers:
        matrices = [weight.shape for weight in layer.weights if len(weight.shape) > 1 and id(weight) not in known]
        if matrices:
            sizes[f"{layer.name} ({type(layer).__name__})"] = sum(map(math.prod, matrices))
    return sizes


def dense_bytes(model):
    """Bytes of all weights of a model as float32, zeros included."""
    return sum(_FLOAT_BYTES * int(np.prod(weight.shape)) for weight in model.weights)


def kernel_shape(layer):
    """Shape of the kernel of a masked or plain layer."""
    return tuple((layer.weight if isinstance(layer, SignedMask) else layer.kernel).shape)


def counts(mask):
    """Numbers of weights below 0, at 0 and above 0 of one mask or kernel."""
    mask = np.asarray(mask)
    return [int(np.count_nonzero(of)) for of in (mask < 0, mask == 0, mask > 0)]


def remaining(masks):
    """Remaining weights in percent of all masked weights, over a collection of masks: 100 * sum |mask| / sum size."""
    masks = list(masks)
    return 100 * sum(np.count_nonzero(mask) for mask in masks) / sum(np.size(mask) for mask in masks)


def csr_bytes(kernel):
    """Bytes of a kernel in scipy's CSR form: float32 values, int32 column indices, int32 row pointers.

    Dense kernels as (in, out), convolutions as (kh * kw, c_in * c_out): these shapes give the paper's figures.
    """
    kernel = np.asarray(kernel, np.float32)
    rows = kernel.shape[0] if kernel.ndim == 2 else kernel.shape[0] * kernel.shape[1]
    csr = scipy.sparse.csr_matrix(kernel.reshape(rows, -1))
    return csr.data.nbytes + csr.indices.nbytes + csr.indptr.nbytes


def csr_compression(kernels):
    """Compression rate in percent, 100 * (1 - CSR bytes / dense bytes) over all kernels (Koster et al. 2022, section 3,
    footnote 1). Negative if more than about half of the weights remain.

    Args:
        kernels: list of arrays, weight * mask of each layer: `(inputs, units)`, or `(height, width, channels, units)` of a
            convolution. Of a model: `[layer.effective_kernel for layer in model.layers if hasattr(layer, "mask")]`.

    Raises:
        ValueError: `kernels` is not a list of such arrays, or is empty.
    """
    received = type(kernels).__name__
    kernels = list(kernels) if isinstance(kernels, collections.abc.Iterable) and not hasattr(kernels, "shape") else []
    if not kernels or not all(hasattr(kernel, "shape") and len(kernel.shape) in (2, 4) for kernel in kernels):
        raise ValueError(
            "`kernels` must be a list of arrays with 2 or 4 axes, such as [layer.effective_kernel]. "
            f"Received: {received}{' of ' * bool(kernels)}{', '.join(map(_described, kernels))}"
        )
    dense = sum(_FLOAT_BYTES * np.size(kernel) for kernel in kernels)
    return 100 * (1 - sum(csr_bytes(kernel) for kernel in kernels) / dense)


def _described(value):
    return f"{type(value).__name__} {tuple(value.shape)}" if hasattr(value, "shape") else type(value).__name__
