"""Every layer of keras.layers with a kernel, in a model: masked, stripped, saved and loaded, packed and unpacked, summarized.

python tests/test_every_layer.py        # prints the table
"""

import pathlib
import tempfile

import keras
import keras_layers
import numpy as np
import pytest

from tf_supermask import Masked, load, mask_model, save, sparsity, strip_masks, summary
from tf_supermask.maskable import NO_KERNELS, kernels_of, refusal

NAMES = list(keras_layers.with_kernels())


def model_of(name):
    """`(model, inputs)`: a functional model of one layer. What is masked by name only is wrapped."""
    layer = keras_layers.make(name)
    inputs = keras_layers.arguments(name, layer, keras_layers.with_kernels()[name])
    symbols = keras.tree.map_structure(lambda x: keras.Input(x.shape[1:], dtype=str(x.dtype)), inputs)
    named = [kernel for kernel in _kernels(name) if kernel in NO_KERNELS]
    layer = Masked(layer, kernels=named) if named and not refusal(layer) else layer
    outputs = layer(*symbols)
    given = (symbols, inputs) if len(symbols) > 1 else (symbols[0], inputs[0])
    return keras.Model(given[0], outputs), given[1]


def _kernels(name):
    layer = keras_layers.make(name)
    layer(*keras_layers.arguments(name, layer, keras_layers.with_kernels()[name]))
    return kernels_of(layer)


def same(model, other, x):
    for one, two in zip(keras.tree.flatten(model(x)), keras.tree.flatten(other(x)), strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-6)


def row(name, folder):
    """Column -> what was seen, for one layer; raises AssertionError where a step gives another function."""
    model, x = model_of(name)
    reason = refusal(model.layers[-1])
    if reason and not isinstance(model.layers[-1], Masked):
        with pytest.raises(ValueError, match="has no layer to mask"):
            mask_model(model)
        return {"layer": name, "masked as": f"no: it {reason}"}
    named = isinstance(model.layers[-1], Masked)
    masked = model if named else mask_model(model, verbose=False)
    kernels = sparsity.masked_kernels(masked)
    for kernel in kernels.values():  # prune some, and make constants of kept weights
        kernel.score.assign(np.random.default_rng(0).normal(0, 0.02, kernel.score.shape))
        kernel.weight.assign(np.sign(np.random.default_rng(1).normal(size=kernel.weight.shape)) * 0.25)
    plain = strip_masks(masked)
    assert type(plain.layers[-1]) is keras_layers.classes()[name]
    same(masked, plain, x)
    masked.save(folder / "x.keras")
    same(masked, keras.models.load_model(folder / "x.keras"), x)
    size = save(masked, folder / "x.supermask")
    same(masked, load(folder / "x.supermask"), x)
    if not named:
        again = load(folder / "x.supermask", masked=True)
        same(masked, again, x)
        assert list(sparsity.masked_kernels(again)) == list(kernels)
    assert set(summary(masked, print_fn=len)) >= set(kernels)
    names = ", ".join(masked.layers[-1].masked_kernels)
    return {
        "layer": name,
        "masked as": f"{type(masked.layers[-1]).__name__}: {names}" + " (only by name)" * named,
        "stripped": "yes",
        ".keras": "yes",
        "packed": f"{size:,} bytes",
        "unpacked with masks": "no: by name" if named else "yes",
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_of_keras(name, tmp_path):
    assert row(name, tmp_path)


def table():
    """The rows as Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [row(name, pathlib.Path(folder)) for name in NAMES]
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([its.get(column, "-") for column in columns] for its in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    print(table())
