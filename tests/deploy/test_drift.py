"""How far SGD can still move a score without gradient. Oracle: Keras' optimizer itself, with gradients of 0."""

import keras
import numpy as np
import pytest

from tf_supermask import SignedMaskDense
from tf_supermask.deploy import drift


def one_layer(shape, *sgd):
    layer = SignedMaskDense(shape[1])
    model = keras.Sequential([keras.Input(shape[:1]), layer])
    model.compile(keras.optimizers.SGD(*sgd), "mse")
    model.optimizer.build(model.trainable_variables)
    return model, layer


def reachable(model, layer):
    return drift.reachable(layer, drift.drifts(model)[id(layer.score)])


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("momentum", [0.3, 0.9, 0.97])
def test_the_bound_is_reached_but_not_passed(momentum, nesterov):
    model, layer = one_layer((2, 1), 0.1, momentum, nesterov)
    total = momentum**2 / (1 - momentum) if nesterov else momentum / (1 - momentum)
    for share, passes in ((1 - 1e-3, False), (1 + 1e-3, True)):
        layer.score.assign([[0.004], [-0.004]])
        model.optimizer.momentums[0].assign([[share * 0.006 / total], [-share * 0.006 / total]])
        expected = reachable(model, layer)
        seen = np.zeros((2, 1), bool)
        for _ in range(int(10 / (1 - momentum))):
            model.optimizer.apply([np.zeros((2, 1), np.float32)], [layer.score])
            seen |= layer.mask != 0
        assert (seen == passes).all() and (expected == passes).all()


def test_a_score_that_moves_towards_zero_is_no_danger():
    model, layer = one_layer((12, 3), 0.1, 0.9, True)
    layer.score.assign(np.full(layer.score.shape, 0.009))
    for sign, live in ((-1, False), (1, True)):
        model.optimizer.momentums[0].assign(np.full(layer.score.shape, sign * 0.0012))
        assert (reachable(model, layer) == live).all()


def test_without_momentum_only_what_is_not_masked_is_reachable():
    model, layer = one_layer((12, 3), 0.1)
    assert drift.drifts(model) == {} and (drift.reachable(layer, None) == (layer.mask != 0)).all()


def test_optimizers_without_a_bound_are_named():
    model, _ = one_layer((12, 3), 0.1)
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match="this needs keras.optimizers.SGD, .* Received: Adam$"):
        drift.velocities(model)
    model, layer = one_layer((2, 1), 1.0, 0.0)
    model.optimizer.weight_decay = 1.5  # turns signs: a score of -.09 becomes .045
    with pytest.raises(ValueError, match="must be from 0 to 1. Received: an SGD with 1.5"):
        drift.drifts(model)
    model.optimizer.weight_decay = -0.1
    with pytest.raises(ValueError, match="must be from 0 to 1. Received: an SGD with -0.1"):
        drift.drifts(model)
    model.compile(keras.optimizers.SGD(use_ema=True), "mse")
    with pytest.raises(ValueError, match="Received: SGD with use_ema$"):
        drift.drifts(model)
    model, layer = one_layer((2, 1), 0.1, 0.9)
    layer.trainable = False
    with pytest.raises(ValueError, match="compile with a new one. Received: 1 momenta and 0 trained variables"):
        drift.drifts(model)
