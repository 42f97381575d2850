"""Names of the experiments of 'Signing the Supermask' (Koster et al. 2022): their flag files and folders of records."""

CONVS = ("conv2", "conv4", "conv6", "conv8")
NETS = ("fcn", *CONVS)
WIDTHS = ("resnet20", "resnet20x1.5", "resnet20x2", "resnet20x2.5", "resnet20x3")
DEEP = ("resnet56", "resnet110")
TITLE = {net: net.upper() if net == "fcn" else net.capitalize() for net in NETS} | {
    net: net.replace("resnet", "ResNet") for net in WIDTHS + DEEP
}
BINARY = "koster_fig3_fcn_binary"


def signed(net, scheme="elus"):
    return f"koster_table{1 if net == 'fcn' else 12}_{net}_signed_{scheme}"


def baseline(net, scheme=None):
    """Without a scheme, the paper's choice: He for Conv2, ELU for the others (Tables 2 and 3)."""
    return f"koster_table{1 if net == 'fcn' else 12}_{net}_baseline_{scheme or ('he' if net == 'conv2' else 'elu')}"


def resnet(net, kind="signed"):
    return f"koster_table{5 if net in DEEP else 4}_{net}_{kind}"


def learned_batch_norm(net):
    return f"koster_table6_{net}_bn"


def uniform(net):
    return f"koster_appendix_d_{net}_he_uniform"


def elus_scores(net):
    return f"koster_appendix_e_{net}_elus_elus"


def sinn(net, number):
    return f"koster_table15_{net}_sinn{number}"
