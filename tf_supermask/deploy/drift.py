"""How far SGD can still move a score whose gradient stays 0: which scores may yet get another mask than 0.

With velocity v, momentum m, learning rate r_t and decoupled decay w, step t of Keras' SGD does, where the gradient is 0,

    s <- s - r_t w s;    v <- m v;    s <- s + v,  or with Nesterov momentum  s <- s + m v

so v_t = m^t v_0. The velocity has the learning rate in it already. All that is ever added to a score is

    d = v_0 (m + m^2 + ...) = v_0 m / (1 - m),          with Nesterov momentum  d = v_0 (m^2 + m^3 + ...) = v_0 m^2 / (1 - m).

As long as 0 <= r_t w <= 1, whatever the schedule, decay multiplies by a number from 0 to 1, and the score stays in the interval

    min(s_0, 0) + min(d, 0)  <=  s_t  <=  max(s_0, 0) + max(d, 0).

Proof of the upper end: u_t = max(s_0, 0) + max(v_0, 0) (m + ... + m^t) is >= 0, grows, and is at most this end. If
s_(t-1) <= u_(t-1), then s_t = (1 - r_t w) s_(t-1) + m^t v_0 <= u_(t-1) + m^t max(v_0, 0) = u_t. The lower end is that of -s.

Where the scores with mask 0 form an interval, as for `signed`, `binary` and `rounded`, it is enough to look at both ends.
"""

import keras
import numpy as np
from keras import ops

from tf_supermask import masks


def reachable(layer, drift):
    """Bool array of the kernel's shape: the scores of a masked layer whose mask is, or may get, another one than 0.

    `drift`: of `drifts`, None for scores without velocity.
    """
    rule, score = masks.rule(layer.rule), np.asarray(layer.score)
    drift = np.zeros_like(score) if drift is None else drift
    ends = np.minimum(score, 0) + np.minimum(drift, 0), np.maximum(score, 0) + np.maximum(drift, 0)
    return np.any([np.asarray(rule(end, layer.threshold)) != 0 for end in ends], axis=0)


def drifts(model):
    """id of a trained variable -> d, array of its shape, with a margin for rounding. Raises ValueError as `velocities` does.

    A step rounds by eps / 2 of what it adds to, at most; after 22 / (1 - m) steps the velocity is less than that.
    """
    moving = velocities(model)
    if not moving:
        return {}
    m, nesterov = float(model.optimizer.momentum), model.optimizer.nesterov
    total = m * (m if nesterov else 1) / (1 - m)

    def drift(velocity):
        return velocity * (total * (1 + 32 * np.finfo(velocity.dtype).eps / (1 - m)))

    return {key: drift(np.asarray(velocity)) for key, velocity in moving.items()}


def velocities(model):
    """id of a trained variable -> its velocity, a variable; {} for a model without momentum, or that is not compiled.

    Raises ValueError for optimizers without a known bound.
    """
    if not model.compiled:
        return {}
    sgd = model.optimizer
    if type(sgd) is not keras.optimizers.SGD or sgd.use_ema or sgd.gradient_accumulation_steps:
        given = [name for name in ("use_ema", "gradient_accumulation_steps") if getattr(sgd, name, None)]
        raise ValueError(
            "this needs keras.optimizers.SGD, without averages and accumulated gradients: of others it is not known how far "
            f"they move a score without gradient. Received: {' with '.join([type(sgd).__name__, *given])}"
        )
    decayed = float(sgd.learning_rate) * (sgd.weight_decay or 0)
    if not 0 <= decayed <= 1:
        raise ValueError(
            "decay has to shrink scores and leave them their sign, so learning_rate * weight_decay must be from 0 to 1. "
            f"Received: an SGD with {decayed:.4g}"
        )
    if float(sgd.momentum) >= 1:
        raise ValueError(f"the momentum has to be below 1, or a score never comes to rest. Received: {float(sgd.momentum)}")
    if not sgd.built or not sgd.momentums:
        return {}
    if len(sgd.momentums) != len(model.trainable_variables):
        raise ValueError(
            "the optimizer was built for other variables than the model trains now; compile with a new one. "
            f"Received: {len(sgd.momentums)} momenta and {len(model.trainable_variables)} trained variables"
        )
    return dict(zip(map(id, model.trainable_variables), sgd.momentums, strict=True))


def exclude_the_same(model, other):
    """Gives a compiled copy of a model an optimizer, not built, that leaves the same variables out of weight decay, which the
    configuration of an optimizer does not name."""
    pairs = zip(_decayed(model), other.trainable_variables, strict=True)
    left_out = [variable for is_decayed, variable in pairs if not is_decayed]
    other.optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
    if left_out:
        other.optimizer.exclude_from_weight_decay(left_out)


def _decayed(model):
    """List of bool, one of each trained variable: whether weight decay acts on it, or `exclude_from_weight_decay` names it.

    Keras does not tell, so this looks at what a step without gradient, from ones, does with decay and without; then all is as it
    was before.
    """
    optimizer, trained = model.optimizer, model.trainable_variables
    decay = optimizer.weight_decay
    if not decay:
        return [True] * len(trained)
    optimizer.build(trained)
    rate = optimizer.learning_rate  # a variable, or a number of a schedule
    touched = [*trained, *optimizer.variables]
    before, ends = [ops.copy(variable) for variable in touched], []
    try:
        for optimizer.weight_decay in (None, 0.5):
            for variable in optimizer.momentums:
                variable.assign(np.zeros(variable.shape))
            for variable in (*trained, *([rate] if hasattr(rate, "assign") else [])):
                variable.assign(np.ones(variable.shape))
            optimizer.iterations.assign(_step_with_a_rate(optimizer))
            optimizer.apply([ops.zeros_like(variable) for variable in trained], trained)
            ends.append([np.asarray(variable).copy() for variable in trained])
    finally:
        optimizer.weight_decay = decay
        for variable, value in zip(touched, before, strict=True):
            variable.assign(value)
    moved = [bool((one != other).any()) for one, other in zip(*ends, strict=True)]
    return moved if any(moved) else [True] * len(trained)  # a rate that is always 0 shows nothing, and needs nothing


def _step_with_a_rate(optimizer):
    """A step at which the learning rate is not 0, as it may be now: the present one, or one of any schedule; 0 without any."""
    for step in (int(optimizer.iterations), *(10**power for power in range(7))):
        optimizer.iterations.assign(step)
        if float(optimizer.learning_rate) > 0:
            return step
    return 0
