"""The figures of 'Signing the Supermask' (Koster et al. 2022), drawn from records and stored masks.

`FIGURES` says for each which experiments it shows and how it is drawn. A figure shows what there are records of, panel by
panel, and raises `Missing` where there is nothing to show. Bands and bars reach from the 5 % to the 95 % quantile of the runs.
"""

import matplotlib.colors
import numpy as np
from matplotlib.figure import Figure

from tf_supermask import data, tables
from tf_supermask.errors import InputError
from tf_supermask.evidence import Missing, equality, uses
from tf_supermask.figures import BLUE, ORANGE, PINK, RED, Drawing, available, grid, percent_ticks
from tf_supermask.koster.names import (
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

INITS = {"He": "he", "ELUS": "elus", "Xavier": "xavier"}
_LABELS = {"test_accuracy": "test accuracy, %", "remaining": "remaining weights, %"}


# ---------------------------------------------------------------------------------------------------------------------
# Panels


def curves(axes, evidence, experiments, column):
    """Mean and band over epochs, of the experiments that there are."""
    for label, name in experiments.items():
        if name in evidence:
            runs = evidence.history(name, column)
            first = 0 if column == "remaining" else 1
            epochs = np.arange(first, first + runs.shape[1])
            (line,) = axes.plot(epochs, runs.mean(axis=0), label=f"{label} (n={len(runs)})", linewidth=1.2)
            low, high = np.quantile(runs, (0.05, 0.95), axis=0)
            axes.fill_between(epochs, low, high, color=line.get_color(), alpha=0.25, linewidth=0)
    axes.set(xlabel="epoch", ylabel=_LABELS[column])
    if column == "remaining":
        axes.set_yscale("log")
        percent_ticks(axes.yaxis)
    axes.legend(loc="best")


def shares(axes, evidence, name):
    """Stacked share of -1, 0 and +1 in each layer, mean over runs."""
    layers = evidence.layers(name)
    bottom = np.zeros(len(layers))
    for position, (label, color) in enumerate((("-1", RED), ("0", "#DDDDDD"), ("+1", BLUE))):
        height = np.array([table[:, position].mean() for table in layers.values()])
        axes.bar(range(len(layers)), height, bottom=bottom, color=color, label=label, width=0.85)
        bottom += height
    axes.set_xticks(range(len(layers)), layers, rotation=90, fontsize=7)
    axes.set(ylim=(0, 1), ylabel="share of the mask")
    axes.grid(False)


def agreement(axes, evidence, name, count, absolute=True):
    """Share of elements of each layer on which `count` runs agree; with `absolute`, of |mask| beside it."""
    runs = evidence.masks(name, 2)[:count]
    layers = list(runs[0])
    kinds = (("mask", False, BLUE), ("|mask|", True, ORANGE))[: 1 + absolute]
    for position, (label, of_absolute, color) in enumerate(kinds):
        heights = [equality([run[layer] for run in runs], of_absolute) for layer in layers]
        offset = (position - (len(kinds) - 1) / 2) * 0.8 / len(kinds)
        axes.bar(np.arange(len(layers)) + offset, heights, 0.8 / len(kinds), color=color, label=label)
    axes.set_xticks(range(len(layers)), layers, rotation=90, fontsize=7)
    axes.set(ylim=(0, 1), ylabel=f"equal in {count} runs")


def fewest(evidence, names):
    """How many runs with masks all experiments have: agreement falls with that number, so as many of each are compared."""
    return min(len(evidence.mask_files(name)) for name in names)


def bars(axes, evidence, groups, measure):
    """Groups (label -> {label -> experiment}) of bars with the mean and the interval of the runs."""
    colors = {"baseline": "#999999", "ELUS": BLUE, "SiNN1": PINK, "SiNN2": ORANGE}
    for position, its in enumerate(groups.values()):
        for place, (label, name) in enumerate(its.items()):
            if name in evidence:
                mean, *ends = tables.summary(evidence.values(name, measure))
                error = [[mean - ends[0]], [ends[1] - mean]] if ends else None
                x = position + (place - (len(its) - 1) / 2) * 0.8 / len(its)
                axes.bar(x, mean, 0.8 / len(its), yerr=error, color=colors[label], label=label, capsize=2)
    axes.set_xticks(range(len(groups)), groups)
    axes.set_ylabel(_LABELS[measure])
    handles = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    axes.legend(handles.values(), handles.keys(), loc="upper left", bbox_to_anchor=(1, 1))
    if measure == "test_accuracy":
        runs = np.concatenate([evidence.values(name, measure) for its in groups.values() for name in its.values()])
        margin = 0.2 * (runs.max() - runs.min()) + 0.2
        axes.set_ylim(max(0, runs.min() - margin), runs.max() + margin / 2)


# ---------------------------------------------------------------------------------------------------------------------
# Figures


def feature_selector(evidence):
    """Figure 1: an 8, flattened, above the first mask of a signed FCN; beside them the 8, and what each pixel keeps."""
    mask = evidence.masks(signed("fcn"))[0]["fc1"]
    its = evidence.need(signed("fcn"))[0]
    eight = _first_eight(its["spec"]["dataset"], its["data"]["input_shape"])
    figure = Figure(figsize=(11, 4.6))
    axes = figure.subplots(2, 2, width_ratios=(1, 2.4), height_ratios=(1, 2.4))
    (image, strip), (kept, units) = axes
    image.imshow(eight, cmap="Greys")
    strip.imshow(eight.reshape(1, -1), cmap="Greys", aspect="auto", interpolation="nearest")
    strip.set(title="an image of a test set, pixels row by row", yticks=[], xticklabels=[])
    kept.imshow(np.abs(mask).sum(axis=1).reshape(eight.shape), cmap="Greys")
    kept.set_title("weights that remain at each pixel")
    for picture in (image, kept):
        picture.axis("off")
    strip.grid(False)
    _scatter(units, mask.T)
    units.set(title="first mask of a signed FCN", xlabel="input (pixels row by row)", ylabel="unit")
    return figure


def _first_eight(name, shape):
    """The first 8 of a test set, `(height, width)`. Raises Missing where the data set is not on this machine."""
    try:
        dataset = data.load(name, None, data.default_cache_dir(), tuple(shape), download=False)
    except InputError as error:
        raise Missing(f"an image of an 8: {error}") from error
    return dataset.test_images[np.argmax(dataset.test_labels == 8)].mean(axis=-1)


def _scatter(axes, mask):
    """A sparse mask as points: blue keeps, red inverts."""
    for value, color, label in ((1, BLUE, "+1"), (-1, RED, "-1")):
        rows, columns = np.nonzero(mask == value)
        axes.plot(columns, rows, ",", color=color, linestyle="none", rasterized=True)
        axes.plot([], [], "s", color=color, linestyle="none", label=label, markersize=4)
    axes.set(xlim=(0, mask.shape[1]), ylim=(mask.shape[0], 0))
    axes.grid(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))


def conv_masks(evidence):
    """Figure 2: share of -1, 0, +1 per layer, and on how much of them the runs agree."""
    found = available(evidence, {net: signed(net) for net in CONVS})
    several = {net: name for net, name in found.items() if len(evidence.masks(name, 0)) > 1}
    figure, axes = grid(1 + bool(several), len(found), 3.6 * len(found))
    for column, (net, name) in zip(axes.T, found.items(), strict=True):
        shares(column[0], evidence, name)
        column[0].set_title(f"{TITLE[net]} (n={len(evidence.need(name))})")
        if net in several:
            agreement(column[1], evidence, name, fewest(evidence, several.values()), absolute=False)
        elif several:
            column[1].axis("off")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def binary_against_signed(evidence):
    """Figure 3: in how many runs each connection of FCN's first layer remains."""
    found = available(evidence, {"binary": BINARY, "signed": signed("fcn")}, runs=2, masks=True)
    figure, axes = grid(len(found), 1, 9)
    for (axis,), (label, name) in zip(axes, found.items(), strict=True):
        runs = evidence.masks(name)[: fewest(evidence, found.values())]
        used = uses([run["fc1"] for run in runs])
        norm = matplotlib.colors.PowerNorm(0.5, vmin=0, vmax=len(runs))  # few weights remain in many runs
        picture = axis.imshow(used.T, cmap="Greys", aspect="auto", norm=norm, interpolation="antialiased")
        axis.set(title=f"{label}, {len(runs)} runs", ylabel="unit")
        axis.grid(False)
        figure.colorbar(picture, ax=axis, label="runs in which it remains")
    axes[-1, 0].set_xlabel("input (pixels row by row)")
    return figure


def accuracy(evidence):
    """Figure 4: test accuracy over epochs; baselines left, signed right."""
    kinds = {
        "baseline": {"He": "he", "ELU": "elu", "Xavier": "xavier"},
        "signed": INITS,
    }
    name = {"baseline": baseline, "signed": signed}
    nets = [n for n in NETS if any(name[kind](n, s) in evidence for kind, its in kinds.items() for s in its.values())]
    if not nets:
        raise Missing(f"1 run of {signed(NETS[0])}, there are 0")
    figure, axes = grid(len(nets), 2)
    for row, net in zip(axes, nets, strict=True):
        for axis, (kind, its) in zip(row, kinds.items(), strict=True):
            experiments = {label: name[kind](net, s) for label, s in its.items()}
            axis.set_title(f"{TITLE[net]} {kind}")
            if any(experiment in evidence for experiment in experiments.values()):
                curves(axis, evidence, experiments, "test_accuracy")
                _zoom(axis, evidence, [name[k](net, s) for k, i in kinds.items() for s in i.values()])
            else:
                axis.axis("off")
                axis.text(0.5, 0.5, "no runs yet", ha="center", transform=axis.transAxes)
    return figure


def _zoom(axis, evidence, experiments):
    """Accuracy from the lowest after a tenth of the epochs, so that the ends can be told apart."""
    runs = [evidence.history(name, "test_accuracy") for name in experiments if name in evidence]
    low, high = min(run[:, run.shape[1] // 10 :].min() for run in runs), max(run.max() for run in runs)
    margin = 0.05 * (high - low) + 0.1
    axis.set_ylim(low - margin, high + margin)


def remaining(nets):
    def figure_of(evidence):
        found = [n for n in nets if any(signed(n, s) in evidence for s in INITS.values())]
        if not found:
            raise Missing(signed(nets[0]))
        figure, axes = grid(1, len(found), max(5, 3.8 * len(found)), 3)
        for axis, net in zip(axes[0], found, strict=True):
            curves(axis, evidence, {label: signed(net, s) for label, s in INITS.items()}, "remaining")
            axis.set_title(f"{TITLE[net]} signed")
        return figure

    return figure_of


def per_layer(panel, rows, runs=1, masks=False):
    """Grid of panels: `rows` is label -> {label -> experiment}; rows and panels without records are left out."""

    def figure_of(evidence):
        found, lacking = {}, []
        for label, experiments in rows.items():
            try:
                found[label] = available(evidence, experiments, runs, masks)
            except Missing as missing:
                lacking.append(missing)
        if not found:
            raise lacking[0]
        columns = max(map(len, found.values()))
        figure, axes = grid(len(found), columns, max(4, 3.4 * columns))
        for row, (label, experiments) in zip(axes, found.items(), strict=True):
            for axis in row[len(experiments) :]:
                axis.axis("off")
            shared = {"count": fewest(evidence, experiments.values())} if masks else {}
            for axis, (column, name) in zip(row, experiments.items(), strict=False):
                panel(axis, evidence, name, **shared)
                axis.set_title(f"{label}, {column} (n={len(evidence.need(name))})")
        axes[0, len(next(iter(found.values()))) - 1].legend(loc="upper left", bbox_to_anchor=(1, 1))
        return figure

    return figure_of


def first_dense_masks(evidence):
    """Figure 9: the first dense layer's mask of two runs per network, inputs by units."""
    found = available(evidence, {net: signed(net) for net in CONVS}, masks=True)
    columns = max(min(2, len(evidence.masks(name))) for name in found.values())
    figure, axes = grid(len(found), columns, 5.5 * columns, 3)
    for row, (net, name) in zip(axes, found.items(), strict=True):
        for axis in row[len(evidence.masks(name)[:2]) :]:
            axis.axis("off")
        for number, (axis, run) in enumerate(zip(row, evidence.masks(name)[:2], strict=False), 1):
            _scatter(axis, run["fc1"].T)
            axis.set(title=f"{TITLE[net]}, run {number}", xlabel="input", ylabel="unit")
    return figure


def resnets(evidence):
    """Figure 10: accuracy and remaining weights over epochs, by width."""
    found = available(evidence, {TITLE[net]: resnet(net) for net in WIDTHS})
    figure, axes = grid(1, 2, 10, 3.4)
    for axis, column in zip(axes[0], ("test_accuracy", "remaining"), strict=True):
        curves(axis, evidence, found, column)
    return figure


def against(pairs, nets, columns):
    """Over epochs, the experiments of `pairs(net)` (label -> experiment): a row per network, a panel per column."""

    def figure_of(evidence):
        found = [net for net in nets if all(name in evidence for name in pairs(net).values())]
        if not found:
            raise Missing(" and ".join(pairs(nets[0]).values()))
        panels = [(net, column) for net in found for column in columns]
        figure, axes = grid(1, len(panels), max(5, 4 * len(panels)), 3)
        for axis, (net, column) in zip(axes[0], panels, strict=True):
            curves(axis, evidence, pairs(net), column)
            if column == "test_accuracy":
                _zoom(axis, evidence, pairs(net).values())
            axis.set_title(TITLE[net])
        return figure

    return figure_of


def summaries(left, right, nets):
    """Bars of accuracy (left) and remaining weights (right) of the experiments of `left(net)` and `right(net)`."""

    def figure_of(evidence):
        groups = {net: {**left(net), **right(net)} for net in nets}
        found = [net for net, its in groups.items() if all(name in evidence for name in its.values())]
        if not found:
            raise Missing(", ".join(groups[nets[0]].values()))
        figure, axes = grid(1, 2, 10, 3)
        for axis, choice, measure in zip(axes[0], (left, right), ("test_accuracy", "remaining"), strict=True):
            bars(axis, evidence, {TITLE[net]: choice(net) for net in found}, measure)
        return figure

    return figure_of


def overview(evidence):
    """Accuracy and remaining weights over epochs: signed ELUS and the ELU baseline of every network with records."""
    found = [net for net in NETS if signed(net) in evidence]
    if not found:
        raise Missing(f"1 run of {signed(NETS[0])}, there are 0")
    figure, axes = grid(len(found), 2)
    for row, net in zip(axes, found, strict=True):
        its = {"signed": signed(net)} | ({"binary": BINARY} if net == "fcn" else {}) | {"baseline": baseline(net)}
        its = {label: name for label, name in its.items() if name in evidence}
        for axis, column in zip(row, ("test_accuracy", "remaining"), strict=True):
            masked = {label: name for label, name in its.items() if column != "remaining" or label != "baseline"}
            curves(axis, evidence, masked, column)
            axis.set_title(TITLE[net])
        _zoom(row[0], evidence, its.values())
    return figure


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
    return {label: signed(net, scheme) for label, scheme in INITS.items()}


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
    "overview": Drawing("Signed supermasks and baselines", _all(_only(signed), _only(baseline)) + (BINARY,), overview),
    "koster_fig1": Drawing("The first mask of an FCN is a feature selector", (signed("fcn"),), feature_selector),
    "koster_fig2": Drawing("Masks of the Conv networks", _all(_only(signed), nets=CONVS), conv_masks),
    "koster_fig3": Drawing("Binary and signed first masks of FCN", (BINARY, signed("fcn")), binary_against_signed),
    "koster_fig4": Drawing("Test accuracy of all initializations", _all(_by_init, _baselines), accuracy),
    "koster_fig5": Drawing("Remaining weights of FCN", _all(_by_init, nets=_FCN), remaining(_FCN)),
    "koster_fig6": Drawing("Remaining weights of the Conv networks", _all(_by_init, nets=CONVS), remaining(CONVS)),
    "koster_fig7": Drawing("Masks of all initializations", _all(_by_init), per_layer(shares, _ALL_INITS)),
    "koster_fig8": Drawing(
        "Agreement of masks over runs", _all(_by_init), per_layer(agreement, _ALL_INITS, runs=2, masks=True)
    ),
    "koster_fig9": Drawing("Masks of the first dense layer", _all(_only(signed), nets=CONVS), first_dense_masks),
    "koster_fig10": Drawing("ResNet20 of five widths", _all(_only(resnet), nets=WIDTHS), resnets),
    "koster_fig11": Drawing("Masks of ResNet20", _all(_only(resnet), nets=WIDTHS), per_layer(shares, _RESNET_ROWS)),
    "koster_fig12": Drawing("FCN: uniform weights", _all(_weights, nets=_FCN), against(_weights, _FCN, _BOTH)),
    "koster_fig13": Drawing(
        "Conv: uniform weights, accuracy", _all(_weights, nets=CONVS), against(_weights, CONVS, _BOTH[:1])
    ),
    "koster_fig14": Drawing(
        "Conv: uniform weights, remaining weights", _all(_weights, nets=CONVS), against(_weights, CONVS, _BOTH[1:])
    ),
    "koster_fig15": Drawing("FCN: ELUS scores", _all(_scores, nets=_FCN), against(_scores, _FCN, _BOTH)),
    "koster_fig16": Drawing(
        "Conv: ELUS scores, accuracy", _all(_scores, nets=CONVS), against(_scores, CONVS, _BOTH[:1])
    ),
    "koster_fig17": Drawing(
        "Conv: ELUS scores, remaining weights", _all(_scores, nets=CONVS), against(_scores, CONVS, _BOTH[1:])
    ),
    "koster_fig18": Drawing(
        "Conv: SiNN2 against baselines and ELUS",
        _all(_baseline_and_sinn2, _usual_and(2), nets=CONVS),
        summaries(_baseline_and_sinn2, _usual_and(2), CONVS),
    ),
    "koster_fig19": Drawing(
        "Conv: SiNN1 against SiNN2", _all(_sinn(1, 2), nets=CONVS), summaries(_sinn(1, 2), _sinn(1, 2), CONVS)
    ),
    "koster_fig20": Drawing(
        "FCN: SiNN1, SiNN2 and ELUS",
        _all(_usual_and(1, 2), nets=_FCN),
        summaries(_usual_and(1, 2), _usual_and(1, 2), _FCN),
    ),
    "koster_fig21": Drawing("Masks of SiNN1, SiNN2 and ELUS", _all(_usual_and(1, 2)), per_layer(shares, _ALL_SINNS)),
}
