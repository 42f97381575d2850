"""Settings of the methods that masks are compared with, as tables: one protocol, and what each method needs.

Weight decay is decoupled and not multiplied by the learning rate, as everywhere here. The authors have an L2 penalty d in the
loss, which at the learning rate r of this table and momentum m comes to r d / (1 - m) a step; a row with another rate keeps it.
Deviation: all learn at a rate that falls as a cosine, on images without augmentation, without biases and normalization; most
published results have all three. Deviation: TTQ as published keeps the first and the last layer in floats, starts from a trained
network, and decays the weights but not the two scales; here all layers are ternary, training starts from He's weights, and all
that is trained decays. Deviation: BinaryConnect as published starts uniformly within the bound at which latent weights are
clipped, and multiplies the learning rate of each layer by a factor of its size; here weights start as in PyTorch, of which the
first step clips a part in small convolutions, and the rate is one.
"""

from tf_supermask.experiments.choices import DENSITY, LATENT, MOVED, SPARSE, allocations

_PROTOCOL = dict(
    batch_size=128, optimizer="sgd", momentum=0.9, nesterov=False, schedule="cosine", shuffle=True, threshold=None,
    relative_threshold=None, batch_norm="frozen", clipnorm=0.0,
)  # fmt: skip

_ROW = ("learning_rate", "weight_decay", "weight_scheme", "weight_distribution", "score_scheme", "score_distribution")
_METHODS = {
    "edge_popup": (0.1, 1e-4, "he", "signed_constant", "pytorch", "uniform"),
    "mpt": (0.1, 1e-4, "he", "normal", "pytorch", "uniform"),
    "iterand": (0.3, 3e-4, "he", "signed_constant", "he", "uniform"),
    "twn": (0.01, 1e-5, "he", "normal", None, None),
    "ttq": (0.01, 2e-5, "he", "normal", None, None),
    "binaryconnect": (0.1, 0.0, "pytorch", "uniform", None, None),
    "binaryconnect_stochastic": (0.1, 0.0, "pytorch", "uniform", None, None),
    SPARSE: (0.05, 2.5e-4, "he", "normal", None, None),
}
_THRESHOLDS = {"twn": 0.7, "ttq": 0.05}  # Li et al. 2016, Zhu et al. 2016
_UPDATES = {"iterand": (300, 0.1), "magnitude": (100, None)} | dict.fromkeys(MOVED, (100, 0.3))
_UPDATES["granet"] = 100, 0.5

RIVALS = tuple(_METHODS)


def rival_settings(mode, method=None):
    """The fields that differ from those of supermasks. `method` is that of the mode `sparse`, by default RigL."""
    method = (method or "rigl") if mode == SPARSE else None
    values = _PROTOCOL | dict(zip(_ROW, _METHODS[mode], strict=True))
    every, share = _UPDATES.get(method or mode, (None, None))
    values["weight_fan"] = "kept" if mode in DENSITY else "all"
    values |= {"threshold": _THRESHOLDS.get(mode), "method": method, "update_every": every, "update_share": share}
    values["allocation"] = next(iter(allocations(mode, method)), None)
    if mode in LATENT or mode == SPARSE:
        values["batch_norm"] = "trainable"
    return values
