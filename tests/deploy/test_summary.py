"""summary: counts, sizes and multiplications of every kernel, checked with numpy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_conversion import a_model, with_a_block

from tf_supermask import mask_model, sparsity, strip_masks, summary


def test_summary_of_images_of_any_size():
    inputs = keras.Input((None, None, 3))
    lines = []
    model = keras.Model(inputs, keras.layers.Conv2D(4, 3, name="conv")(inputs))
    found = summary(model, print_fn=lines.append)
    assert found["conv"]["macs"] is found["conv"]["compact_macs"] is None
    assert lines[-1] == "108 of 108 weights remain (100.00 %); - multiplications, compact -"
    with pytest.raises(ValueError, match="has no kernel"):
        summary(keras.Sequential([keras.Input((3,)), keras.layers.ReLU()]))


def test_names_with_line_breaks_make_no_lines():
    lines = []
    summary(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="a\nb")], name="c\nd"), lines.append)
    assert lines[0] == "c\\nd" and lines[2].startswith("a\\nb ") and "\n" not in "".join(lines)


def test_why_dead_units_stay_is_said():
    inputs = keras.Input((4,))
    x = keras.layers.LayerNormalization(name="norm")(keras.layers.Dense(3, use_bias=False, name="dense")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, name="out")(x))
    model.get_layer("dense").kernel.assign(np.ones((4, 3)) * [1, 0, 1])
    lines = []
    assert summary(model, print_fn=lines.append)["dense"]["dead_units"] == 0
    assert lines[-1] == "compact keeps all units of dense: norm (LayerNormalization) may use any of them"


def test_summary_of_sampled_masks_is_of_one_sample():
    masked = mask_model(
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(60, name="a"), keras.layers.Dense(1)]), rule="bernoulli"
    )
    for layer in sparsity.masked_layers(masked):
        layer.score.assign(np.full(layer.score.shape, -2.5))
    its = summary(masked, print_fn=len)["a"]
    assert its["compact_macs"] == 2 * (its["units"] - its["dead_units"])


def test_kernels_of_two_scales_have_codes():
    """As many bytes as those of one scale with the same signs."""
    model = mask_model(keras.Sequential([keras.Input((20,)), keras.layers.Dense(30, name="a")]), "ttq")
    coded = []
    for scales in ([1, 1], [0.5, 2]):
        model.layers[0].scales.assign(scales)
        coded.append(summary(model, print_fn=len)["a"]["coded_bytes"])
    assert coded[0] == coded[1] > 0


def test_summary_counts_and_prints():
    """Oracle: numpy on the kernels of the stripped model."""
    masked = mask_model(a_model(), distribution="uniform")
    masked.get_layer("conv").score.assign(masked.get_layer("conv").score * np.array([1, 0, 1, 1, 1, 1]))
    constant = mask_model(a_model())
    lines = []
    found = summary(masked, print_fn=lines.append)
    for name, its in found.items():
        kernel = np.asarray(strip_masks(masked).get_layer(name).kernel)
        assert (its["minus"], its["zero"], its["plus"]) == tuple(int(np.sum(np.sign(kernel) == v)) for v in (-1, 0, 1))
        assert its["csr_bytes"] == sparsity.csr_bytes(kernel) and its["shape"] == kernel.shape
        assert its["coded_bytes"] is None and summary(constant, print_fn=len)[name]["coded_bytes"] > 0
    assert found["conv"]["macs"] == 16 * 27 * 6 and found["conv"]["units"] == 6
    assert len(lines) == 6 and lines[2].startswith("conv") and "weights remain" in lines[-1]


def test_summary_counts_kernels_wherever_they_are():
    """Oracle: shapes. The total is that of all kernels, and what is in no kernel is named."""
    lines = []
    masked = mask_model(with_a_block(), verbose=False)
    found = summary(masked, print_fn=lines.append)
    shapes = {"in": (4, 4), "out": (4, 2), "block/matrix": (4, 4)}
    shapes |= {"block/first": (4, 5), "block/second": (5, 6), "block/sequential/third": (6, 4)}
    assert {name: its["shape"] for name, its in found.items()} == shapes
    kernel = sparsity.masked_kernels(masked)["block/first"]
    assert (
        found["block/first"]["remaining"] == 100 * np.mean(kernel.mask() != 0) and found["block/first"]["macs"] is None
    )
    assert f"of {16 + 8 + 16 + 20 + 30 + 24} weights remain" in lines[-1]
    assert lines[-1].endswith(", without block/matrix, block/first, block/second, block/sequential/third")


def test_variables_of_tensorflow_are_named():
    """`save` refuses them."""

    class Own(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.matrix, self.held = tf.Variable(tf.eye(4)), {"shift": [tf.Variable(tf.zeros(4))]}

        def call(self, x):
            return x @ self.matrix + self.held["shift"][0]

    inputs = keras.Input((4,))
    own = Own(name="own")
    model = keras.Model(inputs, keras.layers.Dense(3, use_bias=False, name="dense")(own(own(inputs))))
    lines = []
    summary(model, print_fn=lines.append)
    assert "of 12 weights remain" in lines[-2]
    line = "20 more weights are variables of TensorFlow, which Keras neither counts nor saves: "
    assert lines[-1] == line + "own (Own)"
    nested = keras.Model(inputs, model(inputs))
    nested.kept = tf.Variable(1.0)
    summary(nested, print_fn=lines.append)
    assert lines[-1] == line.replace("20", "21") + f"{model.name} (Functional), {nested.name} (Functional)"


def test_kernels_without_a_mask_are_named():
    network = keras.Sequential(
        [keras.Input((3,)), keras.layers.Embedding(5, 4, name="rows"), keras.layers.LSTM(2, name="lstm")]
    )
    lines = []
    summary(mask_model(network, filter=lambda layer, name: name == "kernel", verbose=False), print_fn=lines.append)
    assert lines[-2:] == [
        "without a mask: lstm/recurrent_kernel",
        "20 more weights are in other matrices of: rows (Embedding)",
    ]
