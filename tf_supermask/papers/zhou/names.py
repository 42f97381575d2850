"""Names of the experiments of 'Deconstructing Lottery Tickets' (Zhou et al. 2019), and what varies between them.

An experiment is the name of its flag file and of its folder of records. A name with a / is a part of other records.
"""

from tf_supermask.experiments.criteria import CRITERIA
from tf_supermask.experiments.names import Name

NETS = ("fcn", "conv2", "conv4", "conv6")
CONVS = NETS[1:]
TITLE = {net: "FC" if net == "fcn" else net.capitalize() for net in NETS}
NINE = tuple(CRITERIA)[:9]  # of iterative pruning
ELEVEN = tuple(CRITERIA)[:11]  # of supermasks
CODE_ONLY = tuple(CRITERIA)[11:]  # of supermasks, in the authors' code alone
BEST = "large_final_same_sign"  # of the paper's supermasks: that of its Table 1
NO_SIGN = ("reinit", "reshuffle", "constant")
SIGN = tuple(f"{action}_init_sign" for action in NO_SIGN)
WEIGHTS = {"init": "initial weights", "signed_constant": "signed constants"}
TREATMENTS = tuple(WEIGHTS)
GRID = range(-5, 6)  # initial scores of learned masks
# of learned masks, trained for as many epochs as the paper has iterations
LONGER = {"best": "epochs", "rescaled_constant": "rescaled_constant_epochs"}
VARIANTS = ("rescaled_constant", "rounded", *LONGER.values())  # from one score each


def _name(part, net, variant=None, view=None):
    return str(Name("zhou", part, net, variant, view))


def dense(net):
    return _name("dense", net)


def chain(net, criterion="large_final", mask1="rewind", mask0="zero"):
    """The experiment of iterative pruning that differs from the usual one, that of large_final, in one of the three settings."""
    if mask1 != "rewind":
        return _name("fig4", net, mask1)
    return _name("fig5", net, mask0) if mask0 != "zero" else _name("fig3", net, criterion)


def supermask(net, treatment=None):
    return _name("fig7", net, view=treatment)


def learned(net, score="best"):
    return _name("learned", net, view="best") if score == "best" else _name("learned", net, score)
