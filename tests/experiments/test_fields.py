"""Values that a field of a Spec refuses."""

import dataclasses

import pytest

from tf_supermask.errors import InputError
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
    sparse = Spec.of(mode="sparse", density=0.1)
    bases = [
        *BASES,
        sparse,
        Spec.of(affine=1.0),
        Spec.of(mode="bernoulli"),
        Spec.of(mode="supermask"),
        Spec.of(model="resnet20", mode="baseline"),
    ]
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
