"""Which variables of a layer are kernels, their names, and why the kernels of some layers have no masks."""

import keras
import numpy as np
import pytest

from tf_supermask import SignedMaskDense, maskable

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
