"""Supermasks without training (Zhou et al. 2019, section 5): masks of a dense run, on the weights that it began with.

Masks are taken once, from the dense run's initial and final weights, at every pruning level k = 0, 1, 2...: each layer keeps
the share (1 - rate)^k with the highest scores. The network is mask * w_i or mask * (+-c), with biases 0; nothing is trained.

Deviation: the long version of the paper takes the masks of its chains of lottery tickets; its numbers are those of masks taken
at once, as here.
"""

import time
import zlib

import numpy as np

from tf_supermask import sparsity
from tf_supermask.experiments import criteria, data, lottery, networks, records, settings, training
from tf_supermask.experiments.environment import current_environment
from tf_supermask.experiments.evaluation import Evaluation
from tf_supermask.experiments.trainer import assign, copies, kernels_of

# What the kept weights are: those of the initialization, or their signs times the deviation of the layer.
TREATMENTS = {"init": lambda initial: initial, "signed_constant": criteria.signed_constant}


def positions(score, generator):
    """Rank of each score, 0 the lowest, as an array of the score's shape; equal scores in random order."""
    order = np.argsort(generator.random(score.size))
    order = order[np.argsort(score.ravel()[order], kind="stable")]
    ranks = np.empty(score.size, np.int64)
    ranks[order] = np.arange(score.size)
    return ranks.reshape(score.shape)


def kept_at(size, rate, level):
    """How many of `size` weights are left when `level` prunings by `rate` are done at once."""
    return criteria.kept(size, 1 - (1 - rate) ** level) if level else size


def masks(criterion, initial, finals, rates, levels, generator):
    """Yields name -> bool mask for levels 0, 1... `levels`; `initial`, `finals` and `rates` are by layer name, `generator`
    gives a numpy Generator for a name."""
    score = criteria.CRITERIA[criterion].score
    places = {name: positions(score(initial[name], finals[name]), generator(name)) for name in initial}
    for level in range(levels + 1):
        yield {name: place >= place.size - kept_at(place.size, rates[name], level) for name, place in places.items()}


class Untrained:
    """The network of a spec with given kernels and biases 0: `accuracies(kernels)`."""

    def __init__(self, spec, dataset):
        self.model = networks.build(spec, dataset.input_shape, dataset.classes)
        self.kernels = kernels_of(self.model)
        its = {"test": dataset, "val": data.held_out(dataset, spec.validation_images)}
        self.sets = {name: Evaluation(self.model, data.evaluation_arrays(one, spec)) for name, one in its.items()}

    def accuracies(self, kernels):
        """`{"test": percent, "val": percent}` of kernels by layer name."""
        assign(self.kernels.values(), (kernels[name] for name in self.kernels))
        return {name: evaluation()[1] for name, evaluation in self.sets.items()}


@settings.needed()
def train(spec, dataset, run, options=training.Options(), dense_run=None):
    """Evaluates all criteria, treatments and levels on the dense run of `spec`'s seed; returns `(model, record)`. Goes on after
    the last finished criterion if there is one.

    The history has a column `criterion/treatment/set` for each, over the levels, and one `criterion/sign_changed`, the share in
    percent of kept weights whose sign training changed. Raises InputError for a missing dense run.
    """
    environment, began = current_environment(), time.monotonic()
    found = records.load_checkpoint(run, spec, [])
    network = Untrained(spec, dataset)
    initial = dict(zip(network.kernels, copies(network.kernels.values()), strict=True))
    finals, dense = lottery.read_dense(spec, dense_run, initial)
    rates = lottery.pruning_rates(spec, network.model)
    treated = {name: {n: weight(kernel) for n, kernel in initial.items()} for name, weight in TREATMENTS.items()}
    unmasked = {name: network.accuracies(values) for name, values in treated.items()}
    history = {"remaining": [], "untrained": [unmasked["init"]["test"]], "seconds": []}
    history["trained"] = [dense["history"]["test_accuracy"][0]]
    if found is not None:
        history = found[1]
        options.say(f"  going on after {len(history['seconds'])} criteria")
    for criterion in list(criteria.CRITERIA)[len(history["seconds"]) :]:
        levels = list(masks(criterion, initial, finals, rates, spec.rounds, _generator(spec, criterion)))
        history["remaining"] = [sparsity.remaining(its.values()) for its in levels]
        history[f"{criterion}/sign_changed"] = [_sign_changed(its, initial, finals) for its in levels]
        for treatment, values in treated.items():
            rows = [network.accuracies({n: values[n] * mask for n, mask in its.items()}) for its in levels[1:]]
            rows.insert(0, unmasked[treatment])  # at level 0 all criteria keep everything
            for column in network.sets:
                history[f"{criterion}/{treatment}/{column}"] = [row[column] for row in rows]
        history["seconds"].append(time.monotonic() - began)
        began = time.monotonic()
        records.save_checkpoint(run, spec, [], history)
        best = max(history[f"{criterion}/signed_constant/test"])
        options.say(f"  {criterion}: up to {best:.2f} % with signed constants")
    columns = [name for name in history if name.endswith("/test")]
    name = max(columns, key=lambda column: max(history[column]))
    level = int(np.argmax(history[name]))
    final = {"test_accuracy": history[name][level], "test_loss": None, "remaining": history["remaining"][level]}
    return network.model, training.finish(
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
    """Layer name -> numpy Generator that decides between its equal scores."""
    return lambda name: np.random.default_rng([spec.seed, zlib.crc32(f"{criterion}/{name}".encode())])
