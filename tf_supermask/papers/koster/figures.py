"""The table of all figures of Koster et al. 2022: title, experiments, and the function that draws it."""

from tf_supermask.evidence.figures import Drawing
from tf_supermask.papers.koster import drawings, panels
from tf_supermask.papers.koster.names import (
    BINARY,
    CONVS,
    NETS,
    TITLE,
    WIDTHS,
    baseline,
    elus_scores,
    resnet,
    signed,
    sinn,
    uniform,
)


def _scores(net):
    return {"Xavier scores": signed(net), "ELUS scores": elus_scores(net)}


def _weights(net):
    return {"signed constant": signed(net, "he"), "uniform": uniform(net)}


def _sinn(*numbers):
    return lambda net: {f"SiNN{i}": sinn(net, i) for i in numbers}


def _usual_and(*numbers):
    return lambda net: {**_sinn(*numbers)(net), "ELUS": signed(net)}


def _baseline_and_sinn2(net):
    return {"baseline": baseline(net), "SiNN2": sinn(net, 2)}


def _all(*choices, nets=NETS):
    """Names of the experiments of several functions of a network."""
    return tuple(dict.fromkeys(name for choice in choices for net in nets for name in choice(net).values()))


def _by_init(net):
    return {label: signed(net, scheme) for label, scheme in panels.INITS.items()}


def _baselines(net):
    return {scheme: baseline(net, scheme) for scheme in ("he", "elu", "xavier")}


def _only(function):
    return lambda net: {"": function(net)}


_ALL_INITS = {TITLE[net]: _by_init(net) for net in NETS}
_ALL_SINNS = {TITLE[net]: _usual_and(1, 2)(net) for net in NETS}
_RESNET_ROWS = {TITLE[net]: {"ELUS": resnet(net)} for net in WIDTHS}
_FCN = NETS[:1]
_BOTH = ("test_accuracy", "remaining")

FIGURES = {
    "overview": Drawing(
        "Signed supermasks and baselines", _all(_only(signed), _only(baseline)) + (BINARY,), drawings.overview
    ),
    "koster_fig1": Drawing(
        "The first mask of an FCN is a feature selector", (signed("fcn"),), drawings.feature_selector
    ),
    "koster_fig2": Drawing("Masks of the Conv networks", _all(_only(signed), nets=CONVS), drawings.conv_masks),
    "koster_fig3": Drawing(
        "Binary and signed first masks of FCN", (BINARY, signed("fcn")), drawings.binary_against_signed
    ),
    "koster_fig4": Drawing("Test accuracy of all initializations", _all(_by_init, _baselines), drawings.accuracy),
    "koster_fig5": Drawing("Remaining weights of FCN", _all(_by_init, nets=_FCN), drawings.remaining(_FCN)),
    "koster_fig6": Drawing(
        "Remaining weights of the Conv networks", _all(_by_init, nets=CONVS), drawings.remaining(CONVS)
    ),
    "koster_fig7": Drawing("Masks of all initializations", _all(_by_init), panels.per_layer(panels.shares, _ALL_INITS)),
    "koster_fig8": Drawing(
        "Agreement of masks over runs",
        _all(_by_init),
        panels.per_layer(panels.agreement, _ALL_INITS, runs=2, masks=True),
    ),
    "koster_fig9": Drawing(
        "Masks of the first dense layer", _all(_only(signed), nets=CONVS), drawings.first_dense_masks
    ),
    "koster_fig10": Drawing("ResNet20 of five widths", _all(_only(resnet), nets=WIDTHS), drawings.resnets),
    "koster_fig11": Drawing(
        "Masks of ResNet20", _all(_only(resnet), nets=WIDTHS), panels.per_layer(panels.shares, _RESNET_ROWS)
    ),
    "koster_fig12": Drawing("FCN: uniform weights", _all(_weights, nets=_FCN), drawings.against(_weights, _FCN, _BOTH)),
    "koster_fig13": Drawing(
        "Conv: uniform weights, accuracy", _all(_weights, nets=CONVS), drawings.against(_weights, CONVS, _BOTH[:1])
    ),
    "koster_fig14": Drawing(
        "Conv: uniform weights, remaining weights",
        _all(_weights, nets=CONVS),
        drawings.against(_weights, CONVS, _BOTH[1:]),
    ),
    "koster_fig15": Drawing("FCN: ELUS scores", _all(_scores, nets=_FCN), drawings.against(_scores, _FCN, _BOTH)),
    "koster_fig16": Drawing(
        "Conv: ELUS scores, accuracy", _all(_scores, nets=CONVS), drawings.against(_scores, CONVS, _BOTH[:1])
    ),
    "koster_fig17": Drawing(
        "Conv: ELUS scores, remaining weights", _all(_scores, nets=CONVS), drawings.against(_scores, CONVS, _BOTH[1:])
    ),
    "koster_fig18": Drawing(
        "Conv: SiNN2 against baselines and ELUS",
        _all(_baseline_and_sinn2, _usual_and(2), nets=CONVS),
        drawings.summaries(_baseline_and_sinn2, _usual_and(2), CONVS),
    ),
    "koster_fig19": Drawing(
        "Conv: SiNN1 against SiNN2", _all(_sinn(1, 2), nets=CONVS), drawings.summaries(_sinn(1, 2), _sinn(1, 2), CONVS)
    ),
    "koster_fig20": Drawing(
        "FCN: SiNN1, SiNN2 and ELUS",
        _all(_usual_and(1, 2), nets=_FCN),
        drawings.summaries(_usual_and(1, 2), _usual_and(1, 2), _FCN),
    ),
    "koster_fig21": Drawing(
        "Masks of SiNN1, SiNN2 and ELUS", _all(_usual_and(1, 2)), panels.per_layer(panels.shares, _ALL_SINNS)
    ),
}
FIGURES = {name: drawing._replace(listed_in=__name__) for name, drawing in FIGURES.items()}
