"""The figures of Koster et al. 2022: each a function of the evidence."""

import matplotlib.colors
import numpy as np
from matplotlib.figure import Figure

from tf_supermask.errors import InputError
from tf_supermask.evidence.figures import BLUE, RED, available, grid
from tf_supermask.evidence.results import Missing, uses
from tf_supermask.experiments import data, paths
from tf_supermask.papers.koster import panels
from tf_supermask.papers.koster.names import BINARY, CONVS, NETS, TITLE, WIDTHS, baseline, resnet, signed


def feature_selector(evidence):
    """Figure 1: an 8, flattened, above the first mask of a signed FCN; left, the 8 and the number of weights at each pixel."""
    mask = evidence.masks(signed("fcn"))[0]["fc1"]
    record = evidence.need(signed("fcn"))[0]
    eight = _first_eight(record["spec"]["dataset"], record["data"]["input_shape"])
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
        dataset = data.load(name, None, paths.default_cache_dir(), tuple(shape), download=False)
    except InputError as error:
        raise Missing(f"an image of an 8: {error}") from error
    return dataset.test_images[np.argmax(dataset.test_labels == 8)].mean(axis=-1)


def _scatter(axes, mask):
    """A sparse mask as points: blue for +1, red for -1."""
    for value, color, label in ((1, BLUE, "+1"), (-1, RED, "-1")):
        rows, columns = np.nonzero(mask == value)
        axes.plot(columns, rows, ",", color=color, linestyle="none", rasterized=True)
        axes.plot([], [], "s", color=color, linestyle="none", label=label, markersize=4)
    axes.set(xlim=(0, mask.shape[1]), ylim=(mask.shape[0], 0))
    axes.grid(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))


def conv_masks(evidence):
    """Figure 2: shares of -1, 0, +1 in each layer, and the share of the mask on which the runs agree."""
    present = available(evidence, {net: signed(net) for net in CONVS})
    several = {net: name for net, name in present.items() if len(evidence.masks(name, 0)) > 1}
    figure, axes = grid(1 + bool(several), len(present), 3.6 * len(present))
    for column, (net, name) in zip(axes.T, present.items(), strict=True):
        panels.shares(column[0], evidence, name)
        column[0].set_title(f"{TITLE[net]} (n={len(evidence.need(name))})")
        if net in several:
            panels.agreement(column[1], evidence, name, panels.fewest(evidence, several.values()), absolute=False)
        elif several:
            column[1].axis("off")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def binary_against_signed(evidence):
    """Figure 3: number of runs in which each connection of FCN's first layer remains."""
    present = available(evidence, {"binary": BINARY, "signed": signed("fcn")}, runs=2, masks=True)
    figure, axes = grid(len(present), 1, 9)
    for (axis,), (label, name) in zip(axes, present.items(), strict=True):
        runs = evidence.masks(name)[: panels.fewest(evidence, present.values())]
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
        "signed": panels.INITS,
    }
    name = {"baseline": baseline, "signed": signed}
    pairs = [(kind, scheme) for kind, schemes in kinds.items() for scheme in schemes.values()]
    nets = [net for net in NETS if any(name[kind](net, scheme) in evidence for kind, scheme in pairs)]
    if not nets:
        raise Missing(f"1 run of {signed(NETS[0])}, there are 0")
    figure, axes = grid(len(nets), 2)
    for row, net in zip(axes, nets, strict=True):
        for axis, (kind, schemes) in zip(row, kinds.items(), strict=True):
            experiments = {label: name[kind](net, scheme) for label, scheme in schemes.items()}
            axis.set_title(f"{TITLE[net]} {kind}")
            if any(experiment in evidence for experiment in experiments.values()):
                panels.curves(axis, evidence, experiments, "test_accuracy")
                _zoom(axis, evidence, [name[other](net, scheme) for other, scheme in pairs])
            else:
                axis.axis("off")
                axis.text(0.5, 0.5, "no runs yet", ha="center", transform=axis.transAxes)
    return figure


def _zoom(axis, evidence, experiments):
    """Limits the axis to the accuracies after a tenth of the epochs, so that final values are distinguishable."""
    runs = [evidence.history(name, "test_accuracy") for name in experiments if name in evidence]
    low, high = min(run[:, run.shape[1] // 10 :].min() for run in runs), max(run.max() for run in runs)
    margin = 0.05 * (high - low) + 0.1
    axis.set_ylim(low - margin, high + margin)


def remaining(nets):
    """Figures 5 and 6: remaining weights over epochs, a panel per network."""

    def figure_of(evidence):
        present = [n for n in nets if any(signed(n, s) in evidence for s in panels.INITS.values())]
        if not present:
            raise Missing(signed(nets[0]))
        figure, axes = grid(1, len(present), max(5, 3.8 * len(present)), 3)
        for axis, net in zip(axes[0], present, strict=True):
            panels.curves(axis, evidence, {label: signed(net, s) for label, s in panels.INITS.items()}, "remaining")
            axis.set_title(f"{TITLE[net]} signed")
        return figure

    return figure_of


def first_dense_masks(evidence):
    """Figure 9: the first dense layer's mask of two runs per network, inputs by units."""
    present = available(evidence, {net: signed(net) for net in CONVS}, masks=True)
    columns = max(min(2, len(evidence.masks(name))) for name in present.values())
    figure, axes = grid(len(present), columns, 5.5 * columns, 3)
    for row, (net, name) in zip(axes, present.items(), strict=True):
        for axis in row[len(evidence.masks(name)[:2]) :]:
            axis.axis("off")
        for number, (axis, run) in enumerate(zip(row, evidence.masks(name)[:2], strict=False), 1):
            _scatter(axis, run["fc1"].T)
            axis.set(title=f"{TITLE[net]}, run {number}", xlabel="input", ylabel="unit")
    return figure


def resnets(evidence):
    """Figure 10: accuracy and remaining weights over epochs, by width."""
    present = available(evidence, {TITLE[net]: resnet(net) for net in WIDTHS})
    figure, axes = grid(1, 2, 10, 3.4)
    for axis, column in zip(axes[0], ("test_accuracy", "remaining"), strict=True):
        panels.curves(axis, evidence, present, column)
    return figure


def against(pairs, nets, columns):
    """Curves over epochs of the experiments of `pairs(net)`, label -> experiment: a panel for each network and column."""

    def figure_of(evidence):
        present = [net for net in nets if all(name in evidence for name in pairs(net).values())]
        if not present:
            raise Missing(" and ".join(pairs(nets[0]).values()))
        shown = [(net, column) for net in present for column in columns]
        figure, axes = grid(1, len(shown), max(5, 4 * len(shown)), 3)
        for axis, (net, column) in zip(axes[0], shown, strict=True):
            panels.curves(axis, evidence, pairs(net), column)
            if column == "test_accuracy":
                _zoom(axis, evidence, pairs(net).values())
            axis.set_title(TITLE[net])
        return figure

    return figure_of


def summaries(left, right, nets):
    """Bars of accuracy (left) and remaining weights (right) of the experiments of `left(net)` and `right(net)`."""

    def figure_of(evidence):
        groups = {net: {**left(net), **right(net)} for net in nets}
        present = [net for net, names in groups.items() if all(name in evidence for name in names.values())]
        if not present:
            raise Missing(", ".join(groups[nets[0]].values()))
        figure, axes = grid(1, 2, 10, 3)
        for axis, choice, measure in zip(axes[0], (left, right), ("test_accuracy", "remaining"), strict=True):
            panels.bars(axis, evidence, {TITLE[net]: choice(net) for net in present}, measure)
        return figure

    return figure_of


def overview(evidence):
    """Accuracy and remaining weights over epochs: signed ELUS and the ELU baseline of every network with records."""
    present = [net for net in NETS if signed(net) in evidence]
    if not present:
        raise Missing(f"1 run of {signed(NETS[0])}, there are 0")
    figure, axes = grid(len(present), 2)
    for row, net in zip(axes, present, strict=True):
        all_ = {"signed": signed(net)} | ({"binary": BINARY} if net == "fcn" else {}) | {"baseline": baseline(net)}
        shown = {label: name for label, name in all_.items() if name in evidence}
        for axis, column in zip(row, ("test_accuracy", "remaining"), strict=True):
            masked = {label: name for label, name in shown.items() if column != "remaining" or label != "baseline"}
            panels.curves(axis, evidence, masked, column)
            axis.set_title(TITLE[net])
        _zoom(row[0], evidence, shown.values())
    return figure
