"""Random models through all that takes any model: mask, train, strip, compact, summary, save, load. The long run:
FUZZ_MODELS=300 .venv/bin/python -m pytest tests/test_random_models.py"""

import os
import re

import keras
import numpy as np
import pytest
from random_models import LAST, executable, inputs_of, random_model

from tf_supermask import compact, graph, mask_model, sparsity, strip_masks, summary
from tf_supermask.deploy import container, loading
from tf_supermask.errors import InputError


def masked_of(model, draw):
    """With masks on some of its layers and of the layers of models inside it."""
    chosen = [layer for layer in graph.leaves(model) if draw.random() < 0.7 or layer.name == LAST]
    return mask_model(model, filter=lambda layer: layer in chosen, verbose=False)


def trained(model, seed):
    x = inputs_of(model, seed)
    model.compile(keras.optimizers.SGD(1e-3, clipnorm=1.0), "mse", run_eagerly=True)
    y = [np.zeros((len(x[0]), *its.shape[1:]), np.float32) for its in model.outputs]
    model.train_on_batch(x, y if len(y) > 1 else y[0])


def killed(model, draw):
    """Scores of 0 for half of the units."""
    for kernel in sparsity.masked_kernels(model).values():
        kernel.score.assign(kernel.score * (draw.random(kernel.score.shape[-1]) < 0.5))


def outputs(model, x, training):
    return [np.asarray(y) for y in keras.tree.flatten(model(x, training=training))]


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * max(1, np.abs(other).max()))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Keras', of lambdas and of padding that a layer does not pass on
@pytest.mark.parametrize("seed", range(int(os.environ.get("FUZZ_MODELS", 10))))
def test_random_models(seed, tmp_path):
    """Oracle: the masked model itself."""
    model, used = random_model(seed)
    draw = np.random.default_rng(seed)
    masked = masked_of(model, draw)
    trained(masked, seed)
    killed(masked, draw)
    x, path = inputs_of(model, seed + 1), tmp_path / "model.supermask"
    made = [strip_masks(masked), compact(masked)]
    try:
        container.save(masked, path)
        read = [loading.load(path)]
    except InputError as error:
        known = "cannot be made again|no file may hold it|is not registered|which files do not hold"
        assert re.search(known, str(error)) and executable(masked)
        read = []
    found = summary(masked, print_fn=len)
    kernels = {v.path: v for v in strip_masks(masked).weights if "kernel" in v.name}
    assert sum(np.prod(its["shape"]) for its in found.values()) == sum(np.prod(v.shape) for v in kernels.values())
    expected = outputs(masked, x, False)
    for its in made + read:
        same(outputs(its, x, False), expected)
    expected = outputs(masked, x, None)  # where layers called with training=True draw numbers, which files do not hold
    for its in made:
        same(outputs(its, x, None), expected)
