import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras_layers import Subclassed

from tf_supermask import mask_layers, sparsity

FCN = [(784, 300), (300, 100), (100, 10)]
masks = hnp.arrays(np.int8, st.sampled_from([(7, 5), (3, 3, 4, 2), (1, 1, 6, 3)]), elements=st.integers(-2, 2))


def random_mask(shape, share, seed=0):
    draw = np.random.default_rng(seed)
    mask = np.zeros(np.prod(shape), int)
    mask[: round(share * mask.size)] = 1
    return (draw.permutation(mask) * draw.choice([-1, 1], mask.size)).reshape(shape)


@given(masks)
def test_counts_and_remaining(mask):
    flat = mask.ravel().tolist()
    assert sparsity.counts(mask) == [sum(x < 0 for x in flat), flat.count(0), sum(x > 0 for x in flat)]  # also of levels
    assert sparsity.remaining([mask]) == pytest.approx(100 * (len(flat) - flat.count(0)) / len(flat))


def test_remaining_weighs_layers_by_size():
    assert sparsity.remaining([np.ones(10), np.zeros((9, 10))]) == 10


@given(masks)
def test_csr_bytes(mask):
    """4 bytes a value, 4 a column index, 4 a row pointer and one more pointer; a convolution has kh * kw rows."""
    rows = mask.shape[0] if mask.ndim == 2 else mask.shape[0] * mask.shape[1]
    assert sparsity.csr_bytes(mask * 0.1) == 8 * np.count_nonzero(mask) + 4 * (rows + 1)


@pytest.mark.parametrize(
    "shapes, remaining, published",
    [
        (FCN, 3.77, 92.01),
        # Conv2 and Conv8 by layer sizes; Tables 2 and 3
        ([(3, 3, 3, 64), (3, 3, 64, 64), (16384, 256), (256, 256), (256, 10)], 0.60, 98.41),
        (
            [(3, 3, 3, 64), (3, 3, 64, 64), (3, 3, 64, 128), (3, 3, 128, 128), (3, 3, 128, 256), (3, 3, 256, 256),
             (3, 3, 256, 512), (3, 3, 512, 512), (2048, 256), (256, 256), (256, 10)], 1.17, 97.60,
        ),
    ],
)  # fmt: skip
def test_published_compression(shapes, remaining, published):
    """The paper's remaining weights give the paper's compression, within the rounding of the former."""
    kernels = [random_mask(shape, remaining / 100) * 0.05 for shape in shapes]
    assert sparsity.remaining(kernels) == pytest.approx(remaining, rel=0.001)
    exact = sparsity.csr_compression(kernels) + 2 * (sparsity.remaining(kernels) - remaining)
    assert exact == pytest.approx(published, abs=0.02)


@pytest.mark.parametrize(
    "kernels, received",
    [
        ([], "list$"),
        (None, "NoneType$"),
        (np.ones((3, 3)), "ndarray$"),
        ([np.ones((3, 3)), np.ones(3)], r"list of ndarray \(3, 3\), ndarray \(3,\)$"),
        (keras.Sequential(), "Sequential$"),
        ([keras.Sequential()], "list of Sequential$"),
    ],
)
def test_what_is_no_list_of_kernels_is_refused(kernels, received):
    with pytest.raises(
        ValueError, match=f"`kernels` must be a list of arrays with 2 or 4 axes, .* Received: {received}"
    ):
        sparsity.csr_compression(kernels)


def test_dense_kernels_grow():
    assert sparsity.csr_compression([np.ones((100, 100))]) < -100


def test_multiplications_with_channels_first():
    inputs = keras.Input((3, 8, 8))
    layer = keras.layers.Conv2D(4, 3, data_format="channels_first")
    layer.build(inputs.shape)
    assert sparsity.layer_macs(layer, layer.compute_output_shape(inputs.shape)) == 6 * 6 * 4 * 3 * 9


def test_a_model_without_weights_yet_is_named():
    model = Subclassed()
    mask_layers(model)
    with pytest.raises(ValueError, match=" has no weights yet; begin the model with keras.Input, or call it once"):
        sparsity.masks_of(model)
    model(np.ones((1, 3)))
    assert len(sparsity.masks_of(model)) == 1
