"""mask_layers: the layers of a subclassed model get masks in place."""

import keras
import keras_layers
import numpy as np
import pytest

from tf_supermask import Masked, SignedMaskDense, export_saved_model, mask_layers, maskable, sparsity

L = keras.layers


@keras.saving.register_keras_serializable("test_masking")
class Block(L.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units, self.first, self.steps = (
            units,
            L.Dense(units, "relu"),
            {"norm": L.BatchNormalization(), "last": L.Dense(units)},
        )

    def call(self, x, training=None):
        return self.steps["last"](self.steps["norm"](self.first(x), training=training))

    def get_config(self):
        return super().get_config() | {"units": self.units}


@keras.saving.register_keras_serializable("test_masking")
class Network(keras.Model):
    """Layers in attributes, a list, a tuple, a dictionary of a part, models with and without a graph; one in two places."""

    def __init__(self, masked=False, **kwargs):
        super().__init__(**kwargs)
        self.masked, self.table = masked, L.Embedding(9, 6)
        self.recurrent = L.Bidirectional(L.LSTM(3, return_sequences=True))
        self.blocks = [Block(6), Block(6)]
        self.each = (L.TimeDistributed(L.Dense(6)), L.Dropout(0.1))
        self.graph = keras.Sequential([keras.Input((4, 6)), L.Conv1D(6, 2, padding="same"), L.LayerNormalization()])
        self.open = keras.Sequential([L.Dense(5, "elu"), L.Dense(5)])
        self.head = self.same_head = L.Dense(2, kernel_regularizer="l2")
        if masked:
            mask_layers(self, seed=3, verbose=False)

    def call(self, ids, training=None):
        x = self.recurrent(self.table(ids))
        for block in self.blocks:
            x = x + block(x, training=training)
        x = self.each[1](self.each[0](x), training=training)
        return self.same_head(self.open(L.Flatten()(self.graph(x)))) + 0 * self.head(self.open(L.Flatten()(x)))

    def get_config(self):
        return super().get_config() | {"masked": self.masked}


IDS = np.random.default_rng(0).integers(0, 9, (8, 4))
PATHS = [
    "recurrent",
    "blocks/0/first",
    "blocks/0/steps/last",
    "blocks/1/first",
    "blocks/1/steps/last",
    "each/0/layer",
    "graph",
]
PATHS += ["open/0", "open/1", "head"]


@pytest.mark.filterwarnings("ignore:`build..` was called on layer")  # by Keras, for any layer like this in a file
def test_a_subclassed_model_trains_masks_only(tmp_path):
    model = Network()
    names = [layer.name for layer in model.layers]
    assert mask_layers(model, seed=3, verbose=False) == PATHS
    assert [layer.name for layer in model.layers] == names and model.head is model.same_head
    assert type(model.blocks[0].first) is SignedMaskDense and isinstance(model.head, Masked)
    model.compile("adam", "mse", run_eagerly=True)
    model(IDS)
    kernels = sparsity.masked_kernels(model)
    before = [np.array(kernel.weight) for kernel in kernels.values()]
    scores = [np.array(kernel.score) for kernel in kernels.values()]
    model.fit(IDS, np.ones((8, 2)), epochs=2, verbose=0)
    assert len(kernels) == 13 and not any(
        "/kernel" in v.path and "score" not in v.path for v in model.trainable_variables
    )
    for kernel, weight, score in zip(kernels.values(), before, scores, strict=True):
        np.testing.assert_array_equal(kernel.weight, weight)
        assert not np.array_equal(kernel.score, score)
    export_saved_model(model, tmp_path / "saved")
    same = Network()
    mask_layers(same, seed=3, verbose=False)
    same(IDS)
    for kernel, score in zip(sparsity.masked_kernels(same).values(), scores, strict=True):
        np.testing.assert_array_equal(kernel.score, score)


@pytest.mark.filterwarnings("ignore:`build..` was called on layer")
def test_a_class_that_masks_itself_is_saved(tmp_path):
    model = Network(masked=True)
    model(IDS)
    model.save(tmp_path / "x.keras")
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "x.keras")(IDS), model(IDS), rtol=1e-5, atol=1e-6)


def test_weights_that_are_kept(capsys):
    block = Block(4)
    mask_layers(block, keep_weights=True, filter=lambda layer: layer is block.first)
    block(np.ones((2, 3)))
    assert len(np.unique(np.abs(block.first.weight))) > 2  # not signed constants
    assert type(block.steps["last"]) is L.Dense and not capsys.readouterr().out


class Kernel(L.Layer):
    """A layer of a user's own with a kernel."""

    def build(self, shape):
        self.matrix = self.add_weight(shape=(shape[-1], 3))

    def call(self, x):
        return x @ self.matrix


def test_what_may_have_kernels_and_gets_no_mask_is_named(capsys):
    model = Block(3)
    model.own = [Kernel(name="own"), L.SpectralNormalization(L.Dense(3), name="spectral")]
    mask_layers(model, filter=lambda layer: layer.name != "spectral")
    printed = capsys.readouterr().out
    assert "no masks in own (Kernel: what it has is known after a call; wrap it in Masked)" in printed


class Frozen(Block):
    def __setattr__(self, name, value):
        if name == "first" and getattr(self, "first", None) is not None:
            return
        super().__setattr__(name, value)


def called():
    block = Block(3)
    block(np.ones((2, 3)))
    return block


REFUSED = {
    "`model` must be a Keras model or layer. Received: int": lambda: mask_layers(3),
    "is a model with a graph of its own; use mask_model": lambda: mask_layers(
        keras.Sequential([keras.Input((3,)), L.Dense(2)])
    ),
    r"block\w* \(Block\) was called already": lambda: mask_layers(called()),
    "has no layer to mask in its attributes": lambda: mask_layers(Kernel()),
    r"\(Frozen\) cannot be replaced: ": lambda: mask_layers(Frozen(3)),
    "`filter` must take a layer alone": lambda: mask_layers(Block(3), filter=lambda layer, name: True),
    "`rule` must be one of": lambda: mask_layers(Block(3), rule="none"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_masked_is_refused(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message]()


def test_the_layers_of_keras_with_kernels_are_known():
    """All that have one by default, but for wrappers, inside which is looked, and those that cannot have a mask."""
    by_name = {"Embedding", "ReversibleEmbedding", "PReLU"}
    others = by_name | {"TimeDistributed", "SpectralNormalization", "LayerNormalization"}
    found = {keras_layers.classes()[name] for name in keras_layers.with_kernels() if name not in others}
    assert set(maskable.with_kernels()) == found
