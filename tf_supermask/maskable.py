"""Which variables of a Keras layer are kernels that can have masks, and their names."""

import math
import re

import keras

from tf_supermask import arguments, graph

# Trained variables of two axes or more that are no kernels, by their names in Keras' layers -> what they are.
NO_KERNELS = {
    "embeddings": "rows of a table",
    "gamma": "scales",
    "scale": "scales",
    "beta": "shifts",
    "alpha": "slopes",
}
# Layers of Keras that have a kernel once they are built, and that `Masked` can wrap.
_WITH_KERNELS = """
Bidirectional Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Dense
DepthwiseConv1D DepthwiseConv2D EinsumDense GRU GRUCell GroupQueryAttention LSTM LSTMCell MultiHeadAttention RNN
SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell StackedRNNCells
""".split()


def with_kernels():
    """Classes of Keras whose layers have kernels, of which one that is not built cannot be asked."""
    return [getattr(keras.layers, name) for name in _WITH_KERNELS if hasattr(keras.layers, name)]


def kernels_of(layer):
    """Name -> variable of what `Masked` can mask in a built layer: its trained variables of two axes or more, without biases.

    The name is that of the variable, as in `recurrent_kernel`; where several have one name, that of the layer inside which the
    variable belongs to comes first: `query/kernel`. Numbers that Keras has given to names are left out. Variables of frozen
    layers are among them.
    """
    variables = [v for v in _trained(layer) if len(v.shape) > 1 and "bias" not in v.name]
    paths = {}
    for path in graph.paths(layer):  # an inner layer after the outer one; models have no variables of their own
        paths |= {} if graph.is_graph(path[-1]) else {id(v): path for v in path[-1].weights}
    names = [_unnumbered(v.name, "variable") for v in variables]
    found = {}
    for v, name in zip(variables, names, strict=True):
        if names.count(name) > 1:
            parts = [_unnumbered(part.name, _snake_case(type(part).__name__)) for part in paths.get(id(v), ())]
            name = "/".join((*parts, name))
        count = sum(re.fullmatch(rf"{re.escape(name)}(_\d+)?", other) is not None for other in found)
        found[f"{name}_{count}" if count else name] = v
    return found


def fan_shape(layer, kernel):
    """A shape with as many elements as the variable `kernel` of a built layer, whose last two axes say the inputs and outputs of
    a unit, as initializers count them: `(inputs, outputs)` of an EinsumDense, of which attention is made, else its own shape."""
    for part in (layer, *graph.inside(layer)):
        if isinstance(part, keras.layers.EinsumDense) and any(kernel is v for v in part.weights):
            _, axes, outputs = re.split(",|->", part.equation)
            units = math.prod(size for axis, size in zip(axes, kernel.shape, strict=True) if axis in outputs)
            return math.prod(kernel.shape) // units, units
    return tuple(kernel.shape)


def _unnumbered(name, automatic):
    """`name` without its number if Keras has made it of `automatic`, as in `dense_1` and `forward_lstm_2`."""
    made = re.fullmatch(rf"(.*{automatic})_\d+", name)
    return made[1] if made else name


def _snake_case(name):
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z]+)", "_", name).lower()


def _trained(layer):
    """The variables of a layer that are trained where none of its parts is frozen."""
    parts = [layer, *graph.inside(layer)]
    before = [(part, part.trainable) for part in parts] + [(v, v.trainable) for v in layer.variables]
    for part in parts:
        part.trainable = True
    try:
        return layer.trainable_variables
    finally:
        for part, trainable in 2 * before:  # twice: a part has its parts follow, also those that have had their turn
            if part.trainable != trainable:
                part.trainable = trainable


def refusal(layer):
    """Why the kernels of a layer cannot be masked, as a clause; None if they can."""
    for part in (layer, *graph.inside(layer)):
        if hasattr(type(part), "masked_kernels"):
            return f"has masks already, in {part.name}"
        if isinstance(part, keras.layers.SpectralNormalization):
            return "sets its kernel while it trains, which a frozen weight does not allow"
        for attribute, what in (("lora_enabled", "has LoRA"), ("quantization_mode", "is quantized")):
            if getattr(part, attribute, None):
                return f"{what}, in {part.name}: mask it first"
    return None


def chosen(layer):
    """Name -> variable of the kernels that `Masked` masks by default: those of `kernels_of` that are not in `NO_KERNELS`."""
    return {name: v for name, v in kernels_of(layer).items() if name.split("/")[-1] not in NO_KERNELS}


def checked(layer):
    """`layer`. Raises ValueError where its kernels cannot be masked."""
    arguments.keras_3("layer", layer, "layer")
    if not isinstance(layer, keras.layers.Layer):
        raise ValueError(f"`layer` must be a Keras layer. Received: {type(layer).__name__}")
    reason = refusal(layer)
    if reason:
        raise ValueError(f"{layer.name} ({type(layer).__name__}) {reason}")
    return layer
