"""Sentences on methods that are compared, from made-up records with 1, 2 and 5 seeds."""

import pytest
from made_up import MadeUp

from tf_supermask.evidence import statistics
from tf_supermask.papers.rivals import findings
from tf_supermask.papers.rivals.names import at_density, own

WORLD = {
    own("fcn", "dense"): {"test_accuracy": (98.0, 0.1)},
    own("fcn", "signed"): {"test_accuracy": (98.4, 0.12)},
    own("fcn", "twn"): {"test_accuracy": (97.5, 0.1)},
    own("fcn", "ttq"): {"test_accuracy": (98.0, 0.9)},
    at_density("fcn", "rigl", "0.1"): {"test_accuracy": (97.9, 0.02)},
    at_density("fcn", "set", "0.1"): {"test_accuracy": (97.4, 0.3)},
    at_density("fcn", "snip", "0.1"): {"test_accuracy": (97.89, 0.9)},
    at_density("fcn", "rigl", "0.01"): {"test_accuracy": (90.0, 0.1)},
}


def sentences(runs, world=WORLD, fewer=()):
    made = MadeUp(world, runs=runs)
    made.experiments |= {name: made.experiments[name][:1] for name in fewer}
    return findings.sentences("fcn", made)


def test_five_seeds_decide_what_is_clear():
    ten, dense, words = sentences(5)
    assert ten == "At 10 % RigL is the most accurate of 3 methods: 97.90 %. Clearly below it: SET. Not clearly: SNIP."
    assert dense == (
        "The dense network has 98.00 %. Clearly above it: signed supermask. Clearly below it: TWN. Not clearly different: TTQ."
    )
    assert words == findings.TESTS


def test_one_seed_has_no_test():
    ten, dense, _ = sentences(1)
    assert (
        ten
        == "At 10 % RigL is the most accurate of 3 methods: 97.90 %. SNIP follows with 97.89 %; too few seeds for a test."
    )
    assert dense == "The dense network has 98.00 %. Too few seeds for a test: signed supermask, TWN, TTQ."


def test_two_seeds_show_only_what_is_far_beyond_their_differences():
    ten, dense, _ = sentences(2)
    assert ten.endswith("97.90 %. None is clearly below it. Not clearly: SNIP, SET.")
    assert "Clearly below it: TWN" in dense  # their differences are equal
    assert sentences(5, fewer=[at_density("fcn", "set", "0.1")])[0].endswith(
        "None is clearly below it. Not clearly: SNIP. Too few seeds for a test: SET."
    )


@pytest.mark.parametrize("kept", [(), ("dense",), ("twn", "ttq")])
def test_without_two_methods_there_is_no_sentence(kept):
    assert sentences(5, {own("fcn", method): WORLD[own("fcn", method)] for method in kept}) == []


def test_corrected_for_the_number_of_tests():
    """What is clear alone is not among 12 that differ by chance."""
    one = {0: 97.0, 1: 97.0, 2: 97.0, 3: 97.0}
    noise = {f"noise {i}": {0: 97.2, 1: 96.8, 2: 97.3, 3: 96.9} for i in range(11)}
    alone = {0: 96.9, 1: 96.9, 2: 96.95, 3: 96.85}
    assert findings.compared(one, {"a": alone}).below == ["a"]
    assert findings.compared(one, {"a": alone} | noise).below == []


def test_the_best_of_several_is_corrected_for_all_pairs():
    """What is clear against a method that was named before is not against one that is named because it came out best."""
    noise = [-0.126, -0.063, 0, 0.063, 0.126]
    seeds = {f"like {i}": {seed: 97.97 + noise[(seed + i) % 5] for seed in range(5)} for i in range(5)}
    best, low = dict.fromkeys(range(5), 98.0), {seed: 97.7 + value for seed, value in enumerate(noise)}
    assert 0.05 / 21 < statistics.paired(best, low) < 0.05 / 6
    below = [findings.compared(best, {"low": low}, [1.0] * others).below for others in (5, 20)]
    assert below == [["low"], []]
    text = findings._best(0.1, {"best": best, "low": low} | seeds)
    assert text.startswith("At 10 % best is") and "None is clearly below it. Not clearly: like" in text


def test_the_sentence_on_the_time_of_edge_popup():
    assert findings.of_steps({}) == [] and findings.of_steps({"fcn": {"rigl": 1.1}}) == []
    (text,) = findings.of_steps({"fcn": {"edge_popup": 1.512}, "conv2": {"edge_popup": 2.0}})
    assert text.endswith(
        "takes so many times one of dense training: 1.51 on fcn, 2.00 on conv2. Another table has "
        "[PyTorch's times with sorting](speed.md#pytorch)."
    )


def test_a_run_that_diverged_is_shown():
    made = MadeUp(WORLD, runs=3)
    made.experiments[own("fcn", "ttq")][1]["final"]["test_accuracy"] = 9.8
    dense = findings.sentences("fcn", made)[1]
    assert ", 9.80, " in dense and dense.count("(") == 1 and "TTQ (" in dense
