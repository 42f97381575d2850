"""Cartoons: made-up weights before and after training, and those that a criterion keeps (Zhou et al. 2019, Figures 1, 2, 6)."""

import numpy as np

from tf_supermask.evidence.figures import BLUE, ORANGE, RED, grid
from tf_supermask.experiments import criteria

GREY = "#999999"


def _weights(slope, number=2500):
    """Initial and final values of made-up weights of one layer: final ones are `slope` times initial ones, with noise."""
    draw = np.random.default_rng(0)
    initial = draw.normal(size=number)
    return initial, slope * initial + draw.normal(scale=0.7, size=number)


def _plane(axes, criterion, share=0.5, colors=(BLUE, "#CCCCCC"), slope=0.8):
    """The weights that a criterion keeps, or all without one, over initial (x) and final value (y)."""
    initial, final = _weights(slope)
    all_ = kept = np.ones(initial.shape, bool)
    if criterion:
        scores = criteria.ranked(criterion, initial, final, all_)
        kept = criteria.cut(scores, all_, 1 - share, np.random.default_rng(1))
    for chosen, color in ((~kept, colors[1]), (kept, colors[0])):
        axes.plot(initial[chosen], final[chosen], ".", color=color, markersize=2, rasterized=True)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], aspect="equal", xlabel="initial", ylabel="final")
    axes.grid(False)
    return initial, final, kept


def planes(*names, share=0.5, slope=0.8, columns=5):
    """A grid of panels, one per criterion, each with the `share` of the weights that it keeps; None is no mask. With a smaller
    `slope`, more weights change their sign."""

    def figure_of(evidence):
        del evidence
        lines = -(-len(names) // columns)
        figure, axes = grid(lines, min(columns, len(names)), 2.1 * min(columns, len(names)), 2.5)
        for axis in axes.flat[len(names) :]:
            axis.axis("off")
        for axis, name in zip(axes.flat, names, strict=False):
            _plane(axis, name, share, slope=slope)
            formula = criteria.CRITERIA[name].formula.replace(" if ", "\nif ") if name else "all weights"
            axis.set_title(f"{name or 'no mask'}\n{formula}", fontsize=8)
        return figure

    return figure_of


def cut_of_large_final(evidence):
    """Figure 1: the weights that large_final keeps are beyond two horizontal lines."""
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
        for moved, color, label in ((toward, ORANGE, "toward zero"), (~toward, BLUE, "away from zero")):
            axis.plot(
                *(values[moved & chosen] for values in (initial, final)),
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
