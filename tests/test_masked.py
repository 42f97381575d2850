"""Masked against the layer that it wraps, whose kernels are set to `weight * mask`: every layer of Keras, on every backend.

KERAS_BACKEND=jax python -m pytest tests/test_masked.py
"""

import json

import keras
import keras_layers
import numpy as np
import pytest
from keras import layers, ops

from tf_supermask import Masked, SignedMaskDense, masks
from tf_supermask.maskable import NO_KERNELS, kernels_of

SCORES = keras.initializers.RandomUniform(-0.03, 0.03, seed=1)  # a third of the weights is pruned
REFUSED = "SpectralNormalization"
EACH = {name: shape for name, shape in keras_layers.with_kernels().items() if name != REFUSED}
each_layer = pytest.mark.parametrize("name", EACH)


def batch(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def array(x):
    return ops.convert_to_numpy(x)


def assert_equal(found, expected, exact=True):
    for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        compare = np.testing.assert_array_equal if exact else np.testing.assert_allclose
        compare(array(one), array(other), **{} if exact else {"rtol": 1e-5, "atol": 1e-6})


def masked(name, **arguments):
    """A layer of Keras with masks, called once, and what it was called with and gave."""
    layer = keras_layers.make(name)
    inputs = keras_layers.arguments(name, layer, EACH[name])
    only = [its for its in ("embeddings", "alpha", "gamma", "beta") if name in NAMED and its in NAMED[name]]
    masked = Masked(layer, kernels=only or None, **{"score_initializer": SCORES} | arguments)
    return masked, inputs, masked(*inputs)


NAMED = {"PReLU": ["alpha"], "Embedding": ["embeddings"], "ReversibleEmbedding": ["embeddings"]}
NAMED |= {"LayerNormalization": ["gamma", "beta"]}  # not masked unless they are named


def twin(masked):
    """The layer inside, made again, with weight * mask for its kernels."""
    made = type(masked.layer).from_config(masked.layer.get_config())
    made.build_from_config(masked.layer.get_build_config())
    kernels = {id(kernel.weight): array(kernel.weight) * kernel.mask() for kernel in masked.masked_kernels.values()}
    made.set_weights([kernels.get(id(v), array(v)) for v in masked.layer.weights])
    return made


@each_layer
def test_is_the_layer_fed_weight_times_mask(name, tmp_path):
    layer, inputs, outputs = masked(name)
    assert_equal(outputs, twin(layer)(*inputs))
    assert {0, 1} <= set(np.concatenate([np.unique(mask) for mask in layer.mask.values()]))
    assert not any(kernel.weight.trainable for kernel in layer.masked_kernels.values())
    # .keras
    symbols = keras.tree.map_structure(lambda x: keras.Input(x.shape[1:], dtype=str(x.dtype)), inputs)
    model = keras.Model(symbols if len(symbols) > 1 else symbols[0], layer(*symbols))
    model.save(tmp_path / "x.keras")
    again = keras.models.load_model(tmp_path / "x.keras")
    assert_equal(again(inputs if len(inputs) > 1 else inputs[0]), outputs)
    assert json.loads(json.dumps(again.layers[-1].get_config())) == json.loads(json.dumps(layer.get_config()))
    assert [kernel.name for kernel in again.layers[-1].masked_kernels.values()] == list(layer.masked_kernels)


@each_layer
def test_kernels_are_found_by_default(name):
    layer = keras_layers.make(name)
    if name in NAMED:
        with pytest.raises(
            ValueError, match=f"{name}.* has no kernel to mask: only {', '.join(NAMED[name])}, which kernels="
        ):
            Masked(layer)(*keras_layers.arguments(name, layer, EACH[name]))
        return
    found, _, _ = masked(name)
    shapes = [tuple(v.shape) for v in found.layer.weights if "kernel" in v.name]
    assert sorted(shapes) == sorted(mask.shape for mask in found.mask.values())
    assert all(score.dtype == "float32" for score in found.trainable_variables if "score" in score.name)


def test_names_of_kernels():
    assert list(masked("LSTM")[0].mask) == ["kernel", "recurrent_kernel"]
    assert list(masked("SeparableConv2D")[0].mask) == ["depthwise_kernel", "pointwise_kernel"]
    attention = ["query/kernel", "key/kernel", "value/kernel", "attention_output/kernel"]
    assert list(masked("MultiHeadAttention")[0].mask) == attention
    assert list(masked("Bidirectional")[0].mask)[0] == "forward_lstm/lstm_cell/kernel"
    assert set(NO_KERNELS) >= {name for names in NAMED.values() for name in names}


@pytest.mark.parametrize(
    "rule, further",
    [
        ("signed", {}),
        ("binary", {"relative_threshold": 0.5}),
        ("rounded", {"rescale": True}),
        ("bernoulli", {"rescale": True}),
    ],
)
def test_a_masked_dense_layer_is_signed_mask_dense_bit_for_bit(rule, further):
    """Outputs, scores after an epoch with clipping, momentum and decay, and then outputs again."""
    arguments = {"rule": rule, "sample_seed": 3} | further
    scores = keras.initializers.GlorotUniform(seed=2)
    special = SignedMaskDense(6, "elu", use_bias=True, score_initializer=scores, **arguments)
    general = Masked(layers.Dense(6, "elu"), score_initializer=scores, **arguments)
    x, y, seen = batch(32, 5), batch(32, 6), []
    models = [keras.Sequential([keras.Input((5,)), layer]) for layer in (special, general)]
    general.layer.kernel.assign(array(special.weight))
    for model in models:
        model.compile(keras.optimizers.SGD(0.1, 0.9, nesterov=True, weight_decay=0.1, global_clipnorm=0.5), "mse")
        first = model.predict(x, verbose=0)
        model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
        seen.append([first, *[array(v) for v in model.trainable_variables], model.predict(x, verbose=0)])
    assert_equal(seen[1], seen[0])
    assert [v.shape for v in models[1].trainable_variables] == [v.shape for v in models[0].trainable_variables]


def attention(x):
    return layers.GlobalAveragePooling1D()(
        Masked(layers.MultiHeadAttention(2, 4, dropout=0.1))(x, x, use_causal_mask=True)
    )


def inner_model():
    inner = [
        keras.Input((7, 3)),
        layers.Conv1D(8, 3),
        layers.BatchNormalization(),
        layers.Dropout(0.2),
        layers.Flatten(),
    ]
    return keras.Sequential(inner)


NETWORKS = {
    "LSTM": lambda x: Masked(layers.LSTM(6))(x),
    "GRU": lambda x: Masked(layers.GRU(6, dropout=0.1, recurrent_dropout=0.1))(x),
    "Bidirectional": lambda x: Masked(layers.Bidirectional(layers.LSTM(6)))(x),
    "TimeDistributed": lambda x: layers.Flatten()(Masked(layers.TimeDistributed(layers.Dense(3)))(x)),
    "MultiHeadAttention": attention,
    "a model": lambda x: Masked(inner_model())(x),
    "stateful": lambda x: Masked(layers.GRU(6, stateful=True))(x),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_train(name, tmp_path):
    keras.utils.set_random_seed(0)
    inputs = keras.Input(batch_shape=(16, 7, 3))
    network = keras.Model(inputs, Masked(layers.Dense(2))(NETWORKS[name](inputs)))
    layer, *_, head = [its for its in network.layers if isinstance(its, Masked)]
    frozen = [array(kernel.weight).copy() for kernel in layer.masked_kernels.values()]
    before = {v.path: array(v).copy() for v in network.weights}
    labels = np.random.default_rng(1).integers(0, 2, 64)
    x = batch(64, 7, 3) + labels[:, None, None]
    network.compile(keras.optimizers.Adam(0.02), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = network.fit(x, labels, epochs=3, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert_equal([kernel.weight for kernel in layer.masked_kernels.values()], frozen)
    same = {v.path for v in network.weights if np.array_equal(array(v), before[v.path])}
    assert same == {kernel.weight.path for its in (layer, head) for kernel in its.masked_kernels.values()}
    network.save(tmp_path / "x.keras")
    if name == "stateful":
        layer.layer.reset_state()  # Keras saves no states
    assert_equal(
        keras.models.load_model(tmp_path / "x.keras").predict(x, 16, verbose=0), network.predict(x, 16, verbose=0)
    )


def test_state_of_the_layer_is_carried_through():
    """Statistics and dropout are those of the plain layers, step by step."""

    def block():
        return keras.Sequential(
            [keras.Input((4,)), layers.Dense(8), layers.BatchNormalization(), layers.Dropout(0.5, seed=3)]
        )

    general = Masked(block(), score_initializer=SCORES)
    general.build((None, 4))
    plain = block()
    kernels = {id(kernel.weight): kernel.array() for kernel in general.masked_kernels.values()}
    plain.set_weights([array(kernels.get(id(v), v)) for v in general.layer.weights])
    for _ in range(3):
        assert_equal(general(batch(16, 4), training=True), plain(batch(16, 4), training=True), exact=False)
    assert_equal(general.layer.layers[1].moving_mean, plain.layers[1].moving_mean, exact=False)
    assert_equal(general(batch(16, 4)), plain(batch(16, 4)), exact=False)


def test_arguments_of_a_call_are_passed_on():
    general = Masked(layers.MultiHeadAttention(2, 3), score_initializer=SCORES)
    x, y, allowed = batch(2, 5, 4), batch(2, 3, 4), np.tril(np.ones((2, 5, 3), bool))
    arguments = {"attention_mask": allowed, "return_attention_scores": True}
    found = general(x, value=y, **arguments)
    assert_equal(found, twin(general)(x, value=y, **arguments))
    one, other = keras.Input((5, 4)), keras.Input((3, 4))
    model = keras.Model([one, other], general(one, value=other, return_attention_scores=True))
    assert_equal(model([x, y]), twin(general)(x, value=y, return_attention_scores=True))
    cell = Masked(layers.LSTM(3, return_state=True), score_initializer=SCORES)
    states = [batch(2, 3), batch(2, 3)]
    assert_equal(cell(x, initial_state=states), twin(cell)(x, initial_state=states))
    assert len(cell(x)) == 3


def test_masks_of_padding_reach_the_layer_and_those_after_it():
    ids = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    inputs = keras.Input((4,), dtype="int32")
    general = Masked(layers.LSTM(3, return_sequences=True), score_initializer=SCORES)
    embedded = layers.Embedding(5, 4, mask_zero=True)
    model = keras.Model(inputs, layers.GlobalAveragePooling1D()(general(embedded(inputs))))
    x = embedded(ids)
    hidden = array(twin(general)(x, mask=ids > 0))
    assert_equal(model(ids), np.stack([hidden[0, :2].mean(0), hidden[1, :1].mean(0)]), exact=False)
    kept = Masked(layers.TimeDistributed(layers.Dense(2)), score_initializer=SCORES)
    assert_equal(kept(x, mask=ids > 0), twin(kept)(x, mask=ids > 0))


def test_regularizers_and_constraints_of_a_kernel_act_on_weight_times_mask():
    layer = layers.Dense(
        4, kernel_regularizer="l2", bias_regularizer="l2", bias_initializer="ones", activity_regularizer="l1"
    )
    general = Masked(layer, score_initializer=SCORES)
    model = keras.Sequential([keras.Input((4,)), general])
    x = batch(3, 4)
    model(x)
    plain = twin(general)
    plain(x)
    found, wanted = ([float(array(loss)) for loss in its.losses] for its in (model, plain))
    assert sorted(found) == pytest.approx(sorted(wanted))
    model.compile("sgd", "mse")
    expected = float(np.mean(array(plain(x)) ** 2) + sum(wanted))
    assert model.evaluate(x, np.zeros((3, 4)), verbose=0) == pytest.approx(expected, rel=1e-5)
    general = Masked(layers.Dense(4, kernel_constraint="non_neg"), score_initializer=SCORES)
    general(x)
    (kernel,) = general.masked_kernels.values()
    assert_equal(kernel.array(), np.maximum(array(kernel.weight) * kernel.mask(), 0))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16"])
def test_half_precision_keeps_scores_in_float32(policy):
    general = Masked(layers.Dense(3, dtype=policy), score_initializer=SCORES)
    model = keras.Sequential([keras.Input((4,)), general])
    y = model(batch(2, 4))
    assert keras.backend.standardize_dtype(y.dtype) == general.compute_dtype != "float32"
    assert general.masked_kernels["kernel"].score.dtype == "float32"
    assert_equal(ops.cast(y, "float32"), ops.cast(twin(general)(batch(2, 4)), "float32"))


def test_freezing():
    general = Masked(layers.LSTM(3))
    general(batch(2, 5, 4))
    names = [v.name for v in general.trainable_variables]
    assert names == ["kernel_score", "recurrent_kernel_score", "bias"]
    model = keras.Sequential([general])
    for value in (False, True):
        model.trainable = value
        assert [v.name for v in general.trainable_variables] == names * value
    frozen = Masked(layers.Dense(3, trainable=False))
    frozen(batch(2, 4))
    assert list(frozen.mask) == ["kernel"] and not frozen.trainable_variables
    block = inner_model()
    block.layers[0].trainable = False  # a part: its score does not train either
    partly = Masked(block)
    partly(batch(2, 7, 3))
    assert [v.name for v in partly.trainable_variables] == ["gamma", "beta"]
    assert not block.layers[0].trainable and block.layers[1].trainable


def test_one_layer_in_two_places_has_one_score():
    shared, inputs = Masked(layers.Dense(4)), keras.Input((4,))
    model = keras.Model(inputs, shared(shared(inputs)))
    assert [v.name for v in model.trainable_variables] == ["kernel_score", "bias"]


def test_seeds_are_by_position():
    one, other = (Masked(layers.LSTM(4), score_initializer=keras.initializers.RandomNormal(seed=5)) for _ in range(2))
    for its in (one, other):
        its(batch(2, 5, 4))
    scores = [kernel.score for kernel in one.masked_kernels.values()]
    assert_equal(scores, [kernel.score for kernel in other.masked_kernels.values()])
    assert_equal(scores[0], keras.initializers.RandomNormal(seed=5)((4, 16)))
    assert not np.array_equal(array(scores[0]), array(scores[1]))  # of one shape


@keras.saving.register_keras_serializable("test")
class Block(layers.Layer):
    """A user's own layer, whose parts are built by the first call, and which has no `build`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.parts = [layers.Dense(5, "relu"), layers.Dense(4)]

    def call(self, inputs, scale=1.0):
        return inputs + scale * self.parts[1](self.parts[0](inputs))


@pytest.mark.filterwarnings("ignore:`build..` was called on layer")  # by Keras, for any layer like this in a file
def test_a_users_own_layer(tmp_path):
    general = Masked(Block(), score_initializer=SCORES)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, general(inputs, scale=2.0))
    first, second = (kernel.array() for kernel in general.masked_kernels.values())
    x = batch(3, 4)
    assert_equal(model(x), x + 2 * np.maximum(x @ array(first), 0) @ array(second), exact=False)
    model.save(tmp_path / "x.keras")
    again = keras.models.load_model(tmp_path / "x.keras")
    assert_equal(again(x), model(x))
    built = Masked(Block(), score_initializer=SCORES)
    built.build((None, 4))
    assert len(built.mask) == 2


@keras.saving.register_keras_serializable("test")
class Assigning(layers.Dense):
    def call(self, inputs):
        self.kernel.assign(0.5 * self.kernel)
        return super().call(inputs)


REFUSALS = {
    "`rescale` must be True or False. Received: 'yes'": lambda: Masked(layers.Dense(3), rescale="yes"),
    "`layer` must be a Keras layer. Received: int": lambda: Masked(3),
    "`rule` must be one of signed, binary": lambda: Masked(layers.Dense(3), rule="ternary"),
    "`threshold` must be a finite number >= 0": lambda: Masked(layers.Dense(3), threshold=-1),
    r"drop \(Dropout\) has no kernel to mask; use it as it is$": lambda: Masked(layers.Dropout(0.1, name="drop"))(batch(2, 4)),
    "has no kernel to mask: only embeddings, which kernels=": lambda: Masked(layers.Embedding(3, 4))(np.ones((2, 4))),
    r"can be kernel. Received: weight$": lambda: Masked(layers.Dense(3), kernels=["weight"])(batch(2, 4)),
    "`kernels` must be names in a list": lambda: Masked(layers.Dense(3), kernels="kernel"),
    "has masks already, in d": lambda: Masked(keras.Sequential([Masked(layers.Dense(3, name="d"))])),
    "has masks already, in e": lambda: Masked(SignedMaskDense(3, name="e")),
    "sets its kernel while it trains": lambda: Masked(layers.SpectralNormalization(layers.Dense(3))),
    "sets its kernel kernel in a call": lambda: Masked(Assigning(3))(batch(2, 4)),
    "is not built, and has no mask yet": lambda: Masked(layers.Dense(3)).mask,
}


@pytest.mark.parametrize("message", REFUSALS)
def test_what_cannot_be_masked_is_refused_by_name(message):
    with pytest.raises(ValueError, match=message):
        REFUSALS[message]()


@pytest.mark.parametrize("rule", [name for name, its in masks.RULES.items() if not (its.kernel or its.given or its.latent)])
def test_rules_and_their_gradients_on_this_backend(rule):
    """Oracle: numpy. The layer's scores after a step of SGD at a rate of 1 are the scores less the gradient."""
    density = 0.5 if masks.rule(rule).needs_density else None
    layer = Masked(layers.Dense(3, use_bias=False), rule=rule, sample_seed=1, density=density)
    model = keras.Sequential([keras.Input((4,)), layer])
    (kernel,) = layer.masked_kernels.values()
    before, x = array(kernel.score).copy(), batch(1, 4)
    derivative = 1.0
    if rule in ("bernoulli", "rounded"):
        p = 1 / (1 + np.exp(-before))
        derivative = p * (1 - p)
    elif rule == "edge_popup":
        derivative = np.sign(before)
    model.compile(keras.optimizers.SGD(1.0), lambda y, outputs: ops.sum(outputs, axis=-1))
    model.fit(x, np.zeros((1, 3)), verbose=0)
    gradient = x.T * array(kernel.weight) * derivative
    np.testing.assert_allclose(before - array(kernel.score), gradient, rtol=1e-4, atol=1e-5)


def test_a_layer_with_lora_is_refused():
    layer = layers.Dense(3)
    layer.build((None, 4))
    layer.enable_lora(2)
    with pytest.raises(ValueError, match=r"\(Dense\) has LoRA, in dense.*: mask it first"):
        Masked(layer)


def test_kernels_of_a_layer_are_told_without_changing_it():
    layer = layers.LSTM(3)
    layer(batch(2, 5, 4))
    assert list(kernels_of(layer)) == ["kernel", "recurrent_kernel"] and all(v.trainable for v in layer.weights)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.LSTM(4, stateful=True),
        lambda: layers.Bidirectional(layers.GRU(4, stateful=True)),
        lambda: layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)], stateful=True),
    ],
    ids=["LSTM", "Bidirectional", "RNN"],
)
def test_states_are_carried_from_batch_to_batch(layer):
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    layer = Masked(layer(), threshold=0.0)
    layer(x)
    plain = twin(layer)
    plain(x)
    outputs = [np.asarray(plain(x)) for _ in range(2)]
    for expected in outputs:
        assert_equal(layer(x), expected)
    assert not np.allclose(*outputs)


def test_build_with_the_names_of_shapes():
    layer = Masked(layers.MultiHeadAttention(2, 3))
    layer.build(query_shape=(None, 5, 4), value_shape=(None, 5, 4))
    assert len(layer.mask) == 4
