"""Scales of a run: the paper's length, or a fraction of it (reduced, quick)."""

import dataclasses
import math

# Fields counted in epochs or steps -> smallest value.
_COUNTS = {"epochs": 1, "decay_steps": 1, "plateau_patience": 3, "plateau_rest": 1, "iterations": 1, "update_every": 1}
_QUICK = {"dataset": "digits8", "batch_size": 32, "augment": False, "passes": 1}
_MERGED_ROUNDS = 8  # rounds of pruning that a quick lottery ticket does at once


def scaled_down(spec, given=()):
    """`spec`, written for paper scale, at its own `scale`.

    reduced: a tenth of everything counted in epochs or steps. Learning rates and decay are unchanged, so that some scores have
    not reached the threshold at the end.

    quick: also on the embedded digits in small batches. An epoch has 45 steps instead of 391 or more, so the decay of scores is
    16 times as strong. ResNets, whose steps are long, train half of these epochs. Lottery tickets train 100 to 300 iterations,
    but never more than at paper scale, and each round prunes as much as eight do at paper scale.

    Args:
        given: names of fields that the user set; data set, batch size, augmentation and passes stay if they are among them.
    """
    if spec.scale == "paper":
        return spec
    changed = {
        name: max(least, math.ceil(value / 10)) for name, least in _COUNTS.items() if (value := getattr(spec, name))
    }
    if spec.scale == "quick":
        changed |= _quick(spec, given)
    if spec.evaluate_every:
        changed["evaluate_every"] = min(spec.evaluate_every, math.ceil(changed["iterations"] / 10))
    return dataclasses.replace(spec, **changed)


def _quick(spec, given):
    """The changes of scale quick, in addition to or in place of those of scale reduced."""
    changed = {name: value for name, value in _QUICK.items() if name not in given and getattr(spec, name) is not None}
    if changed.get("dataset"):
        changed["splits"] = None  # of another data set
    if spec.schedule == "staircase":
        changed["decay_steps"] = max(1, spec.decay_steps // 80)
    if spec.schedule == "plateau":
        changed["epochs"] = math.ceil(spec.epochs / 20)
    if spec.mode != "baseline":
        changed["weight_decay"] = 16 * spec.weight_decay
    if spec.iterations:
        fewer = min(max(spec.iterations // 200, 100), 300, spec.iterations)
        changed |= {"iterations": fewer, "validation_images": 287}
    if spec.mode == "lottery" and spec.rounds:
        changed["rounds"] = math.ceil(spec.rounds / _MERGED_ROUNDS)
        rates = {name: getattr(spec, name) for name in ("prune_dense", "prune_conv", "prune_output")}
        changed |= {name: 1 - (1 - rate) ** _MERGED_ROUNDS for name, rate in rates.items() if rate}
    return changed
