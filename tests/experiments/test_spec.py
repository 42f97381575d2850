import dataclasses

import pytest

from tf_supermask import initializers, masks
from tf_supermask.errors import InputError
from tf_supermask.experiments import choices, data, modes
from tf_supermask.experiments.fields import names_of
from tf_supermask.experiments.spec import Spec

BASES = [Spec.of(model="fcn"), Spec.of(model="resnet20"), Spec.of(model="fcn", mode="lottery")]


@pytest.mark.parametrize(
    "given, message",
    [
        ({"model": "vgg"}, "--model=vgg is unknown; choose from fcn, conv2"),
        ({"mode": "ternary"}, "--mode=ternary is unknown; choose from baseline, signed, binary"),
        ({"dialect": "x"}, "--dialect=x is unknown"),
        ({"epochs": 0}, "--epochs must be at least 1, not 0"),
        ({"epochs": 2**31}, "--epochs must be at most 2147483647"),
        ({"learning_rate": 1e300}, "--learning_rate must be at most 3.40"),
        ({"mode": "lottery", "rounds": 255}, "--rounds must be less than 255"),
        ({"epochs": True}, "--epochs must be a int"),
        ({"batch_size": -5}, "--batch_size must be at least 1, not -5"),
        ({"threshold": 0.0}, "--threshold must be greater than 0, not 0.0"),
        ({"relative_threshold": 1.0}, "--relative_threshold must be less than 1"),
        ({"threshold": 0.1, "relative_threshold": 0.5}, "has no effect"),
        ({"learning_rate": float("nan")}, "--learning_rate must be greater than 0, not nan"),
        ({"learning_rate": float("inf")}, "--learning_rate must be finite"),
        ({"momentum": 1}, "--momentum must be less than 1"),
        ({"mode": "baseline", "threshold": 0.1}, "--threshold=0.1 has no effect in this run"),
        ({"optimizer": "adam", "momentum": 0.5}, "--momentum=0.5 has no effect in this run"),
        ({"batch_norm": "frozen"}, "--batch_norm=frozen has no effect in this run"),
        ({"plateau_limit": 3}, "--plateau_limit=3 has no effect in this run"),
        ({"colour": 1}, "unknown setting colour"),
        ({"seed": -1}, "--seed must be at least 0"),
        ({"scale": "huge"}, "--scale=huge is unknown; choose from paper, reduced, quick"),
        ({"mode": "lottery", "criterion": "best"}, "--criterion=best is unknown"),
        ({"mode": "lottery", "prune_dense": 1.0}, "--prune_dense must be less than 1"),
        ({"mode": "lottery", "epochs": 3}, "--epochs=3 has no effect"),
        ({"mode": "bernoulli", "threshold": 0.1}, "--threshold=0.1 has no effect"),
        ({"decay_rate": 0.0}, "--decay_rate must be greater than 0"),
        ({"splits": "train"}, "--splits=train must name two, for training and for the test: --splits=train,validation"),
        ({"splits": "train,"}, "--splits=train, must name two"),
        ({"splits": ""}, "--splits= must name two"),
        ({"splits": "a,b,c"}, "--splits=a,b,c must name two"),
        ({"dataset": "digits", "splits": "train,validation"}, "--splits=train,validation has no effect"),
        ({"scale": "quick", "splits": "train,validation"}, "--splits=train,validation has no effect"),
    ],
)
def test_bad_values_are_named_in_one_line(given, message):
    with pytest.raises(InputError, match="^[^\n]*$") as error:
        Spec.of(**given)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), 10**400], ids=["nan", "inf", "-inf", "1e400"]
)
def test_no_field_is_other_than_a_number(value):
    """Of every mode, from flags, tables and records."""
    bases = [*BASES, Spec.of(mode="bernoulli"), Spec.of(mode="supermask"), Spec.of(model="resnet20", mode="baseline")]
    seen = set()
    for base in bases:
        for field in dataclasses.fields(Spec):
            if field.type is float and getattr(base, field.name) is not None:
                seen.add(field.name)
                with pytest.raises(InputError, match=f"^--{field.name} must be [^\n]*$"):
                    Spec.of(**dataclasses.asdict(base) | {field.name: value})
                with pytest.raises(InputError, match=f"^--{field.name} must be [^\n]*$"):
                    Spec(**dataclasses.asdict(base) | {field.name: value})
    assert seen == {field.name for field in dataclasses.fields(Spec) if field.type is float}


@pytest.mark.parametrize("base", BASES)
def test_every_field_is_read_or_none(base):
    """A field that the run does not read is None, and setting it is an error: no silent no-op."""
    values = dataclasses.asdict(base)
    for field in dataclasses.fields(Spec):
        when = field.metadata.get("when")
        if when and not when(values):
            assert values[field.name] is None
            example = {int: 20, float: 0.5, bool: True, str: next(iter(names_of(field)), "x")}[field.type]
            with pytest.raises(InputError, match="has no effect"):
                dataclasses.replace(base, **{field.name: example})
        else:
            assert values[field.name] is not None or "parse" in field.metadata


def test_a_relative_threshold_takes_the_place_of_the_absolute_one():
    assert Spec.of(relative_threshold=0.5).threshold is None
    assert Spec.of(model="resnet20", threshold=0.1).relative_threshold is None


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


def test_names_that_flags_accept_are_those_of_the_functions():
    assert set(choices.RULES) == masks.RULES.keys()
    assert choices.SCHEMES == tuple(initializers.SCHEMES) and choices.DISTRIBUTIONS == initializers.DISTRIBUTIONS
    assert choices.PREPROCESS == tuple(data.PREPROCESS)
    assert set(modes.MODES) == {"baseline", *choices.PRUNED, *choices.LEARNED}


def test_a_rule_that_a_program_registers_is_a_mode(monkeypatch):
    monkeypatch.setitem(masks.RULES, "mine", masks.RULES["signed"])
    assert Spec.of(mode="mine").masked and Spec.of(mode="mine").epochs == Spec.of(mode="signed").epochs
