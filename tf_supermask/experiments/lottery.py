"""Lottery tickets (Zhou et al. 2019): train, rank, prune, reset, repeat.

`chain` is the method; training and the step from round to round are its arguments. Round 0 trains the dense network. It is the
same for all criteria and actions, and is trained once. Each further round prunes a share of the remaining weights of every layer,
those with the lowest scores by a criterion. A mask-1 action gives the values that kept weights start with, a mask-0 action
those that pruned weights are frozen at:

    kernel = where(mask, trained, held)

The networks are made of ordinary Keras layers; the constraint `trainer.FreezePruned` resets the pruned weights after each step.
Adam updates each weight independently of the others, so its updates of pruned weights, which are reset, do not change others.
"""

import dataclasses
import time
import zlib

import keras
import numpy as np

from tf_supermask import files, sparsity
from tf_supermask.errors import InputError
from tf_supermask.experiments import criteria, form, layer_rows, networks, records, settings, training
from tf_supermask.experiments.conditions import PRUNING
from tf_supermask.experiments.environment import current_environment, runtime_info
from tf_supermask.experiments.trainer import KEPT, Layer, trainer_of

COLUMNS = form.HISTORY["lottery"]


# ---------------------------------------------------------------------------------------------------------------------
# The method


def chain(layers, first_round, rounds, train, following):
    """Yields `(round, layers, final kernels, result, layers of the next round)` from `first_round` on.

    Args:
        layers: name -> Layer, the state in which `first_round` starts.
        train: `layers -> (final kernels by name, result)`.
        following: `(layers, final kernels, round) -> layers` of that round; the last round is followed by None.
    """
    for number in range(first_round, rounds + 1):
        finals, result = train(layers)
        after = following(layers, finals, number + 1) if number < rounds else None
        yield number, layers, finals, result, after
        layers = after


def following(spec, initial, rates):
    """The step from one round to the next: `(layers, final kernels, round) -> layers`.

    Args:
        initial: name -> the kernel as it was first initialized; rates: name -> share that a round prunes.
    """

    def step(layers, finals, number):
        return {
            name: _next(spec, name, layer, finals[name], initial[name], rates[name], number)
            for name, layer in layers.items()
        }

    return step


def _next(spec, name, layer, final, initial, rate, number):
    generator = np.random.default_rng([spec.seed, number, zlib.crc32(name.encode())])
    scores = criteria.ranked(spec.criterion, layer.start, final, layer.mask)
    mask = criteria.cut(scores, layer.mask, rate, generator)
    pruned_now = layer.mask & ~mask
    action = criteria.MASK0_ACTIONS[spec.mask0_action]
    frozen = action.frozen(initial, layer.start, final)
    held = np.where(pruned_now, frozen, layer.held)  # decided once, when a weight is pruned
    fresh = draw(spec, f"{name}/round{number}", initial.shape)
    start = criteria.MASK1_ACTIONS[spec.mask1_action](initial, mask, fresh, generator)
    if action.everywhere:
        start = np.where(frozen == 0, 0, start)
    pruned_in = np.where(pruned_now, number, layer.pruned_in).astype(np.uint8)
    return Layer(np.where(mask, start, held).astype(np.float32), mask, held.astype(np.float32), pruned_in)


def draw(spec, name, shape):
    """A kernel of `shape` from the weight initializer of `spec`, with a seed made of the run's seed and `name`."""
    return np.asarray(networks.initializer(spec, name, "weight")(shape, "float32"))


def pruning_rates(spec, model):
    """Layer name -> share of its remaining weights that a round prunes."""
    by_class = {keras.layers.Conv2D: spec.prune_conv, keras.layers.Dense: spec.prune_dense}  # None in a dense run
    rates = {layer.name: by_class[type(layer)] for layer in sparsity.kernel_layers(model)}
    return rates | {"out": spec.prune_output}


def dense(initial):
    """The layers of round 0: all weights kept."""
    return {
        name: Layer(kernel, np.ones(kernel.shape, bool), np.zeros_like(kernel), np.full(kernel.shape, KEPT, np.uint8))
        for name, kernel in initial.items()
    }


def dense_spec(spec):
    """The Spec of the dense run with the seed, network and training of `spec`: round 0 of its chain, or source of its masks."""
    changed = {field.name: None for field in dataclasses.fields(spec) if field.metadata.get("when") in PRUNING}
    return dataclasses.replace(spec, mode="lottery", **changed | {"rounds": 0})


def read_dense(spec, run, initial):
    """`(final kernels by name, record)` of the dense run in `run`, which began with the kernels `initial`.

    Raises InputError where it is missing or damaged, or began with other weights.
    """
    record = records.find(run, dense_spec(spec))
    if record is None:
        raise InputError(f"{run.record} is missing: the dense run that all masks of seed {spec.seed} begin with")
    if [files.sha256(kernel) for kernel in initial.values()] != [layer["weight_sha256"] for layer in record["layers"]]:
        raise InputError(
            f"{run.record} began with other weights than this TensorFlow draws; move it away to train anew"
        )
    arrays = records.load_arrays(run.final)
    return {name: arrays[f"{name}/kernel"] for name in initial}, record


@settings.needed()
def train(spec, dataset, run, options=training.Options(), dense_run=None):
    """Runs the chain of `spec`; returns `(model, record)`. Continues after the last finished round if there is one.

    Args:
        dense_run: the `records.Run` of `dense_spec(spec)`, which is round 0; not read where `spec` has no rounds.

    Raises:
        InputError: the dense run or the checkpoint is missing or damaged.
    """
    environment = current_environment()
    trainer = trainer_of(dense_spec(spec), dataset, options)
    step = following(spec, trainer.initial, pruning_rates(spec, trainer.model))
    layers, history = _start(spec, run, dense_run, trainer.initial, step, options)
    began = time.monotonic()
    for number, layers, finals, result, after in chain(layers, len(history["remaining"]), spec.rounds, trainer, step):
        _append(history, layers, finals, after, result | {"seconds": time.monotonic() - began})
        began = time.monotonic()
        options.log(
            f"  round {number} of {spec.rounds}: {history['remaining'][-1]:.2f} % remaining, "
            f"{history['test_accuracy'][-1]:.2f} % test accuracy after {history['best_iteration'][-1]} iterations"
        )
        if after is not None:
            records.save_checkpoint(run, spec, [part for layer in after.values() for part in layer], history)
    if spec.rounds:
        arrays = {f"{name}/pruned_in": layer.pruned_in for name, layer in layers.items()}
    else:
        arrays = {f"{name}/kernel": kernel for name, kernel in finals.items()}
    return trainer.model, training.finish(
        run,
        spec,
        dataset,
        trainer.model,
        initial={"remaining": 100.0},
        history=history,
        final={name: history[name][-1] for name in ("test_accuracy", "test_loss", "remaining")},
        layers=[layer_rows.row(name, trainer.initial[name], layer.mask) for name, layer in layers.items()],
        environment=runtime_info(environment, trainer.model),
        arrays=arrays,
    )


def _start(spec, run, dense_run, initial, step, options):
    """`(layers, history)` that training begins with: those of the checkpoint, or after the dense run, or empty without rounds."""
    layers, history = dense(initial), {name: [] for name in COLUMNS}
    size = len(Layer._fields)
    shapes = [layer.start.shape for layer in layers.values() for _ in range(size)]
    checkpoint = records.load_checkpoint(run, spec, shapes)
    if checkpoint is not None:
        values, history = checkpoint
        options.log(f"  going on after round {len(history['remaining']) - 1}")
        return {name: Layer(*values[i * size : (i + 1) * size]) for i, name in enumerate(layers)}, history
    if not spec.rounds:
        return layers, history
    finals, record = read_dense(spec, dense_run, initial)
    after = step(layers, finals, 1)
    _append(history, layers, finals, after, {name: column[0] for name, column in record["history"].items()})
    return after, history


def _append(history, layers, finals, after, result):
    """Appends the row of a round: the result of its training, and the shares of weights that moved toward zero, among those kept
    in it and among those pruned after it."""
    moved = {name: np.abs(finals[name]) < np.abs(layer.start) for name, layer in layers.items()}
    row = dict.fromkeys(COLUMNS) | result | {"remaining": sparsity.remaining(layer.mask for layer in layers.values())}
    row["toward_zero"] = _share(moved[name][layer.mask] for name, layer in layers.items())
    if after is not None:
        row["toward_zero_pruned"] = _share(
            moved[name][layer.mask & ~after[name].mask] for name, layer in layers.items()
        )
    for name in COLUMNS:
        history[name].append(row[name])


def _share(parts):
    """Share in percent of the true values among bool arrays; None where they are empty."""
    values = np.concatenate(list(parts))
    return float(100 * np.mean(values)) if values.size else None
