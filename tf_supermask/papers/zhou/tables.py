"""The tables of 'Deconstructing Lottery Tickets' (Zhou et al. 2019), and tables of values that it shows as graphics only."""

import numpy as np
import pandas as pd

from tf_supermask import sparsity
from tf_supermask.evidence.statistics import summary
from tf_supermask.evidence.tables import Row, Table, show
from tf_supermask.experiments import choices, networks
from tf_supermask.experiments.criteria import CRITERIA, MASK0_ACTIONS
from tf_supermask.experiments.spec import Spec
from tf_supermask.papers.zhou import reported as zhou_reported
from tf_supermask.papers.zhou.names import (
    BEST,
    CODE_ONLY,
    GRID,
    LONGER,
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
from tf_supermask.papers.zhou.readings import rounds, tops


def views(experiments):
    """Experiments that are parts of others: the best supermask of a treatment, and the best initial score of learned masks.

    `test_accuracy` is the largest over the levels of the paper's best criterion, `selected` that of the level with the largest
    accuracy on validation images. The best initial score is that with the highest mean accuracy on validation images.
    """
    made = {}
    for net in NETS:
        for treatment in TREATMENTS if supermask(net) in experiments else ():
            made[supermask(net, treatment)] = [_best(record, treatment) for record in experiments[supermask(net)]]
        grid = [experiments[name] for name in (learned(net, score) for score in GRID) if name in experiments]
        if grid:
            made[learned(net)] = max(grid, key=lambda records: np.mean([_validation(record) for record in records]))
    return made


def _best(record, treatment):
    test, val = (
        np.array(record["history"][f"{BEST}/{treatment}/{images}"]) for images in ("test", "val")
    )
    final = {"test_accuracy": test.max(), "selected": test[val.argmax()]}
    final["remaining"] = record["history"]["remaining"][test.argmax()]
    return record | {"final": dict.fromkeys(record["final"]) | final}


def _validation(record):
    history = record["history"]
    return history["val_accuracy"][int(np.argmin(history["val_loss"]))]


def _rows(net):
    yield Row(f"{TITLE[net]}, trained", dense(net))
    for treatment, weights in WEIGHTS.items():
        yield Row(f"{TITLE[net]}, mask of the trained network on {weights}", supermask(net, treatment), dense(net))
    for weights, (paper, longer) in zip(("initial weights", "rescaled signed constants"), LONGER.items(), strict=True):
        yield Row(f"{TITLE[net]}, learned mask on {weights}", learned(net, paper), dense(net))
        yield Row(f"{TITLE[net]}, learned mask on {weights}, epochs for iterations", learned(net, longer), dense(net))


TABLES = {
    "zhou_table1": Table(
        "Supermasks of untrained networks, and trained networks",
        ("test_accuracy", "selected", "remaining"),
        tuple(row for net in NETS for row in _rows(net)),
        (
            f"Masks of trained networks: those of {BEST}, the paper's best criterion, at the best of 25 levels of each run, "
            "chosen on the test images as in the paper; beside it the level that is best on validation images. Figure 7 has the "
            "other criteria.",
            "Learned masks: the best on validation images of the initial scores that have records (Learned masks, by initial "
            "score), after the paper's number of iterations; epochs are what the authors' code has for FC, from a score of 0.",
            "Trained FC: an independent run of the authors' code has 97.92 (Figure 3).",
            "Rescaled signed constants are of the camera-ready version, as 'Signing the Supermask' quotes it.",
            "Welch p: test accuracy against that of the trained network.",
        ),
        zhou_reported.PAPER
        | {
            learned(net, longer): zhou_reported.PAPER[learned(net, paper)]
            for net in NETS
            for paper, longer in LONGER.items()
        },
    ),
}


# ---------------------------------------------------------------------------------------------------------------------
# Tables of other shapes: Evidence -> (title, data frame of text, notes)


def settings(evidence):
    """Table S1: the settings of our Specs and the sizes of our networks, beside the paper's."""
    lines = []
    for net, (weights, iterations, rate, pruned) in zhou_reported.SETTINGS.items() if evidence.scale == "paper" else ():
        spec = Spec.of(mode="lottery", model=net)
        conv, all_ = weight_counts(spec)
        ours = (spec.prune_conv, spec.prune_dense)[-len(pruned) :]
        lines.append(
            {"": TITLE[net], "weights": f"{all_:,}" + (f" / {conv:,} in convolutions" if conv else "")}
            | {"paper: weights": weights, "iterations": f"{spec.iterations:,}", "paper: iterations": f"{iterations:,}"}
            | {"batch": spec.batch_size, "Adam's rate": spec.learning_rate, "paper: rate": rate}
            | {"pruned per round, %": " / ".join(f"{100 * share:.0f}" for share in ours)}
            | {"paper: pruned": " / ".join(f"{share:.0f}" for share in pruned)}
        )
    notes = ("Weights are those of kernels. The output layer is pruned by 10 %, as in the authors' code.",)
    return "Settings of iterative pruning", pd.DataFrame(lines).astype(str), notes


def weight_counts(spec):
    """Weights of the convolutions and of all kernels of a network."""
    layers = sparsity.kernel_layers(networks.outline(spec.model, choices.DATASETS[spec.dataset]))
    shapes = [sparsity.kernel_shape(layer) for layer in layers]
    sizes = [(len(shape) == 4, int(np.prod(shape))) for shape in shapes]
    return sum(size for conv, size in sizes if conv), sum(size for _, size in sizes)


_LEVELS = (5, 10, 14, 18, 20, 22, 24)  # rounds that the reference has


def _levels(title, variants):
    """Function that makes a table of the test accuracy at some rounds; `variants(net)` is label -> experiment."""

    def frame(evidence):
        lines = []
        for net in NETS:
            present = {label: name for label, name in variants(net).items() if name in evidence}
            if present and dense(net) in evidence:
                present = {"dense": dense(net), **present}
            for label, name in present.items():
                accuracy = rounds(evidence, name).T
                by_round = {k: summary(runs) for k, runs in enumerate(accuracy) if bool(k) != (label == "dense")}
                lines.append({"": f"{TITLE[net]}, {label}", "n": accuracy.shape[1]} | by_round)
                if net == "fcn" and evidence.scale == "paper" and label in zhou_reported.REFERENCE:
                    reference = {k: (mean,) for k, mean in zhou_reported.REFERENCE[label].items()}
                    lines.append({"": "an independent run of the authors' code", "n": 5} | reference)
        levels = sorted({k for line in lines for k in line if isinstance(k, int)})
        levels = [k for k in levels if k in (0, *_LEVELS) or max(levels) < _LEVELS[0]]
        cells = [
            {"": line[""], "n": str(line["n"])} | {f"round {k}": show(line.get(k, ()), 2) for k in levels} for line in lines
        ]
        notes = ("Test accuracy, %, after rounds of pruning; the paper shows it in graphics only.",)
        return title, pd.DataFrame(cells), notes

    return frame


def by_criterion(evidence):
    """One-shot supermasks: for each criterion the mean over runs of the best test accuracy at any level, beside the paper's."""
    lines = []
    for net in (net for net in NETS if supermask(net) in evidence):
        for criterion in CRITERIA:
            line = {"": f"{TITLE[net]}, {criterion}", "n": str(len(evidence.need(supermask(net))))}
            for treatment, weights in WEIGHTS.items():
                line[f"{weights}, %"] = show(summary(tops(evidence, net, treatment, criterion)), 2)
                line[f"paper: {weights}, %"] = _printed(net, criterion, treatment)
            lines.append(line)
    notes = (
        "Test accuracy of untrained networks at the best of 25 levels of each run; the paper shows other criteria in graphics "
        f"only. {' and '.join(CODE_ONLY)} are of the authors' code only.",
    )
    return "Masks of trained networks, by criterion", pd.DataFrame(lines), notes


def _printed(net, criterion, treatment):
    if criterion == BEST:
        return show(zhou_reported.PAPER[supermask(net, treatment)]["test_accuracy"], 2)
    if (criterion, treatment) == ("large_final", "init") and net in zhou_reported.LARGE_FINAL:
        return f"nearly {zhou_reported.LARGE_FINAL[net]:.0f}"
    return "-"


def initial_scores(evidence):
    """Learned masks by initial score, followed by their other variants."""
    lines = []
    for net in NETS:
        for score in (*GRID, *VARIANTS):
            name = learned(net, score)
            if name in evidence:
                records = evidence.need(name)
                cells = {m: show(summary(r["final"][m] for r in records), 2) for m in ("test_accuracy", "remaining")}
                label = "" if score in GRID else f"{score}, "
                label += f"from {records[0]['spec']['score_value']:.0f}"
                lines.append(
                    {"": f"{TITLE[net]}, {label.replace('_', ' ')}", "n": str(len(records))}
                    | {
                        "iterations": f"{records[0]['spec']['iterations']:,}",
                        "test accuracy, %": cells["test_accuracy"],
                    }
                    | {"remaining weights, %": cells["remaining"]}
                )
    notes = ("Means of ten samples, at the iteration with the lowest validation loss.",)
    return "Learned masks, by initial score", pd.DataFrame(lines), notes


FRAMES = {
    "zhou_tableS1": settings,
    "zhou_fig3": _levels("Mask criteria", lambda net: {c: chain(net, c) for c in NINE}),
    "zhou_fig4": _levels(
        "Mask-1 actions",
        lambda net: (
            {"rewind": chain(net), "random": chain(net, "random")}
            | {action: chain(net, mask1=action) for action in NO_SIGN + SIGN}
        ),
    ),
    "zhou_fig5": _levels("Mask-0 actions", lambda net: {action: chain(net, mask0=action) for action in MASK0_ACTIONS}),
    "zhou_fig7": by_criterion,
    "zhou_appendix_s6": initial_scores,
}

HEADLINES = {
    "zhou_table1": (
        "FC, mask of the trained network on initial weights",
        "FC, mask of the trained network on signed constants",
        "FC, learned mask on initial weights",
    )
}
