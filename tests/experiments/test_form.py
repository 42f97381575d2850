"""Differences of parsed JSON from a form."""

import pytest

from tf_supermask.experiments import form
from tf_supermask.experiments.spec import Spec

FORM = {"a": {int}, "b": [{str}], "c": [{int}] * 3, "d": {"e": {float, type(None)}}}
GOOD = {"a": 1, "b": ["x"], "c": [1, 2, 3], "d": {"e": None}}


@pytest.mark.parametrize(
    "changed, texts",
    [
        ({}, []),
        ({"more": 1}, []),
        ({"a": True}, ["it.a is True"]),
        ({"a": 1.0, "b": "x"}, ["it.a is 1.0", "it.b is 'x'"]),
        ({"b": []}, ["it.b is []"]),
        ({"b": ["x", 2]}, ["it.b[1] is 2"]),
        ({"c": [1, 2]}, ["it.c is [1, 2]"]),
        ({"d": {}}, ["without it.d.e"]),
        ({"d": "y" * 50}, [f"it.d is '{'y' * 36}..."]),
    ],
)
def test_each_difference_is_named(changed, texts):
    assert list(form.differences(GOOD | changed, FORM)) == texts


@pytest.mark.parametrize("mode", ["signed", "lottery", "bernoulli", "supermask"])
def test_a_history_has_the_columns_of_its_mode_and_as_many_rows_in_each(mode):
    spec = Spec.of(mode=mode, rounds=1) if mode in ("lottery", "supermask") else Spec.of(mode=mode)
    levels = form.LEVELS if mode == "supermask" else ()
    history = {name: [1.0, 2.0] for name in (*form.HISTORY.get(mode, form.EPOCHS), *levels)}
    assert not list(form.history_differences(history, spec))
    lacking = {column: values for column, values in history.items() if column != "remaining"}
    assert "without history.remaining" in list(form.history_differences(lacking, spec))
    shorter = list(form.history_differences(history | {"remaining": [1.0]}, spec))
    assert shorter == ["history has columns of 1 to 2 rows"]
    assert list(form.history_differences(history | {"remaining": [1.0, None]}, spec)) == ["history.remaining[1] is None"]
