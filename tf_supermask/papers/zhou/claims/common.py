"""What the claims of several subjects share. The numbers that the paper prints are in the tables."""

import numpy as np

from tf_supermask.evidence.results import Missing
from tf_supermask.papers.zhou.names import ELEVEN, TITLE, chain, learned, supermask
from tf_supermask.papers.zhou.readings import ORDERED, lead


def by_net(*nets):
    """Parts of a claim on several networks: title -> network."""
    return {TITLE[net]: net for net in nets}


def somewhere(holds, lacking):
    """`holds`, of a claim that one of several networks may meet. Raises Missing where it fails and other networks lack runs."""
    if lacking and not holds:
        raise lacking[0]
    return bool(holds)


def on_each(nets, value):
    """`(net -> value(net), the Missing of each network that lacks runs)`."""
    found, lacking = {}, []
    for net in nets:
        try:
            found[net] = value(net)
        except Missing as missing:
            lacking.append(missing)
    return found, lacking


def behind(e, net, actions):
    """Action -> points by which it trails rewinding, mean over sparse rounds."""
    return {action: -lead(e, chain(net, mask1=action), chain(net)).mean() for action in actions}


def tops(e, net, treatment, criterion, least=ORDERED):
    """Array over runs: the best test accuracy at any level."""
    return np.array([max(r["history"][f"{criterion}/{treatment}/test"]) for r in e.need(supermask(net), least)])


def best(e, net, treatment, criteria=ELEVEN, least=ORDERED):
    """Criterion -> mean over runs of the best test accuracy at any level; that of a single run is its luck, too."""
    return {criterion: float(tops(e, net, treatment, criterion, least).mean()) for criterion in criteria}


def curve(e, net, criterion, treatment):
    """Mean test accuracy over runs at every level of a supermask."""
    return np.mean([r["history"][f"{criterion}/{treatment}/test"] for r in e.need(supermask(net))], axis=0)


def gain(e, net, criterion="large_final_same_sign"):
    """Points by which the best supermask of a criterion is better on signed constants than on initial weights."""
    constant, init = (best(e, net, treatment, (criterion,)) for treatment in ("signed_constant", "init"))
    return constant[criterion] - init[criterion]


def in_full(e, *nets):
    """Whether networks have masks learned for as many epochs as the paper says iterations, as in the authors' code."""
    return all(learned(net, "epochs") in e for net in nets)


def longest(e, *nets):
    """Names of learned masks of networks, all trained in full or none."""
    return [learned(net, "epochs" if in_full(e, *nets) else "best") for net in nets]


def settled(e, holds, text, *nets):
    """A verdict on learned masks and its text. That it fails says nothing before they have learned in full."""
    if holds or in_full(e, *nets):
        return bool(holds), text
    return None, f"{text}, which says nothing before they have learned for as many epochs"
