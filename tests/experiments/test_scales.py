"""Scales: a fraction of the run that the other settings describe."""

import pytest

from tf_supermask.experiments.spec import Spec


def test_scales_squeeze_the_run_that_the_other_settings_describe():
    paper, reduced, quick = (
        Spec.of(model="conv2", learning_rate=0.01, scale=scale) for scale in ("paper", "reduced", "quick")
    )
    assert (paper.epochs, reduced.epochs, quick.epochs) == (100, 10, 10)
    assert (paper.decay_steps, reduced.decay_steps) == (1950, 195)
    same = ("model", "mode", "learning_rate", "threshold", "seed", "weight_scheme", "score_scheme")
    assert all(getattr(paper, name) == getattr(reduced, name) == getattr(quick, name) for name in same)
    assert reduced.dataset == "cifar10" and reduced.weight_decay == paper.weight_decay
    assert quick.dataset == "digits8" and quick.weight_decay == 16 * paper.weight_decay
    assert Spec.of(epochs=55, scale="reduced").epochs == 6
    resnet = Spec.of(model="resnet56", scale="reduced")
    assert (resnet.epochs, resnet.plateau_rest, resnet.plateau_patience, resnet.passes) == (12, 1, 3, 2)
    assert Spec.of(dataset="digits", scale="quick").dataset == "digits"


def test_scales_squeeze_chains_of_lottery_tickets():
    given = dict(mode="lottery", model="conv6")
    paper, reduced, quick = (Spec.of(**given, scale=scale) for scale in ("paper", "reduced", "quick"))
    assert (paper.iterations, reduced.iterations, quick.iterations) == (30_000, 3_000, 150)
    assert (paper.evaluate_every, reduced.evaluate_every, quick.evaluate_every) == (100, 100, 15)
    assert (paper.rounds, reduced.rounds, quick.rounds) == (24, 24, 3)
    for rate in ("prune_dense", "prune_conv", "prune_output"):  # the last round leaves equally many
        assert (1 - getattr(quick, rate)) ** 3 == pytest.approx((1 - getattr(paper, rate)) ** 24)
    assert Spec.of(mode="bernoulli", scale="reduced").evaluate_every == 20
    assert Spec.of(mode="supermask", scale="quick").rounds == 24
    assert Spec.of(**given, scale="quick", iterations=50).iterations == 50  # never more than asked
