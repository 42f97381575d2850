"""Mask criteria, mask-1 actions and mask-0 actions (Zhou et al. 2019, sections 2 to 5).

All are pure functions of numpy arrays of one layer. Ranks are within a layer, among the remaining weights. A generator breaks
ties.

    criterion       (w_i, w_f) -> score; higher scores are kept       w_i: weights at the start of a round, w_f: at its end
    mask-1 action   value that a kept weight starts the next round with
    mask-0 action   value that a pruned weight is frozen at
"""

from typing import Callable, NamedTuple

import numpy as np


class Criterion(NamedTuple):
    formula: str
    score: Callable  # arrays w_i and w_f of one shape -> array of that shape
    trained: bool = True  # whether the score depends on w_f


def _rank(magnitude):
    """Ranks 0, 1, 2... of an array by value, flat; equal values in the order of their indices."""
    ranks = np.empty(magnitude.size, np.int64)
    ranks[np.argsort(magnitude, axis=None, kind="stable")] = np.arange(magnitude.size)
    return ranks.reshape(magnitude.shape)


def _same_sign(w_i, w_f):
    return np.sign(w_i) == np.sign(w_f)


def _where(condition, score):
    """`score` where the condition holds, else 0."""
    return lambda w_i, w_f: np.where(condition(w_i, w_f), score(w_i, w_f), 0)


def _large_final(w_i, w_f):
    return np.abs(w_f)


def _magnitude_increase(w_i, w_f):
    return np.abs(w_f) - np.abs(w_i)


# Figure 2 of Zhou et al. 2019. The last four are those of its section 5, and two that only the authors' code has.
# min(a|w_f|, |w_i|), with a such that both cuts prune equally, is the smaller of two ranks: the count is exact, without a
# search for a.
CRITERIA = {
    "large_final": Criterion("|w_f|", _large_final),
    "small_final": Criterion("-|w_f|", lambda w_i, w_f: -np.abs(w_f)),
    "large_init": Criterion("|w_i|", lambda w_i, w_f: np.abs(w_i), trained=False),
    "small_init": Criterion("-|w_i|", lambda w_i, w_f: -np.abs(w_i), trained=False),
    "large_init_large_final": Criterion(
        "min(rank |w_i|, rank |w_f|)", lambda w_i, w_f: np.minimum(_rank(np.abs(w_i)), _rank(np.abs(w_f)))
    ),
    "small_init_small_final": Criterion(
        "min(rank -|w_i|, rank -|w_f|)", lambda w_i, w_f: np.minimum(_rank(-np.abs(w_i)), _rank(-np.abs(w_f)))
    ),
    "magnitude_increase": Criterion("|w_f| - |w_i|", _magnitude_increase),
    "movement": Criterion("|w_f - w_i|", lambda w_i, w_f: np.abs(w_f - w_i)),
    "random": Criterion("0", lambda w_i, w_f: np.zeros(np.shape(w_i)), trained=False),
    "large_final_same_sign": Criterion("|w_f| if sign w_f = sign w_i, else 0", _where(_same_sign, _large_final)),
    "large_final_diff_sign": Criterion(
        "|w_f| if sign w_f != sign w_i, else 0", _where(lambda i, f: ~_same_sign(i, f), _large_final)
    ),
    "magnitude_increase_same_sign": Criterion(
        "|w_f| - |w_i| if sign w_f = sign w_i, else 0", _where(_same_sign, _magnitude_increase)
    ),
    "magnitude_increase_diff_sign": Criterion(
        "|w_f| - |w_i| if sign w_f != sign w_i, else 0", _where(lambda i, f: ~_same_sign(i, f), _magnitude_increase)
    ),
}


def kept(count, rate):
    """The number of `count` weights that remain when the share `rate` is pruned; the pruned number is rounded down.

    A layer that has weights keeps at least one, whatever the rate. Raises ValueError for a rate outside (0, 1).
    """
    if not 0 < rate < 1:
        raise ValueError(f"a pruning rate must lie between 0 and 1, not {rate}")
    pruned = int(count * rate + 1e-9)  # 1000 * (1 - 0.9) is 99.99999999999998
    return max(min(count, 1), count - pruned)


def cut(score, mask, rate, generator):
    """New mask of one layer: of the weights in `mask`, those with the highest scores; `rate` of them is pruned.

    Args:
        score: array; mask: bool array of its shape, the remaining weights.
        generator: numpy Generator that breaks ties.

    Returns:
        bool array with exactly `kept(mask.sum(), rate)` weights, all of them in `mask`.
    """
    remaining = np.flatnonzero(mask)
    number = kept(remaining.size, rate)
    order = np.lexsort((generator.random(remaining.size), np.ravel(score)[remaining]))
    new = np.zeros(mask.size, bool)
    new[remaining[order[remaining.size - number :]]] = True
    return new.reshape(mask.shape)


def ranked(criterion, w_i, w_f, mask):
    """Scores of a layer by `criterion`, a key of CRITERIA; ranks are among the weights in `mask`, other scores are 0."""
    scores = np.zeros(mask.shape)
    scores[mask] = CRITERIA[criterion].score(w_i[mask], w_f[mask])
    return scores


def signed_constant(initial):
    """+c or -c with the signs of the initial weights; c is the standard deviation of the whole layer."""
    return np.sign(initial) * initial.std(dtype=np.float64).astype(initial.dtype)


# ---------------------------------------------------------------------------------------------------------------------
# Mask-1 actions: (initial weights of the layer, mask, fresh draw from the initializer, generator) -> start of all weights,
# of which only those in the mask are used. Signs are those of the initial weight at the same index.


def _rewind(initial, mask, fresh, generator):
    return initial.copy()


def _reinit(initial, mask, fresh, generator):
    return fresh.copy()  # Deviation: as the paper says; the authors' code permutes the layer's initial values


def _reshuffle(initial, mask, fresh, generator):
    values = initial.copy()
    # single values, not rows. Deviation: as the paper says; in the authors' code the set of values changes from round to round
    values[mask] = generator.permutation(initial[mask])
    return values


def _constant(initial, mask, fresh, generator):
    constant = signed_constant(initial)
    return generator.permutation(constant.ravel()).reshape(initial.shape)


def _with_initial_sign(action):
    return lambda initial, *others: np.abs(action(initial, *others)) * np.sign(initial)


MASK1_ACTIONS = {
    "rewind": _rewind,
    "reinit": _reinit,
    "reinit_init_sign": _with_initial_sign(_reinit),
    "reshuffle": _reshuffle,
    "reshuffle_init_sign": _with_initial_sign(_reshuffle),
    "constant": _constant,
    "constant_init_sign": _with_initial_sign(_constant),
}


# ---------------------------------------------------------------------------------------------------------------------
# Mask-0 actions: the value that a weight is frozen at when it is pruned.


class Mask0Action(NamedTuple):
    frozen: Callable  # (initial weights, w_i, w_f) -> value of every weight of the layer if it is pruned now
    everywhere: bool = False  # whether kept weights, too, start the next round at 0 where `frozen` is 0


def _toward_zero(initial, w_i, w_f):
    """0 where the magnitude decreased, else w_i. This includes weights that crossed zero and ended with a smaller magnitude."""
    return np.where(np.abs(w_i) > np.abs(w_f), 0, w_i)


MASK0_ACTIONS = {
    "zero": Mask0Action(lambda initial, w_i, w_f: np.zeros_like(initial)),
    "init": Mask0Action(lambda initial, w_i, w_f: initial),
    "toward_zero": Mask0Action(_toward_zero),
    "toward_zero_all": Mask0Action(_toward_zero, everywhere=True),
}
