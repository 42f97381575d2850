"""Other products of dense layers: the same function, in files that need no code of this package, taken where they are faster."""

import commands
import keras
import numpy as np
import pytest
from saved_models import READER, images

from tf_supermask import SignedMaskDense
from tf_supermask.deploy import matmul
from tf_supermask.deploy.saved_model import export_saved_model


def network(density, use_bias=True, activation="elu"):
    draw = np.random.default_rng(0)
    sizes = {"first": 7, "second": 5}
    dense = [keras.layers.Dense(n, activation, use_bias=use_bias, name=name) for name, n in sizes.items()]
    model = keras.Sequential([keras.Input((4, 4, 3), name="images"), keras.layers.Flatten(), *dense])
    for layer in dense:
        kernel, *bias = (draw.normal(size=its.shape) for its in layer.get_weights())
        layer.set_weights([kernel * (draw.random(kernel.shape) < density), *bias])
    return model


@pytest.mark.parametrize("way", ["gather", "sparse"])
@pytest.mark.parametrize("density", [0, 0.1, 0.9])
@pytest.mark.parametrize("use_bias, activation", [(True, "elu"), (False, "softmax")])
def test_the_same_function_by_every_product(way, density, use_bias, activation):
    """Oracle: keras.layers.Dense."""
    model = network(density, use_bias, activation)
    other = matmul.multiplying(model, {"first": way, "second": way})
    assert {type(its) for its in other.layers[-2:]} == {matmul.WAYS[way]}
    x = images(shape=(4, 4, 3))
    np.testing.assert_allclose(other(x), model(x), rtol=1e-5, atol=1e-6)


def test_a_saved_model_of_them_needs_nothing_of_this_package(tmp_path):
    model, x = matmul.multiplying(network(0.1), {"first": "sparse", "second": "gather"}), images(shape=(4, 4, 3))
    export_saved_model(model, tmp_path / "saved")
    np.save(tmp_path / "x.npy", x)
    done = commands.run("-c", READER, tmp_path / "saved", tmp_path / "x.npy")
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.array(eval(done.stdout)), model(x), rtol=1e-4, atol=1e-5)


def test_a_product_is_taken_where_it_is_clearly_faster(monkeypatch):
    """Oracle: times that are given."""
    times = iter([[[0.001], [0.00098], [0.0012]], [[0.001], [0.0011], [0.0005]]])
    monkeypatch.setattr(matmul.timing, "time_interleaved", lambda functions, rounds, seconds: next(times))
    model = network(0.1)
    other, rows = matmul.fastest(model, 3)
    assert [row["best"] for row in rows] == ["dense", "sparse"] and rows[1]["milliseconds"]["sparse"] == 0.5
    assert [type(its) for its in other.layers[-2:]] == [keras.layers.Dense, matmul.SparseDense]
    assert matmul.line(rows[1]).startswith(
        "second: sparse product with 3 images per call (network, ms: dense 1, gather"
    )
    np.testing.assert_allclose(other(images(shape=(4, 4, 3))), model(images(shape=(4, 4, 3))), rtol=1e-5, atol=1e-6)


def test_measuring_a_masked_model_and_one_that_cannot_be_measured():
    masked = keras.Sequential([keras.Input((6,)), SignedMaskDense(4, name="masked"), keras.layers.Dense(3)])
    masked.layers[0].score.assign(np.repeat([[0.0], [1.0]], 3, axis=0) * np.ones(4))  # three rows are hidden
    _, rows = matmul.fastest(masked, 2)  # the other layer has no zeros
    assert [row["layer"] for row in rows] == ["masked"] and min(rows[0]["milliseconds"].values()) > 0
    words = keras.Sequential([keras.Input((6,), dtype="int32"), keras.layers.Embedding(9, 2), keras.layers.Flatten()])
    with pytest.raises(ValueError, match="float32 of one size. Received: .*int32"):
        matmul.fastest(words, 1)
