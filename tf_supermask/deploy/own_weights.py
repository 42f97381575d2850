"""Weights of a container that are neither signed constants nor drawn from a seed: those that are left of a kernel.

Their signs are among the codes. Their sizes are a block of float32, or of float16 to which they are rounded, at the start of the
arrays. Its header is `[type, how many]`, and it takes a whole number of float32. Where all that are positive have one size, and
all that are negative another one, as in TTQ, the block is these two sizes, and its type is "by_sign".
"""

import numpy as np

from tf_supermask.errors import InputError

TYPES = {"float32": "<f4", "float16": "<f2"}
BY_SIGN = "by_sign"
_STORED = TYPES | {BY_SIGN: "<f4"}


def packed(codes, kernel, name, kind):
    """`(header, block)` of a kernel, of which weights are left where codes are not 0. Raises InputError if numbers of a type
    cannot hold it; `name` is for the message."""
    left = np.abs(kernel[codes != 0])
    two = sizes_by_sign(codes, kernel)
    if two is not None and left.size > two.size:
        left, kind = two, BY_SIGN
    with np.errstate(over="ignore"):
        block = left.astype(_STORED[kind])
    if kind != "float16" and not np.array_equal(block.astype(left.dtype), left):
        raise InputError(f"{name} has weights of {left.dtype} that float32, as files hold it, cannot")
    if not np.isfinite(block).all() or not np.array_equal(block == 0, left == 0):
        raise InputError(f"{name} has weights that are too large or too small for {kind}; use own_weights='float32'")
    content = block.tobytes()
    return [kind, block.size], content + bytes(-len(content) % 4)


def sizes_by_sign(codes, kernel):
    """The one size of all values of a kernel where codes are positive, and that where they are negative, 0 where there are none;
    None where either have several. A size can be 0."""
    sizes = [np.unique(np.abs(kernel[codes == sign])) for sign in (1, -1)]
    if any(size.size > 1 for size in sizes):
        return None
    return np.array([size.item() if size.size else 0 for size in sizes], kernel.dtype)


def length(header):
    """How many float32 a block takes. Raises ValueError if there is no such header."""
    kind, count = header
    if kind not in _STORED or not isinstance(count, int) or count < 0 or kind == BY_SIGN and count != 2:
        raise ValueError("weights of no type or number")
    return -(-count * np.dtype(_STORED[kind]).itemsize // 4)


def unpacked(header, numbers, codes):
    """The sizes of the weights that are not 0, in their order, from their block, an array of float32. The result is float32."""
    kind, count = header
    sizes = np.frombuffer(numbers.tobytes(), _STORED[kind])[:count].astype(np.float32)
    if not (np.isfinite(sizes) & (sizes >= 0)).all():
        raise ValueError("weights whose size is no number, or below 0")
    return np.where(codes[codes != 0] > 0, *sizes) if kind == BY_SIGN else sizes


def placed(codes, sizes):
    """A kernel from its signs and the sizes of what is left, float32. Raises ValueError if their numbers differ."""
    left = codes != 0
    if np.count_nonzero(left) != len(sizes):
        raise ValueError("another number of weights than of codes")
    kernel = np.zeros(codes.shape, np.float32)
    kernel[left] = codes[left] * sizes
    return kernel
