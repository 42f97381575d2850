"""Shared by the claims of all subjects: parts by network, and readings of the records."""

import numpy as np

from tf_supermask.evidence.results import Missing
from tf_supermask.experiments.spec import Spec
from tf_supermask.papers.zhou.names import ELEVEN, TITLE, chain, learned, supermask
from tf_supermask.papers.zhou.readings import ORDERED, lead, tops

IMAGES = {"mnist": 60_000, "cifar10": 50_000}  # of the training set


def by_net(*nets):
    """Parts of a claim on several networks: title -> network."""
    return {TITLE[net]: net for net in nets}


def somewhere(holds, lacking):
    """`holds` of a claim that one of several networks has to meet. Raises Missing where it fails and other networks lack runs."""
    if lacking and not holds:
        raise lacking[0]
    return bool(holds)


def everywhere(e, holds, lacking):
    """`holds` of a claim that each of several networks has to meet: a lean where it holds and other networks lack runs."""
    e.require(not (holds and lacking), str(next(iter(lacking), "")))
    return bool(holds)


def on_each(nets, value):
    """`(net -> value(net), the Missing of each network that lacks runs)`."""
    values, lacking = {}, []
    for net in nets:
        try:
            values[net] = value(net)
        except Missing as missing:
            lacking.append(missing)
    return values, lacking


def behind(e, net, actions):
    """Action -> points by which it trails rewinding, mean over sparse rounds."""
    return {action: -lead(e, chain(net, mask1=action), chain(net)).mean() for action in actions}


def best(e, net, treatment, criteria=ELEVEN, least=ORDERED):
    """Criterion -> mean over runs of the best test accuracy at any level; the best of a single run is partly chance."""
    return {criterion: float(tops(e, net, treatment, criterion, least).mean()) for criterion in criteria}


def curve(e, net, criterion, treatment):
    """Mean test accuracy over runs at every level of a supermask."""
    return np.mean([r["history"][f"{criterion}/{treatment}/test"] for r in e.need(supermask(net))], axis=0)


def gain(e, net, criterion="large_final_same_sign"):
    """Accuracy of the best supermask of a criterion on signed constants minus that on initial weights, in points."""
    constant, init = (best(e, net, treatment, (criterion,)) for treatment in ("signed_constant", "init"))
    return constant[criterion] - init[criterion]


def full_length(net):
    """Iterations of as many epochs as the paper has iterations of learned masks: the authors' code has epochs for FC."""
    spec = Spec.of(mode="bernoulli", model=net)
    return spec.iterations * ((IMAGES[spec.dataset] - spec.validation_images) // spec.batch_size)


def learned_in_full(e, net, *names):
    """Makes a verdict on learned masks of a network a lean, whether the claim holds or fails, unless they learned in full."""
    for name in names:
        least = min(record["spec"]["iterations"] for record in e.need(name))
        e.require(least >= full_length(net), f"{name} learned for as many epochs as the paper has iterations")


def longest(e, *nets):
    """Names of the learned masks of networks, as `learned_in_full` needs them: all trained for epochs, or none."""
    kind = "epochs" if all(learned(net, "epochs") in e for net in nets) else "best"
    names = [learned(net, kind) for net in nets]
    for net, name in zip(nets, names, strict=True):
        learned_in_full(e, net, name)
    return names
