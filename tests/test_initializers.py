import math

import keras
import numpy as np
import pytest

from tf_supermask import initializers

SHAPES = [(784, 300), (3, 3, 64, 128)]
# standard deviation of each scheme from fan-in and fan-out
DEVIATION = {
    "xavier": lambda fi, fo: math.sqrt(2 / (fi + fo)),
    "he": lambda fi, fo: math.sqrt(2 / fi),
    "elu": lambda fi, fo: math.sqrt(1.5 / fi),
    "elus": lambda fi, fo: math.sqrt(6 / fi),
    "elus_resnet": lambda fi, fo: math.sqrt(3 / fi),
    "pytorch": lambda fi, fo: math.sqrt(1 / (3 * fi)),
}
# koster.md's table of signed-constant magnitudes, by scheme and kernel shape
MAGNITUDES = [
    ("xavier", (784, 300), 0.0430), ("he", (784, 300), 0.0505), ("elus", (784, 300), 0.0875),
    ("elus", (300, 100), 0.1414), ("elus", (100, 10), 0.2449), ("he", (3, 3, 3, 64), 0.2722),
    ("elus", (3, 3, 3, 64), 0.4714), ("xavier", (3, 3, 512, 512), 0.0147), ("elus", (2048, 256), 0.0541),
]  # fmt: skip


def draw(scheme, distribution, shape, seed=3):
    return np.asarray(initializers.SCHEMES[scheme](distribution, seed)(shape))


def fans(shape):
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def test_every_scheme_has_an_oracle():
    assert initializers.SCHEMES.keys() == DEVIATION.keys()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scheme", initializers.SCHEMES)
def test_signed_constant(scheme, shape):
    values = draw(scheme, "signed_constant", shape)
    np.testing.assert_allclose(np.abs(values), DEVIATION[scheme](*fans(shape)), rtol=1e-6)
    assert abs(np.sign(values).mean()) < 4 / math.sqrt(values.size)  # four deviations of a fair coin


@pytest.mark.parametrize("distribution", initializers.DISTRIBUTIONS)
@pytest.mark.parametrize("scheme", initializers.SCHEMES)
def test_a_density_divides_the_variance(scheme, distribution):
    """Ramanujan et al. 2020: 1 / sqrt(k) times as large, so that sums over a share k of the inputs keep their variance."""
    make, shape = initializers.SCHEMES[scheme], (784, 300)
    one, kept = make(distribution, seed=5), make(distribution, seed=5, density=0.04)
    np.testing.assert_allclose(kept(shape), 5 * np.asarray(one(shape)), rtol=1e-5, atol=1e-6)
    again = keras.initializers.deserialize(keras.initializers.serialize(kept))
    np.testing.assert_array_equal(again(shape), kept(shape))
    assert "density" not in one.get_config() and make(distribution, density=1).get_config() == make(distribution).get_config()


@pytest.mark.parametrize("scheme, shape, magnitude", MAGNITUDES)
def test_published_magnitudes(scheme, shape, magnitude):
    assert abs(draw(scheme, "signed_constant", shape).flat[0]) == pytest.approx(magnitude, abs=5.1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scheme", initializers.SCHEMES)
def test_uniform_and_normal(scheme, shape):
    deviation = DEVIATION[scheme](*fans(shape))
    uniform = draw(scheme, "uniform", shape)
    assert np.abs(uniform).max() == pytest.approx(math.sqrt(3) * deviation, rel=1e-3)
    assert np.abs(uniform).max() <= math.sqrt(3) * deviation
    for distribution in ("uniform", "normal", "truncated_normal"):
        assert draw(scheme, distribution, shape).std() == pytest.approx(deviation, rel=0.01)


def test_scores_of_the_papers_reach_their_thresholds():
    """Xavier-uniform scores with threshold .01 prune 12.81 % of FCN's weights (koster.md, 1.3)."""
    shapes = [(784, 300), (300, 100), (100, 10)]
    scores = [draw("xavier", "uniform", shape) for shape in shapes]
    pruned = sum(np.count_nonzero(np.abs(s) <= 0.01) for s in scores) / sum(s.size for s in scores)
    assert 100 * pruned == pytest.approx(12.81, abs=0.3)


@pytest.mark.parametrize("distribution", initializers.DISTRIBUTIONS)
@pytest.mark.parametrize("scheme", initializers.SCHEMES)
def test_seed_and_serialization(scheme, distribution):
    one = initializers.SCHEMES[scheme](distribution, seed=5)
    again = keras.initializers.deserialize(keras.initializers.serialize(one))
    assert type(again) is type(one)
    np.testing.assert_array_equal(one((20, 30)), again((20, 30)))
    assert not np.array_equal(one((20, 30)), initializers.SCHEMES[scheme](distribution, seed=6)((20, 30)))


def test_without_seed_each_instance_differs():
    assert not np.array_equal(initializers.ELUS()((20, 30)), initializers.ELUS()((20, 30)))


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="Received: 'gaussian'"):
        initializers.He("gaussian")
    with pytest.raises(ValueError, match="Received: -1"):
        initializers.ELUS(factor=-1)
    for density in (0, 1.5, "0.1", None):
        with pytest.raises(ValueError, match=f"`density` must be .* Received: {density!r}"):
            initializers.ELU(density=density)
