"""What settings may name: networks, data sets, initializers, mask rules.

This module loads no TensorFlow, so that `--help`, `--status` and the check of flags answer at once. Tests compare its names with
the functions that they stand for.
"""

import pathlib
import re
import sys

from tf_supermask.rivals.method_names import ALLOCATIONS as METHODS

# name -> arguments of its builder in networks.py; Zhou et al. 2019 Table S1, Koster et al. 2022 Table 7 and section 3.3
NETWORKS = {
    "fcn": {"convs": (), "hidden": (300, 100)},
    "conv2": {"convs": (64,), "hidden": (256, 256)},
    "conv4": {"convs": (64, 128), "hidden": (256, 256)},
    "conv6": {"convs": (64, 128, 256), "hidden": (256, 256)},
    "conv8": {"convs": (64, 128, 256, 512), "hidden": (256, 256)},
    # Not of the papers: for microcontrollers. Single convolutions, each with its pooling.
    "small16": {"convs": (16, 32, 64), "hidden": (), "repeat": 1, "padding": "valid"},
    "small32": {"convs": (32, 64, 128), "hidden": (), "repeat": 1, "padding": "valid"},
    "resnet20": {"blocks": "CII"},
    "resnet20x1.5": {"blocks": "CII", "width": 1.5},
    "resnet20x2": {"blocks": "CII", "width": 2.0},
    "resnet20x2.5": {"blocks": "CII", "width": 2.5},
    "resnet20x3": {"blocks": "CII", "width": 3.0},
    "resnet56": {"blocks": "C" + 8 * "I"},
    # Deviation: Table 5 prints 1,668,272 weights for both columns. That is this network, with two projections per stage;
    # the baseline of the paper was trained on resnet110_1c, with one projection and 1,705,904 weights.
    "resnet110": {"blocks": 2 * ("C" + 8 * "I")},
    "resnet110_1c": {"blocks": "C" + 17 * "I"},
}

# name -> (activation, biases): Koster et al. 2022 section 2; Zhou et al. 2019 Table S1, and S6.1, whose biases stay 0
VARIANTS = {"koster": ("elu", False), "zhou": ("relu", True), "relu": ("relu", False)}
VARIANTS_IN_WORDS = "koster: ELU, no biases; zhou: ReLU, biases; relu: ReLU, no biases; default: that of the mode"

# The shape is that of the networks made for the data set. None: takes any shape.
DATASETS = {"mnist": (28, 28, 1), "cifar10": (32, 32, 3), "cifar100": (32, 32, 3), "digits": None, "digits8": (8, 8, 1)}
EMBEDDED = ("digits", "digits8")
PREPROCESS = ("standardize", "unit")
SCALES = ("paper", "reduced", "quick")  # see `scales.scaled_down`

SCHEMES = ("he", "xavier", "elu", "elus", "elus_resnet", "pytorch")
DISTRIBUTIONS = ("signed_constant", "uniform", "normal", "truncated_normal")

# Names of mask rules are read from the text of masks.py, which would load Keras.
_RULE = re.compile(r'^@?(?:masks\.)?register\(\s*"(\w+)"', re.MULTILINE)
RULES = tuple(_RULE.findall(pathlib.Path(__file__).parents[1].joinpath("masks.py").read_text(encoding="utf-8")))
LEVELS = ("signed_2_levels", "signed_4_levels")
DENSITY = ("edge_popup", "mpt", "iterand")  # modes whose masks keep a given share of the weights
BINARY = ("binaryconnect", "binaryconnect_stochastic")  # modes that train weights and use their signs
LATENT = ("twn", "ttq", *BINARY)  # modes that train weights and use them with few values
SPARSE = "sparse"  # the mode that trains weights under masks which a method sets
REDRAWN = ("iterand", SPARSE)  # modes in which the weights that masks hide or keep are not the initial ones
LEARNED = ("bernoulli", "rounded")  # modes that train the masks of Zhou et al. 2019, whose scores start at one value
PRUNED = ("lottery", "supermask")  # modes that prune a trained network in rounds


def rules():
    """Names of mask rules: those above, and what the program has registered since it imported `masks`."""
    masks = sys.modules.get("tf_supermask.masks")
    return tuple(dict.fromkeys((*RULES, *getattr(masks, "RULES", ()))))


def weights_are_drawn(mode):
    """Whether a mask rule leaves its weights as they are drawn from the seed: a container is all that a run has to keep."""
    return mode not in (*REDRAWN, *LATENT)


def has_codes(mode, distribution):
    """Whether the trained kernels of a mask rule are codes, which a container holds, times scales or drawn weights."""
    return (
        weights_are_drawn(mode)
        or mode in ("twn", "ttq", "binaryconnect")
        or (mode, distribution) == ("iterand", "signed_constant")
    )


MODES_IN_WORDS = (
    "baseline: trained weights; lottery: train, prune and train again, in rounds; supermask: masks taken from a trained dense "
    "network, on its initial weights; sparse: trained weights under the masks of --method; twn, ttq: trained weights used with "
    "three values, binaryconnect: with two; all others: frozen weights and trained scores, with this mask rule"
)


def modes():
    """Names of modes: trained weights, a mask rule, or weights that are pruned."""
    return "baseline", *rules(), *PRUNED


FANS = ("all", "kept")
ALLOCATIONS = ("uniform", "erk", "global")
UPDATED = ("magnitude", "set", "rigl", "granet")  # methods that change masks while they train
MOVED = ("set", "rigl", "granet")  # methods that drop weights and grow others


def allocations(mode, method=None):
    """How the density of a mode can be shared among the layers, the default first; () of modes that say nothing about it."""
    if mode == SPARSE:
        return METHODS.get(method, ())
    return ("uniform", "global") if mode in ("edge_popup", "mpt") else ()
