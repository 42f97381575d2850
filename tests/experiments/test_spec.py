import dataclasses

import pytest

from tf_supermask.errors import InputError
from tf_supermask.experiments.fields import names_of
from tf_supermask.experiments.spec import Spec

BASES = [Spec.of(model="fcn"), Spec.of(model="resnet20"), Spec.of(model="fcn", mode="lottery")]


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
