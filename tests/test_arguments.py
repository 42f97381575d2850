"""Arguments of the public functions that are of the wrong kind are named in one line, whatever they are."""

import keras
import numpy as np
import pytest

from tf_supermask import (
    ELUS,
    He,
    Masked,
    MaskUpdates,
    SignedMaskConv2D,
    SignedMaskDense,
    load,
    mask_layers,
    mask_model,
    masks,
    save,
    summary,
    zoo,
)
from tf_supermask.deploy import loading

NO_NUMBERS = [True, "0.1", float("inf"), float("nan"), [0.1], np.array([0.1, 0.2]), np.bool_(True), 1j]
NO_INTEGERS = [True, "1", 0.5, float("inf"), [1], np.array([1, 2]), np.bool_(True), -1]
NO_SWITCHES = ["x", None, 2, [True], np.array([True, False]), 0.0]


def a_model():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


def an_own_layer():
    class Own(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2)

    return Own()


def of_a_file(**given):
    return loading.parsed(b"SMSK", "x", **given)


CALLS = {  # name of an argument -> values that it cannot have, and calls with the argument
    "threshold": (
        NO_NUMBERS,
        [lambda **given: SignedMaskDense(2, **given), lambda **given: masks.register("new", **given)],
    ),
    "relative_threshold": (NO_NUMBERS, [lambda **given: Masked(keras.layers.Dense(2), **given)]),
    "density": (
        NO_NUMBERS,
        [lambda **given: mask_model(a_model(), **given), lambda **given: MaskUpdates("set", **given)],
    ),
    "factor": (NO_NUMBERS, [ELUS]),
    "share": (NO_NUMBERS, [lambda **given: MaskUpdates("set", 0.1, **given)]),
    "until": (NO_NUMBERS, [lambda **given: MaskUpdates("set", 0.1, **given)]),
    "seed": (
        NO_INTEGERS,
        [
            lambda **given: mask_model(a_model(), **given),
            lambda **given: mask_layers(an_own_layer(), **given),
            lambda **given: load("nowhere", **given),
            lambda **given: MaskUpdates("set", 0.1, **given),
        ],
    ),
    "sample_seed": (
        NO_INTEGERS,
        [lambda **given: SignedMaskDense(2, **given), lambda **given: Masked(keras.layers.Dense(2), **given)],
    ),
    "levels": ([*NO_INTEGERS, 0, 128, None], [lambda **given: masks.register("new", 0.1, **given)]),
    "every": ([*NO_INTEGERS, 0], [lambda **given: MaskUpdates("set", 0.1, **given)]),
    "steps": ([*NO_INTEGERS, 0], [lambda **given: MaskUpdates("set", 0.1, **given)]),
    "batch_size": (
        [*NO_INTEGERS, 0],
        [lambda **given: MaskUpdates("rigl", 0.1, data=(np.ones((2, 3)), np.ones(2)), **given)],
    ),
    "verbose": (
        NO_SWITCHES[:-1],
        [
            lambda **given: mask_model(a_model(), **given),
            lambda **given: mask_layers(an_own_layer(), **given),
            lambda **given: save(a_model(), "x.supermask", **given),
        ],
    ),
    "most_weights": ([True, "1", None, [1], float("nan"), np.float32("nan"), np.bool_(True), 1j], [of_a_file]),
    "masked": (
        [*NO_SWITCHES, 1],
        [lambda **given: load("nowhere", **given), lambda **given: zoo.load("mnist_fcn", **given)],
    ),
    "rescale": (NO_SWITCHES, [lambda **given: SignedMaskDense(2, **given)]),
    "use_bias": (
        [*NO_SWITCHES[:1], *NO_SWITCHES[2:], "no", "", [], 0, 1],
        [
            lambda **given: SignedMaskDense(2, **given),
            lambda **given: SignedMaskConv2D(2, 3, **given),
            lambda **given: mask_model(a_model(), **given),
        ],
    ),
    "signed": (NO_SWITCHES, [lambda **given: masks.register("new", 0.1, **given)]),
    "rule": (
        ["x", None, ["signed"], 3],
        [lambda **given: mask_model(a_model(), **given), lambda **given: load("x", **given)],
    ),
    "method": (["x", None, ["set"], 3], [MaskUpdates]),
    "own_weights": (["x", None, ["float32"], 3], [lambda **given: save(a_model(), "x.supermask", **given)]),
    "distribution": (["x", ["normal"], 3], [He, lambda **given: mask_model(a_model(), **given)]),
    "scheme": (["x", ["he"], 3], [lambda **given: mask_model(a_model(), **given)]),
    "kernels": ([5, "kernel", [], [3]], [lambda **given: Masked(keras.layers.Dense(2), **given)]),
    "print_fn": (["x", None, 3], [lambda **given: summary(a_model(), **given)]),
    "kernel": (["x", 3], [lambda **given: masks.register("new", 0.1, **given)]),
}
CASES = [(name, i, call) for name, (values, calls) in CALLS.items() for i in range(len(values)) for call in calls]


@pytest.mark.parametrize("name, number, call", CASES)
def test_an_argument_that_is_not_of_its_kind_is_named_in_one_line(name, number, call):
    before = dict(masks.RULES)
    with pytest.raises(ValueError, match=f"^`{name}` must be [^\n]*Received: [^\n]*$"):
        call(**{name: CALLS[name][0][number]})
    assert masks.RULES == before


@pytest.mark.parametrize("seed", [True, "1", 0.5])
def test_seeds_of_initializers(seed):
    """Keras checks all but bools."""
    with pytest.raises(ValueError, match="`?seed`? ?.*Received: ?"):
        He(seed=seed)


def test_a_rule_must_be_a_function():
    with pytest.raises(ValueError, match="^`function` must be a function of score and threshold. Received: 3$"):
        masks.register("new", threshold=0.1)(3)
    assert "new" not in masks.RULES


def test_numbers_of_numpy_are_numbers():
    layer = SignedMaskDense(2, threshold=np.float32(0.5), sample_seed=np.int64(3))
    assert layer.threshold == 0.5 and type(layer.sample_seed) is int
    assert len(mask_model(a_model(), seed=np.int64(1), density=np.float64(0.5), verbose=0).layers) == 1
    assert MaskUpdates("set", np.float32(0.5), every=np.int32(2)).every == 2


def test_truth_values_of_numpy_are_truth_values():
    layer = SignedMaskDense(2, rescale=np.True_, use_bias=True)
    assert layer.rescale is True
    model = mask_model(a_model(), use_bias=np.False_, keep_weights=np.False_, verbose=np.False_)
    assert model.layers[0].use_bias is False
    assert Masked(keras.layers.Dense(2), rescale=np.True_).get_config()["rescale"] is True


def test_rules_have_truth_values_of_python(monkeypatch):
    monkeypatch.setattr(masks, "RULES", dict(masks.RULES))
    masks.register("new", sampled=np.True_, signed=np.False_, levels=np.int64(2))(lambda score, threshold: score)
    made = masks.RULES["new"]
    assert (made.sampled, made.signed, type(made.levels)) == (True, False, int) and type(made.sampled) is bool
    with pytest.raises(ValueError, match="needs one of"):
        masks.register("other", threshold=0.1, sampled=np.True_)
