import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_supermask.experiments import criteria
from tf_supermask.experiments.criteria import CRITERIA, MASK0_ACTIONS, MASK1_ACTIONS

draw = np.random.default_rng(0)
W_I, W_F = draw.normal(size=(40, 30)), draw.normal(size=(40, 30))
ALL = np.ones(W_I.shape, bool)


def generator(seed=0):
    return np.random.default_rng(seed)


def a_mask(share, seed=1):
    return generator(seed).random(W_I.shape) < share


@pytest.mark.parametrize(
    "name, expected",
    [
        ("large_final", lambda i, f: abs(f)),
        ("small_final", lambda i, f: -abs(f)),
        ("large_init", lambda i, f: abs(i)),
        ("small_init", lambda i, f: -abs(i)),
        ("magnitude_increase", lambda i, f: abs(f) - abs(i)),
        ("movement", lambda i, f: abs(f - i)),
        ("random", lambda i, f: 0),
        ("large_final_same_sign", lambda i, f: max(0, i * f / abs(i))),  # as printed in the paper's Figure S7
        ("large_final_diff_sign", lambda i, f: max(0, -i * f / abs(i))),
        ("magnitude_increase_same_sign", lambda i, f: (abs(f) - abs(i)) * (i * f > 0)),
        ("magnitude_increase_diff_sign", lambda i, f: (abs(f) - abs(i)) * (i * f < 0)),
    ],
)
def test_scores(name, expected):
    scores = CRITERIA[name].score(W_I, W_F)
    assert scores.ravel() == pytest.approx([expected(i, f) for i, f in zip(W_I.flat, W_F.flat, strict=True)])


def test_all_criteria_of_the_papers_are_there():
    assert len(CRITERIA) == 13
    assert {name for name, criterion in CRITERIA.items() if not criterion.trained} == {
        "large_init",
        "small_init",
        "random",
    }
    other = generator(5).normal(size=W_F.shape)
    for name, criterion in CRITERIA.items():
        same = np.array_equal(criterion.score(W_I, W_F), criterion.score(W_I, other))
        assert same == (not criterion.trained), name


@pytest.mark.parametrize("name, sign", [("large_init_large_final", 1), ("small_init_small_final", -1)])
def test_joint_criteria_keep_what_is_in_both_tops(name, sign):
    """The kept weights are those above one percentile in both; alpha = P_q(|w_i|) / P_q(|w_f|) makes min(alpha b, a) the same."""
    new = criteria.cut(CRITERIA[name].score(W_I, W_F), ALL, 0.4, generator())
    a, b = sign * np.abs(W_I), sign * np.abs(W_F)
    threshold_a, threshold_b = a[new].min(), b[new].min()
    both = (a >= threshold_a) & (b >= threshold_b)
    assert np.count_nonzero(both != new) <= 2
    assert abs(np.mean(a < threshold_a) - np.mean(b < threshold_b)) < 3 / a.size


@given(
    st.integers(1, 200),
    st.floats(0.001, 0.999),
    st.floats(0.05, 1),
    st.sampled_from(sorted(CRITERIA)),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=200)
def test_a_cut_keeps_the_exact_number_of_the_best_survivors(size, rate, share, name, seed):
    rng = generator(seed)
    w_i, w_f = rng.normal(size=(2, size)).round(1)  # with ties
    mask = rng.random(size) < share
    mask[rng.integers(size)] = True
    scores = criteria.ranked(name, w_i, w_f, mask)
    new = criteria.cut(scores, mask, rate, rng)
    assert not (new & ~mask).any() and new.sum() >= 1
    assert new.sum() == mask.sum() - np.floor(mask.sum() * rate + 1e-9)
    if (mask & ~new).any():
        assert scores[new].min() >= scores[mask & ~new].max()


def test_counts_of_the_paper():
    """Zhou et al. 2019: FC at 20 % a round, the output layer at 10 %: 1,114, 145 and 85 weights are left after 24 rounds."""
    counts = []
    for size, rate in ((235_200, 0.2), (30_000, 0.2), (1_000, 0.1)):
        for _ in range(24):
            size = criteria.kept(size, rate)
        counts.append(size)
    assert counts == pytest.approx([1114, 145, 85], abs=4)
    assert criteria.kept(1000, 1 - 0.9) == 900 and criteria.kept(1, 0.999) == 1


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5])
def test_a_rate_must_lie_between_0_and_1(rate):
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        criteria.kept(10, rate)


def test_equal_scores_are_decided_at_random():
    zeros, times = np.zeros(60), np.zeros(60)
    for seed in range(200):
        times += criteria.cut(zeros, np.ones(60, bool), 0.5, generator(seed))
    assert 60 < times.min() and times.max() < 140  # binomial, n = 200, p = 1/2: 5.6 deviations
    one, two = (criteria.cut(zeros, np.ones(60, bool), 0.5, generator(3)) for _ in range(2))
    assert np.array_equal(one, two)


# ---------------------------------------------------------------------------------------------------------------------


def start(action, mask, initial=W_I):
    fresh = generator(7).normal(size=initial.shape)
    return MASK1_ACTIONS[action](initial, mask, fresh, generator(8)), fresh


def test_there_are_seven_mask_1_actions_and_none_changes_its_input():
    before = W_I.copy()
    assert len(MASK1_ACTIONS) == 7
    for action in MASK1_ACTIONS:
        start(action, a_mask(0.3))
    assert np.array_equal(before, W_I)


@pytest.mark.parametrize("action", [name for name in MASK1_ACTIONS if name.endswith("init_sign") or name == "rewind"])
def test_initial_sign_is_that_of_the_place(action):
    values, _ = start(action, a_mask(0.3))
    assert np.array_equal(np.sign(values), np.sign(W_I))


@pytest.mark.parametrize("action", ["reinit", "reshuffle", "constant"])
def test_without_the_sign_half_of_them_change(action):
    mask = a_mask(0.5)
    values, _ = start(action, mask)
    assert 0.4 < np.mean(np.sign(values[mask]) != np.sign(W_I[mask])) < 0.6


def test_values_of_mask_1_actions():
    mask = a_mask(0.5)
    assert np.array_equal(start("rewind", mask)[0], W_I)
    values, fresh = start("reinit", mask)
    assert np.array_equal(values, fresh)
    values, fresh = start("reinit_init_sign", mask)
    assert np.array_equal(np.abs(values), np.abs(fresh))
    values, _ = start("reshuffle", mask)
    assert sorted(values[mask]) == sorted(W_I[mask])  # the kept weights' own values, on the kept places
    rows = [set(np.round(row[keep], 9)) for row, keep in zip(W_I, mask, strict=True)]
    assert not any(set(np.round(row[keep], 9)) <= kept for row, keep, kept in zip(values, mask, rows, strict=True))
    for action in ("constant", "constant_init_sign"):
        values, _ = start(action, mask)
        assert set(np.abs(values).ravel().round(12)) == {np.round(W_I.std(), 12)}
        assert np.sum(values > 0) == np.sum(W_I > 0)


def test_mask_0_actions():
    w_i, w_f = np.array([1.0, 1.0, -1.0, -1.0, 0.0]), np.array([2.0, -0.5, -0.9, 3.0, 1.0])
    initial = np.arange(5.0)
    assert MASK0_ACTIONS["zero"].frozen(initial, w_i, w_f).tolist() == [0, 0, 0, 0, 0]
    assert MASK0_ACTIONS["init"].frozen(initial, w_i, w_f).tolist() == initial.tolist()
    for name in ("toward_zero", "toward_zero_all"):  # 1 -> -0.5 crossed zero and ended smaller
        assert MASK0_ACTIONS[name].frozen(initial, w_i, w_f).tolist() == [1, 0, 0, -1, 0]
    assert [name for name, action in MASK0_ACTIONS.items() if action.everywhere] == ["toward_zero_all"]
