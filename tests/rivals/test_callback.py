"""MaskUpdates in `fit`: masks, masked weights and states of optimizers, resumed training, errors."""

import keras
import numpy as np
import pytest
from keras_layers import Subclassed

from tf_supermask import MaskUpdates, mask_layers, mask_model, sparsity
from tf_supermask.rivals import events, methods
from tf_supermask.rivals.gradients import Gradients
from tf_supermask.rivals.methods import METHODS
from tf_supermask.rivals.slots import slots_of

draw = np.random.default_rng(0)
X, Y = draw.normal(size=(48, 10)).astype(np.float32), draw.integers(0, 4, 48)
SGD = {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}


def model_of(rule="sparse", optimizer=None, **given):
    plain = keras.Sequential([keras.Input((10,)), keras.layers.Dense(12, "relu"), keras.layers.Dense(4)])
    model = mask_model(plain, rule, scheme="he", distribution="normal", **given)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.SGD(0.1, **SGD), loss, run_eagerly=True)
    return model


def updates_of(method, **given):
    needs = {"data": (X, Y)} if METHODS[method].needs_data else {}
    needs |= {"every": 2} if METHODS[method].change else {}
    return MaskUpdates(method, **{"density": 0.25} | needs | given)


def fit(model, *callbacks, epochs=2, initial_epoch=0):
    model.fit(
        X, Y, 16, epochs, initial_epoch=initial_epoch, shuffle=False, callbacks=list(callbacks), verbose=0
    )  # 3 steps an epoch


def state(model):
    return [np.array(v) for v in (*model.variables, *model.optimizer.variables)]


class Watch(keras.callbacks.Callback):
    """After each step: masked weights and their states are 0. `counts` are kept weights by step."""

    def __init__(self):
        super().__init__()
        self.counts = []

    def on_train_batch_end(self, batch, logs=None):
        slots = slots_of(self.model)
        for kernel in sparsity.masked_kernels(self.model).values():
            hidden = kernel.mask() == 0
            for variable in (kernel.weight, *slots[id(kernel.weight)]):
                assert not np.asarray(variable)[hidden].any()
        self.counts.append(sum(np.count_nonzero(mask) for mask in sparsity.masks_of(self.model).values()))


@pytest.mark.parametrize("method, adam", [*((method, False) for method in METHODS), ("set", True)])
def test_masked_weights_do_not_move_by_momentum_or_decay(method, adam):
    model = model_of(optimizer=keras.optimizers.Adam(0.01, weight_decay=0.1) if adam else None)
    watch, before = Watch(), [kernel.weight.numpy() for kernel in sparsity.masked_kernels(model).values()]
    fit(model, updates_of(method), watch)
    sizes = (
        [168 - int(0.75 * 168)]
        if updates_of(method).allocation == "global"
        else [120 - int(0.75 * 120), 48 - int(0.75 * 48)]
    )
    assert abs(watch.counts[-1] - sum(sizes)) <= 1  # of ERK each layer rounds another share
    if METHODS[method].gradual:
        assert watch.counts[0] == 168 and sorted(watch.counts, reverse=True) == watch.counts
    else:
        assert len(set(watch.counts)) == 1
    for kernel, start in zip(sparsity.masked_kernels(model).values(), before, strict=True):
        kept = kernel.mask() != 0
        assert (np.asarray(kernel.weight)[kept] != start[kept]).any()


WRAPPERS = ("Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap")


def test_gradients_of_a_subclassed_model_and_of_one_with_a_list_of_one_input():
    own, inputs = Subclassed(), keras.Input((10,))
    mask_layers(own, rule="sparse")
    own(X)
    listed = mask_model(keras.Model([inputs], keras.layers.Dense(4)(inputs)), "sparse")
    for model in (own, listed):
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        fit(model, updates_of("rigl"))
        assert np.isclose(densities(model), 0.25, atol=0.03)


OPTIMIZERS = [
    its for name, its in vars(keras.optimizers).items() if isinstance(its, type) and name not in WRAPPERS
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda its: its.__name__)
def test_an_optimizer_leaves_masked_weights_at_0_or_is_refused(optimizer):
    model = model_of(optimizer=optimizer(0.01))
    try:
        fit(model, updates_of("set"), Watch(), epochs=3)
    except ValueError as error:
        assert str(error).startswith("masks cannot be changed under this optimizer, ") and optimizer.__name__ in str(error)
    assert all(np.isfinite(value).all() for value in state(model))


@pytest.mark.parametrize("method", ["snip", "set", "granet"])
def test_training_that_goes_on_is_training_that_was_never_stopped(method, tmp_path):
    """From variables alone: another model, another callback."""
    whole, first, second = model_of(), model_of(), model_of()
    fit(whole, updates_of(method, steps=6))
    fit(first, updates_of(method, steps=6), epochs=1)
    second.optimizer.build(second.trainable_variables)
    for v, value in zip((*second.variables, *second.optimizer.variables), state(first), strict=True):
        v.assign(value)
    fit(second, updates_of(method, steps=6), initial_epoch=1)
    for a, b in zip(state(second), state(whole), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_grown_weight_starts_at_0_with_a_new_state_and_one_that_stays_keeps_both():
    model = model_of()
    updates = updates_of("set")
    fit(model, updates, epochs=1)
    before = {name: kernel.weight.numpy() for name, kernel in sparsity.masked_kernels(model).items()}
    masks, slots = sparsity.masks_of(model), slots_of(model)
    momenta = {name: slots[id(kernel.weight)][0].numpy() for name, kernel in sparsity.masked_kernels(model).items()}
    updates._change(METHODS["set"].change, 100, 0.0)
    moved = 0
    for name, kernel in sparsity.masked_kernels(model).items():
        stay = (kernel.mask() != 0) & (masks[name] != 0)
        np.testing.assert_array_equal(kernel.weight, np.where(stay, before[name], 0))
        np.testing.assert_array_equal(slots[id(kernel.weight)][0], np.where(stay, momenta[name], 0))
        moved += np.count_nonzero(kernel.mask() != masks[name])
    assert moved > 4


def test_the_dense_gradient_is_that_of_the_masked_network():
    """Oracle: plain layers whose kernels are weight * mask."""
    model = model_of()
    fit(model, updates_of("static"), epochs=1)
    gradients = Gradients(model)(X, Y)
    logits, h = None, np.maximum(X @ np.asarray(model.layers[0].effective_kernel) + np.asarray(model.layers[0].bias), 0)
    logits = h @ np.asarray(model.layers[1].effective_kernel) + np.asarray(model.layers[1].bias)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    error = (p - np.eye(4)[Y]) / len(X)
    last, first = h.T @ error, X.T @ ((error @ np.asarray(model.layers[1].effective_kernel).T) * (h > 0))
    for gradient, expected in zip(gradients.values(), (first, last), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


def test_gradients_change_nothing():
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(12), keras.layers.BatchNormalization(),
                              keras.layers.Dropout(0.5, seed=1), keras.layers.Dense(4)])  # fmt: skip
    model = mask_model(model, "sparse")
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = state(model)
    assert all(np.isfinite(g).all() and g.any() for g in Gradients(model)(X, Y).values())
    for a, b in zip(state(model), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_rounds_of_force_have_new_batches_and_snip_has_one(monkeypatch):
    monkeypatch.setattr(methods, "FORCE_ROUNDS", 3)
    for method, batches in (("snip", [0]), ("force", [0, 1, 2])):
        asked = []
        fit(model_of(), updates_of(method, data=lambda step, asked=asked: asked.append(step) or (X, Y)), epochs=1)
        assert asked == batches


def test_a_density_of_1_is_dense_training():
    dense, sparse = model_of(), model_of()
    fit(dense)
    fit(sparse, updates_of("rigl", density=1))
    for a, b in zip(state(dense), state(sparse), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_iterand_draws_pruned_weights_again():
    model = model_of("iterand", density=0.25)
    before = [kernel.weight.numpy() for kernel in sparsity.masked_kernels(model).values()]
    fit(model, MaskUpdates("iterand", every=6, share=0.5))
    for kernel, start in zip(sparsity.masked_kernels(model).values(), before, strict=True):
        changed, kept = np.asarray(kernel.weight) != start, kernel.mask() != 0
        assert not changed[kept].any() and 0.3 < changed[~kept].mean() < 0.7
    again = model_of("iterand", density=0.25)
    fit(again, MaskUpdates("iterand", every=6, share=0.5))
    for a, b in zip(state(again), state(model), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("rule", ["edge_popup", "signed"])
def test_one_threshold_for_all_layers(rule, tmp_path):
    """The largest |scores| of all layers together, after each step; the masks are saved with the model."""
    model = model_of(rule, relative_threshold=0.5)
    fit(model, MaskUpdates("global", 0.25))
    scores = np.concatenate([layer.score.numpy().ravel() for layer in model.layers])
    bound = np.sort(np.abs(scores))[-(168 - int(0.75 * 168))]
    for layer in model.layers:
        np.testing.assert_array_equal(layer.mask != 0, np.abs(layer.score) >= bound)
    model.save(tmp_path / "x.keras")
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "x.keras")(X), model(X), rtol=1e-6)


@pytest.mark.parametrize("every", [1, 2, 4])
def test_one_threshold_where_training_goes_on_is_that_of_training_that_was_never_stopped(every):
    """After 3 of 6 steps, between two changes or at one."""
    whole, parts = (model_of("edge_popup", relative_threshold=0.5) for _ in range(2))
    fit(whole, MaskUpdates("global", 0.25, every=every, steps=6))
    fit(parts, MaskUpdates("global", 0.25, every=every, steps=6), epochs=1)
    fit(parts, MaskUpdates("global", 0.25, every=every, steps=6), initial_epoch=1)
    for a, b in zip(state(parts), state(whole), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_layer_of_small_scores_keeps_its_largest_under_one_threshold():
    model = model_of("edge_popup", relative_threshold=0.5)
    small = model.layers[1]
    small.score.assign(np.asarray(small.score) * 1e-3)
    updates = MaskUpdates("global", 0.1, steps=30)
    updates.set_model(model)
    for step in (0, 3, 30):  # 50 % at first
        updates.prepare(30)
        updates.event.change(updates, step)
    score = np.abs(small.score)
    np.testing.assert_array_equal(small.mask != 0, score == score.max())
    other = np.abs(model.layers[0].score)
    np.testing.assert_array_equal(model.layers[0].mask != 0, other >= np.sort(other, axis=None)[-(168 - int(0.9 * 168))])


def test_states_of_other_masks_are_cleared_where_training_goes_on():
    """As after EarlyStopping(restore_best_weights=True), which knows weights only."""
    model, watch = model_of(), Watch()
    fit(model, updates_of("set", steps=30))
    best = model.get_weights()
    fit(model, updates_of("set", steps=30), initial_epoch=2, epochs=4)
    model.set_weights(best)
    fit(model, updates_of("set", every=3, steps=30), watch, initial_epoch=4, epochs=5)
    assert len(watch.counts) == 3


@pytest.mark.parametrize("method", ["magnitude", "granet"])
def test_a_training_that_ends_before_its_density_says_so(method, recwarn):
    """As with EarlyStopping; and a second `fit` that does not know the steps of the first, and is too short, is refused."""
    model = model_of()
    stop = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", True))
    with pytest.warns(UserWarning, match=rf"{method} reaches density=0.25 .* step 22; after 3 steps it is 0\.\d+"):
        fit(model, updates_of(method), stop, epochs=10)
    with pytest.raises(ValueError, match="changes masks until step 2, but the optimizer has made 3 steps"):
        fit(model, updates_of(method), epochs=1)
    whole = model_of()
    recwarn.clear()
    fit(whole, updates_of(method))
    assert np.isclose(densities(whole), 0.25, atol=0.03) and not recwarn.list


DRAWN = [keras.layers.Dense(6, kernel_regularizer="l2"), keras.layers.Conv1D(4, 2), keras.layers.LSTM(3)]


@pytest.mark.parametrize("keep_weights", [False, True])
@pytest.mark.parametrize("layer", DRAWN)
def test_layers_of_all_kinds_are_drawn_again_as_they_were_drawn(layer, keep_weights, tmp_path):
    """Of signed constants one size is left; of the layer's own weights many are. Saved and read again, too."""
    shape = (10,) if isinstance(layer, keras.layers.Dense) else (5, 2)
    plain = keras.Sequential([keras.Input(shape), layer, keras.layers.Flatten(), keras.layers.Dense(4)])
    model = mask_model(plain, "iterand", density=0.2, scheme="he", keep_weights=keep_weights)
    model.save(tmp_path / "x.keras")
    model = keras.models.load_model(tmp_path / "x.keras")
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = {name: np.array(kernel.weight) for name, kernel in sparsity.masked_kernels(model).items()}
    model.fit(X.reshape(-1, *shape), Y, 16, callbacks=[MaskUpdates("iterand", every=1, share=0.9)], verbose=0)
    for name, kernel in sparsity.masked_kernels(model).items():
        now, was = np.asarray(kernel.weight), before[name]
        assert np.mean(now != was) > (0.5 if keep_weights else 0.2)
        assert (len(np.unique(np.abs(now))) == 1) == (not keep_weights)
        assert keep_weights or np.isclose(np.abs(now).max(), np.abs(was).max())


def several_inputs():
    inputs = [keras.Input((10,)) for _ in range(2)]
    plain = keras.Model(inputs, keras.layers.Dense(4)(keras.layers.add(inputs)), name="several_inputs")
    model = mask_model(plain, "sparse")
    model.compile("sgd", "mse")
    model.fit([X, X], Y, callbacks=[updates_of("rigl")], verbose=0)


def counted_by_keras():
    model = model_of()
    model.compile("sgd", "mse", steps_per_execution="auto")
    return model


NOT_UNDER = (
    "masks cannot be changed under this optimizer, which moves masked weights or has states that begin at another number than 0; "
    "use SGD or Adam. Received:"
)
REFUSED = {
    "`method` must be one of static, magnitude, .*, iterand, global. Received: 'rigel'": lambda: MaskUpdates(
        "rigel", 0.1
    ),
    "rigl needs `density`, the share of weights to keep": lambda: MaskUpdates("rigl", data=(X, Y)),
    "`density` must be a number above 0 and up to 1. Received: 1.5": lambda: MaskUpdates("set", 1.5),
    "`iterand` has the density of its layers. Received: density=0.1": lambda: MaskUpdates("iterand", 0.1),
    "`allocation` of rigl can be erk, uniform. Received: 'global'": lambda: MaskUpdates(
        "rigl", 0.1, "global", data=(X, Y)
    ),
    "snip needs `data` for its gradients": lambda: MaskUpdates("snip", 0.1),
    "`data` must be two arrays of one length, images .* Received: arrays of 48 and 3": lambda: MaskUpdates(
        "snip", 0.1, data=(X, Y[:3])
    ),
    "`data` must be two arrays of one length, images": lambda: MaskUpdates("snip", 0.1, data=(1, 2)),
    "`data` must be two arrays of one length, images and labels": lambda: MaskUpdates("snip", 0.1, data=([], [])),
    "`every` must be an integer >= 1. Received: 0": lambda: MaskUpdates("set", 0.1, every=0),
    "`share` must be a number above 0 and up to 1. Received: 0": lambda: MaskUpdates("set", 0.1, share=0),
    'set needs a model of mask_model\\(model, "sparse"\\)': lambda: fit(model_of("signed"), MaskUpdates("set", 0.1)),
    "iterand needs layers with the rule iterand": lambda: fit(model_of("signed"), MaskUpdates("iterand")),
    "global sets the thresholds of all layers": lambda: fit(model_of("signed"), MaskUpdates("global", 0.1)),
    "magnitude would change nothing: it does so every 10 steps, in the first 4 of 6": lambda: fit(
        model_of(), updates_of("magnitude", density=0.1, every=10)
    ),
    "set would change nothing: it does so every 100 steps": lambda: fit(model_of(), updates_of("set", every=None)),
    "iterand would change nothing: it does so every 300 steps, in the first 6 of 6": lambda: fit(
        model_of("iterand", density=0.25), MaskUpdates("iterand")
    ),
    "snip drops or draws no share of its weights; leave out `share`. Received: 0.2": lambda: updates_of("snip", share=0.2),
    f"{NOT_UNDER} Ftrl": lambda: fit(model_of(optimizer=keras.optimizers.Ftrl()), updates_of("set")),
    f"{NOT_UNDER} Adagrad": lambda: fit(
        model_of(optimizer=keras.optimizers.Adagrad()), updates_of("set")
    ),
    "masks change after a number of steps; give `compile` a number. Received: steps_per_execution=\"auto\"": lambda: fit(
        counted_by_keras(), updates_of("set")
    ),
    "masks cannot be set for weights that are not finite: those of .*dense.*. The training diverged": lambda: fit(
        model_of(optimizer=keras.optimizers.SGD(1e30)), updates_of("magnitude")
    ),
    "density=0.002 leaves 1 weights to 2 layers, each of which needs one; give": lambda: fit(
        model_of(), updates_of("set", density=0.002)
    ),
    "`data` must have images of the shape \\(10,\\) that the model takes. Received: \\(7,\\)": lambda: fit(
        model_of(), updates_of("rigl", data=(X[:, :7], Y))
    ),
    "`data` must return a batch, images and labels. Received: int": lambda: fit(
        model_of(), updates_of("rigl", data=lambda step: 1)
    ),
    "gradients need a model with one input and one output. Received: several_inputs": lambda: several_inputs(),
    "density=0.001 leaves 1 weights to 2 layers, each of which needs one": lambda: fit(
        model_of(), updates_of("snip", density=0.001)
    ),
    "density=0.002 leaves 1 weights to 2 layers, each of which needs one": lambda: fit(
        model_of("edge_popup", relative_threshold=0.5), MaskUpdates("global", 0.002)
    ),
}


# Of the arguments that only some methods use, those that each one uses, as the docstring of MaskUpdates says.
USED = dict.fromkeys(("snip", "force"), {"data", "batch_size"}) | {"static": set(), "magnitude": {"every", "until"}}
USED |= dict.fromkeys(("rigl", "granet"), {"data", "batch_size", "every", "until", "share"})
USED |= {"set": {"every", "until", "share"}, "iterand": {"every", "share"}, "global": {"every"}}
VALUES = {"every": 3, "until": 0.1, "share": 0.2, "data": (X, Y), "batch_size": 16}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("method", [*METHODS, *events.EVENTS])
def test_an_argument_without_effect_is_refused_by_name(method, name):
    given = ({} if method == "iterand" else {"density": 0.5}) | ({"data": (X, Y)} if "data" in USED[method] else {})
    if name in USED[method]:
        MaskUpdates(method, **given | {name: VALUES[name]})
        return
    with pytest.raises(ValueError, match=f"^{method} [^\n]*; leave out `{name}`. Received: [^\n]*$"):
        MaskUpdates(method, **given | {name: VALUES[name]})


def test_the_size_of_batches_that_a_function_makes_is_refused():
    with pytest.raises(ValueError, match="^rigl takes whole batches from a function as `data`; leave out `batch_size`. "):
        MaskUpdates("rigl", 0.5, data=lambda step: (X, Y), batch_size=8)


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_honoured_is_refused_in_one_line(message):
    with pytest.raises(ValueError, match=f"^{message}[^\n]*$"):
        REFUSED[message]()


def test_changes_between_two_calls_of_the_training_function_are_refused():
    model = model_of()
    model.compile("sgd", "mse", steps_per_execution=4)
    with pytest.raises(ValueError, match="must be a multiple of the model's steps_per_execution, 4. Received: 2"):
        fit(model, updates_of("set"))


# ---------------------------------------------------------------------------------------------------------------------
# What would miss the density without a word


def densities(model):
    masks = sparsity.masks_of(model).values()
    return sum(np.count_nonzero(mask) for mask in masks) / sum(mask.size for mask in masks)


@pytest.mark.parametrize("method", ["magnitude", "granet", "rigl"])
def test_steps_of_earlier_training_count(method):
    model = model_of()
    fit(model, epochs=4)
    with pytest.raises(ValueError, match="until step 8, but the optimizer has made 12 steps; `steps` has to be those of"):
        fit(model, updates_of(method), epochs=4)
    fit(model, updates_of(method, steps=24), epochs=4)
    assert np.isclose(densities(model), 0.25, atol=0.01)


def test_a_step_is_a_batch():
    accumulating = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    with pytest.raises(ValueError, match="one for each batch. Received: gradient_accumulation_steps=2"):
        fit(model_of(optimizer=accumulating), updates_of("magnitude"))
    model = model_of()
    model.compile(model.optimizer, model.loss, steps_per_execution=2)
    with pytest.raises(ValueError, match="must divide the 3 steps of an epoch"):
        fit(model, updates_of("magnitude"))


def test_masks_of_another_density_are_not_taken_for_those_asked_for():
    model = model_of()
    fit(model, updates_of("rigl", density=0.5))
    fit(model, updates_of("set", density=0.5))
    with pytest.raises(ValueError, match="whose density is 0.506; .* Received: density=0.1"):
        fit(model, updates_of("rigl", density=0.1))
    with pytest.raises(ValueError, match="Received: density=0.8"):
        fit(model, updates_of("magnitude", density=0.8))
    fit(model, updates_of("magnitude", steps=100), epochs=26)
    assert np.isclose(densities(model), 0.25, atol=0.01)


@pytest.mark.parametrize("method", ["snip", "force", "rigl", "granet"])
def test_gradients_are_of_the_loss_without_regularizers_and_finite(method):
    def model_with(regularizer):
        given = {"kernel_regularizer": regularizer, "bias_regularizer": regularizer}
        layers = [keras.layers.Dense(12, "relu", **given), keras.layers.BatchNormalization(gamma_regularizer=regularizer)]
        plain = keras.Sequential([keras.Input((10,)), *layers, keras.layers.Dense(4)])
        model = mask_model(plain, "sparse", scheme="he", distribution="normal")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
        return model

    masked = [model_with(regularizer) for regularizer in map(keras.regularizers.L2, (0.0, 1e-9))]
    masked[1].set_weights(masked[0].get_weights())
    for model in masked:
        fit(model, updates_of(method), epochs=4)
    one, other = ([np.array(mask) for mask in sparsity.masks_of(model).values()] for model in masked)
    assert all(map(np.array_equal, one, other)) and np.isclose(densities(masked[0]), 0.25, atol=0.01)
    images = np.where(np.arange(48)[:, None] == 3, np.nan, X)
    with pytest.raises(ValueError, match="gradients that are not finite: those of"):
        fit(model_of(), updates_of(method, data=(images, Y)), epochs=4)


def test_models_that_cannot_be_changed_are_named():
    model = model_of()
    model.layers[0].trainable = False
    model.compile(model.optimizer.__class__(0.1), model.loss)
    with pytest.raises(ValueError, match="weights that are trained. Frozen: "):
        fit(model, updates_of("set"))
    callback = updates_of("set")
    callback.set_model(mask_model(keras.Sequential([keras.Input((10,)), keras.layers.Dense(4)]), "sparse"))
    with pytest.raises(ValueError, match="needs a compiled model"):
        callback.prepare(10)


def test_one_threshold_of_equal_scores_keeps_all():
    model = model_of("edge_popup", relative_threshold=0.5, score_initializer=keras.initializers.Constant(0.3))
    callback = MaskUpdates("global", density=0.1, steps=10)
    callback.set_model(model)
    callback.prepare(10)
    assert densities(model) == 1
