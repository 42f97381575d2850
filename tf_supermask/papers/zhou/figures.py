"""The figures of 'Deconstructing Lottery Tickets' (Zhou et al. 2019).

Numbers are those of the long version; the short version's 1 to 3 and S3 to S5 are parts of, or the same as, Figures 3 to 5, its
S1, S2, S6, S7 are Figures 1, 2, S1, 6, its 4 and S8 are Figure 7. The cartoons are drawn by the functions of criteria.py.
Lines are means, bands reach from the least to the greatest run. A star: significantly better than every other line.
"""

import numpy as np

from tf_supermask.evidence import statistics
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
    learned,
    supermask,
)
from tf_supermask.papers.zhou.readings import SIGNIFICANT, TESTED, length, rounds

# opposed criteria have one colour, the small one dashed
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
    """`lines`: label -> array (runs, levels), over `left`, remaining weights in percent; stars where one is `better`."""
    for label, runs in lines.items():
        color, style = _LINES[label]
        axes.plot(left, runs.mean(axis=0), color=color, linestyle=style, linewidth=1.2, label=label)
        if label in _BANDS and len(runs) > 1:
            axes.fill_between(left, runs.min(axis=0), runs.max(axis=0), color=color, alpha=0.2, linewidth=0)
        for level in stars(label, lines, better):
            axes.plot(left[level], runs[:, level].mean(), "*", color=color, markersize=7)
    _axis(axes)


def stars(label, lines, better=np.greater):
    """Levels at which a line is better than each other one, p < .05 by Welch's test, not corrected for their number."""
    runs = lines[label]
    others = [its for name, its in lines.items() if name != label]
    if len(runs) < TESTED or not others:
        return []
    return [
        level
        for level in range(runs.shape[1])
        if all(
            len(its) >= TESTED
            and better(runs[:, level].mean(), its[:, level].mean())
            and statistics.welch(runs[:, level], its[:, level]) < SIGNIFICANT
            for its in others
        )
    ]


def _zoom(axes, lines):
    """From the accuracy that the best three lines never fall below: the good ones are to be told apart."""
    means = np.array([runs.mean(axis=0) for runs in lines.values()])
    low, high = np.sort(means.min(axis=1))[-3:][0], means.max()
    axes.set_ylim(low - 0.05 * (high - low) - 0.1, high + 0.05 * (high - low) + 0.1)


def chains(variants, columns):
    """A row per network, a column per history, over the share of remaining weights. `variants(net)`: label -> experiment."""

    def figure_of(evidence):
        found = {net: {a: n for a, n in variants(net).items() if n in evidence} for net in NETS}
        found = {net: its for net, its in found.items() if len(its) > 1}
        if not found:
            raise Missing(f"1 run of {' and '.join(list(variants(NETS[0]).values())[:2])}, there are 0")
        figure, axes = grid(len(found), len(columns), 4.2 * len(columns) + 1.8, 3)
        for row, (net, its) in zip(axes, found.items(), strict=True):
            left = rounds(evidence, next(iter(its.values())), "remaining").mean(axis=0)
            runs = sorted({len(evidence.need(name)) for name in its.values()})
            for axis, column in zip(row, columns, strict=True):
                lines = {label: rounds(evidence, name, column) for label, name in its.items()}
                length = min(line.shape[1] for line in lines.values())
                lines = {label: line[:, :length] for label, line in lines.items()}
                _curves(axis, left[:length], lines, np.less if column == "best_iteration" else np.greater)
                axis.set_ylabel(_COLUMNS[column])
                axis.set_title(f"{TITLE[net]} (n={'-'.join(map(str, dict.fromkeys((runs[0], runs[-1]))))})")
                if column == "test_accuracy":
                    axis.axhline(lines[next(iter(lines))][:, 0].mean(), color="black", linewidth=0.8, label="dense")
                    _zoom(axis, lines)
            row[-1].legend(loc="upper left", bbox_to_anchor=(1, 1))
        return figure

    return figure_of


_COLUMNS = {"best_iteration": "early-stopping iteration", "test_accuracy": "test accuracy, %"}


def supermasks(evidence):
    """Figure 7: untrained networks with masks of the trained one, on initial weights (left) and signed constants (right)."""
    found = [net for net in NETS if supermask(net) in evidence]
    if not found:
        raise Missing(f"1 run of {supermask(NETS[0])}, there are 0")
    figure, axes = grid(len(found), 2, 11, 3.2, sharey="row")
    for row, net in zip(axes, found, strict=True):
        its = evidence.need(supermask(net))
        left = np.mean([r["history"]["remaining"] for r in its], axis=0)
        for axis, treatment in zip(row, TREATMENTS, strict=True):
            lines = {c: np.array([r["history"][f"{c}/{treatment}/test"] for r in its], float) for c in ELEVEN}
            for label, runs in lines.items():
                color, style = _LINES[label]
                axis.plot(left, runs.mean(axis=0), color=color, linestyle=style, linewidth=1.2, label=label)
                axis.fill_between(left, runs.min(axis=0), runs.max(axis=0), color=color, alpha=0.12, linewidth=0)
            for label, column, style in (("untrained, no mask", "untrained", ":"), ("trained", "trained", "-")):
                axis.axhline(
                    np.mean([r["history"][column] for r in its]),
                    color="black",
                    linestyle=style,
                    linewidth=0.8,
                    label=label,
                )
            grid_ = [learned(net, score) for score in GRID]
            for marker, points in (("o", grid_), ("D", [learned(net, "epochs")])) if treatment == "init" else ():
                points = [name for name in points if name in evidence]
                if points:
                    where = [[evidence.mean(name, m) for name in points] for m in ("remaining", "test_accuracy")]
                    label = f"learned mask\n{length(evidence, points[0])}"
                    axis.plot(*where, marker, color="black", markersize=4, label=label)
            _axis(axis)
            axis.set(xlim=(130, 0.4), ylim=(0, 100), title=f"{TITLE[net]}, {WEIGHTS[treatment]} (n={len(its)})")
        row[0].set_ylabel("test accuracy, %")
        handles = row[0].get_legend_handles_labels()
        row[1].legend(*handles, loc="upper left", bbox_to_anchor=(1, 1))
    return figure  # fmt: skip


def initial_scores(evidence):
    """Learned masks over their initial score: accuracy and remaining weights."""
    found = {net: [s for s in GRID if learned(net, s) in evidence] for net in NETS}
    found = {net: scores for net, scores in found.items() if scores}
    if not found:
        raise Missing(f"1 run of {learned(NETS[0], 0)}, there are 0")
    figure, axes = grid(1, 2, 9, 3)
    for axis, measure, label in zip(
        axes[0], ("test_accuracy", "remaining"), ("test accuracy, %", "remaining weights, %"), strict=True
    ):
        for net, scores in found.items():
            means = [evidence.mean(learned(net, s), measure) for s in scores]
            (line,) = axis.plot(scores, means, "o-", markersize=3, label=f"{TITLE[net]}, probabilities")
            for variant, marker in zip(VARIANTS, "s^Dv", strict=True):
                if learned(net, variant) in evidence:
                    start = evidence.need(learned(net, variant))[0]["spec"]["score_value"]
                    mean = evidence.mean(learned(net, variant), measure)
                    style = {
                        "color": line.get_color(),
                        "markersize": 5,
                        "label": f"{TITLE[net]}, {variant.replace('_', ' ')}",
                    }
                    axis.plot(start, mean, marker, **style)
        axis.set(xlabel="initial score", ylabel=label, xlim=(GRID[0] - 0.5, GRID[-1] + 0.5))
    axes[0, 1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure  # fmt: skip


def _criteria(net):
    return {c: chain(net, c) for c in NINE}


def _mask1(net):
    its = {"rewind": chain(net), "random": chain(net, "random")}
    return its | {a: chain(net, mask1=a) for pair in zip(NO_SIGN, SIGN, strict=True) for a in pair}


def _mask0(net):
    return {a: chain(net, mask0=a) for a in criteria.MASK0_ACTIONS}


def _all(variants):
    return tuple(dict.fromkeys(name for net in NETS for name in variants(net).values()))


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
        cartoons.planes(None, "random", "large_final", "large_final_same_sign", "large_final_diff_sign", share=0.2),
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
