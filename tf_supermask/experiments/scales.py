"""Runs at a fraction of the paper's length: reduced and quick."""

import dataclasses
import math


def scaled_down(spec, given=()):
    """`spec`, written for paper scale, at its own `scale`; a data set and a batch size in `given` stay.

    reduced: a tenth of the epochs, and of all that is counted in epochs or steps. Rates and decay stay, so that part of the
    scores is still on its way to the threshold at the end. quick: the embedded digits in small batches; an epoch is 45 steps
    instead of 391 or more, so that the decay of scores is 16 times as strong; half of these epochs for ResNets, whose steps
    are long. Lottery tickets have 100 to 300 iterations, but never more than at paper scale, and each round prunes as much as
    eight do.
    """
    if spec.scale == "paper":
        return spec
    tenth = {
        "epochs": 1,
        "decay_steps": 1,
        "plateau_patience": 3,
        "plateau_rest": 1,
        "iterations": 1,
    }  # and the least of each
    changed = {
        name: max(least, math.ceil(value / 10)) for name, least in tenth.items() if (value := getattr(spec, name))
    }
    if spec.scale == "quick":
        small = {"dataset": "digits8", "batch_size": 32, "augment": False, "passes": 1}
        changed |= {
            name: value for name, value in small.items() if name not in given and getattr(spec, name) is not None
        }
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
            changed["rounds"] = math.ceil(spec.rounds / 8)
            rates = {name: getattr(spec, name) for name in ("prune_dense", "prune_conv", "prune_output")}
            changed |= {name: 1 - (1 - rate) ** 8 for name, rate in rates.items() if rate}
    if spec.evaluate_every:
        changed["evaluate_every"] = min(spec.evaluate_every, math.ceil(changed["iterations"] / 10))
    return dataclasses.replace(spec, **changed)
