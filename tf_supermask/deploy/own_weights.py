"""Weights of a container that are neither signed constants nor drawn from a seed: those that are left of a kernel.

Their signs are among the codes. Their sizes are a block of float32, or of float16 to which they are rounded, at the start of the
arrays. Its header is `[type, how many]`, and it takes a whole number of float32.
"""

import numpy as np

from tf_supermask.errors import InputError

TYPES = {"float32": "<f4", "float16": "<f2"}


def packed(kernel, name, kind):
    """`(header, block)` of a kernel. Raises InputError if numbers of a type cannot hold it; `name` is for the message."""
    left = np.abs(kernel[kernel != 0])
    with np.errstate(over="ignore"):
        block = left.astype(TYPES[kind])
    if kind == "float32" and not np.array_equal(block.astype(left.dtype), left):
        raise InputError(f"{name} has weights of {left.dtype} that float32, as files hold it, cannot")
    if not np.isfinite(block).all() or not block.all():
        raise InputError(f"{name} has weights that are too large or too small for {kind}; use own_weights='float32'")
    content = block.tobytes()
    return [kind, block.size], content + bytes(-len(content) % 4)


def length(header):
    """How many float32 a block takes. Raises ValueError if there is no such header."""
    kind, count = header
    if kind not in TYPES or not isinstance(count, int) or count < 0:
        raise ValueError("weights of no type or number")
    return -(-count * np.dtype(TYPES[kind]).itemsize // 4)


def unpacked(header, numbers):
    """The sizes of weights from their block, an array of float32. The result is float32."""
    kind, count = header
    return np.frombuffer(numbers.tobytes(), TYPES[kind])[:count].astype(np.float32)


def placed(codes, sizes):
    """A kernel from its signs and the sizes of what is left, float32. Raises ValueError if their numbers differ."""
    left = codes != 0
    if np.count_nonzero(left) != len(sizes):
        raise ValueError("another number of weights than of codes")
    kernel = np.zeros(codes.shape, np.float32)
    kernel[left] = codes[left] * sizes
    return kernel
