"""Names of the experiments that compare methods at equal density: their flag files and folders of records.

rivals_density_fcn_rigl_0.1       a method that keeps a given share of the weights
rivals_own_fcn_twn                a method that finds its own, and the dense network
rivals_grid_fcn_rigl_0.05         a learning rate, on validation images; in no table
"""

from tf_supermask.experiments.names import Name

NETS = {"fcn": "FCN on MNIST"}  # those with flag files
DENSITIES = ("0.5", "0.1", "0.04", "0.01")

# key in the names of experiments -> label
SCORES = {
    "edge_popup": "edge-popup",
    "edge_popup_global": "edge-popup, one threshold",
    "mpt": "MPT-1/32",
    "iterand": "IteRand",
    "signed_topk": "signed supermask, top-k",
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
    "binaryconnect_stochastic": "BinaryConnect, stochastic; test with drawn weights",
}
WITH_DENSITY = SCORES | SPARSE


def at_density(net, method, density):
    return str(Name("rivals", "density", net, f"{method}_{density}"))


def own(net, method):
    return str(Name("rivals", "own", net, method))


def experiments(net):
    """Experiment -> `(label, density)` of all rows of a network; the density is None of methods that find their own."""
    rows = {own(net, method): (label, None) for method, label in OWN.items()}
    for density in DENSITIES:
        rows |= {at_density(net, method, density): (label, float(density)) for method, label in WITH_DENSITY.items()}
    return rows
