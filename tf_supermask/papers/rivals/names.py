"""Names of the experiments that compare methods at equal density: their flag files and folders of records.

rivals_density_fcn_rigl_0.1       a method that keeps a given share of the weights
rivals_own_fcn_twn                a method that finds its own, and the dense network
rivals_augmented_conv2_rigl_0.1   either, on images that are cropped and flipped at random
rivals_grid_fcn_rigl_0.05         a learning rate, on validation images; in no table of results
rivals_grid_fcn_rigl_at_0.01_0.05 the same at the density that is named; without it, at 10 %
rivals_unscaled_fcn_mpt_0.1       a method whose weights have the size that they have in a dense network
"""

from typing import NamedTuple

from tf_supermask.experiments.names import GRID, Name, parsed


class Rows(NamedTuple):
    """The rows of one network on images of one kind."""

    title: str
    network: str
    densities: tuple
    augmented: bool = False


NETS = {
    "fcn": Rows("FCN on MNIST", "fcn", ("0.5", "0.1", "0.04", "0.01")),
    "conv2": Rows("Conv2 on CIFAR-10", "conv2", ("0.1", "0.01")),
    "conv2_augmented": Rows("Conv2 on CIFAR-10, cropped and flipped", "conv2", ("0.1", "0.01"), augmented=True),
    "conv4": Rows("Conv4 on CIFAR-10", "conv4", ("0.04",)),
}
AUGMENTED = {"conv2": "conv2_augmented"}  # the same rows on other images: a second column of accuracies
TRIED = ("fcn", "conv2")  # networks on which learning rates are tried

# key in the names of experiments -> label
SCORES = {
    "edge_popup": "edge-popup",
    "edge_popup_global": "edge-popup (one threshold)",
    "mpt": "MPT-1/32",
    "iterand": "IteRand",
    "signed_topk": "signed supermask (top-k)",
}
SPARSE = {
    "static": "random static mask",
    "magnitude": "magnitude schedule",
    "snip": "SNIP",
    "force": "FORCE",
    "set": "SET",
    "rigl": "RigL",
    "granet": "GraNet",
}
OWN = {
    "dense": "dense",
    "bernoulli": "Bernoulli supermask",
    "signed": "signed supermask",
    "twn": "TWN",
    "ttq": "TTQ",
    "binaryconnect": "BinaryConnect",
    "binaryconnect_stochastic": "BinaryConnect (stochastic, tested with drawn weights)",
}
WITH_DENSITY = SCORES | SPARSE

# `(network, method)` whose rates are tried -> networks and methods that have its rate; others serve themselves alone. On Conv2
# what begins with all weights has the rate of the dense network, and what begins at its density that of RigL.
_CONV = ("conv2", "conv4")
SERVES = {
    ("conv2", "dense"): (_CONV, ("dense", "magnitude", "granet")),
    ("conv2", "rigl"): (_CONV, ("static", "snip", "force", "set", "rigl")),
}


def at_density(net, method, density):
    return _name(net, "density", f"{method}_{density}")


def unscaled(net, method, density):
    return str(Name("rivals", "unscaled", NETS[net].network, f"{method}_{density}"))


def own(net, method):
    return _name(net, "own", method)


def _name(net, part, variant):
    rows = NETS[net]
    return str(Name("rivals", "augmented" if rows.augmented else part, rows.network, variant))


def experiments(net):
    """Experiment -> `(label, density)` of all rows of a network; the density is None of methods that find their own."""
    rows = {own(net, method): (label, None) for method, label in OWN.items()}
    for density in NETS[net].densities:
        rows |= {at_density(net, method, density): (label, float(density)) for method, label in WITH_DENSITY.items()}
    return rows


def method_of(net, experiment):
    """The key of the method of a row of a network."""
    variant, (_, density) = parsed(experiment).variant, experiments(net)[experiment]
    return variant if density is None else variant.rpartition("_")[0]


class Trial(NamedTuple):
    """What an experiment tries."""

    network: str
    method: str
    density: str | None  # as in the name; None of methods that find their own, and of those with one rate, at 10 %
    rate: str


def grid(network, method, density=None):
    """The name of the flag file of the trials of a method."""
    return str(Name("rivals", GRID, network, method if density is None else f"{method}_at_{density}"))


def tried(experiment):
    """The Trial of an experiment that tries a learning rate; None of others."""
    name = parsed(experiment)
    if name is None or (name.paper, name.part) != ("rivals", GRID):
        return None
    settings, _, rate = name.variant.rpartition("_")
    method, _, density = settings.partition("_at_")
    return Trial(name.network, method, density or None, rate)
