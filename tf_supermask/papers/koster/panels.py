"""Panels that several figures of Koster et al. 2022 share."""

import numpy as np

from tf_supermask.evidence import statistics
from tf_supermask.evidence.figures import BLUE, ORANGE, PINK, RED, available, grid, percent_ticks
from tf_supermask.evidence.results import Missing, equality

INITS = {"He": "he", "ELUS": "elus", "Xavier": "xavier"}
_LABELS = {"test_accuracy": "test accuracy, %", "remaining": "remaining weights, %"}


def curves(axes, evidence, experiments, column):
    """Mean and 5-95 % band over epochs of the experiments (label -> name) that have records."""
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
    """Stacked shares of -1, 0 and +1 in each layer, means over runs."""
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
    """Share of the elements of each layer that are equal in `count` runs; with `absolute`, that of |mask| beside it."""
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
    """The number of runs with masks that all experiments have: agreement falls with it, so equal numbers are compared."""
    return min(len(evidence.mask_files(name)) for name in names)


def bars(axes, evidence, groups, measure):
    """Bars of the mean and 5-95 % interval over runs; `groups` is label -> {label -> experiment}."""
    colors = {"baseline": "#999999", "ELUS": BLUE, "SiNN1": PINK, "SiNN2": ORANGE}
    for position, group in enumerate(groups.values()):
        for place, (label, name) in enumerate(group.items()):
            if name in evidence:
                mean, *ends = statistics.summary(evidence.values(name, measure))
                # the mean of equal numbers is rounded, and that of skewed ones may lie outside the interval
                error = [[max(0.0, mean - ends[0])], [max(0.0, ends[1] - mean)]] if ends else None
                x = position + (place - (len(group) - 1) / 2) * 0.8 / len(group)
                axes.bar(x, mean, 0.8 / len(group), yerr=error, color=colors[label], label=label, capsize=2)
    axes.set_xticks(range(len(groups)), groups)
    axes.set_ylabel(_LABELS[measure])
    handles = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    axes.legend(handles.values(), handles.keys(), loc="upper left", bbox_to_anchor=(1, 1))
    if measure == "test_accuracy":
        runs = np.concatenate([evidence.values(name, measure) for group in groups.values() for name in group.values()])
        margin = 0.2 * (runs.max() - runs.min()) + 0.2
        axes.set_ylim(max(0, runs.min() - margin), runs.max() + margin / 2)


def per_layer(panel, rows, runs=1, masks=False):
    """Draws a grid of panels; `rows` is label -> {label -> experiment}. Rows and panels without records are left out."""

    def figure_of(evidence):
        present, lacking = {}, []
        for label, experiments in rows.items():
            try:
                present[label] = available(evidence, experiments, runs, masks)
            except Missing as missing:
                lacking.append(missing)
        if not present:
            raise lacking[0]
        columns = max(map(len, present.values()))
        figure, axes = grid(len(present), columns, max(4, 3.4 * columns))
        for row, (label, experiments) in zip(axes, present.items(), strict=True):
            for axis in row[len(experiments) :]:
                axis.axis("off")
            shared = {"count": fewest(evidence, experiments.values())} if masks else {}
            for axis, (column, name) in zip(row, experiments.items(), strict=False):
                panel(axis, evidence, name, **shared)
                axis.set_title(f"{label}, {column} (n={len(evidence.need(name))})")
        axes[0, len(next(iter(present.values()))) - 1].legend(loc="upper left", bbox_to_anchor=(1, 1))
        return figure

    return figure_of
