"""How a density is shared among layers: which weights of each are kept, by their scores. Pure functions of numpy arrays.

    uniform   each layer keeps the density
    erk       Erdos-Renyi-Kernel: density of a layer ~ sum of its sizes / their product, at most 1
              (Mocanu et al. 2018, Evci et al. 2020)
    global    one ranking of all weights; each layer keeps its largest score

Scores are dicts, layer -> array; so are masks, bool arrays.
"""

import math

import numpy as np

from tf_supermask import arguments
from tf_supermask.density import kept


def erk(shapes, density):
    """Layer -> its density, so that all layers together have `density`. Raises ValueError for one outside (0, 1].

    `shapes`: layer -> shape of its kernel. A layer that would have more than all of its weights has all, and the others share
    the rest.
    """
    checked(density)
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    raw = {name: sum(shape) / sizes[name] for name, shape in shapes.items()}
    left, full = density * sum(sizes.values()), set()
    while len(full) < len(sizes):
        open_ = sizes.keys() - full
        scale = (left - sum(sizes[name] for name in full)) / sum(raw[name] * sizes[name] for name in open_)
        over = {name for name in open_ if raw[name] * scale > 1}
        if not over:
            return {name: 1.0 if name in full else raw[name] * scale for name in sizes}
        full |= over
    return dict.fromkeys(sizes, 1.0)


def densities(allocation, shapes, density):
    """Layer -> its density, by `uniform` or `erk`."""
    return erk(shapes, density) if allocation == "erk" else dict.fromkeys(shapes, checked(density))


def checked(density):
    """`density`. Raises ValueError unless it is above 0 and up to 1."""
    return arguments.share("density", density)


def in_all(sizes, density):
    """How many weights a density leaves to layers of these sizes together. Raises ValueError where it leaves some layer none."""
    count = kept(sum(sizes), checked(density))
    if count < len(sizes):
        raise ValueError(
            f"density={density} leaves {count} weights to {len(sizes)} layers, each of which needs one; give a larger density"
        )
    return count


def top(score, count):
    """Bool array of the score's shape: the `count` largest scores; of equal ones the first."""
    flat = np.ravel(score)
    if count <= 0:
        return np.zeros(np.shape(score), bool)
    least = np.partition(flat, flat.size - count)[flat.size - count]
    chosen = flat > least
    equal = np.flatnonzero(flat == least)
    chosen[equal[: count - np.count_nonzero(chosen)]] = True
    return chosen.reshape(np.shape(score))


def largest(scores, density, allocation):
    """Masks of the largest scores. Raises ValueError where `in_all` does."""
    shapes = {name: np.shape(score) for name, score in scores.items()}
    if allocation != "global":
        share = densities(allocation, shapes, density)
        return {name: top(score, kept(score.size, share[name])) for name, score in scores.items()}
    count = in_all([score.size for score in scores.values()], density)
    flat = np.concatenate([np.ravel(score).astype(np.float64) for score in scores.values()])
    ends = np.cumsum([0, *(score.size for score in scores.values())])
    for start, end in zip(ends[:-1], ends[1:], strict=True):
        flat[start + np.argmax(flat[start:end])] = np.inf  # a layer without a weight would stop all signals
    chosen = top(flat, count)
    parts = zip(scores, ends[:-1], ends[1:], strict=True)
    return {name: chosen[start:end].reshape(shapes[name]) for name, start, end in parts}
