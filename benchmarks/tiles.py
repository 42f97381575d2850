"""Multiplications where kernels compute units in whole tiles, as vector instructions do."""

from tf_supermask import sparsity


def multiplications(model, tile=1):
    """Those of a network for one image whose layers have a whole number of tiles of units."""
    units = {name: kernel.shape[-1] for name, (_, kernel) in sparsity.kernels(model).items()}
    return sum(count / units[name] * -(-units[name] // tile) * tile for name, count in sparsity.macs(model).items())
