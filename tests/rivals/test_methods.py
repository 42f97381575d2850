"""Masks of sparse training against the formulae, on arrays."""

import numpy as np
import pytest

from tf_supermask.experiments import choices
from tf_supermask.rivals import methods
from tf_supermask.rivals.allocation import erk, top
from tf_supermask.rivals.methods import Goal, Network

SHAPES = {"a": (6, 5), "b": (5, 4)}


def network(seed=0, masks=None, weights=None):
    """Made-up weights; the gradient to a kernel is G at the masked network, here G = A + mask."""
    draw = np.random.default_rng(seed)
    weights = weights or {name: draw.normal(size=shape) for name, shape in SHAPES.items()}
    fixed = {name: draw.normal(size=shape) for name, shape in SHAPES.items()}
    masks = masks or {name: draw.random(shape) < 0.4 for name, shape in SHAPES.items()}
    weights = {name: weight * masks[name] if masks else weight for name, weight in weights.items()}
    return Network(
        weights,
        masks,
        lambda its: {name: fixed[name] + its[name] for name in SHAPES},
        {name: np.random.default_rng(len(name)) for name in SHAPES},
    )


EVERYTHING = {name: np.ones(shape, bool) for name, shape in SHAPES.items()}


def test_flags_know_these_methods():
    assert methods.METHODS.keys() == choices.METHODS.keys() == methods._METHODS.keys()
    assert set(choices.UPDATED) == {name for name, method in methods.METHODS.items() if method.change}
    assert set(choices.MOVED) == {name for name, method in methods.METHODS.items() if method.share}


def test_schedules():
    assert [methods.cubic_density(0.2, p) for p in (0, 0.5, 1)] == pytest.approx([1, 0.3, 0.2])
    assert [methods.cosine_share(0.3, p) for p in (0, 0.5, 1)] == pytest.approx([0.3, 0.15, 0])
    assert [methods.force_density(0.01, t, 2) for t in (0, 1, 2)] == pytest.approx([1, 0.1, 0.01])


@pytest.mark.parametrize("way, counts", [("uniform", (3, 2)), ("erk", (3, 3))])
def test_random_masks_have_exact_counts(way, counts):
    """ERK: 5 weights; (6 + 5) and (5 + 4) times 1/4 = 2.75 and 2.25, the number of pruned ones rounded down."""
    masks = methods.random(network(), Goal(0.1, way))
    assert tuple(mask.sum() for mask in masks.values()) == counts


def test_snip_keeps_the_largest_products_of_all_layers():
    its = network(masks=EVERYTHING)
    masks = methods.snip(its, Goal(0.2, "global"))
    saliency = {name: np.abs(its.weights[name] * its.gradients(EVERYTHING)[name]) for name in SHAPES}
    flat = np.concatenate([saliency[name].ravel() for name in SHAPES])
    bound = np.sort(flat)[-10]
    assert all((saliency[name].max() >= bound) for name in SHAPES)  # no layer would be empty
    for name in SHAPES:
        np.testing.assert_array_equal(masks[name], saliency[name] >= bound)


def test_force_prunes_in_rounds_and_lets_weights_return():
    its, masks = network(masks=EVERYTHING), EVERYTHING
    for t in range(1, methods.FORCE_ROUNDS + 1):
        density, gradients = 0.2 ** (t / methods.FORCE_ROUNDS), its.gradients(masks)
        saliency = np.concatenate([np.abs(its.weights[name] * gradients[name]).ravel() for name in SHAPES])
        flat = top(saliency, 50 - int((1 - density) * 50))
        masks = {"a": flat[:30].reshape(6, 5), "b": flat[30:].reshape(5, 4)}
    for name, mask in methods.force(its, Goal(0.2, "global")).items():
        np.testing.assert_array_equal(mask, masks[name])


def test_magnitude_prunes_step_by_step_and_revives_nothing():
    its = network(masks=EVERYTHING)
    for progress, left in ((0.25, 50 - int((1 - (0.1 + 0.9 * 0.75**3)) * 50)), (1, 5)):
        masks = methods.by_magnitude(its, Goal(0.1, "global", progress=progress))
        assert sum(mask.sum() for mask in masks.values()) == left
        assert all((mask <= its.masks[name]).all() for name, mask in masks.items())
        kept = np.concatenate([np.abs(its.weights[name][masks[name]]) for name in SHAPES])
        gone = np.concatenate([np.abs(its.weights[name][its.masks[name] & ~masks[name]]) for name in SHAPES])
        assert kept.min() >= gone.max()
        its = its._replace(masks=masks, weights={name: its.weights[name] * masks[name] for name in SHAPES})


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_drop_and_grow(share):
    """Ten lines of numpy: of n kept weights int(share n) of the smallest size are dropped, as many of the largest growth are
    kept."""
    draw = np.random.default_rng(1)
    mask, growth = draw.random((9, 9)) < 0.5, draw.normal(size=(9, 9))
    weight = draw.normal(size=(9, 9)) * mask
    count, flat = int(share * mask.sum()), np.flatnonzero(mask)
    order = flat[np.argsort(np.abs(weight.ravel()[flat]))]
    expected = np.zeros(81, bool)
    expected[order[count:]] = True
    others = np.flatnonzero(~expected)
    expected[others[np.argsort(-growth.ravel()[others])[:count]]] = True
    np.testing.assert_array_equal(methods.drop_and_grow(weight, mask, share, growth).ravel(), expected)
    assert expected.sum() == mask.sum()


@pytest.mark.parametrize("name", ["set", "rigl"])
@pytest.mark.parametrize("case", ["usual", "all weights 0", "one weight a layer", "all kept"])
def test_counts_of_layers_never_change(name, case):
    masks = {
        "one weight a layer": {name: np.arange(np.prod(shape)).reshape(shape) == 3 for name, shape in SHAPES.items()},
        "all kept": EVERYTHING,
    }.get(case)
    weights = {name: np.zeros(shape) for name, shape in SHAPES.items()} if case == "all weights 0" else None
    its = network(masks=masks, weights=weights)
    after = methods.METHODS[name].change(its, Goal(0.1, "erk", 0.3, 0.2))
    for layer in SHAPES:
        assert after[layer].sum() == its.masks[layer].sum()
    if case == "usual":
        assert any((after[layer] != its.masks[layer]).any() for layer in SHAPES)


@pytest.mark.parametrize("density", [1, 0.3, 0.04])
@pytest.mark.parametrize("case", ["usual", "all weights 0", "equal weights"])
@pytest.mark.parametrize("name", methods.METHODS)
def test_each_method_keeps_exactly_its_count(name, case, density):
    """With its last change; also where all saliencies or sizes are equal, and where a layer keeps one weight."""
    value = {"all weights 0": 0.0, "equal weights": 1.0}.get(case)
    weights = None if value is None else {layer: np.full(shape, value) for layer, shape in SHAPES.items()}
    method, its = methods.METHODS[name], network(masks=EVERYTHING, weights=weights)
    goal = Goal(density, method.allocations[0], method.share, 0.0)
    masks = method.start(its, goal)
    for progress in (0.5, 1.0) if method.change else ():
        weights = {layer: weight * masks[layer] for layer, weight in its.weights.items()}
        masks = method.change(its._replace(weights=weights, masks=masks), goal._replace(progress=progress))
    counts = [int(masks[layer].sum()) for layer in SHAPES]
    if goal.allocation == "global":
        assert sum(counts) == 50 - int((1 - density) * 50) and min(counts) >= 1
    else:
        shares = erk(SHAPES, density)
        assert counts == [size - int((1 - share) * size) for size, share in zip((30, 20), shares.values(), strict=True)]


def test_rigl_grows_by_the_gradient_at_the_masked_network():
    its = network()
    share = methods.cosine_share(0.3, 0.5)
    growth = {name: np.abs(gradient) for name, gradient in its.gradients(its.masks).items()}
    after = methods.by_gradient(its, Goal(0.1, "erk", 0.3, 0.5))
    for name in SHAPES:
        expected = methods.drop_and_grow(its.weights[name], its.masks[name], share, growth[name])
        np.testing.assert_array_equal(after[name], expected)


def test_granet_prunes_and_then_exchanges():
    its = network(masks=EVERYTHING)
    after = methods.pruned_and_exchanged(its, Goal(0.1, "global", 0.5, 0.5))
    pruned = methods.by_magnitude(its, Goal(0.1, "global", 0.5, 0.5))
    assert {name: mask.sum() for name, mask in after.items()} == {name: mask.sum() for name, mask in pruned.items()}
    assert any((after[name] != pruned[name]).any() for name in SHAPES)
