"""Names of the experiments of 'Signing the Supermask' (Koster et al. 2022): their flag files and folders of records."""

from tf_supermask.experiments.names import Name, parsed

CONVS = ("conv2", "conv4", "conv6", "conv8")
NETS = ("fcn", *CONVS)
WIDTHS = ("resnet20", "resnet20x1.5", "resnet20x2", "resnet20x2.5", "resnet20x3")
DEEP = ("resnet56", "resnet110")
TITLE = {net: net.upper() if net == "fcn" else net.capitalize() for net in NETS} | {
    net: net.replace("resnet", "ResNet") for net in WIDTHS + DEEP
}


def _name(part, net, variant):
    return str(Name("koster", part, net, variant))


BINARY = _name("fig3", "fcn", "binary")


def _table(net):
    return "table1" if net == "fcn" else "table12"


def signed(net, scheme="elus"):
    return _name(_table(net), net, f"signed_{scheme}")


def baseline(net, scheme=None):
    """Without a scheme, the paper's choice: He for Conv2, ELU for the others (Tables 2 and 3)."""
    return _name(_table(net), net, f"baseline_{scheme or ('he' if net == 'conv2' else 'elu')}")


def resnet(net, kind="signed"):
    return _name("table5" if net in DEEP else "table4", net, kind)


def learned_batch_norm(net):
    return _name("table6", net, "bn")


def uniform(net):
    return _name("appendix_d", net, "he_uniform")


def elus_scores(net):
    return _name("appendix_e", net, "elus_elus")


def sinn(net, number):
    return _name("table15", net, f"sinn{number}")


def is_deep(name):
    """Whether an experiment is of ResNet56 or ResNet110."""
    return parsed(name).network in DEEP
