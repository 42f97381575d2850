"""shrink: training goes on with a smaller model and the same numbers. Oracle: the training of the whole model."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_supermask import SignedMaskConv2D, SignedMaskDense, masks, shrink, sparsity
from tf_supermask.deploy import shrinking

L = keras.layers
DENSE, CONV = (12,), (8, 8, 2)


@pytest.fixture
def float64():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(before)


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)  # weights have no seeds of their own


def dense(rule="signed", **given):
    layers = [SignedMaskDense(n, activation="elu", rule=rule, **given) for n in (30, 20)]
    return keras.Sequential([keras.Input(DENSE), *layers, SignedMaskDense(4, rule=rule)])


def conv(rule="signed"):
    """A functional graph: a block with an addition and frozen normalization, pooling, flattening."""
    inputs = keras.Input(CONV)
    x = SignedMaskConv2D(12, 3, padding="same", activation="elu", rule=rule, name="stem")(inputs)
    y = SignedMaskConv2D(8, 3, padding="same", name="in")(x)
    y = L.Activation("elu")(L.BatchNormalization(trainable=False, name="norm")(y))
    x = L.add([x, SignedMaskConv2D(12, 1, use_bias=False, name="back")(y)])
    x = L.Flatten()(L.MaxPooling2D()(L.ELU()(x)))
    x = SignedMaskDense(16, activation="relu", rule=rule, name="fc")(x)
    return keras.Model(inputs, SignedMaskDense(4, use_bias=True, name="out")(x))


def data(shape, count=320, seed=0):
    draw = np.random.default_rng(seed)
    return draw.normal(size=(count, *shape)), draw.integers(0, 4, count)


def reset(model, density, seed=0):
    """Random scores, most of them within the threshold."""
    draw = np.random.default_rng(seed)
    for layer in sparsity.masked_layers(model):
        shape = layer.score.shape
        score = draw.uniform(-0.009, 0.009, shape) + np.sign(draw.normal(size=shape)) * 0.02 * (
            draw.random(shape) < density
        )
        layer.score.assign(score)


def sgd(rate=0.02, **given):
    return keras.optimizers.SGD(rate, **{"momentum": 0.9, "nesterov": True, "weight_decay": 0.5} | given)


def compiled(model, optimizer):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False, steps_per_execution=20)
    return model


def fit(model, x, y, epochs):
    return model.fit(x, y, epochs=epochs, batch_size=16, shuffle=False, verbose=0)


stairs = keras.optimizers.schedules.ExponentialDecay(0.02, 50, 0.8, staircase=True)
OPTIMIZERS = {
    "momentum, clipped": lambda: sgd(nesterov=False, clipnorm=0.05),
    "nesterov, clipped, stairs": lambda: sgd(stairs, clipnorm=0.05),
    "global clip": lambda: sgd(global_clipnorm=0.05),
    "no momentum, clipped values": lambda: sgd(momentum=0.0, nesterov=False, clipvalue=0.01, weight_decay=None),
}


@pytest.mark.parametrize(
    "make, shape, name",
    [
        *((dense, DENSE, name) for name in OPTIMIZERS),
        (conv, CONV, "nesterov, clipped, stairs"),
    ],
)
def test_the_smaller_model_trains_to_the_same_numbers(make, shape, name, float64):
    """A plateau, too: the rate falls in the middle, and units are removed again."""
    (x, y), model = data(shape), compiled(make(), OPTIMIZERS[name]())
    reset(model, 0.02)
    fit(model, x, y, 2)
    first = shrink(model)
    widths = {layer.name: sparsity.kernel_shape(layer)[-1] for layer in sparsity.masked_layers(first.model)}
    assert sum(widths.values()) < sum(sparsity.kernel_shape(its)[-1] for its in sparsity.masked_layers(model))
    np.testing.assert_allclose(first.model(x), model(x), rtol=1e-12, atol=1e-12)
    smaller = first.model
    for rate in (0.02, 0.004):
        if name != "nesterov, clipped, stairs":
            smaller.optimizer.learning_rate = model.optimizer.learning_rate = rate
        losses = [fit(its, x, y, 6).history["loss"] for its in (model, smaller)]
        np.testing.assert_allclose(*losses, rtol=1e-9, atol=1e-9)
        smaller = shrink(smaller).model
    np.testing.assert_allclose(smaller(x), model(x), rtol=1e-9, atol=1e-9)
    assert int(smaller.optimizer.iterations) == int(model.optimizer.iterations)


EXCLUDED = {  # keywords of exclude_from_weight_decay
    "a variable": lambda model: {"var_list": [model.layers[0].score, model.layers[1].score]},
    "a name": lambda model: {"var_names": ["bias"]},
    "nothing": lambda model: {},
}


@pytest.mark.parametrize("built", [True, False], ids=["built", "not built"])
@pytest.mark.parametrize("excluded", EXCLUDED)
def test_what_has_no_weight_decay_has_none_in_the_smaller_model(excluded, built, float64):
    """Keras keeps it in no configuration. Neither a rate that is too small to see decay by hides it, nor one that is 0 now."""
    draw, last = np.random.default_rng(0), SignedMaskDense(4, use_bias=True)
    model = keras.Sequential([keras.Input(DENSE), SignedMaskDense(30, activation="elu"), last])
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([10, 30], [0.0, 0.02, 0.01]) if built else 1e-12
    compiled(model, sgd(rate, momentum=0.9 if built else 0.0)).optimizer.exclude_from_weight_decay(**EXCLUDED[excluded](model))
    reset(model, 0.05)
    last.bias.assign(draw.normal(size=4))
    if built:
        model.optimizer.build(model.trainable_variables)
    smaller = shrink(model).model
    assert smaller.layers[0].units < 30
    if not built:
        model.optimizer.learning_rate = smaller.optimizer.learning_rate = 0.02
    (x, y), models = data(DENSE), (model, smaller)
    losses = [fit(its, x, y, 4).history["loss"] for its in models]
    np.testing.assert_allclose(*losses, rtol=1e-9)
    np.testing.assert_allclose(*(its.layers[1].bias for its in models), rtol=1e-9)


def test_what_is_written_back_is_the_whole_model(float64):
    (x, y), model, other = data(CONV), compiled(conv(), sgd()), compiled(conv(), sgd())
    reset(model, 0.02)
    fit(model, x, y, 1)
    shrunk = shrink(model)
    fit(shrunk.model, x, y, 1)
    other.set_weights(model.get_weights())
    other.optimizer.build(other.trainable_variables)
    shrunk.write_back(other)
    fit(model, x, y, 1)
    np.testing.assert_allclose(other(x), model(x), rtol=1e-9, atol=1e-9)
    for its, whole in zip(*map(sparsity.masked_layers, (other, model)), strict=True):
        np.testing.assert_array_equal(its.mask, whole.mask)
    for one, two in zip(other.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-2 if len(one.shape) else 0)


FREE = {  # rule, and the optimizer
    "signed": lambda: sgd(0.5, clipnorm=0.05),
    "binary": lambda: sgd(0.5, momentum=0.5, nesterov=False),
    "rounded": lambda: sgd(2.0, momentum=0.97, weight_decay=None),
}


@pytest.fixture(scope="module", params=FREE)
def free(request):
    """A whole model, compiled once."""
    model = compiled(dense(request.param), FREE[request.param]())
    model.optimizer.build(model.trainable_variables)
    return model, shrinking.Shrinker(model)


def limit(layer, score):
    """Scores whose mask is 0, for those that `signed` prunes."""
    return -np.abs(score) if layer.rule == "rounded" else score


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 0.05), st.floats(0.0, 1.5))
def test_a_removed_unit_never_comes_back(free, seed, density, speed):
    """Random masks, data, and velocities about as large as the bound allows: masks of dead units stay 0 in the whole model."""
    (model, shrinker), draw, (x, y) = free, np.random.default_rng(seed), data(DENSE, seed=seed)
    reset(model, density, seed)
    m = model.optimizer.momentum
    for layer, velocity in zip(model.layers, model.optimizer.momentums, strict=True):
        kept = np.abs(layer.score) > 0.01
        layer.score.assign(np.where(kept, np.abs(layer.score), limit(layer, np.array(layer.score))))
        room = (0.01 if layer.rule != "rounded" else 0) - np.asarray(layer.score)
        rising = draw.random(velocity.shape) < 0.9 if layer.rule != "rounded" else np.zeros(velocity.shape, bool)
        velocity.assign(np.where(rising & ~kept, speed * room * (1 - m) / m, -0.001 * (1 - m)))
    live = shrinker.live()
    for _ in range(2):
        fit(model, x, y, 1)
        for layer, following in zip(model.layers, [*model.layers[1:], None], strict=True):
            dead = ~live[layer.name]
            assert not layer.mask[:, dead].any() and (following is None or not following.mask[dead].any())
        for name, its in shrinker.live().items():  # dead for good stays so, but one unit is always kept
            assert (its <= live[name]).all() or its.sum() == 1


def half_dead(*after, first=None, shape=DENSE):
    """A masked layer whose units 1, 3... are masked on both sides, with `after` in between."""
    first = first or SignedMaskDense(6, activation="elu", name="first")
    model = keras.Sequential([keras.Input(shape), first, *after, SignedMaskDense(3, name="last")])
    for name in ("first", "last"):
        layer = model.get_layer(name)
        if isinstance(layer, SignedMaskDense) or name == "last":
            layer.score.assign(np.full(layer.score.shape, 0.1))
    odd = np.arange(model.get_layer("last").score.shape[0]) % 2 == 0
    model.get_layer("first").score.assign(model.get_layer("first").score * odd)
    model.get_layer("last").score.assign(model.get_layer("last").score * odd[:, None])
    return model


class Own(SignedMaskDense):
    """Reads its scores in another way than the layer it is made of."""


KEPT = {
    "bias": {"first": SignedMaskDense(6, use_bias=True, name="first")},
    "f(0) is not 0": {"first": SignedMaskDense(6, activation="sigmoid", name="first")},
    "an activity regularizer": {"first": SignedMaskDense(6, activity_regularizer="l1", name="first")},
    "rescaled": {"first": SignedMaskDense(6, rescale=True, name="first")},
    "a threshold of all scores": {"first": SignedMaskDense(6, density=0.5, name="first")},
    "sampled": {"first": SignedMaskDense(6, rule="bernoulli", name="first")},
    "a class of its own": {"first": Own(6, name="first")},
    "an activation of all units": {"first": SignedMaskDense(6, activation="softmax", name="first")},
    "dropout": {"after": L.Dropout(0.5)},
    "noise": {"after": L.GaussianNoise(0.5)},
    "normalization in training": {"after": L.BatchNormalization()},
    "an unknown layer": {"after": L.LayerNormalization()},
    "a regularized activation": {"after": L.Activation("relu", activity_regularizer="l1")},
    "sigmoid": {"after": L.Activation("sigmoid")},
    "a plain layer": {"after": L.Dense(6, use_bias=False)},
}


@pytest.mark.parametrize("name", KEPT)
def test_what_may_come_back_or_is_not_understood_is_kept(name):
    its = KEPT[name]
    model = half_dead(*([its["after"]] if "after" in its else []), first=its.get("first"))
    smaller, kept = shrink(model)
    assert smaller.get_layer("first").units == 6 and len(kept.get("first", (0, range(6)))[1]) == 6
    assert smaller.count_params() == model.count_params()


@pytest.mark.parametrize(
    "after", [(), (L.Activation("relu"),), (L.LeakyReLU(),), (L.BatchNormalization(trainable=False),)], ids=str
)
def test_what_is_understood_goes(after):
    model = half_dead(*after)
    smaller, kept = shrink(model)
    assert smaller.get_layer("first").units == 3
    np.testing.assert_array_equal(kept["first"][1], [0, 2, 4])
    np.testing.assert_array_equal(kept["last"][0], [0, 2, 4])
    x, _ = data(DENSE)
    np.testing.assert_allclose(smaller(x), model(x), rtol=1e-5, atol=1e-6)
    for name in ("first", "last"):
        inputs, units = kept[name]
        for variable in ("weight", "score"):
            large, small = (np.asarray(getattr(its.get_layer(name), variable)) for its in (model, smaller))
            np.testing.assert_array_equal(small, large[inputs[:, None], units])


def test_one_side_is_not_enough():
    """A unit without inputs still gets gradients through its outgoing weights, and one without outputs has inputs."""
    for side in ("first", "last"):
        model = half_dead()
        layer = model.get_layer(side)
        layer.score.assign(np.full(layer.score.shape, 0.1))
        assert shrink(model).model.get_layer("first").units == 6


def test_relative_thresholds_keep_their_value():
    model = half_dead(first=SignedMaskDense(6, activation="elu", relative_threshold=0.5, name="first"))
    threshold = float(model.layers[0].threshold)
    smaller = shrink(model).model
    assert smaller.layers[0].units == 3 and float(smaller.layers[0].threshold) == threshold


def test_rules_whose_pruned_scores_are_no_interval_are_kept():
    model = half_dead()
    name = "small ones, for this test"
    masks.register(name, threshold=0.05)(lambda score, threshold: keras.ops.cast(abs(score) > threshold, score.dtype))
    try:
        model.get_layer("first").rule = name
        assert shrink(model).model.get_layer("first").units == 6
    finally:
        del masks.RULES[name]


def test_a_layer_keeps_one_unit():
    model = dense()
    for layer in model.layers:
        layer.score.assign(np.zeros(layer.score.shape))
    smaller, kept = shrink(model)
    assert [layer.units for layer in smaller.layers] == [1, 1, 4]
    np.testing.assert_array_equal(smaller(data(DENSE)[0]), 0)


def test_layers_that_are_added_keep_the_same_unit():
    """A filter has many features in a flattened image: the one that the other layer keeps may be of another filter."""
    inputs = keras.Input((4, 4, 2))
    x = SignedMaskConv2D(3, 3, padding="same")(inputs)
    y = SignedMaskDense(48, name="wide")(L.Flatten()(inputs))
    model = keras.Model(inputs, SignedMaskDense(4)(L.add([L.Flatten()(x), y])))
    for layer in sparsity.masked_layers(model):
        layer.score.assign(np.zeros(layer.score.shape))
    _, kept = shrink(model)
    np.testing.assert_array_equal(kept["wide"][1], range(0, 48, 3))  # what the first filter makes


def test_it_writes_back_to_the_model_that_was_shrunk_only():
    model, wide, other = half_dead(), half_dead(first=SignedMaskDense(3, name="first")), dense()
    redrawn = half_dead()  # the same but for frozen weights
    redrawn.layers[0].weight.assign(-redrawn.layers[0].weight)
    shrunk = shrink(model)
    with pytest.raises(ValueError, match="`model` must be a Keras model. Received: NoneType"):
        shrunk.write_back(None)
    for wrong in (wide, other, redrawn):
        before = wrong.get_weights()
        with pytest.raises(ValueError, match=f"must be the one that was shrunk.*{wrong.name}"):
            shrunk.write_back(wrong)
        for one, two in zip(before, wrong.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "optimizer", ["adam", "rmsprop", keras.optimizers.SGD(use_ema=True)], ids=["adam", "rmsprop", "ema"]
)
def test_optimizers_without_a_bound_are_refused(optimizer):
    with pytest.raises(ValueError, match="has no masks, by which units"):
        shrink(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]))
    with pytest.raises(ValueError, match="this needs keras.optimizers.SGD, without averages"):
        shrink(compiled(half_dead(), optimizer))


def test_momentum_that_never_ends_is_refused():
    with pytest.raises(ValueError, match="the momentum has to be below 1, .* Received: 1.0"):
        shrink(compiled(half_dead(), sgd(momentum=1.0)))


def test_scores_that_are_frozen_by_themselves_stay_frozen(float64):
    (x, y), model = data(DENSE), dense()
    reset(model, 0.02)
    model.layers[1].score.trainable = False
    fit(compiled(model, sgd()), x, y, 1)
    smaller = shrink(model).model
    assert smaller.layers[1].units < 20 and not smaller.layers[1].score.trainable
    for its in (model, smaller):
        fit(its, x, y, 1)
    np.testing.assert_allclose(smaller(x), model(x), rtol=1e-9, atol=1e-9)


class Tenfold:
    """Trains in its own way."""

    def train_step(self, data):
        return super().train_step((data[0], data[1]))


class Chain(Tenfold, keras.Sequential):
    pass


class Graph(Tenfold, keras.Model):
    pass


class Factor(Graph):
    def __init__(self, *args, factor=1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.factor = factor


class Made(keras.Sequential):
    """Trains as all models do."""

    def __init__(self, layers):
        super().__init__(layers)


def test_training_of_its_own_is_kept_or_refused():
    model = half_dead()
    assert type(shrink(Graph(model.inputs, model.outputs)).model) is Graph
    assert len(shrink(Made([keras.Input(DENSE), *model.layers])).kept) == len(shrink(model).kept)
    for wrong in (Chain([keras.Input(DENSE), *model.layers]), Factor(model.inputs, model.outputs, factor=2.0)):
        with pytest.raises(ValueError, match=f"Received: {type(wrong).__name__}, with its own train_step"):
            shrink(wrong)


def test_a_loss_that_cannot_be_made_again_is_named():
    model = half_dead()
    model.compile(sgd(), lambda y, its: keras.ops.mean(its))
    with pytest.raises(ValueError, match="cannot make the optimizer, the loss or a metric"):
        shrink(model)


def test_the_model_is_left_as_it_is():
    model = compiled(half_dead(), sgd())
    fit(model, data(DENSE)[0], np.arange(320) % 3, 1)
    before = [np.array(its) for its in (*model.weights, *model.optimizer.variables)]
    shrink(model)
    assert model.compiled
    for its, old in zip((*model.weights, *model.optimizer.variables), before, strict=True):
        np.testing.assert_array_equal(its, old)
