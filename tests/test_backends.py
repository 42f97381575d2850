"""A user's way through the package: mask, train, strip, compact, save, pack, load. run.sh has it run on every backend."""

import keras
import numpy as np
import pytest

from tf_supermask import Masked, compact, load, mask_layers, mask_model, save, sparsity, strip_masks, summary

L = keras.layers


def stacked():
    return keras.Sequential([keras.Input((5, 6)), L.LSTM(4, return_sequences=True), L.GRU(3), L.Dense(3)]), (5, 6)


def shared():
    """One layer used twice, and a model inside."""
    inputs, layer = keras.Input((6,)), L.Dense(6, "relu", name="shared")
    inner = keras.Sequential([keras.Input((6,)), L.Dense(4), L.ReLU()], name="inner")
    return keras.Model(inputs, L.Dense(3)(L.Add()([inner(layer(layer(inputs))), inner(inputs)]))), (6,)


def mobile():
    """The blocks of MobileNet, and normalization with statistics."""
    inputs = keras.Input((8, 8, 3))
    x = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(inputs)))
    y = L.ReLU(6.0)(L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same", use_bias=False)(x)))
    x = L.Add()([x, L.Conv2D(8, 1, use_bias=False)(y)])
    return keras.Model(inputs, L.Dense(3)(L.Dropout(0.1)(L.GlobalAveragePooling2D()(x)))), (8, 8, 3)


def attentive():
    inputs = keras.Input((5, 6))
    x = L.Add()([inputs, L.MultiHeadAttention(2, 3)(inputs, inputs, use_causal_mask=True)])
    return keras.Model(inputs, L.Dense(3)(L.GlobalMaxPooling1D()(L.LayerNormalization()(x)))), (5, 6)


def wrapped():
    inputs = keras.Input((5, 6))
    x = L.Bidirectional(L.LSTM(3, return_sequences=True))(L.TimeDistributed(L.Dense(4))(inputs))
    return keras.Model(inputs, L.Dense(3)(L.Flatten()(L.SeparableConv1D(4, 2)(x)))), (5, 6)


def two_outputs():
    first, second = keras.Input((6,), name="first"), keras.Input((6,), name="second")
    x = L.Dense(5, "elu", kernel_regularizer="l2")(L.Concatenate()([first, second]))
    return keras.Model(
        {"first": first, "second": second}, {"a": L.Dense(3, name="a")(x), "b": L.Dense(2, name="b")(x)}
    ), (6,)


MODELS = (stacked, shared, mobile, attentive, wrapped, two_outputs)


def same(one, other, x):
    for a, b in zip(keras.tree.flatten(one(x)), keras.tree.flatten(other(x)), strict=True):
        a, b = map(keras.ops.convert_to_numpy, (a, b))
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)


def values(model):
    return [keras.ops.convert_to_numpy(kernel.score) for kernel in sparsity.masked_kernels(model).values()]


def trained(model, x):
    """One step towards random numbers."""
    y = keras.tree.map_structure(lambda out: np.ones(out.shape, "float32"), model(x))
    loss = dict.fromkeys(y, "mse") if isinstance(y, dict) else "mse"
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.01), loss, jit_compile=False)
    model.fit(x, y, batch_size=4, verbose=0)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_the_way_of_a_user(make, tmp_path):
    keras.utils.set_random_seed(1)
    network, shape = make()
    x = np.random.default_rng(0).normal(size=(4, *shape)).astype("float32")
    x = {"first": x, "second": x + 1} if make is two_outputs else x
    model = mask_model(network, seed=3, verbose=False)
    before = values(model)
    trained(model, x)
    assert all((one != other).any() for one, other in zip(before, values(model), strict=True))
    same(model, strip_masks(model), x)
    same(model, compact(model), x)
    model.save(tmp_path / "x.keras")
    same(model, keras.models.load_model(tmp_path / "x.keras"), x)
    save(model, tmp_path / "x.supermask", verbose=False)
    same(model, load(tmp_path / "x.supermask"), x)
    again = load(tmp_path / "x.supermask", masked=True)
    same(model, again, x)
    trained(again, x)
    assert list(summary(model, print_fn=len)) == list(summary(again, print_fn=len))


class Classifier(keras.Model):
    """A model of a user's own, with layers in lists and a wrapped one."""

    def __init__(self):
        super().__init__()
        self.blocks = [L.Dense(5, "relu"), keras.Sequential([L.Dense(4), L.ReLU()])]
        self.heads = {"one": L.Dense(3)}
        mask_layers(self, seed=1, verbose=False)
        self.last = Masked(L.Dense(3))

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return self.last(self.heads["one"](x))


def test_a_subclassed_model_trains():
    model, x = Classifier(), np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    model(x)
    masked = [layer for layer in (*model.blocks[1].layers, model.blocks[0], model.heads["one"], model.last)]
    masked = [layer for layer in masked if hasattr(layer, "masked_kernels")]
    before = [keras.ops.convert_to_numpy(layer.masked_kernels["kernel"].score) for layer in masked]
    trained(model, x)
    after = [keras.ops.convert_to_numpy(layer.masked_kernels["kernel"].score) for layer in masked]
    assert len(masked) == 4 and all((one != other).any() for one, other in zip(before, after, strict=True))
