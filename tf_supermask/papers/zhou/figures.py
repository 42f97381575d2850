"""The figures of 'Deconstructing Lottery Tickets' (Zhou et al. 2019).

Figures have the numbers of the long version. In the short version 1 to 3 and S3 to S5 are parts of Figures 3 to 5; S1, S2, S6, S7
are Figures 1, 2, S1, 6; 4 and S8 are Figure 7. The functions of criteria.py draw the cartoons.
Lines are means, bands range from the lowest to the highest run. A star: significantly better than every other line.
"""

import numpy as np

from tf_supermask.evidence.figures import BLUE, GREEN, ORANGE, PINK, RED, SKY, Drawing, grid, percent_ticks
from tf_supermask.evidence.results import Missing
from tf_supermask.experiments import criteria
from tf_supermask.papers.zhou import cartoons
from tf_supermask.papers.zhou.names import (
    ELEVEN,
    GRID,
    NETS,
    NINE,
    NO_SIGN,
    SIGN,
    TITLE,
    TREATMENTS,
    VARIANTS,
    WEIGHTS,
    chain,
    dense,
    learned,
    supermask,
)
from tf_supermask.papers.zhou.readings import length, rounds, stars

# opposed criteria have the same colour; the small one is dashed
_PAIRS = {"large_final": BLUE, "large_init": ORANGE, "large_init_large_final": GREEN}
_LINES = {
    **{large: (color, "-") for large, color in _PAIRS.items()},
    **{large.replace("large", "small"): (color, "--") for large, color in _PAIRS.items()},
    "magnitude_increase": (RED, "-"),
    "movement": (PINK, "-"),
    "random": ("black", ":"),
    "large_final_same_sign": (SKY, "-"),
    "large_final_diff_sign": (SKY, "--"),
    **{action: (color, "--") for action, color in zip(NO_SIGN, (RED, GREEN, PINK), strict=True)},
    **{action: (color, "-") for action, color in zip(SIGN, (RED, GREEN, PINK), strict=True)},
    **{name: (BLUE, style) for name, style in (("rewind", "-"), ("zero", "-"), ("init", ":"), ("toward_zero", "--"))},
    "toward_zero_all": (cartoons.GREY, ":"),
}
_BANDS = ("large_final", "magnitude_increase", "movement", "random", "rewind", "zero", "toward_zero")


# ---------------------------------------------------------------------------------------------------------------------
# Curves over the share of remaining weights


def _axis(axes):
    axes.set_xscale("log")
    axes.invert_xaxis()
    axes.set_xlabel("remaining weights, %")
    percent_ticks(axes.xaxis)


def _curves(axes, left, lines, better=np.greater):
    """`lines`: label -> array (runs, levels), over `left`, remaining weights in percent. Stars: `better` than all other lines."""
    for label, runs in lines.items():
        color, style = _LINES[label]
        axes.plot(left, runs.mean(axis=0), color=color, linestyle=style, linewidth=1.2, label=label)
        if label in _BANDS and len(runs) > 1:
            axes.fill_between(left, runs.min(axis=0), runs.max(axis=0), color=color, alpha=0.2, linewidth=0)
        for level in stars(label, lines, better):
            axes.plot(left[level], runs[:, level].mean(), "*", color=color, markersize=7)
    _axis(axes)


def _zoom(axes, lines):
    """Limits the axis to the range of the best three lines, so that good lines are distinguishable."""
    means = np.array([runs.mean(axis=0) for runs in lines.values()])
    low, high = np.sort(means.min(axis=1))[-3:][0], means.max()
    axes.set_ylim(low - 0.05 * (high - low) - 0.1, high + 0.05 * (high - low) + 0.1)


def chains(variants, columns):
    """Lines over remaining weights: a row per network, a column per history; `variants(net)` is label -> experiment."""

    def figure_of(evidence):
        present = {net: {label: n for label, n in variants(net).items() if n in evidence} for net in NETS}
        present = {net: names for net, names in present.items() if len(names) > 1}
        if not present:
            raise Missing(f"1 run of {' and '.join(list(variants(NETS[0]).values())[:2])}, there are 0")
        figure, axes = grid(len(present), len(columns), 4.2 * len(columns) + 1.8, 3)
        for row, (net, names) in zip(axes, present.items(), strict=True):
            left = rounds(evidence, next(iter(names.values())), "remaining").mean(axis=0)
            runs = sorted({len(evidence.need(name)) for name in names.values()})
            for axis, column in zip(row, columns, strict=True):
                lines = {label: rounds(evidence, name, column) for label, name in names.items()}
                length = min(line.shape[1] for line in lines.values())
                lines = {label: line[:, :length] for label, line in lines.items()}
                _curves(axis, left[:length], lines, np.less if column == "best_iteration" else np.greater)
                axis.set_ylabel(_COLUMNS[column])
                axis.set_title(f"{TITLE[net]} (n={'-'.join(map(str, dict.fromkeys((runs[0], runs[-1]))))})")
                if column == "test_accuracy":
                    _dense_line(axis, evidence, net)
                    _zoom(axis, lines)
            row[-1].legend(loc="upper left", bbox_to_anchor=(1, 1))
        return figure

    return figure_of


def _dense_line(axis, evidence, net):
    """The accuracy of the dense network as a horizontal line, over all its runs: chains may have fewer."""
    if dense(net) in evidence:
        accuracy = evidence.values(dense(net), "test_accuracy")
        axis.axhline(accuracy.mean(), color="black", linewidth=0.8, label=f"dense (n={len(accuracy)})")


_COLUMNS = {"best_iteration": "early-stopping iteration", "test_accuracy": "test accuracy, %"}


def supermasks(evidence):
    """Figure 7: untrained networks with masks of the trained one, on initial weights (left) and signed constants (right)."""
    present = [net for net in NETS if supermask(net) in evidence]
    if not present:
        raise Missing(f"1 run of {supermask(NETS[0])}, there are 0")
    figure, axes = grid(len(present), 2, 11, 3.2, sharey="row")
    for row, net in zip(axes, present, strict=True):
        records = evidence.need(supermask(net))
        for axis, treatment in zip(row, TREATMENTS, strict=True):
            _heuristic_masks(axis, records, treatment)
            if treatment == "init":
                _learned_masks(axis, evidence, net)
            _axis(axis)
            axis.set(xlim=(130, 0.4), ylim=(0, 100), title=f"{TITLE[net]}, {WEIGHTS[treatment]} (n={len(records)})")
        row[0].set_ylabel("test accuracy, %")
        handles = row[0].get_legend_handles_labels()
        row[1].legend(*handles, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _heuristic_masks(axis, records, treatment):
    """A line per criterion over the share of remaining weights; horizontal lines: the network with the same weights without mask,
    which is level 0 of any criterion, and the trained network."""
    left = np.mean([record["history"]["remaining"] for record in records], axis=0)
    for criterion in ELEVEN:
        runs = np.array([record["history"][f"{criterion}/{treatment}/test"] for record in records], float)
        color, style = _LINES[criterion]
        axis.plot(left, runs.mean(axis=0), color=color, linestyle=style, linewidth=1.2, label=criterion)
        axis.fill_between(left, runs.min(axis=0), runs.max(axis=0), color=color, alpha=0.12, linewidth=0)
    for label, column, style in (("untrained, no mask", f"random/{treatment}/test", ":"), ("trained", "trained", "-")):
        accuracy = np.mean([record["history"][column][0] for record in records])
        axis.axhline(accuracy, color="black", linestyle=style, linewidth=0.8, label=label)


def _learned_masks(axis, evidence, net):
    """A point for each learned mask: after the paper's iterations, and after as many epochs."""
    for marker, names in (("o", [learned(net, score) for score in GRID]), ("D", [learned(net, "epochs")])):
        names = [name for name in names if name in evidence]
        if names:
            points = [[evidence.mean(name, measure) for name in names] for measure in ("remaining", "test_accuracy")]
            label = f"learned mask\n{length(evidence, names[0])}"
            axis.plot(*points, marker, color="black", markersize=4, label=label)


def initial_scores(evidence):
    """Learned masks over their initial score: accuracy and remaining weights."""
    present = {net: [score for score in GRID if learned(net, score) in evidence] for net in NETS}
    present = {net: scores for net, scores in present.items() if scores}
    if not present:
        raise Missing(f"1 run of {learned(NETS[0], 0)}, there are 0")
    figure, axes = grid(1, 2, 9, 3)
    labels = {"test_accuracy": "test accuracy, %", "remaining": "remaining weights, %"}
    for axis, (measure, label) in zip(axes[0], labels.items(), strict=True):
        for net, scores in present.items():
            means = [evidence.mean(learned(net, score), measure) for score in scores]
            (line,) = axis.plot(scores, means, "o-", markersize=3, label=f"{TITLE[net]}, probabilities")
            _variants(axis, evidence, net, measure, line.get_color())
        axis.set(xlabel="initial score", ylabel=label, xlim=(GRID[0] - 0.5, GRID[-1] + 0.5))
    axes[0, 1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _variants(axis, evidence, net, measure, color):
    """A point for each other variant of learned masks."""
    for variant, marker in zip(VARIANTS, "s^Dv", strict=True):
        name = learned(net, variant)
        if name in evidence:
            start = evidence.need(name)[0]["spec"]["score_value"]
            label = f"{TITLE[net]}, {variant.replace('_', ' ')}"
            axis.plot(start, evidence.mean(name, measure), marker, color=color, markersize=5, label=label)


def _criteria(net):
    return {c: chain(net, c) for c in NINE}


def _mask1(net):
    # Deviation: captions of the paper have random reinitialization as the second baseline, the text of its long version a network
    # pruned at random. Reinitialization is a line of its own; the baseline is the random mask, rewound.
    usual = {"rewind": chain(net), "random": chain(net, "random")}
    return usual | {a: chain(net, mask1=a) for pair in zip(NO_SIGN, SIGN, strict=True) for a in pair}


def _mask0(net):
    return {a: chain(net, mask0=a) for a in criteria.MASK0_ACTIONS}


def _all(variants):
    return tuple(dict.fromkeys(name for net in NETS for name in (dense(net), *variants(net).values())))


_SUPERMASKS = tuple(supermask(net) for net in NETS)
_LEARNED = tuple(learned(net, score) for net in NETS for score in GRID)
_BOTH = tuple(_COLUMNS)

FIGURES = {
    "zhou_fig1": Drawing("large_final in the plane of initial and final weights", (), cartoons.cut_of_large_final),
    "zhou_fig2": Drawing("Mask criteria", (), cartoons.planes(*NINE)),
    "zhou_fig3": Drawing("Iterative pruning by nine criteria", _all(_criteria), chains(_criteria, _BOTH)),
    "zhou_fig4": Drawing("What kept weights start with", _all(_mask1), chains(_mask1, _BOTH)),
    "zhou_fig5": Drawing("What pruned weights are frozen at", _all(_mask0), chains(_mask0, _BOTH[1:])),
    "zhou_fig6": Drawing(
        "Masks that depend on the sign",
        (),
        cartoons.planes(
            *(None, "random", "large_final", "large_final_same_sign", "large_final_diff_sign"), share=0.2, slope=0.25
        ),
    ),
    "zhou_fig7": Drawing(
        "Supermasks of untrained networks",
        _SUPERMASKS + _LEARNED + tuple(learned(net, "epochs") for net in NETS),
        supermasks,
    ),
    "zhou_figS1": Drawing("large_final prunes what moved toward zero", (), cartoons.motion),
    "zhou_learned": Drawing(
        "Learned masks by initial score",
        _LEARNED + tuple(learned(net, kind) for net in NETS for kind in VARIANTS),
        initial_scores,
    ),
}
FIGURES = {name: drawing._replace(listed_in=__name__) for name, drawing in FIGURES.items()}
