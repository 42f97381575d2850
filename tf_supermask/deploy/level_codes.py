"""Codes of several levels: a kernel as whole numbers times a scale, and the sizes of the numbers in a container."""

import numpy as np

from tf_supermask.deploy.coding import histogram_model


def encode(codes, encoder):
    """The sizes of codes that are not 0, of several levels, into a constriction RangeEncoder, after their signs. Returns what
    decoding needs: how many are of size 1, 2..., [] if all are of size 1."""
    sizes = np.abs(codes[codes != 0]).astype(np.int32)
    histogram = np.bincount(sizes)[1:].tolist()
    if len(histogram) < 2:
        return []
    encoder.encode(sizes - 1, histogram_model(histogram))
    return histogram


def decode(codes, histogram, decoder):
    """Codes of several levels, from their signs and what `encode` has put into what a constriction RangeDecoder reads."""
    there = codes != 0
    codes[there] *= decoder.decode(histogram_model(histogram), int(np.count_nonzero(there))).astype(np.int8) + 1
    return codes


def codes_of(kernel, levels=1):
    """`(codes, scale)` of a kernel that is codes * scale: int8 codes from -n to n, for the least n <= `levels` with which it is,
    and a float32. None of any other."""
    largest = np.float32(np.abs(kernel).max(initial=0))
    for level in range(1, levels + 1):
        scale = largest / np.float32(level)
        codes = (
            np.rint(np.divide(kernel, scale, out=np.zeros_like(kernel), where=scale != 0))
            if level > 1
            else np.sign(kernel)
        )
        if np.array_equal(codes * scale, kernel):
            return codes.astype(np.int8), scale
    return None
