import dataclasses

import pytest

from tf_supermask.errors import InputError
from tf_supermask.experiments import choices
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
            assert values[field.name] is not None or field.metadata.keys() & {"parse", "optional"}


def test_a_relative_threshold_takes_the_place_of_the_absolute_one():
    assert Spec.of(relative_threshold=0.5).threshold is None
    assert Spec.of(model="resnet20", threshold=0.1).relative_threshold is None


@pytest.mark.parametrize(
    "given, message",
    [
        ({"mode": "edge_popup"}, "--mode=edge_popup needs --density: share of weights that remain, set, not learned"),
        ({"mode": "sparse", "method": "set"}, "--mode=sparse needs --density: share of weights that remain"),
        ({"mode": "edge_popup", "density": 1.5}, "--density must be at most 1, not 1.5"),
        ({"mode": "edge_popup", "density": 0}, "--density must be greater than 0, not 0.0"),
        ({"mode": "twn", "density": 0.1}, "--density=0.1 has no effect in this run"),
        ({"mode": "baseline", "density": 0.1}, "--density=0.1 has no effect in this run"),
        ({"mode": "signed_4_levels", "density": 0.1}, "--density=0.1 has no effect in this run"),
        ({"mode": "signed", "density": 0.1, "threshold": 0.1}, "--threshold=0.1 has no effect in this run"),
        ({"mode": "binaryconnect", "threshold": 0.1}, "--threshold=0.1 has no effect in this run"),
        (
            {"mode": "lottery", "schedule": "cosine"},
            "--schedule=cosine falls from epoch to epoch, --mode=lottery has none",
        ),
        ({"mode": "signed", "method": "rigl"}, "--method=rigl has no effect in this run"),
        ({"mode": "sparse", "density": 0.1, "method": "rigel"}, "--method=rigel is unknown; choose from static, magn"),
        (
            {"mode": "sparse", "density": 0.1, "allocation": "global"},
            "--allocation=global does not go with --method=rigl",
        ),
        (
            {"mode": "mpt", "density": 0.1, "allocation": "erk"},
            "--allocation=erk does not go with --mode=mpt; choose from un",
        ),
        ({"mode": "iterand", "density": 0.1, "allocation": "global"}, "--allocation=global has no effect in this run"),
        ({"mode": "sparse", "density": 0.1, "method": "snip", "update_every": 5}, "--update_every=5 has no effect"),
        ({"mode": "edge_popup", "density": 0.1, "shrink": True}, "--shrink=True has no effect in this run"),
    ],
)
def test_densities_and_methods_that_do_not_go_together(given, message):
    with pytest.raises(InputError, match=f"^{message}[^\n]*$"):
        Spec.of(**given)


def test_a_density_takes_the_place_of_thresholds():
    assert [Spec.of(density=0.1).threshold, Spec.of(model="resnet20", density=0.1).relative_threshold] == [None, None]
    assert Spec.of(mode="edge_popup", density=1).density == 1.0


def test_the_weights_of_a_density_count_the_inputs_that_are_kept_where_the_authors_do():
    for mode in choices.DENSITY:
        spec = Spec.of(mode=mode, density=0.1)
        assert spec.weight_fan == "kept" and Spec.of(mode=mode, density=0.1, weight_fan="all").weight_fan == "all"
        older = {name: value for name, value in dataclasses.asdict(spec).items() if name != "weight_fan"}
        assert Spec.recorded(older, "x") == dataclasses.replace(spec, weight_fan="all")  # records before there was the field
    assert Spec.of(density=0.1).weight_fan == "all"
    with pytest.raises(InputError, match="^--mode=edge_popup needs --density"):
        Spec.of(mode="edge_popup", weight_fan="kept")
    one_threshold = {"mode": "edge_popup", "density": 0.1, "allocation": "global"}
    for given in ({}, {"mode": "sparse", "density": 0.1}, {"mode": "twn"}, one_threshold):
        assert Spec.of(**given).weight_fan is None
        with pytest.raises(InputError, match="^--weight_fan=kept has no effect in this run"):
            Spec.of(weight_fan="kept", **given)


def test_a_spec_without_settings_names_what_makes_one():
    with pytest.raises(InputError, match=r"Spec\(\) has no settings; Spec.of\(model='fcn', mode='signed'\)"):
        Spec()


@pytest.mark.parametrize(
    "mode, given",
    [(mode, {}) for mode in choices.LATENT]
    + [(mode, {"density": 0.1}) for mode in choices.DENSITY]
    + [("sparse", {"density": 0.1, "method": method}) for method in choices.METHODS],
)
@pytest.mark.parametrize("model", ["fcn", "conv8", "resnet20"])
def test_every_rival_has_defaults_at_every_scale(mode, given, model):
    for scale in choices.SCALES:
        spec = Spec.of(model=model, mode=mode, scale=scale, **given)
        assert Spec(**dataclasses.asdict(spec)) == spec and spec.schedule == "cosine" and spec.dialect == "relu"
        assert (spec.update_every is not None) == (mode == "iterand" or given.get("method") in choices.UPDATED)
