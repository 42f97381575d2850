"""Names of the experiments of 'Deconstructing Lottery Tickets' (Zhou et al. 2019), and what varies between them.

An experiment is the name of its flag file and of its folder of records. A name with a / is a part of other records.
"""

from tf_supermask.experiments.criteria import CRITERIA

NETS = ("fcn", "conv2", "conv4", "conv6")
CONVS = NETS[1:]
TITLE = {net: "FC" if net == "fcn" else net.capitalize() for net in NETS}
NINE = tuple(CRITERIA)[:9]  # of iterative pruning
ELEVEN = tuple(CRITERIA)[:11]  # of supermasks
NO_SIGN = ("reinit", "reshuffle", "constant")
SIGN = tuple(f"{action}_init_sign" for action in NO_SIGN)
WEIGHTS = {"init": "initial weights", "signed_constant": "signed constants"}
TREATMENTS = tuple(WEIGHTS)
GRID = range(-5, 6)  # initial scores of learned masks
# of learned masks, trained for as many epochs as the paper has iterations
LONGER = {"best": "epochs", "rescaled_constant": "rescaled_constant_epochs"}
VARIANTS = ("rescaled_constant", "rounded", *LONGER.values())  # from one score each


def dense(net):
    return f"zhou_dense_{net}"


def chain(net, criterion="large_final", mask1="rewind", mask0="zero"):
    """The experiment of iterative pruning that differs from the usual one, that of large_final, in one of the three settings."""
    if mask1 != "rewind":
        return f"zhou_fig4_{net}_{mask1}"
    return f"zhou_fig5_{net}_{mask0}" if mask0 != "zero" else f"zhou_fig3_{net}_{criterion}"


def supermask(net, treatment=None):
    return f"zhou_fig7_{net}/{treatment}" if treatment else f"zhou_fig7_{net}"


def learned(net, score="best"):
    return f"zhou_learned_{net}/best" if score == "best" else f"zhou_learned_{net}_{score}"
