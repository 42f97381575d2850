"""Each of the 32 claims on made-up records of five runs: numbers as the paper's, where it holds, and one of them changed."""

import numpy as np
import pytest
import scipy.stats
from conftest import ROOT
from made_up import MadeUp, changed, doubled, first, judged
from zhou_world import LEFT, LEVELS, WORLD, learned_mask, masks_of_trained, pruned

from tf_supermask.evidence.claims import FAILS, HOLDS, LEANS_FAILS, LEANS_HOLDS, NONE
from tf_supermask.evidence.statistics import no_difference
from tf_supermask.experiments import flag_files
from tf_supermask.papers.zhou import readings
from tf_supermask.papers.zhou.claims import CLAIMS
from tf_supermask.papers.zhou.claims.common import full_length
from tf_supermask.papers.zhou.names import CONVS, GRID, NETS, NINE, NO_SIGN, SIGN, chain, learned, supermask

PAPER = MadeUp(WORLD, runs=5)
READ = {number: judged(CLAIMS, number, PAPER).runs for number in CLAIMS}  # experiments by claim


def altered(number, changes, runs=5):
    """The Finding of a claim in a world in which parts of experiments differ."""
    its = {name: WORLD[name] for name in READ[number]}
    return judged(CLAIMS, number, MadeUp(changed(its, changes), runs=runs))


# ---------------------------------------------------------------------------------------------------------------------
# Changes that make a claim fail, and the part of it that fails


def bump(levels, points, of=0.5):
    """Points above random of a chain that leads by `of` a round, with others at some levels."""
    return np.where(levels, points, of * LEVELS)


def heuristic(net, **changes):
    return {supermask(net): masks_of_trained(net, **changes)}


LONG = "better than zero (long version)"


def with_history(name, **columns):
    return {name: {"history": columns}}


FAILING = [
    (1, {chain("fcn"): pruned(-0.1)}, "FC"),
    (1, {chain("conv2"): pruned(bump(LEVELS % 3 == 0, -0.1))}, "Conv2"),
    (1, {chain("conv6", c): pruned(0.6) for c in NINE[2:5]}, "Conv6"),
    (2, {chain("conv4", "magnitude_increase"): pruned(0.45)}, "Conv4"),
    (2, {chain(net, "magnitude_increase"): pruned(0.5) for net in NETS}, "at times"),
    (3, {chain("conv2", "magnitude_increase"): pruned(0.49)}, "Conv2"),
    (3, {chain("conv4", "magnitude_increase"): pruned(0.49)}, "Conv4"),
    (4, {chain("conv4", "movement"): pruned(0.6)}, "Conv4"),
    (4, {chain("fcn", "movement"): pruned(0.4, earlier=110)}, "FC"),
    (5, {chain("conv2", "small_init"): pruned(0.1)}, "Conv2"),
    (5, {chain("conv6", "small_final"): pruned(0.3)}, "Conv6"),
    (5, {chain("fcn", "small_final"): pruned(bump(LEFT < 2, 0.1, -0.5))}, "FC"),
    (6, {chain("fcn", "small_init"): pruned(bump(LEFT < 5, 0.1, -0.12))}, "FC"),
    (6, {chain("conv4", "small_init"): pruned(bump(LEFT > 14, 0.5, -0.12))}, "Conv4"),
    (7, with_history(supermask("conv2"), **{"movement/sign_changed": [20.0] * 5}), "Conv2"),
    (8, {chain("conv4"): pruned(0.39)}, "Conv4"),
    *((9, {chain("conv2", mask1=action): pruned(0.51)}, "Conv2") for action in NO_SIGN),
    *((10, {chain("conv4", mask1=action): pruned(0.09)}, "Conv4") for action in SIGN),
    *((11, {chain("fcn", mask1=action): pruned(0.25)}, "FC") for action in SIGN[1:]),
    (11, {chain("conv6", mask1="constant_init_sign"): pruned(0.8)}, "Conv6"),
    (12, {chain("conv6", mask1="constant_init_sign"): pruned(0.3)}, "Conv6"),
    (12, {chain("conv2", mask1="constant_init_sign"): pruned(bump(LEVELS % 3 == 0, -0.1))}, "Conv2"),
    (13, {chain("fcn", mask1=SIGN[0]): pruned(0.05)}, "FC"),
    (13, {chain("conv6", mask1=NO_SIGN[2]): pruned(0.49)}, "Conv6"),
    (14, {chain("conv4", mask0="init"): pruned(0.5)}, "Conv4"),
    (14, {chain("fcn", mask0="init"): pruned(0.55)}, "FC"),
    (15, {chain("conv2", mask0="toward_zero"): pruned(0.47)}, "Conv2"),
    (15, {chain("fcn", mask0="init"): pruned(0.6)}, "FC"),
    (15, {chain("conv2", mask0="toward_zero"): pruned(0.5 * LEVELS - 0.05)}, LONG),
    (16, {chain("conv4", mask0="init"): pruned(0.4)}, "Conv4"),
    (17, {chain("conv6", mask0="toward_zero_all"): pruned(0.45)}, "Conv6"),
    (18, with_history(chain("conv2"), toward_zero_pruned=[80.0] + [30.0] * 14), "Conv2"),
    (18, with_history(chain("conv6"), toward_zero_pruned=[30.0] * 4 + [80.0] * 11), "Conv6"),  # of most weights
    (18, with_history(chain("fcn"), toward_zero=[61.0] * 15), "FC"),
    (19, with_history(supermask("fcn"), untrained=[20.0]), "FC"),
    (19, heuristic("conv4", random=(40.0, 10.0)), "Conv4"),
    (20, heuristic("conv2", large_final=(10.5, 14.0)), "Conv2"),
    (21, heuristic("conv6", movement=(20.0, 11.0)), "Conv6"),
    (21, heuristic("fcn", large_init=(11.0, 82.0)), "FC"),
    (22, heuristic("fcn", large_final_same_sign=(79.3, 78.0)), "FC"),
    (22, heuristic("conv4", large_final_same_sign=(34.0, 39.7)), "Conv4"),
    (23, heuristic("fcn", large_final_diff_sign=(10.0, 14.0)), "FC"),
    (23, heuristic("conv2", large_final_diff_sign=(16.0, 16.0)), "Conv2"),
    (24, heuristic("fcn", large_final_same_sign=(79.3, 60.0)), "FC"),
    (24, heuristic("conv4", large_final_same_sign=(21.0, 39.7)), "Conv4"),
    (24, heuristic("conv6", large_final_same_sign=(22.0, 41.0)), "Conv6"),
    (25, {learned("conv4", "epochs"): {"test_accuracy": 44.0}}, "Conv4"),
    (26, {learned("conv6", "epochs"): {"test_accuracy": 63.0}}, "Conv6"),
    (26, {learned("conv4", "epochs"): {"test_accuracy": 71.0}}, "Conv4"),
    (27, {learned("conv2", "rounded"): {"test_accuracy": 64.4}}, "Conv2"),
    (28, {learned("conv2", 3): {"remaining": 50.0}}, "Conv2"),
    (28, {learned(net, s): {"test_accuracy": 10.0} for net in NETS for s in GRID if s < 0}, "range"),
    (28, {learned(net, s): {"test_accuracy": 10.0} for net in NETS for s in GRID if s > 1}, "range"),
    (28, {learned("conv4", -3): {"test_accuracy": 65.0}}, "range"),  # 96 % pruned
    (28, {learned("conv4", 5): {"remaining": 99.0}}, "range"),
    (29, with_history(learned("conv6", "epochs"), val_loss=[2.0, 1.0, 1.01]), "Conv6"),
    (30, {learned("conv4", -5): {"test_accuracy": 40.0}}, "Conv4"),
    (31, {learned("fcn", "epochs"): learned_mask("fcn", 95.3, out=0.51)}, "FC"),
    (31, {learned("fcn", "epochs"): learned_mask("fcn", 95.3, out=0.46)}, "FC"),
    (32, heuristic("conv6", large_final_same_sign=(24.0, 23.0)), "Conv6"),
    (32, {chain("conv2", mask1="constant_init_sign"): pruned(0.3)}, "Conv2"),
]
IDS = [f"{number}-{part}-{place}" for place, (number, _, part) in enumerate(FAILING)]


def test_there_are_32_claims_and_a_failing_case_for_each():
    assert sorted(CLAIMS) == list(range(1, 33))
    assert {number for number, _, _ in FAILING} == set(CLAIMS)
    assert len({claim.decide.__name__ for claim in CLAIMS.values()}) == 32


@pytest.mark.parametrize("number", sorted(CLAIMS))
def test_a_claim_holds_on_numbers_as_the_papers(number):
    finding = judged(CLAIMS, number, PAPER)
    assert finding.verdict == HOLDS and set(finding.runs.values()) == {5}, finding.numbers


@pytest.mark.parametrize("number, changes, part", FAILING, ids=IDS)
def test_a_claim_fails_in_the_part_that_is_changed(number, changes, part):
    finding = altered(number, changes)
    assert finding.verdict == FAILS and finding.parts[part].verdict == FAILS, finding.numbers
    others = [its.verdict for label, its in finding.parts.items() if label != part]
    assert set(others) <= {HOLDS, FAILS} and HOLDS in others


@pytest.mark.parametrize("runs", [1, 2])
def test_few_runs_decide_nothing(runs):
    verdicts = {finding.number: finding.verdict for finding in CLAIMS.ledger(first(PAPER, runs))}
    assert verdicts == dict.fromkeys(CLAIMS, LEANS_HOLDS)
    for number, changes, _ in FAILING:
        assert altered(number, changes, runs).verdict in (LEANS_FAILS, LEANS_HOLDS)


@pytest.mark.parametrize("number", sorted(CLAIMS))
def test_runs_of_equal_values_change_no_verdict(number):
    names = list(READ[number])
    for chosen in (names, names[::2], names[1::2]):
        assert judged(CLAIMS, number, doubled(PAPER, chosen)).verdict == HOLDS


# ---------------------------------------------------------------------------------------------------------------------
# What few networks, runs of other seeds and short training say


def without(evidence, *parts):
    """Only the experiments whose names have none of `parts`."""
    names = [name for name in evidence.experiments if not any(part in name for part in parts)]
    return MadeUp({name: WORLD[name] for name in names}, runs=5)


SHORT = {"spec": {"iterations": 2000}}
# claim -> experiments that it needs to have learned in full, by network
FULL = {
    25: lambda net: [learned(net, "epochs")],
    26: lambda net: [learned(net, "epochs")],
    27: lambda net: [learned(net, 1), learned(net, "rounded")],
    28: lambda net: [learned(net, score) for score in GRID],
    29: lambda net: [learned(net, "epochs")],
    30: lambda net: [learned(net, GRID[0]), learned(net)],
    31: lambda net: [learned(net, "epochs")],
}


@pytest.mark.parametrize("number", FULL)
def test_learned_masks_lean_either_way_before_their_full_length(number):
    """Shorter training of any mask that a claim reads makes each verdict a lean, that it holds and that it fails."""
    needed = {net: FULL[number](net) for net in NETS}
    for name in (name for names in needed.values() for name in names if name in READ[number]):
        assert altered(number, {name: SHORT}).verdict == LEANS_HOLDS
    short = {name: SHORT for names in needed.values() for name in names}
    for changes, part in ((changes, part) for its, changes, part in FAILING if its == number):
        its = changed({name: WORLD[name] for name in READ[number]}, changes)
        finding = judged(CLAIMS, number, MadeUp(changed(its, short), runs=5))
        assert finding.parts[part].verdict == LEANS_FAILS and "as many epochs as the paper" in finding.numbers


def test_the_full_length_is_that_of_the_flag_files():
    for net in NETS:
        (row,) = flag_files.read(ROOT / "flags" / f"{learned(net, 'epochs')}.flags")
        assert {spec.iterations for spec in row.specs} == {full_length(net)}


def test_a_difference_of_sampled_and_rounded_masks_that_is_not_significant_only_leans():
    accuracy = WORLD[learned("conv2", 1)]["test_accuracy"]
    for worse, verdict in ((0.1, LEANS_HOLDS), (-0.1, LEANS_FAILS)):
        finding = altered(27, {learned("conv2", "rounded"): {"test_accuracy": (accuracy - worse, 5.0)}})
        assert finding.verdict == verdict and "a significant difference" in finding.numbers


def test_a_claim_leans_by_the_networks_that_there_are():
    finding = judged(CLAIMS, 1, without(PAPER, *CONVS))
    assert finding.verdict == LEANS_HOLDS and finding.parts["FC"].verdict == HOLDS
    assert finding.parts["Conv4"].verdict == NONE and finding.n == "5"
    assert "FC (holds, n 5): +" in finding.numbers and "needs 3 runs of zhou_fig3_conv2_large_final" in finding.numbers
    worse = changed({name: its for name, its in WORLD.items() if "fcn" in name}, {chain("fcn"): pruned(-0.1)})
    assert judged(CLAIMS, 1, MadeUp(worse, runs=5)).verdict == FAILS


@pytest.mark.parametrize("number, part", [(2, "at times"), (28, "range")])
def test_what_one_network_may_meet_does_not_fail_before_all_are_there(number, part):
    changes = next(changes for its, changes, where in FAILING if (its, where) == (number, part))
    for missing, verdict in (("conv6", NONE), ("nothing", FAILS)):
        its = changed({name: WORLD[name] for name in READ[number]}, changes)
        its = {name: experiment for name, experiment in its.items() if missing not in name}
        assert judged(CLAIMS, number, MadeUp(its, runs=5)).parts[part].verdict == verdict
    there = judged(CLAIMS, number, without(PAPER, "conv6")).parts[part].verdict
    assert there == (HOLDS if number == 2 else LEANS_HOLDS)  # of a range, the others may be outside


@pytest.mark.parametrize(
    "short, full, verdict",
    [
        (90, 90, HOLDS),
        (35, 90, HOLDS),  # the longer one counts
        (90, 35, FAILS),
        (35, None, LEANS_FAILS),  # that of so few iterations is no verdict
        (90, None, LEANS_HOLDS),
    ],
)
def test_the_longest_training_of_learned_masks_counts(short, full, verdict):
    changes = {learned("conv2"): SHORT | {"test_accuracy": short}}
    changes |= {learned("conv2", "epochs"): full and {"test_accuracy": full}}
    its = changed(WORLD, changes)
    finding = judged(CLAIMS, 25, MadeUp(its, runs=5))
    assert finding.parts["Conv2"].verdict == finding.verdict == verdict
    assert ("as many epochs as the paper" in finding.numbers) == (verdict in (LEANS_HOLDS, LEANS_FAILS))


def test_what_all_networks_have_to_meet_leans_by_those_that_there_are():
    changes = next(changes for number, changes, part in FAILING if (number, part) == (15, LONG))
    assert judged(CLAIMS, 15, without(PAPER, "conv6")).parts[LONG].verdict == LEANS_HOLDS
    its = {name: WORLD[name] for name in READ[15] if "conv6" not in name}
    assert judged(CLAIMS, 15, MadeUp(changed(its, changes), runs=5)).parts[LONG].verdict == FAILS
    assert judged(CLAIMS, 15, MadeUp({}, runs=5)).parts[LONG].verdict == NONE


def test_what_large_final_reaches_stands_beside_the_papers_number():
    parts = judged(CLAIMS, 20, PAPER).parts
    assert "16.0 % (the paper: nearly 40)" in parts["FC"].numbers and "the paper" not in parts["Conv2"].numbers


@pytest.mark.parametrize("large", [0.0, -0.3])
def test_opposed_criteria_need_levels_at_which_one_is_above_random(large):
    finding = altered(5, {chain("conv4", "large_init"): pruned(large)})
    assert finding.parts["Conv4"].verdict == NONE and "init nan" in finding.parts["Conv4"].numbers


def test_levels_at_which_both_opposed_criteria_are_below_random_do_not_count():
    finding = altered(5, {chain("fcn", "large_init"): pruned(bump(LEFT < 2, -3.0, 0.1))})
    assert finding.verdict == HOLDS and "init 100" in finding.parts["FC"].numbers


def test_runs_of_a_seed_are_compared_with_each_other():
    """Oracle: scipy's paired test. Seeds differ by more than the rows do, which Welch's test cannot see."""
    small = np.array([0.21, 0.19, 0.2, 0.22, 0.18])
    ours, theirs = (chain("fcn", mask0=action) for action in ("zero", "init"))
    curves = {
        ours: lambda seed: 90 + 3 * seed + small[seed] + 0 * LEVELS,
        theirs: lambda seed: 90 + 3 * seed + 0 * LEVELS,
    }
    evidence = MadeUp(
        {name: changed(WORLD, with_history(name, test_accuracy=curves[name]))[name] for name in curves}, runs=5
    )
    assert no_difference(small) == pytest.approx(scipy.stats.ttest_rel(small + 5, np.full(5, 5.0)).pvalue)
    assert no_difference(np.zeros(6)) == 1 and no_difference(np.array([0.3, 0.1 + 0.2] * 3)) == 0
    assert no_difference(small[:1]) is None
    assert readings.leads(evidence, ours, theirs).mean() == pytest.approx(0.2)
    share, text = readings.significant(evidence, ours, theirs)
    assert share == 0 and text == "significant at 0% of the levels, in pairs at 100%"
    few = first(evidence, 3).lenient()
    assert readings.significant(few, ours, theirs) == (1.0, "above at 100% of the levels") and few.lacking


def test_runs_without_a_common_seed_are_not_compared():
    evidence = MadeUp({name: WORLD[name] for name in READ[9]}, runs=5)
    for record in evidence.experiments[chain("fcn")]:
        record["spec"]["seed"] += 100
    finding = judged(CLAIMS, 9, evidence)
    assert finding.parts["FC"].verdict == NONE and "with the same 3 seeds" in finding.numbers
    assert finding.verdict == LEANS_HOLDS
