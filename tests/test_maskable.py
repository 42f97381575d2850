"""Which variables of a layer are kernels, their names, and why the kernels of some layers have no masks."""

import math

import keras
import numpy as np
import pytest

from tf_supermask import ELUS, SignedMaskDense, mask_model, maskable, sparsity

L = keras.layers


def built(layer, *shape):
    layer(np.zeros(shape, np.float32))
    return layer


@pytest.mark.parametrize(
    "layer, shape, names",
    [
        (L.Dense(3), (1, 4), ["kernel"]),
        (L.LSTM(3), (1, 5, 4), ["kernel", "recurrent_kernel"]),
        (L.SeparableConv2D(3, 2), (1, 4, 4, 2), ["depthwise_kernel", "pointwise_kernel"]),
        (L.TimeDistributed(L.Dense(3)), (1, 2, 4), ["kernel"]),
        (L.BatchNormalization(), (1, 4), []),
        (L.Embedding(5, 3), (1, 2), ["embeddings"]),
        (L.PReLU(), (1, 4, 4), ["alpha"]),
    ],
)
def test_kernels_have_the_names_of_their_variables(layer, shape, names):
    assert list(maskable.kernels_of(built(layer, *shape))) == names
    assert list(maskable.chosen(layer)) == [name for name in names if name not in maskable.NO_KERNELS]


FANS = {  # of (inputs, outputs) of a unit, by layer
    "dense": (L.Dense(3), (1, 4), [(4, 3)]),
    "convolution": (L.Conv1D(5, 3), (1, 4, 2), [(3, 2, 5)]),
    "attention": (L.MultiHeadAttention(4, 3, value_dim=5), ((1, 2, 8), (1, 2, 6)), [(8, 12), (6, 12), (6, 20), (20, 8)]),
    "grouped attention": (L.GroupQueryAttention(3, 4, 2), ((1, 2, 8), (1, 2, 8)), [(8, 12), (8, 6), (8, 6), (12, 8)]),
    "several axes": (L.EinsumDense("abx,xyz->abyz", (None, 5, 2)), (1, 3, 4), [(4, 10)]),
    "two inputs": (L.EinsumDense("axy,zxy->az", 7), (1, 3, 4), [(12, 7)]),
    "transposed": (L.EinsumDense("...x,yx->...y", 5), (1, 3, 4), [(4, 5)]),
}


@pytest.mark.parametrize("kind", FANS)
@pytest.mark.parametrize("scores", [True, False])
def test_weights_and_scores_have_the_fans_of_a_unit(kind, scores):
    """Those that Keras gives its own initializers in these layers. A signed constant tells them: its size is sqrt(6 / inputs)."""
    layer, shapes, fans = FANS[kind]
    layer = type(layer).from_config(layer.get_config())
    inputs = [keras.Input(shape[1:]) for shape in (shapes if isinstance(shapes[0], tuple) else (shapes,))]
    plain = keras.Model(inputs, layer(*inputs))
    assert [maskable.fan_shape(layer, kernel) for kernel in maskable.kernels_of(layer).values()] == fans
    drawn = {"score_initializer": ELUS("uniform")} if scores else {}
    masked = mask_model(plain, filter=lambda layer: True, seed=1, **drawn)
    for kernel, (*_, inputs, _) in zip(sparsity.masked_kernels(masked).values(), fans, strict=True):
        inputs *= math.prod(fans[0][:-2])
        if scores:
            largest, bound = np.abs(kernel.score).max(), np.sqrt(18 / inputs)
            assert 0.8 * bound < largest <= bound * (1 + 1e-6)
        else:
            np.testing.assert_allclose(np.abs(kernel.weight), np.sqrt(6 / inputs), rtol=1e-6)


def test_kernels_of_one_name_are_told_apart_by_the_layer_inside():
    both = built(L.Bidirectional(L.GRU(2, name="memory")), 1, 3, 2)
    assert list(maskable.kernels_of(both)) == [
        f"{way}_memory/gru_cell/{name}" for way in ("forward", "backward") for name in ("kernel", "recurrent_kernel")
    ]


def test_frozen_layers_have_kernels_and_stay_frozen():
    layer = built(L.Bidirectional(L.GRU(2)), 1, 3, 2)
    layer.trainable = False
    assert len(maskable.kernels_of(layer)) == 4 and not layer.trainable and not layer.trainable_variables


def test_layers_without_masks_say_why():
    def adapted():
        layer = built(L.Dense(3), 1, 4)
        layer.enable_lora(2)
        return layer

    spectral = L.SpectralNormalization(L.Dense(3))
    for layer, reason in (
        (adapted(), "has LoRA, in dense.*: mask it first"),
        (SignedMaskDense(3, name="masked"), "has masks already, in masked"),
        (built(spectral, 2, 4), "sets its kernel while it trains"),
    ):
        with pytest.raises(ValueError, match=reason):
            maskable.checked(layer)
    assert maskable.refusal(L.Dense(3)) is None
    with pytest.raises(ValueError, match="`layer` must be a Keras layer. Received: str"):
        maskable.checked("dense")
