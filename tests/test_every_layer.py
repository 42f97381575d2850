"""Every layer of keras.layers with a kernel, in a model: masked, stripped, saved and loaded in both formats, compacted.

What is seen on each backend is docs/reference/layers.json, of which the page on layers is made:

    KERAS_BACKEND=jax python tests/test_every_layer.py        # writes the part of a backend
"""

import json
import pathlib
import tempfile

import keras
import keras_layers
import numpy as np
import pytest
from conftest import ROOT

from tf_supermask import Masked, compact, load, mask_model, save, sparsity, strip_masks, summary
from tf_supermask.deploy.structure import Structure
from tf_supermask.maskable import NO_KERNELS, kernels_of, refusal

NAMES = list(keras_layers.with_kernels())
SEEN = ROOT / "docs" / "reference" / "layers.json"
BY_NAME = "only by name"


def model_of(name):
    """`(model, inputs)`: a functional model of one layer between two that are dense; cells of recurrent layers, which take and
    give a state, are alone. What is masked by name only is wrapped."""
    layer = keras_layers.make(name)
    inputs = keras_layers.arguments(name, layer, keras_layers.with_kernels()[name])
    symbols = keras.tree.map_structure(lambda x: keras.Input(x.shape[1:], dtype=str(x.dtype)), inputs)
    alone = hasattr(layer, "state_size") and not hasattr(layer, "cell")
    named = [kernel for kernel in _kernels(name) if kernel in NO_KERNELS]
    layer = Masked(layer, kernels=named) if named and not refusal(layer) else layer
    if alone:
        return keras.Model(symbols, layer(*symbols)), inputs
    read = [_dense(f"before{i}", x) if x.dtype == "float32" else x for i, x in enumerate(symbols)]
    given = (symbols, inputs) if len(symbols) > 1 else (symbols[0], inputs[0])
    return keras.Model(given[0], _dense("after", layer(*read))), given[1]


def _dense(name, x):
    return keras.layers.Dense(x.shape[-1], name=name)(x)


def _kernels(name):
    layer = keras_layers.make(name)
    layer(*keras_layers.arguments(name, layer, keras_layers.with_kernels()[name]))
    return kernels_of(layer)


def layer_of(model):
    """The layer between the dense ones."""
    return next(its for its in model.layers if its.weights and not its.name.startswith(("before", "after")))


def same(model, other, x):
    for one, two in zip(keras.tree.flatten(model(x)), keras.tree.flatten(other(x)), strict=True):
        one, two = map(keras.ops.convert_to_numpy, (one, two))
        np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-5 * max(1, np.abs(one).max()))


def kill(name, masked):
    """Prunes half of the units before the layer, and of its own: of the last axis of its kernels, of the channels of depthwise
    ones, of the heads that attention puts together."""
    for kernel_name, kernel in sparsity.masked_kernels(masked).items():
        axis = {"attention_output": 0, "depthwise": -2, "pointwise": -1}
        axis = next((its for part, its in axis.items() if part in f"{name.lower()}/{kernel_name}".lower()), -1)
        shape, size = np.ones(len(kernel.score.shape), int), kernel.score.shape[axis]
        shape[axis] = -1
        if kernel_name != "after":
            kernel.score.assign(kernel.score * (np.arange(size) % 2).reshape(shape))


def compacted(name, masked, x):
    """What `compact` does with a layer of which, and before which, half of the units are dead."""
    kill(name, masked)
    plain = strip_masks(masked)
    small = compact(masked)
    same(masked, small, x)
    before, after = (layer_of(model).count_params() for model in (plain, small))
    if after < before:
        return f"{after} of {before} weights"
    return "kept whole" if layer_of(plain) in Structure(plain).whole else "nothing to remove"


def row(name, folder):
    """Column -> what was seen, for one layer; raises AssertionError where a step gives another function."""
    model, x = model_of(name)
    middle = layer_of(model)
    reason = refusal(middle)
    if reason and not isinstance(middle, Masked):
        assert f"{middle.name}/" not in "".join(sparsity.masked_kernels(_masked(model)))
        return {"masked": f"no: it {reason}"}
    named = isinstance(middle, Masked)
    masked = _masked(model)
    kernels = sparsity.masked_kernels(masked)
    for kernel in kernels.values():  # prune some, and make constants of kept weights
        kernel.score.assign(np.random.default_rng(0).normal(0, 0.02, kernel.score.shape))
        kernel.weight.assign(np.sign(np.random.default_rng(1).normal(size=kernel.weight.shape)) * 0.25)
    plain = strip_masks(masked)
    assert type(layer_of(plain)) is keras_layers.classes()[name]
    same(masked, plain, x)
    masked.save(folder / "x.keras")
    same(masked, keras.models.load_model(folder / "x.keras"), x)
    save(masked, folder / "x.supermask")
    same(masked, load(folder / "x.supermask"), x)
    if not named:
        again = load(folder / "x.supermask", masked=True)
        same(masked, again, x)
        assert list(sparsity.masked_kernels(again)) == list(kernels)
    assert set(summary(masked, print_fn=len)) >= set(kernels)
    return {
        "masked": f"{type(layer_of(masked)).__name__}: {', '.join(layer_of(masked).masked_kernels)}",
        "stripped": "yes",
        "saved and loaded": "yes",
        "container": "yes",
        "loaded with masks": BY_NAME if named else "yes",
        "compact": compacted(name, masked, x),
    }


def _masked(model):
    """The model with masks, but for layers that are masked by name only, which have theirs already."""
    has_more = any(not isinstance(layer, Masked) and kernels_of(layer) and not refusal(layer) for layer in model.layers)
    return mask_model(model, verbose=False) if has_more else model


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_of_keras(name, tmp_path):
    """What is written on the page, if this backend was run for it, is seen again."""
    seen = row(name, tmp_path)
    assert seen == written().get(keras.config.backend(), {}).get(name, seen)


def test_the_page_has_every_layer():
    assert all(set(rows) == set(NAMES) for rows in written().values())


def written():
    """Backend -> layer -> row, as on the page."""
    return json.loads(SEEN.read_text()) if SEEN.exists() else {}


def write():
    """Writes the rows of this backend to the file that the page is made of."""
    known = written()
    with tempfile.TemporaryDirectory() as folder:
        known[keras.config.backend()] = {name: row(name, pathlib.Path(folder)) for name in NAMES}
    SEEN.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    write()
