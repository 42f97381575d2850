"""Sparse training: which masks the weights start with, and how the masks change. Pure functions of numpy arrays, and their table.

random static   a random mask
magnitude       all weights at first; the density falls as a cubic, the largest |W| stay (Zhu and Gupta 2017)
SNIP            the largest |W G| before the first step, G = d loss / d kernel (Lee et al. 2019)
FORCE           SNIP in rounds, at the masked network; pruned weights can return (de Jorge et al. 2021)
SET             random; drops the smallest |W| and grows as many at random (Mocanu et al. 2018)
RigL            random; drops the smallest |W| and grows the largest |G| (Evci et al. 2020)
GraNet          magnitude, and after each pruning drops and grows as RigL does (Liu et al. 2021)

Deviation: SET as published exchanges a constant share once an epoch, smallest positive and largest negative weights; here the
share falls as a cosine and masks change as often as those of RigL, so that the two differ in what grows alone. Deviation:
magnitude pruning as published prunes every layer to the same share; here all weights are ranked at once by default, as in
GraNet (`--allocation=uniform` is the other).
"""

import math
from typing import Callable, NamedTuple

import numpy as np

from tf_supermask.rivals import allocation
from tf_supermask.rivals.method_names import ALLOCATIONS

FORCE_ROUNDS = 20


class Network(NamedTuple):
    """What a method sees of a network; all dicts are layer -> array."""

    weights: dict
    masks: dict  # bool
    gradients: Callable  # masks -> gradients of the loss to all kernels, those of masked weights too, under these masks
    generators: dict  # layer -> numpy Generator


class Goal(NamedTuple):
    """What a method is to reach."""

    density: float
    allocation: str
    share: float | None = None  # of the kept weights that the first change drops
    progress: float = 0.0  # of the changes: 1 at the last


# ---------------------------------------------------------------------------------------------------------------------
# Schedules


def cubic_density(density, progress):
    """From 1 to `density`: density + (1 - density) (1 - progress)^3."""
    return density + (1 - density) * (1 - progress) ** 3


def cosine_share(share, progress):
    """From `share` to 0: share (1 + cos(pi progress)) / 2."""
    return share * (1 + math.cos(math.pi * progress)) / 2


def force_density(density, round_, rounds):
    """From 1 to `density`, by one factor a round."""
    return density ** (round_ / rounds)


# ---------------------------------------------------------------------------------------------------------------------
# Masks at the start


def all_kept(network, goal):
    return {name: np.ones(weight.shape, bool) for name, weight in network.weights.items()}


def random(network, goal):
    scores = {name: network.generators[name].random(weight.shape) for name, weight in network.weights.items()}
    return allocation.largest(scores, goal.density, goal.allocation)


def _saliency(network, masks):
    gradients = network.gradients(masks)
    return {name: np.abs(weight * gradients[name]) for name, weight in network.weights.items()}


def snip(network, goal):
    return allocation.largest(_saliency(network, all_kept(network, goal)), goal.density, goal.allocation)


def force(network, goal):
    masks = all_kept(network, goal)
    for round_ in range(1, FORCE_ROUNDS + 1):
        density = force_density(goal.density, round_, FORCE_ROUNDS)
        masks = allocation.largest(_saliency(network, masks), density, goal.allocation)
    return masks


# ---------------------------------------------------------------------------------------------------------------------
# Changes


def drop_and_grow(weight, mask, share, growth):
    """Drops int(share * kept) kept weights, those of the smallest |weight|, then keeps as many others, those of the largest
    `growth`.

    A weight that was dropped can be kept again at once.
    """
    kept = np.count_nonzero(mask)
    count = int(share * kept)
    left = allocation.top(np.where(mask, np.abs(weight), -1), kept - count)
    return left | allocation.top(np.where(left, -np.inf, growth), count)


def _exchanged(network, masks, goal, growth):
    share = cosine_share(goal.share, goal.progress)
    return {name: drop_and_grow(network.weights[name], mask, share, growth[name]) for name, mask in masks.items()}


def at_random(network, goal):
    growth = {name: network.generators[name].random(mask.shape) for name, mask in network.masks.items()}
    return _exchanged(network, network.masks, goal, growth)


def by_gradient(network, goal, masks=None):
    masks = network.masks if masks is None else masks
    growth = {name: np.abs(gradient) for name, gradient in network.gradients(masks).items()}
    return _exchanged(network, masks, goal, growth)


def by_magnitude(network, goal):
    sizes = {name: np.where(network.masks[name], np.abs(weight), -1) for name, weight in network.weights.items()}
    masks = allocation.largest(sizes, cubic_density(goal.density, goal.progress), goal.allocation)
    return {name: mask & network.masks[name] for name, mask in masks.items()}


def pruned_and_exchanged(network, goal):
    return by_gradient(network, goal, by_magnitude(network, goal))


class Method(NamedTuple):
    start: Callable  # (Network, Goal) -> masks
    change: Callable | None = None  # the same, after some steps
    needs_data: bool = False  # for gradients
    share: float | None = None  # default of Goal.share
    gradual: bool = False  # reaches its density with its last change
    allocations: tuple = ()  # how its density can be shared, the default first


_METHODS = {
    "static": Method(random),
    "magnitude": Method(all_kept, by_magnitude, gradual=True),
    "snip": Method(snip, needs_data=True),
    "force": Method(force, needs_data=True),
    "set": Method(random, at_random, share=0.3),
    "rigl": Method(random, by_gradient, needs_data=True, share=0.3),
    "granet": Method(all_kept, pruned_and_exchanged, needs_data=True, share=0.5, gradual=True),
}
METHODS = {name: _METHODS[name]._replace(allocations=allocations) for name, allocations in ALLOCATIONS.items()}
