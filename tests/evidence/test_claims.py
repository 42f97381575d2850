"""Verdicts of claims with and without parts, and the ledger that counts and lists them."""

import itertools

import numpy as np
import pandas as pd
import pytest
from made_up import MadeUp, changed, doubled, first

from tf_supermask.evidence import claims, comparisons
from tf_supermask.evidence.claims import FAILS, HOLDS, LEANS_FAILS, LEANS_HOLDS, NONE, VERDICTS, Claims
from tf_supermask.evidence.results import Missing

WORLD = {
    "ours": {"test_accuracy": (90.0, 0.5), "remaining": (5.0, 0.4)},
    "theirs": {"test_accuracy": (80.0, 0.5)},
    "other": {"test_accuracy": (85.0, 0.5)},
}
BETTER, WORSE = WORLD, changed(WORLD, {"ours": {"test_accuracy": (70.0, 0.5)}})


def one(decide, **kwargs):
    its = Claims("subject")
    its(1, "a claim", **kwargs)(decide)
    return its


@one
def better(e):
    more = comparisons.difference(e, "ours", "theirs", least=10)
    return more.above(0.01), f"{more} points"


def verdict(its, *evidence, **kwargs):
    return its.ledger(MadeUp(*evidence, **kwargs))[0].verdict


@pytest.mark.parametrize(
    "world, runs, scale, expected",
    [
        (BETTER, 10, "paper", HOLDS),
        (WORSE, 10, "paper", FAILS),
        (BETTER, 9, "paper", LEANS_HOLDS),
        (WORSE, 9, "paper", LEANS_FAILS),
        (BETTER, 1, "paper", LEANS_HOLDS),
        (BETTER, 10, "reduced", LEANS_HOLDS),
        (WORSE, 10, "reduced", LEANS_FAILS),
        ({"ours": WORLD["ours"]}, 10, "paper", NONE),
        ({}, 10, "paper", NONE),
    ],
)
def test_five_verdicts(world, runs, scale, expected):
    (finding,) = better.ledger(MadeUp(world, scale, runs))
    assert finding.verdict == expected and finding.scale == scale
    assert finding.n == ("-" if expected == NONE else str(runs))
    assert ("needs " in finding.numbers) == (expected not in (HOLDS, FAILS))


def test_a_lean_says_what_it_is_made_of_and_what_a_verdict_needs():
    (finding,) = better.ledger(MadeUp(BETTER, runs=2))
    assert finding.numbers.startswith("+10.00 (p ") and finding.numbers.endswith("; needs 10 runs of ours, there are 2")
    (finding,) = better.ledger(MadeUp(BETTER, runs=1))
    assert finding.numbers == "+10.00 points; needs 10 runs of ours, there are 1" and finding.n == "1"
    (finding,) = better.ledger(MadeUp(BETTER, "reduced", runs=10))
    assert finding.numbers.endswith("; needs runs at the paper's scale")


def test_no_verdict_rests_on_fewer_than_three_runs():
    modest = one(lambda e: (e.mean("ours", "test_accuracy") > 85, "numbers"))
    assert [verdict(modest, BETTER, runs=n) for n in (1, 2, 3)] == [LEANS_HOLDS, LEANS_HOLDS, HOLDS]
    assert [verdict(modest, WORSE, runs=n) for n in (1, 2, 3)] == [LEANS_FAILS, LEANS_FAILS, FAILS]


def test_a_tenth_of_the_epochs_says_nothing_on_a_claim_of_full_length():
    its = one(better[1].decide, full_length=True)
    assert verdict(its, BETTER) == HOLDS
    (finding,) = its.ledger(MadeUp(BETTER, "reduced"))
    assert finding.verdict == NONE and finding.numbers == "needs runs of full length"


def test_numbers_that_say_nothing_are_told():
    (finding,) = one(lambda e: (None, f"{e.mean('ours', 'test_accuracy'):.0f} % of something else")).ledger(
        MadeUp(BETTER)
    )
    assert finding.verdict == NONE and finding.numbers == "90 % of something else" and finding.n == "40"


def above(e, threshold):
    mean = e.mean("ours", "test_accuracy") if threshold else e.mean("nobody", "test_accuracy")
    return mean > threshold, f"{mean:.0f}"


def test_a_claim_with_parts():
    its = one(above, parts={"low": 10, "high": 95, "nowhere": 0})
    (finding,) = its.ledger(MadeUp(BETTER, runs=3))
    assert {label: part.verdict for label, part in finding.parts.items()} == {
        "low": HOLDS,
        "high": FAILS,
        "nowhere": NONE,
    }
    assert finding.verdict == FAILS and finding.parts["low"].n == "3" and finding.parts["nowhere"].n == "-"
    expected = "low (holds, n 3): 90; high (fails, n 3): 90; needs 3 runs of nobody, there are 0"
    assert finding.numbers == expected


def rank(verdicts):
    """Oracle, written as the words of the rule."""
    if FAILS in verdicts:
        return FAILS
    if set(verdicts) == {HOLDS}:
        return HOLDS
    known = set(verdicts) - {NONE}
    return NONE if not known else LEANS_FAILS if LEANS_FAILS in known else LEANS_HOLDS


def test_a_claim_holds_where_all_parts_hold_and_fails_where_one_fails():
    for verdicts in itertools.product(VERDICTS, repeat=3):
        assert claims.combined(list(verdicts)) == rank(verdicts)


@pytest.mark.parametrize("runs", [1, 2, 9, 10, 40])
def test_more_runs_of_equal_values_never_turn_holds_into_fails(runs):
    evidence = MadeUp(BETTER, runs=runs)
    before = better.ledger(evidence)[0].verdict
    after = better.ledger(doubled(evidence, list(WORLD)))[0].verdict
    assert before in (HOLDS, LEANS_HOLDS) and after in (HOLDS, LEANS_HOLDS) and (before, after) != (HOLDS, LEANS_HOLDS)


def test_numbers_of_claims_are_unique():
    its = one(above)
    with pytest.raises(ValueError, match="two claims have number 1: 'a claim' and 'another'"):
        its(1, "another")(above)
    with pytest.raises(ValueError, match="number 1"):
        Claims("", its, one(above))


# ---------------------------------------------------------------------------------------------------------------------
# The ledger


def ledger(*evidence, **kwargs):
    """Four claims on two networks and one on none."""
    its = Claims("networks")
    networks = {"FC": 10, "Conv2": 95}
    its(1, "first", networks)(above)
    its(2, "second", networks | {"somewhere": 0})(above)
    other = Claims("elsewhere")
    other(3, "third", {"alone": 20})(above)
    other(4, "fourth")(better[1].decide)
    return Claims("", its, other).ledger(MadeUp(*evidence, **kwargs))


def test_the_verdicts_are_counted_for_each_paper_and_in_all():
    table = claims.counts({"A": ledger(BETTER, runs=3), "B": ledger({}, runs=3)})
    assert table.columns.tolist() == ["", "claims", *VERDICTS]
    assert table.to_numpy().tolist() == [
        ["A", "4", "1", "2", "1", "0", "0"],
        ["B", "4", "0", "0", "0", "0", "4"],
        ["all", "8", "1", "2", "1", "0", "4"],
    ]
    assert claims.counts({"A": ledger({}, runs=3)})[""].tolist() == ["A"]


def test_a_part_of_several_claims_is_a_column():
    found = claims.tables(ledger(BETTER, runs=3))
    assert list(found) == ["networks", "elsewhere"]
    networks, elsewhere = found.values()
    assert networks.columns.tolist() == ["#", "claim", "scale", "verdict", "FC", "Conv2", "numbers", "n"]
    assert networks.loc[0].tolist() == ["1", "first", "paper", FAILS, f"{HOLDS} (n 3)", f"{FAILS} (n 3)"] + [
        "FC: 90; Conv2: 90",
        "3",
    ]
    assert networks["verdict"][1] == f"{FAILS}, 2 of 3 parts"
    assert networks["numbers"][1] == "FC: 90; Conv2: 90; needs 3 runs of nobody, there are 0"
    assert elsewhere.columns.tolist() == ["#", "claim", "scale", "verdict", "numbers", "n"]
    assert elsewhere["numbers"][0] == "alone (holds, n 3): 90"
    assert isinstance(claims.table([]), pd.DataFrame) and claims.tables([]) == {}
    assert claims.table(ledger({}, runs=3))["n"].tolist() == ["-"] * 4


def test_another_scale_speaks_where_the_papers_is_silent():
    full, less = ledger({"nobody": WORLD["other"]}, runs=3), ledger(WORSE, "reduced", runs=3)
    best = claims.best(full, less)
    assert [its.scale for its in best] == ["reduced", "paper", "reduced", "reduced"]
    assert [its.verdict for its in best] == [LEANS_FAILS, LEANS_HOLDS, LEANS_HOLDS, LEANS_FAILS]
    assert claims.best(full, full) == full


# ---------------------------------------------------------------------------------------------------------------------
# Evidence and comparisons


def test_a_strict_evidence_raises_and_a_lenient_one_notes():
    evidence = MadeUp(BETTER, runs=2)
    with pytest.raises(Missing, match="3 runs of ours, there are 2"):
        evidence.need("ours", 3)
    lenient = evidence.lenient()
    assert len(lenient.need("ours", 3)) == 2 and lenient.lacking == ["3 runs of ours, there are 2"]
    assert lenient.used == {"ours": 2} and evidence.used == {} and evidence.lacking is None
    for few in (lambda e: e.need("ours", 9, few=3), lambda e: e.need("nobody"), lambda e: e.masks("ours")):
        with pytest.raises(Missing):
            few(evidence.lenient())
    assert evidence.lenient(least=3).need("ours") and evidence.lenient(1).lenient(3).least == 3


def test_a_difference_of_few_runs_is_that_of_the_means():
    draw = np.random.default_rng(0)
    ours, theirs = draw.normal(0.01, 1, 9), draw.normal(0, 1, 9)
    ours += 0.01 + theirs.mean() - ours.mean()
    assert comparisons.compare(ours, theirs, 10).above(0.05) and not comparisons.compare(ours, theirs, 9).above(0.05)
    assert not comparisons.compare(theirs, ours, 10).above(0.05)
    assert comparisons.compare(ours[:1], theirs, 1) == (ours[0] - theirs.mean(), None, False)


def test_a_width_is_that_of_equally_many_runs():
    evidence = MadeUp({"a": {"remaining": (5.0, 1.0)}, "b": {"remaining": (6.0, 1.0)}}, runs=41)
    assert comparisons.widths(evidence, {"a": "a", "b": "b"}, "remaining", 2) == pytest.approx({"a": 1.0, "b": 1.0})
    evidence.experiments["b"] = evidence.experiments["b"][:5]
    wide = comparisons.widths(evidence, {"a": "a", "b": "b"}, "remaining", 2)
    assert wide["a"] == pytest.approx(wide["b"]) and wide["a"] < 0.2
    with pytest.raises(Missing):
        comparisons.widths(first(evidence, 1).lenient(), {"a": "a"}, "remaining", 2)


def test_orders():
    assert comparisons.falling([3, 2, 1]) and not comparisons.falling([3, 3, 1]) and comparisons.falling([])
    assert comparisons.rank_correlation([1, 2, 3], {"a": 10, "b": 20, "c": 90}.values()) == pytest.approx(1)
    assert comparisons.rank_correlation([1, 2], [5, 5]) == 0
    assert comparisons.listed({"a": 1.0, "b": 2.25}, "{:+.1f}") == "a +1.0, b +2.2"
