"""Random functional models: most kinds of Keras layers, in graphs that nobody would draw, for tests of what takes any model.

    model, used = random_model(seed)        used: the names of the steps that made it, keys of STEPS
    arrays = inputs_of(model, seed)

A step takes a tensor to another one. It is a function `(make, x) -> tensor`, None where it does not fit `x`; to add one, write it
and decorate it with the ranks of tensors that it takes.
"""

import keras
import numpy as np

from tf_supermask import SignedMaskConv2D, SignedMaskDense, graph

L, ops = keras.layers, keras.ops
STEPS = {}  # name -> (ranks, function)
COMMON = (  # every other step is one of these: long chains of what networks are made of
    ["dense", "conv", "masked_dense", "masked_conv", "batch_normalization", "activation", "activation_layer", "dropout"]
    + ["pooling", "flatten", "merged", "added_to_itself"]
)
LAST = "last"  # name of the dense layer that makes the first output
LARGEST = 1500  # numbers in a tensor, without the batch
ACTIVATIONS = ("relu", "elu", "sigmoid", "tanh", "softmax", "leaky_relu", "hard_sigmoid", "log_softmax", "linear")


def double(x):
    return 2 * x


FUNCTIONS = {"lambda": lambda x: ops.tanh(x) + 0.5, "own": double, "ops.relu": ops.relu, "ops.sin": ops.sin}
UNWRITTEN = [FUNCTIONS[name] for name in ("lambda", "own", "ops.sin")]


@keras.saving.register_keras_serializable("random_models")
class Composite(L.Layer):
    """Dense layers in an attribute, a list and a dictionary; the size of its output is that of its input."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first = L.Dense(units, "tanh")
        self.parts = [L.Dense(units), {"last": L.Dense(units, use_bias=False)}]

    def call(self, x):
        return x + self.parts[1]["last"](self.parts[0](self.first(x)))

    def get_config(self):
        return super().get_config() | {"units": self.units}


@keras.saving.register_keras_serializable("random_models")
class Nameless(L.Layer):
    """Its configuration is only its own argument."""

    def __init__(self, factor=2.0):
        super().__init__()
        self.factor = factor

    def build(self, shape):
        self.shift = self.add_weight(shape=shape[-1:], initializer="ones")

    def call(self, x):
        return x * self.factor + self.shift

    def get_config(self):
        return {"factor": self.factor}


class Maker:
    """What a step may use besides its tensor: random numbers, tensors so far, layers that could be used again."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.tensors, self.layers = [], []

    def any(self, *values):
        return values[self.random.integers(len(values))]

    def units(self):
        return int(self.random.integers(1, 7))

    def activation(self):
        return self.any(None, *ACTIVATIONS, FUNCTIONS["lambda"], FUNCTIONS["ops.relu"], L.ReLU(), L.LeakyReLU())

    def used(self, layer, x, **kwargs):
        """The layer's output for x; the layer may come again."""
        self.layers.append((layer, tuple(x.shape)))
        return layer(x, **kwargs)

    def like(self, x):
        """A tensor of the same shape: one of those so far, or one made of x."""
        found = [its for its in self.tensors if its.shape == x.shape and its is not x]
        return self.any(*found) if found else L.Activation("tanh")(x)


def step(*ranks):
    """Decorator: a step for tensors of these ranks, of any rank without."""

    def decorate(function):
        STEPS[function.__name__] = (ranks or (2, 3, 4), function)
        return function

    return decorate


@step()
def dense(make, x):
    return make.used(L.Dense(make.units(), make.activation(), use_bias=make.any(True, False)), x)


@step()
def masked_dense(make, x):
    given = {"use_bias": make.any(True, False), "rule": make.any("signed", "binary", "rounded")}
    return make.used(SignedMaskDense(make.units(), make.any(*ACTIVATIONS), **given), x)


def _window(make, x):
    size = [make.any(*range(1, min(3, n) + 1)) for n in x.shape[1:3]]
    return {"kernel_size": size, "strides": make.any(1, 1, 2), "padding": make.any("valid", "same")}


@step(4)
def conv(make, x):
    return make.used(L.Conv2D(make.units(), activation=make.activation(), **_window(make, x)), x)


@step(4)
def masked_conv(make, x):
    return make.used(SignedMaskConv2D(make.units(), use_bias=make.any(True, False), **_window(make, x)), x)


@step(4)
def grouped_conv(make, x):
    return L.Conv2D(2 * x.shape[-1], groups=x.shape[-1], **_window(make, x))(x)


@step(4)
def depthwise(make, x):
    return L.DepthwiseConv2D(depth_multiplier=make.any(1, 2), **_window(make, x) | {"strides": 1})(x)


@step(4)
def separable(make, x):
    return L.SeparableConv2D(make.units(), **_window(make, x) | {"strides": 1})(x)


@step(3)
def conv1d(make, x):
    given = {"padding": make.any("valid", "same", "causal"), "activation": make.activation()}
    return make.used(L.Conv1D(make.units(), make.any(*range(1, min(3, x.shape[1]) + 1)), **given), x)


@step(3)
def separated_sequences(make, x):
    given = {"depth_multiplier": make.any(1, 2), "padding": make.any("valid", "same")}
    return make.any(L.DepthwiseConv1D(1, **given), L.SeparableConv1D(make.units(), 1, use_bias=False, **given))(x)


@step()
def einsum(make, x):
    equation, bias = make.any(("...x,xy->...y", "y"), ("...x,yx->...y", None))
    return make.used(L.EinsumDense(equation, make.units(), bias_axes=bias, activation=make.activation()), x)


@step(3)
def recurrent(make, x):
    return L.Bidirectional(L.LSTM(make.units(), return_sequences=True))(L.Masking(0.0)(x))


@step(3)
def attention(make, x):
    layer = L.MultiHeadAttention(make.any(1, 3), 2, use_bias=make.any(True, False), output_shape=make.any(None, 4))
    return layer(x, make.like(x), **make.any({}, {"use_causal_mask": True}, {"key": make.like(x)}))


@step(3)
def distributed(make, x):
    return L.TimeDistributed(L.Dense(make.units(), "relu"))(x)


@step()
def batch_normalization(make, x):
    axis = make.any(-1, *range(1, len(x.shape)))
    return make.used(L.BatchNormalization(axis=axis), x)


@step()
def batch_normalization_called(make, x):
    return L.BatchNormalization()(x, training=make.any(True, False))


@step()
def layer_normalization(make, x):
    return L.LayerNormalization(axis=make.any(-1, 1))(x)


@step()
def unit_normalization(make, x):
    return L.UnitNormalization()(x)


@step()
def activation(make, x):
    return L.Activation(make.any(*ACTIVATIONS))(x)


@step()
def activation_function(make, x):
    return L.Activation(make.any(*FUNCTIONS.values()))(x)


@step()
def activation_layer(make, x):
    return make.any(L.ReLU(), L.LeakyReLU(0.2), L.ELU(), L.PReLU(), L.Softmax(), L.ReLU(negative_slope=0.1))(x)


@step()
def dropout(make, x):
    return make.any(L.Dropout(0.5), L.GaussianNoise(0.1), L.AlphaDropout(0.1))(x)


@step()
def dropout_called(make, x):
    return L.Dropout(0.5, seed=make.any(None, 3))(x, training=make.any(True, True, False))


@step(4)
def pooling(make, x):
    pool = make.any(L.MaxPooling2D, L.AveragePooling2D)
    if make.any(True, False):
        return pool(2, padding="same", data_format=make.any("channels_last", "channels_first"))(x)
    return pool(1, padding="valid")(x)


@step(4)
def global_pooling(make, x):
    pool = make.any(L.GlobalMaxPooling2D, L.GlobalAveragePooling2D)
    return pool(data_format=make.any("channels_last", "channels_first"), keepdims=make.any(True, False))(x)


@step(3)
def global_pooling_of_sequences(make, x):
    return make.any(L.GlobalMaxPooling1D, L.GlobalAveragePooling1D)(keepdims=make.any(True, False))(x)


@step(3)
def resized_sequences(make, x):
    return make.any(L.ZeroPadding1D(1), L.UpSampling1D(2), L.Cropping1D((0, 0)), L.MaxPooling1D(2, padding="same"))(x)


@step(4)
def gated(make, x):
    """Squeeze and excitation."""
    gate = L.Conv2D(x.shape[-1], 1, activation="sigmoid")(L.GlobalAveragePooling2D(keepdims=True)(x))
    return L.Multiply()([x, gate])


@step(4)
def padding(make, x):
    up = L.UpSampling2D(2, interpolation=make.any("nearest", "bilinear", "bicubic"))
    return make.any(L.ZeroPadding2D(1), L.ZeroPadding2D(((0, 1), (1, 0))), up, L.Cropping2D(((0, 1), (0, 0))))(x)


@step(3, 4)
def flatten(make, x):
    return L.Flatten(data_format=make.any("channels_last", "channels_last", "channels_first"))(x)


@step(4)
def as_sequence(make, x):
    return L.Reshape((-1, x.shape[-1]))(x)


@step()
def reshaped(make, x):
    """Often across channels."""
    size = int(np.prod(x.shape[1:]))
    return L.Reshape(make.any((-1, x.shape[-1]), (1, size), (size, 1), (*x.shape[1:-1], 1, x.shape[-1])[-3:]))(x)


@step(2)
def as_image(make, x):
    return L.Reshape((1, 1, x.shape[-1]))(x)


@step(2)
def repeated(make, x):
    return L.RepeatVector(3)(x)


@step(3, 4)
def permuted(make, x):
    return L.Permute(tuple(int(axis) + 1 for axis in make.random.permutation(len(x.shape) - 1)))(x)


@step()
def merged(make, x):
    other = make.like(x)
    return make.any(L.Add(), L.Add(), L.Multiply(), L.Concatenate(), L.Average(), L.Maximum(), L.Subtract())([x, other])


@step()
def concatenated(make, x):
    return L.Concatenate(axis=make.any(-1, 1))([x, make.like(x), x])


@step()
def added_to_itself(make, x):
    return L.Add()([x, x, make.like(x)])


@step()
def operation(make, x):
    y = make.like(x)
    return make.any(lambda: x + y, lambda: x * 0.5 - 1, lambda: ops.relu(x), lambda: ops.concatenate([x, y], -1),
                    lambda: x[..., :1], lambda: ops.where(x > 0, x, y), lambda: ops.mean(x, -1, keepdims=True))()  # fmt: skip


@step()
def lambda_layer(make, x):
    return L.Lambda(lambda x: ops.tanh(x))(x)


@step()
def shared(make, x):
    found = [layer for layer, shape in make.layers if shape == tuple(x.shape)]
    return make.any(*found)(x) if found else None


@step()
def twice(make, x):
    layer = L.Dense(x.shape[-1], make.any(*ACTIVATIONS))
    return layer(layer(x))


@step()
def functional_inside(make, x):
    inputs = keras.Input(x.shape[1:])
    y = L.Dense(make.units(), "relu")(inputs)
    y = L.Activation(make.any(*FUNCTIONS.values()))(y)
    return make.used(keras.Model(inputs, L.Dense(make.units())(L.BatchNormalization()(y))), x)


@step()
def several_inside(make, x):
    """A model of two inputs and two outputs, with one inside."""
    one, other = keras.Input(x.shape[1:]), keras.Input(x.shape[1:])
    y = L.Concatenate()([L.Dense(make.units(), "relu")(one), other])
    inner = keras.Model([one, other], [y, L.Add()([functional_inside(make, y), L.Dense(1)(one)])])
    return L.Concatenate()(inner([x, make.like(x)]))


@step()
def sequential_inside(make, x):
    return keras.Sequential([L.Dense(make.units(), "elu"), L.Dropout(0.2), L.Dense(make.units())])(x)


@step()
def composite(make, x):
    return Composite(x.shape[-1])(x)


@step()
def nameless(make, x):
    return Nameless()(x)


def random_model(seed, length=8):
    """`(model, used)`: a functional model of about `length` random steps on one or two inputs, with one or two outputs that dense
    layers make, and the names of its steps. All its variables are random, with dead units among them; one seed, one model.
    """
    keras.utils.set_random_seed(seed)
    make, used = Maker(seed), []
    shapes = make.any([(6, 6, 3)], [(5, 4, 2), (4,)], [(7,)], [(4, 3)], [(6, 6, 2), (6, 6, 2)])
    inputs = [keras.Input(shape) for shape in shapes]
    make.tensors.extend(inputs)
    while len(used) < length:
        x = make.tensors[-1 - min(make.random.geometric(0.7) - 1, len(make.tensors) - 1)]
        fitting = [name for name, (ranks, _) in STEPS.items() if len(x.shape) in ranks]
        common = [name for name in fitting if name in COMMON]
        name = make.any(*make.any(fitting, common))
        y = STEPS[name][1](make, x)
        if y is not None and 0 < np.prod(y.shape[1:]) <= LARGEST:
            used.append(name)
            make.tensors.append(y)
    ends = [make.tensors[-1], *([make.any(*make.tensors)] if make.any(True, False) else [])]
    ends = [L.Flatten()(x) if len(x.shape) > 2 else x for x in ends]
    outputs = [L.Dense(3, name=LAST + str(number) * bool(number))(x) for number, x in enumerate(ends)]
    outputs[0] = outputs[0] + sum(ops.mean(L.Flatten()(x), -1, keepdims=True) for x in inputs)  # no input is idle
    model = keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0])
    randomize(model, make.random)
    return model, used


def randomize(model, random):
    """Gives all weights random values; half of the units or inputs of kernels, or of the heads of attention, become dead."""
    frozen = [layer.weight for layer in model.layers if isinstance(layer, (SignedMaskDense, SignedMaskConv2D))]
    for variable in model.weights:
        if not variable.dtype.startswith("float") or any(variable is its for its in frozen):
            continue
        values = random.normal(size=variable.shape) * 0.5
        if "variance" in variable.path:
            values = 0.5 + values**2
        if len(variable.shape) > 1:
            axis = random.choice([-1, -1, -2, 0 if "attention" in variable.path else -1])
            shape = np.where(np.arange(len(variable.shape)) == axis % len(variable.shape), variable.shape, 1)
            values = values * (random.random(shape) < 0.5)
        variable.assign(values)


def executable(model):
    """Whether a model has functions that only Python code can make again."""
    layers = list(graph.inside(model))
    functions = [getattr(layer, "activation", None) for layer in layers]
    return any(isinstance(layer, L.Lambda) for layer in layers) or any(its in UNWRITTEN for its in functions)


def inputs_of(model, seed, count=4):
    """Random arrays for the inputs of a model, a list."""
    random = np.random.default_rng(seed)
    return [random.normal(size=(count, *x.shape[1:])).astype(np.float32) for x in model.inputs]
