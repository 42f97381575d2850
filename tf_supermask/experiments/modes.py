"""The table of modes: how each trains, how many rows its history gets, what it costs, and whether it keeps a trained network.

Baselines and masks train for a number of epochs, the learned masks of Zhou et al. 2019 for a number of iterations; `lottery`
trains, prunes and trains again; `supermask` only prunes what a dense run has trained. `spec.MODES` has the names of all modes.
"""

from typing import Callable, NamedTuple

from tf_supermask.experiments import criteria, learned, lottery, one_shot, training


class Mode(NamedTuple):
    train: Callable  # (spec, dataset, run, options, dense_run) -> (model, record)
    rows: Callable  # spec -> rows of its history, by which progress is counted
    images: (
        Callable  # (spec, images of the training set, of the test set) -> images that pass through the network in a run
    )
    exportable: bool = True  # whether a run keeps a trained network


def _evaluations(spec):
    return -(-spec.iterations // spec.evaluate_every)


def _masks_of_one_shot(spec):
    return (spec.rounds + 1) * len(one_shot.TREATMENTS) * len(criteria.CRITERIA)


BY_EPOCHS = Mode(
    training.train, lambda spec: spec.epochs, lambda spec, images, tests: images * spec.passes * spec.epochs
)
LEARNED = Mode(learned.train, lambda spec: _evaluations(spec) + 1, lambda spec, *_: spec.iterations * spec.batch_size)
LOTTERY = Mode(
    lottery.train,
    lambda spec: spec.rounds + 1,
    lambda spec, *_: spec.iterations * spec.batch_size * (spec.rounds + 1),
    exportable=False,
)
ONE_SHOT = Mode(
    one_shot.train,
    lambda spec: 1,
    lambda spec, images, tests: (tests + spec.validation_images) * _masks_of_one_shot(spec),
    exportable=False,
)
MODES = {"baseline": BY_EPOCHS, "lottery": LOTTERY, "supermask": ONE_SHOT, "bernoulli": LEARNED, "rounded": LEARNED}


def of(spec):
    """The Mode of a Spec. Mask rules without an entry of their own train for a number of epochs."""
    return MODES.get(spec.mode, BY_EPOCHS)
