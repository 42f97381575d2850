"""The names that settings accept are those of the functions behind them."""

from tf_supermask import initializers, masks
from tf_supermask.experiments import choices, data, modes
from tf_supermask.experiments.spec import Spec


def test_names_that_flags_accept_are_those_of_the_functions():
    assert sorted(choices.RULES) == sorted(masks.RULES)
    assert choices.SCHEMES == tuple(initializers.SCHEMES) and choices.DISTRIBUTIONS == initializers.DISTRIBUTIONS
    assert choices.FANS == initializers.FANS
    assert choices.PREPROCESS == tuple(data.PREPROCESS)
    assert set(modes.MODES) == {"baseline", *choices.PRUNED, *choices.LEARNED}


def test_properties_of_modes_are_those_of_the_rules():
    """Flags are checked without TensorFlow."""
    rules = masks.RULES
    assert set(choices.DENSITY) == {name for name, rule in rules.items() if rule.needs_density}
    assert set(choices.LATENT) == {name for name, rule in rules.items() if rule.latent}
    assert {choices.SPARSE} == {name for name, rule in rules.items() if rule.given}
    assert set(choices.LEVELS) == {name for name, rule in rules.items() if rule.levels > 1}
    assert set(choices.BINARY) == {name for name, rule in rules.items() if rule.clipped}


def test_a_rule_that_a_program_registers_is_a_mode(monkeypatch):
    monkeypatch.setitem(masks.RULES, "mine", masks.RULES["signed"])
    assert Spec.of(mode="mine").masked and Spec.of(mode="mine").epochs == Spec.of(mode="signed").epochs
