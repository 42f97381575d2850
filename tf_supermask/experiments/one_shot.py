"""Supermasks without training (Zhou et al. 2019, section 5): masks of a dense run, on its initial weights.

Masks are taken once, from the dense run's initial and final weights, at every pruning level k = 0, 1, 2...: each layer keeps
the share (1 - rate)^k with the highest scores. The network is mask * w_i or mask * (+-c), with biases 0; nothing is trained.

Deviation: the long version of the paper takes the masks of its chains of lottery tickets; here they are taken at once, as in the
authors' code. On FC these have the paper's numbers (docs/results/zhou.md, Figure 7). Masks of the chain of large_final are far
more accurate than the paper says of that criterion: so the chain of seed 0, evaluated once, without a record.
"""

import time
import zlib

import numpy as np

from tf_supermask import sparsity
from tf_supermask.experiments import criteria, data, lottery, networks, records, settings, training
from tf_supermask.experiments.environment import current_environment
from tf_supermask.experiments.evaluation import Evaluation
from tf_supermask.experiments.trainer import assign, copies, kernels_of

# name -> function of a layer's initial kernel, which gives the values of its kept weights
TREATMENTS = {"init": lambda initial: initial, "signed_constant": criteria.signed_constant}


def positions(score, generator):
    """Rank of each score, 0 the lowest, as an array of the score's shape; ties are broken at random."""
    order = np.argsort(generator.random(score.size))
    order = order[np.argsort(score.ravel()[order], kind="stable")]
    ranks = np.empty(score.size, np.int64)
    ranks[order] = np.arange(score.size)
    return ranks.reshape(score.shape)


def kept_at(size, rate, level):
    """Number of weights, of `size`, that remain when `level` rounds of pruning by `rate` are done at once."""
    pruned = min(1 - (1 - rate) ** level, 1 - np.finfo(float).epsneg)  # below 1 also where rounding makes it 1
    return criteria.kept(size, pruned) if level else size


def masks(criterion, initial, finals, rates, levels, generator):
    """Yields a dict, layer name -> bool mask, for each of the levels 0, 1... `levels`.

    Args:
        criterion: key of `criteria.CRITERIA`.
        initial, finals: layer name -> kernel before and after the dense training.
        rates: layer name -> share that a level prunes.
        generator: layer name -> numpy Generator that breaks ties.
    """
    score = criteria.CRITERIA[criterion].score
    ranks = {name: positions(score(initial[name], finals[name]), generator(name)) for name in initial}
    for level in range(levels + 1):
        yield {name: rank >= rank.size - kept_at(rank.size, rates[name], level) for name, rank in ranks.items()}


class Untrained:
    """The network of a spec, which is evaluated with given kernels and zero biases."""

    def __init__(self, spec, dataset):
        self.model = networks.build(spec, dataset.input_shape, dataset.classes)
        self.kernels = kernels_of(self.model)
        sets = {"test": dataset, "val": data.held_out(dataset, spec.validation_images)}
        self.evaluations = {
            name: Evaluation(self.model, data.evaluation_arrays(images, spec)) for name, images in sets.items()
        }

    def accuracies(self, kernels):
        """`{"test": percent, "val": percent}` of kernels by layer name."""
        assign(self.kernels.values(), (kernels[name] for name in self.kernels))
        return {name: evaluation()[1] for name, evaluation in self.evaluations.items()}


@settings.needed()
def train(spec, dataset, run, options=training.Options(), dense_run=None):
    """Evaluates all criteria, treatments and levels on the dense run of `spec`; returns `(model, record)`. Continues after the
    last finished criterion if there is one.

    The history has a column `criterion/treatment/set` for each combination, over the levels, and `criterion/sign_changed`, the
    share in percent of kept weights whose sign training changed.

    Args:
        dense_run: the `records.Run` of `lottery.dense_spec(spec)`.

    Raises:
        InputError: the dense run or the checkpoint is missing or damaged.
    """
    environment, began = current_environment(), time.monotonic()
    checkpoint = records.load_checkpoint(run, spec, [])
    network = Untrained(spec, dataset)
    initial = dict(zip(network.kernels, copies(network.kernels.values()), strict=True))
    finals, dense = lottery.read_dense(spec, dense_run, initial)
    rates = lottery.pruning_rates(spec, network.model)
    treated = {name: {n: weight(kernel) for n, kernel in initial.items()} for name, weight in TREATMENTS.items()}
    unmasked = {name: network.accuracies(kernels) for name, kernels in treated.items()}
    history = {"remaining": [], "untrained": [unmasked["init"]["test"]], "seconds": []}
    history["trained"] = [dense["history"]["test_accuracy"][0]]
    if checkpoint is not None:
        _, history = checkpoint
        options.log(f"  going on after {len(history['seconds'])} criteria")
    for criterion in list(criteria.CRITERIA)[len(history["seconds"]) :]:
        levels = list(masks(criterion, initial, finals, rates, spec.rounds, _generator(spec, criterion)))
        history["remaining"] = [sparsity.remaining(level.values()) for level in levels]
        history[f"{criterion}/sign_changed"] = [_sign_changed(level, initial, finals) for level in levels]
        columns = _accuracies(network, treated, levels, unmasked)
        history |= {f"{criterion}/{name}": column for name, column in columns.items()}
        history["seconds"].append(time.monotonic() - began)
        began = time.monotonic()
        records.save_checkpoint(run, spec, [], history)
        best = max(history[f"{criterion}/signed_constant/test"])
        options.log(f"  {criterion}: up to {best:.2f} % with signed constants")
    return network.model, _record(spec, dataset, run, network, history, dense, environment)


def _accuracies(network, treated, levels, unmasked):
    """`treatment/set` -> accuracies in percent under the masks of each level; `unmasked` are those of level 0, at which all
    criteria keep everything."""
    columns = {}
    for treatment, kernels in treated.items():
        pruned = ({name: kernels[name] * mask for name, mask in level.items()} for level in levels[1:])
        rows = [unmasked[treatment], *map(network.accuracies, pruned)]
        columns |= {f"{treatment}/{name}": [row[name] for row in rows] for name in network.evaluations}
    return columns


def _record(spec, dataset, run, network, history, dense, environment):
    """The record, whose final measures are those of the network with the highest test accuracy, of all criteria: also of the two
    that only the authors' code has. Tables are made from the history."""
    columns = [column for name, column in history.items() if name.endswith("/test")]
    best = max(columns, key=max)
    level = int(np.argmax(best))
    final = {"test_accuracy": best[level], "test_loss": None, "remaining": history["remaining"][level]}
    return training.finish(
        run,
        spec,
        dataset,
        network.model,
        initial={"remaining": 100.0},
        history=history,
        final=final | {"seconds": sum(history["seconds"])},
        layers=dense["layers"],
        environment=environment,
    )


def _sign_changed(masks, initial, finals):
    changed = [(np.sign(initial[name]) != np.sign(finals[name]))[mask] for name, mask in masks.items()]
    return float(100 * np.mean(np.concatenate(changed)))


def _generator(spec, criterion):
    """Layer name -> numpy Generator that breaks ties between its scores."""
    return lambda name: np.random.default_rng([spec.seed, zlib.crc32(f"{criterion}/{name}".encode())])
