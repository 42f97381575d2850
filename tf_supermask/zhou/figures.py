"""The figures of 'Deconstructing Lottery Tickets' (Zhou et al. 2019).

Numbers are those of the long version; the short version's 1 to 3 and S3 to S5 are parts of, or the same as, Figures 3 to 5, its
S1, S2, S6, S7 are Figures 1, 2, S1, 6, its 4 and S8 are Figure 7. The cartoons are drawn by the functions of criteria.py.
Lines are means, bands reach from the least to the greatest run. A star: significantly better than every other line.
"""

import numpy as np

from tf_supermask import criteria, tables
from tf_supermask.evidence import Missing
from tf_supermask.figures import BLUE, GREEN, ORANGE, PINK, RED, SKY, Drawing, grid, percent_ticks
from tf_supermask.zhou.names import (
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
from tf_supermask.zhou.readings import SIGNIFICANT, TESTED, length, rounds

GREY = "#999999"
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
    "toward_zero_all": (GREY, ":"),
}
_BANDS = ("large_final", "magnitude_increase", "movement", "random", "rewind", "zero", "toward_zero")


# ---------------------------------------------------------------------------------------------------------------------
# Cartoons: weights before and after training, and which of them a criterion keeps


def _weights(number=2500):
    """Initial and final values of made-up weights of one layer: correlated, and spread by training."""
    draw = np.random.default_rng(0)
    initial = draw.normal(size=number)
    return initial, 0.8 * initial + draw.normal(scale=0.7, size=number)


def _plane(axes, criterion, share=0.5, colors=(BLUE, "#CCCCCC")):
    """The weights that a criterion keeps, all without one, over initial (x) and final value (y)."""
    initial, final = _weights()
    everything = kept = np.ones(initial.shape, bool)
    if criterion:
        scores = criteria.ranked(criterion, initial, final, everything)
        kept = criteria.cut(scores, everything, 1 - share, np.random.default_rng(1))
    for chosen, color in ((~kept, colors[1]), (kept, colors[0])):
        axes.plot(initial[chosen], final[chosen], ".", color=color, markersize=2, rasterized=True)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], aspect="equal", xlabel="initial", ylabel="final")
    axes.grid(False)
    return initial, final, kept


def planes(*names, share=0.5, columns=5):
    """Panels of criteria in a grid, each with the `share` of the weights that it keeps; None is without mask."""

    def figure_of(evidence):
        del evidence
        lines = -(-len(names) // columns)
        figure, axes = grid(lines, min(columns, len(names)), 2.1 * min(columns, len(names)), 2.5)
        for axis in axes.flat[len(names) :]:
            axis.axis("off")
        for axis, name in zip(axes.flat, names, strict=False):
            _plane(axis, name, share)
            formula = criteria.CRITERIA[name].formula.replace(" if ", "\nif ") if name else "all weights"
            axis.set_title(f"{name or 'no mask'}\n{formula}", fontsize=8)
        return figure

    return figure_of


def cut_of_large_final(evidence):
    """Figure 1: what large_final keeps lies beyond two horizontal lines."""
    del evidence
    figure, axes = grid(1, 1, 3.4, 3.2)
    _, final, kept = _plane(axes[0, 0], "large_final")
    for sign in (-1, 1):
        axes[0, 0].axhline(sign * np.abs(final[kept]).min(), color=RED, linestyle="--")
    axes[0, 0].set_title("large_final keeps what ends beyond the lines")
    return figure


def motion(evidence):
    """Figure S1: of the weights that large_final prunes, more moved toward zero than of those that it keeps."""
    del evidence
    figure, axes = grid(1, 2, 7.4, 3.2)
    for axis, kind in zip(axes[0], ("pruned", "kept"), strict=True):
        initial, final, kept = _plane(axis, "large_final", colors=("#EEEEEE", "#EEEEEE"))
        chosen = kept if kind == "kept" else ~kept
        toward = criteria.MASK0_ACTIONS["toward_zero"].frozen(initial, initial, final) == 0
        for its, color, label in ((toward, ORANGE, "toward zero"), (~toward, BLUE, "away from zero")):
            axis.plot(
                *(v[its & chosen] for v in (initial, final)),
                ".",
                color=color,
                markersize=2,
                label=label,
                rasterized=True,
            )
        axis.plot([-3, 3], [-3, 3], [-3, 3], [3, -3], color="black", linewidth=0.6, linestyle=":")
        axis.set_title(f"{kind} (made-up weights)")
    axes[0, 1].legend(loc="upper left", bbox_to_anchor=(1, 1), markerscale=4)
    return figure  # fmt: skip


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
            and tables.welch(runs[:, level], its[:, level]) < SIGNIFICANT
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
    "zhou_fig1": Drawing("large_final in the plane of initial and final weights", (), cut_of_large_final),
    "zhou_fig2": Drawing("Mask criteria", (), planes(*NINE)),
    "zhou_fig3": Drawing("Iterative pruning by nine criteria", _all(_criteria), chains(_criteria, _BOTH)),
    "zhou_fig4": Drawing("What kept weights start with", _all(_mask1), chains(_mask1, _BOTH)),
    "zhou_fig5": Drawing("What pruned weights are frozen at", _all(_mask0), chains(_mask0, _BOTH[1:])),
    "zhou_fig6": Drawing(
        "Masks that depend on the sign",
        (),
        planes(None, "random", "large_final", "large_final_same_sign", "large_final_diff_sign", share=0.2),
    ),
    "zhou_fig7": Drawing(
        "Supermasks of untrained networks",
        _SUPERMASKS + _LEARNED + tuple(learned(net, "epochs") for net in NETS),
        supermasks,
    ),
    "zhou_figS1": Drawing("large_final prunes what moved toward zero", (), motion),
    "zhou_learned": Drawing(
        "Learned masks by initial score",
        _LEARNED + tuple(learned(net, kind) for net in NETS for kind in VARIANTS),
        initial_scores,
    ),
}
