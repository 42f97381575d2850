"""How dense layers with many zeros multiply: the fastest of three ways, measured with a given number of images per call.

    dense     x @ kernel
    gather    x[:, live] @ kernel[live]: only the inputs that any unit reads
    sparse    a sparse matrix of the weights that are not 0, times x

A dense product runs near the peak speed of the processor and is the fastest with many images per call. With one image, the
part of the kernel that has to be read decides. GatherDense and SparseDense are for SavedModels, which need no code of this
package.
"""

import statistics

import keras
import numpy as np
import tensorflow as tf

from tf_supermask import cloning, conversion
from tf_supermask.deploy import timing

_LESS = 0.97  # another way has to be faster by more than the uncertainty of the measurement
_TURNS, _TURN_SECONDS = 15, 0.02


class _Product(keras.layers.Layer):
    """A dense layer that multiplies in another way: `units`, `activation` and `use_bias` as in keras.layers.Dense, `count` is the
    number of its inputs or weights. Inputs `(batch, inputs)`."""

    def __init__(self, units, count, activation=None, use_bias=False, **kwargs):
        super().__init__(**kwargs)
        self.units, self.count, self.use_bias = units, count, use_bias
        self.activation = keras.activations.get(activation)

    def get_config(self):
        own = {"units": self.units, "count": self.count, "use_bias": self.use_bias}
        return super().get_config() | own | {"activation": keras.activations.serialize(self.activation)}

    def build(self, input_shape):
        self.inputs = input_shape[-1]
        for name, shape, dtype in self.variables_of():
            weight = self.add_weight(name=name, shape=shape, dtype=dtype, initializer="zeros", trainable=False)
            setattr(self, name, weight)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros", trainable=False)

    def call(self, x):
        y = self.product(x)
        return self.activation(y + self.bias if self.use_bias else y)

    @classmethod
    def of(cls, layer):
        """The same function as a built keras.layers.Dense, and its weights."""
        kernel, *bias = layer.get_weights()
        arrays = cls.arrays(kernel)
        config = layer.get_config()
        config = {key: config[key] for key in ("name", "units", "activation", "use_bias")}
        return cls(count=len(arrays[0]), **config), [*arrays, *bias]


@keras.saving.register_keras_serializable("tf_supermask")
class GatherDense(_Product):
    def variables_of(self):
        return ("live", (self.count,), "int32"), ("kernel", (self.count, self.units), "float32")

    @staticmethod
    def arrays(kernel):
        live = np.flatnonzero(kernel.any(axis=1))
        return live.astype(np.int32), kernel[live]

    def product(self, x):
        return tf.gather(x, self.live.value, axis=1) @ self.kernel.value


@keras.saving.register_keras_serializable("tf_supermask")
class SparseDense(_Product):
    def variables_of(self):
        return ("indices", (self.count, 2), "int64"), ("values", (self.count,), "float32")

    @staticmethod
    def arrays(kernel):
        indices = np.argwhere(kernel.T)
        return indices, kernel.T[tuple(indices.T)]

    def product(self, x):
        matrix = tf.SparseTensor(self.indices.value, self.values.value, (self.units, self.inputs))
        return tf.transpose(tf.sparse.sparse_dense_matmul(matrix, x, adjoint_b=True))


WAYS = {"dense": None, "gather": GatherDense, "sparse": SparseDense}


def dense_layers(model):
    """Dense layers of a plain model that are used once, read float32 `(batch, inputs)`, and have a zero in their kernel."""
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense) and hasattr(layer, "input")]
    layers = [layer for layer in layers if len(layer.input.shape) == 2 and layer.compute_dtype == "float32"]
    return [layer for layer in layers if not np.all(layer.get_weights()[0])]


def multiplying(model, ways):
    """A clone of a plain model; `ways` is layer name -> key of WAYS for layers of `dense_layers`, "dense" by default."""
    weights = {}

    def make(layer):
        kind = WAYS[ways.get(layer.name, "dense")]
        made, weights[layer.name] = kind.of(layer) if kind else (None, layer.get_weights())
        return made or cloning.copied(layer)

    clone = keras.models.clone_model(model, clone_function=make)
    for layer in clone.layers:
        if layer.name in weights:
            cloning.fill(layer, weights[layer.name])
    return clone


def fastest(model, images):
    """`(clone, rows)`: the plain form of a model whose dense layers multiply in the way that is fastest with `images` per call,
    and for each layer a dict: milliseconds of the whole network for each way, measured in turns, and the best way.

    Another way than dense is used if it makes the network more than 3 % faster. Raises ValueError as `strip_masks` does, and if
    the model reads anything but one float32 tensor of a fixed size.
    """
    model = conversion.strip_masks(model)
    first, *others = model.inputs
    if others or None in first.shape[1:] or first.dtype != "float32":
        read = ", ".join(f"{x.dtype} {x.shape}" for x in model.inputs)
        raise ValueError(
            f"this measures models that read float32 of one size. Received: {model.name}, which reads {read}"
        )
    x = tf.constant(np.random.default_rng(0).normal(size=(images, *first.shape[1:])).astype(np.float32))
    rows, chosen = [], {}
    for layer in dense_layers(model):
        networks = [multiplying(model, chosen | {layer.name: way}) for way in WAYS]
        calls = [timing.repeated(lambda call=tf.function(network): call(x).numpy()) for network in networks]
        times = timing.time_interleaved(calls, _TURNS, _TURN_SECONDS)
        ms = {way: 1000 * statistics.median(seconds) for way, seconds in zip(WAYS, times, strict=True)}
        best = min(ms, key=ms.get)
        chosen[layer.name] = best if ms[best] < _LESS * ms["dense"] else "dense"
        rows.append({"layer": layer.name, "images": images, "best": chosen[layer.name], "milliseconds": ms})
    return multiplying(model, chosen), rows


def line(row):
    """A row of `fastest` as text."""
    times = ", ".join(f"{way} {ms:.3g}" for way, ms in row["milliseconds"].items())
    call = f"{row['images']} image{'s' * (row['images'] > 1)} per call"
    return f"{row['layer']}: {row['best']} product with {call} (network, ms: {times})"
