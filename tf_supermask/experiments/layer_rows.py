"""The layers of a record: how many weights of each are kept, inverted and pruned, and which."""

import numpy as np

from tf_supermask import files, signed_mask, sparsity


def of_model(model):
    """`row` of each kernel layer; of a layer without mask with None for both SHA-256."""
    table = []
    for layer in sparsity.kernel_layers(model):
        if isinstance(layer, signed_mask.SignedMask):
            table.append(row(layer.name, layer.weight, layer.mask))
        else:
            plain = row(layer.name, layer.kernel, np.ones(layer.kernel.shape, np.int8))
            table.append(plain | {"weight_sha256": None, "mask_sha256": None})
    return table


def row(name, weight, mask):
    """The entry of a layer in a record: name, shape, counts of -1, 0, +1, and SHA-256 of frozen weight and mask."""
    return {
        "name": name,
        "shape": list(mask.shape),
        "counts": sparsity.counts(mask),
        "weight_sha256": files.sha256(weight),
        "mask_sha256": files.sha256(mask),
    }
