"""The objects that the description of a model in a file may name: lists of them, and the check.

Keras' deserializer imports modules and calls classes that a description names, which has been used for attacks (CVE-2025-1550,
CVE-2025-8747, CVE-2026-1462). So every object must be on a list here before Keras gets the description: layers, operations,
activations and initializers of Keras that run no code of the file and read no other file. Classes and functions that the user has
registered with Keras are allowed too, since they are imported already.
"""

import re
import sys

import keras
import numpy as np

from tf_supermask.errors import short

_MOST_PARTS = 1000  # in a list that a layer or an operation makes
_MOST_AXES = 32  # of a tensor
_LONGEST = 65_536  # list in a configuration: Keras takes seconds for a million values
_SHAPES = {"target_shape", "newshape", "shape", "batch_shape", "axes", "dims"}

_LAYERS = frozenset("""
Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D
AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AdditiveAttention AlphaDropout Attention Average AveragePooling1D AveragePooling2D
AveragePooling3D BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate Conv1D Conv1DTranspose Conv2D
Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D Cropping3D Dense DepthwiseConv1D
DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Flatten GRU GRUCell GaussianDropout GaussianNoise
GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
GroupNormalization GroupQueryAttention HashedCrossing Hashing Identity InputLayer IntegerLookup LSTM LSTMCell LayerNormalization
LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum MultiHeadAttention Multiply Normalization PReLU Permute
RMSNormalization RNN RandomBrightness RandomContrast RandomCrop RandomFlip RandomRotation RandomTranslation RandomZoom ReLU
RepeatVector Rescaling Reshape Resizing ReversibleEmbedding SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell Softmax
SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells StringLookup Subtract TextVectorization
TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
""".split())
_OPERATIONS = frozenset("""
Abs Absolute Add All Any Amax Amin Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh Argmax Argmin Argsort ArraySplit Average
AveragePool BatchNorm BroadcastTo Cast Ceil Celu Clip Concatenate Conv ConvTranspose Cos Cosh CountNonzero Cross Cumprod Cumsum
DepthwiseConv Diagonal Diff Digitize Divide DivideNoNan Dot DotProductAttention Einsum Elu Equal Erf Exp Exp2 ExpandDims Expm1
Flip Floor FloorDivide FullLike Gelu GetItem Glu Greater GreaterEqual HardShrink HardSigmoid HardSilu HardTanh Hstack Isfinite
Isinf Isnan LayerNorm LeakyRelu Less LessEqual Log Log10 Log1p Log2 LogSigmoid LogSoftmax Logaddexp LogicalAnd LogicalNot
LogicalOr LogicalXor Logsumexp Matmul Max MaxPool Maximum Mean Median Min Minimum Mod Moments Moveaxis MultiHot Multiply
NanToNum Negative Norm Normalize NotEqual OneHot OnesLike Outer Pad Power Prod RMSNorm Ravel Reciprocal Relu Relu6 Repeat Reshape
Resize Roll Round Rsqrt Selu SeparableConv Sigmoid Sign Silu Sin Sinh Size Slice SoftShrink Softmax Softplus Softsign Sort
SparsePlus SparseSigmoid Sparsemax Split Sqrt Square Squareplus Squeeze Stack Std StopGradient Subtract Sum Swapaxes Take
TakeAlongAxis Tan Tanh TanhShrink Tensordot Threshold Tile TopK Trace Transpose Tril Triu TrueDivide Unstack Var Vdot Vstack
Where ZerosLike
""".split())
_ACTIVATIONS = frozenset("""
celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid log_softmax
mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid sparsemax squareplus swish tanh
tanh_shrink threshold
""".split())
_INITIALIZERS = frozenset("""
Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer LecunNormal LecunUniform Ones Orthogonal
OrthogonalInitializer RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros
""".split())
MODELS = {"Functional", "Sequential"}
POLICIES = {"DTypePolicy", "FloatDTypePolicy", "DTypePolicyMap"}
_ALLOWED = {  # module, as Keras names it in descriptions -> classes
    "keras": MODELS | POLICIES,
    "keras.models": MODELS,
    "keras.dtype_policies": POLICIES,
    "keras.layers": _LAYERS,
    "keras.initializers": _INITIALIZERS,
    "keras.regularizers": {"L1", "L2", "L1L2", "OrthogonalRegularizer"},
    "keras.constraints": {"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"},
}
NEVER_CALLED = {"keras.initializers", "keras.regularizers", "keras.constraints"}
# Descriptions give functional models and operations the package that defines them, which has no public name.
_MODELS_PACKAGE, _OPERATIONS_PACKAGE = (kind.__module__.rpartition(".")[0] for kind in (keras.Model, keras.Operation))
_FILES = {"StringLookup": "vocabulary", "IntegerLookup": "vocabulary", "TextVectorization": "vocabulary"}
_COUNTS = {"StringLookup": "num_oov_indices", "IntegerLookup": "num_oov_indices", "TextVectorization": "ngrams"}
_COUNTS |= {"Split": "indices_or_sections", "ArraySplit": "indices_or_sections", "Unstack": "num"}
DATA = {  # what is no object of a class -> the keys of its configuration
    "__keras_tensor__": {"shape", "dtype", "keras_history"},
    "__tensor__": {"value", "dtype"},
    "__numpy__": {"value", "dtype"},
    "__bytes__": {"value"},
    "__slice__": {"start", "stop", "step"},
    "__ellipsis__": set(),
}


class Refused(ValueError):
    """A description that must not be built. The message says which layer, and why."""


def _own(entry):
    """The class or function of the user's that Keras takes for an object; None if it takes its own."""
    registered = entry.get("registered_name", entry["class_name"])
    return None if registered is None else keras.saving.get_registered_object(registered)


def model_kind(entry):
    """Functional or Sequential, as which Keras makes the model that an object describes, be its class the user's or not; else
    None. Only after `check_object`."""
    name, config, own = entry["class_name"], entry.get("config"), _own(entry)
    if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        return None
    if own is None:
        return name if name in MODELS else None
    if isinstance(own, type) and issubclass(own, keras.Sequential):
        return "Sequential"
    return "Functional" if config.keys() >= {"input_layers", "output_layers"} else None


def is_recurrent(entry):
    """Whether an object is a recurrent layer, of a class of Keras or of the user's. Only after `check_object`."""
    kind = _own(entry) or getattr(keras.layers, entry["class_name"], None)
    return isinstance(kind, type) and issubclass(kind, keras.layers.RNN)


def check_object(entry, layer):
    """Raises Refused if an object, `{"class_name": ..., "module": ..., "config": ...}`, is not allowed. `layer`: the name of the
    layer that it belongs to."""
    name, module, config = entry["class_name"], entry.get("module"), entry.get("config")
    registered = entry.get("registered_name", name)
    if name == "function":
        registered, known = config, module in ("builtins", "keras.activations") and config in _ACTIVATIONS
    elif name in DATA:
        return _allowed_data(entry, layer)
    else:
        known = name in _listed(module) and registered in (None, name)
    if registered is not None and keras.saving.get_registered_object(registered) is not None:
        return  # the user's own, which Keras uses in place of its own object of this name
    # Keras gives no module for classes of users, and marks code, which has none either, by underscores.
    of_keras = str(module).split(".")[0] in ("keras", "builtins") or str(name).startswith("__")
    if module is None and name in _LAYERS:
        raise Refused(
            f"layer {short(layer)} has {name} without its module, which is keras.layers in Keras' descriptions"
        )
    if not known and name != "function" and of_keras:
        what = f"{short(name)}{f' of {short(module)[1:-1]}' if module else ''}"
        raise Refused(f"layer {short(layer)} has {what}, which may run code or read files, so that no file may hold it")
    if not known:
        raise Refused(
            f"layer {short(layer)} has {short(registered or name)}, which is not registered with Keras here: decorate it with "
            "@keras.saving.register_keras_serializable(), and import the module that defines it first"
        )
    if isinstance(config, dict):
        _allowed_values(name, config, layer)


def check_function(function, argument, layer):
    """Raises Refused if the name of a function, an argument of a layer, would be read as another function, or as none."""
    name = getattr(function, "__name__", "")
    if keras.saving.get_registered_object(keras.saving.get_registered_name(function)) is function:
        return
    if name not in _ACTIVATIONS or not _alike(function, getattr(keras.activations, name)):
        what = "a lambda" if name == "<lambda>" else short(name)
        why = "is not the one of keras.activations" if name in _ACTIVATIONS else "files do not hold"
        raise Refused(
            f"layer {short(layer)} has {what} as {argument}, which {why}: use a function of keras.activations, or one of your "
            "own that is decorated with @keras.saving.register_keras_serializable()"
        )


def _alike(function, of_keras):
    """Whether two activations give the same values: gelu of keras.ops is an approximation, that of keras.activations is not."""
    values = np.linspace(-8, 8, 64, dtype=np.float32).reshape(4, 16)
    try:
        return function is of_keras or np.allclose(of_keras(values), function(values), 1e-5, 1e-6)
    except Exception:  # a user's function may raise any
        return False


def _listed(module):
    """The allowed names of a module; none if Keras would have to import the module."""
    package = module.rpartition(".")[0] if module in sys.modules else None
    return {_OPERATIONS_PACKAGE: _OPERATIONS, _MODELS_PACKAGE: MODELS}.get(package) or _ALLOWED.get(module, ())


def _allowed_data(entry, layer):
    """Raises Refused for parts that Keras does not write, and for an array of anything but numbers: long strings take memory."""
    name, config = entry["class_name"], entry["config"]
    if entry.keys() != {"class_name", "config"} or config.keys() != DATA[name]:
        raise Refused(f"layer {short(layer)} has {short(name)} with other parts than Keras writes")
    if name in ("__tensor__", "__numpy__") and not re.fullmatch(r"bool|b?(u?int|float)\d\d?", str(config["dtype"])):
        raise Refused(f"layer {short(layer)} has an array of {short(config['dtype'])[1:-1]}")


def _allowed_values(name, config, layer):
    """Raises Refused if a layer reads a file, or makes a list of too many parts."""
    if isinstance(config.get(_FILES.get(name)), str):
        raise Refused(f"layer {short(layer)} reads its vocabulary from a file; give it the list")
    if name == "Unstack" and config.get("num") is None:
        raise Refused(f"layer {short(layer)} unstacks an unknown number of parts; give it `num`")
    count = config.get(_COUNTS.get(name))
    if isinstance(count, int) and count > _MOST_PARTS:
        raise Refused(f"layer {short(layer)} has {_COUNTS[name]}={count:,}, more than {_MOST_PARTS:,}")
    for key, value in config.items():
        most = _MOST_AXES if key in _SHAPES else _MOST_PARTS if key == _COUNTS.get(name) else _LONGEST
        if isinstance(value, list) and len(value) > most:
            raise Refused(f"layer {short(layer)} has {len(value):,} values in {short(key)}, more than {most:,}")
