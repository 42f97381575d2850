"""Each of the 37 claims on made-up records: those of the paper's printed numbers, where it holds, and one number changed."""

import numpy as np
import pytest
from koster_world import WORLD, first_layer, flat, history, left, less, masked, width
from made_up import MadeUp, changed, doubled, first, judged, mask

from tf_supermask.evidence.claims import FAILS, HOLDS, LEANS_FAILS, LEANS_HOLDS, NONE
from tf_supermask.evidence.results import Times
from tf_supermask.papers.koster.claims import CLAIMS
from tf_supermask.papers.koster.names import (
    BINARY,
    CONVS,
    DEEP,
    baseline,
    elus_scores,
    learned_batch_norm,
    resnet,
    signed,
    sinn,
    uniform,
)
from tf_supermask.papers.rivals.names import at_density
from tf_supermask.papers.zhou.names import learned

PAPER = MadeUp(WORLD)
READ = {number: judged(CLAIMS, number, PAPER).runs for number in CLAIMS}  # experiments by claim


def altered(number, changes, runs=40):
    """The Finding of a claim in a world in which parts of experiments differ."""
    its = {name: WORLD[name] for name in READ[number]}
    return judged(CLAIMS, number, MadeUp(changed(its, changes), runs=runs))


# ---------------------------------------------------------------------------------------------------------------------
# Changes that make a claim fail, and the part of it that fails


FCN = signed("fcn")
pixels = mask(30, 10, 12, weights=3)


def channels(seed):
    """The same inputs keep their weights in all runs, equally many of each pixel."""
    its = np.zeros((30, 10), np.int8)
    its[::10] = 1
    return its


FAILING = [
    (1, less(baseline("fcn", "he"), 1.0), ""),
    (1, less(baseline("fcn", "he"), -0.2), ""),
    (1, less(FCN, 0.1), ""),
    (2, width(FCN, 0.1), "ELUS"),
    (2, width(FCN, 0.4, "remaining"), "ELUS"),
    (2, width(baseline("fcn", "xavier"), 0.4), "Xavier"),
    (3, less(FCN, -2, "remaining"), ""),
    (3, less(signed("fcn", "he"), -1, "remaining"), ""),
    (4, {FCN: {"seconds": 1.2}}, ""),
    (4, {FCN: {"seconds": 0.9}}, ""),
    (4, {FCN: {"csr_compression": 91.0}}, ""),
    (5, masked(FCN, fc1=first_layer(600, 7)), ""),  # the digit is masked, too
    (5, masked(FCN, fc1=mask(784, 10, 0)), ""),  # nothing is
    (6, {FCN: {"history": {"remaining": list(np.linspace(80, 4, 30))}}}, "FCN"),
    (6, {signed("conv8"): {"history": {"remaining": list(np.linspace(80, 4, 30))}}}, "Conv8"),
    (6, {FCN: {"history": {"remaining": [20.0] * 9 + list(np.linspace(6, 3, 21))}}}, "FCN"),  # halves after the fall
    (6, {signed("conv2"): {"history": {"remaining": [20.0] * 9 + list(np.linspace(0.4, 0.6, 21))}}}, "Conv2"),  # grows
    (7, less(FCN, 0.6), "as published"),
    (7, less(FCN, -0.6), "as published"),
    (7, less(FCN, -2, "remaining"), "as published"),
    (7, less(learned("fcn", "rescaled_constant_epochs"), 0.6), "trained here"),
    (7, less(learned("fcn", "rescaled_constant_epochs"), 4, "remaining"), "trained here"),
    (8, masked(BINARY, fc1=lambda seed: first_layer(144, 8)(seed) | mask(784, 10, 600)(seed)), "first layer"),
    (8, masked(BINARY, fc1=first_layer(144, 5)), "always pruned"),
    (8, masked(BINARY, fc1=first_layer(290, 8)), "always pruned"),  # more inputs, as many weights
    (8, less(BINARY, -0.6), "accuracy"),
    (8, less(BINARY, -0.45), "accuracy"),  # no difference
    (8, less(BINARY, 1, "remaining"), "remaining weights"),
    (9, less(signed("conv2"), 0.2), "Conv2"),
    (9, less(signed("conv2"), -2), "Conv2"),
    (9, less(signed("conv4"), 2.4), "Conv4"),
    (9, less(signed("conv8"), 10), "Conv8"),
    (10, less(signed("conv6"), 1), "Conv6"),
    (10, less(signed("conv8"), 6), "Conv8"),
    (11, less(signed("conv8"), 0.8, "remaining"), "Conv8"),
    (11, less(signed("conv6"), -0.8, "remaining"), "Conv6"),
    (11, less(signed("conv4"), 0.7, "remaining"), "Conv4 most"),
    (12, width(signed("conv2"), 0.32, "remaining"), "Conv2"),
    (12, width(signed("conv6"), 0.15, "remaining"), "Conv6"),
    (13, {signed("conv4"): {"seconds": 1.2}}, "Conv4"),
    (13, {signed("conv8"): {"csr_compression": 99.0}}, "Conv8"),
    (14, less(signed("conv6"), 1), "Conv6"),
    (14, less(signed("conv2", "xavier"), -10), "Conv2"),
    (15, left(signed("conv2"), conv1=0.01), "Conv2"),
    (15, left(signed("conv8"), conv8=0.011), "Conv8"),
    (15, left(signed("conv4"), fc1=0.009, fc2=0.005), "Conv4"),
    (15, left(signed("conv6"), out=0.55), "Conv6"),
    (16, masked(signed("conv2"), fc1=mask(30, 10, 0)), "Conv2"),
    (16, masked(signed("conv4"), conv1=flat()), "Conv4"),
    (16, masked(FCN, fc1=first_layer(284, 10)), "FCN"),
    (16, masked(FCN, fc1=first_layer(284, 2)), "FCN"),
    (17, masked(signed("conv2", "he"), fc2=mask(30, 10, 0, signs=True)), "Conv2"),
    (
        17,
        {k: v for net in CONVS[:3] for k, v in masked(signed(net), out=mask(30, 10, 0, signs=True)).items()},
        "output layers",
    ),
    (18, left(signed("conv4"), out=0.9), "Conv4"),
    (18, left(signed("fcn", "he"), out=0.75), "FCN"),
    (19, masked(signed("conv6"), fc1=lambda seed: pixels(seed)[:: (-1) ** seed]), "Conv6"),
    (19, masked(signed("conv8"), fc1=channels), "Conv8"),
    (20, width(signed("conv4"), 0.5), "Conv4"),
    (20, {signed("conv8"): {"history": history(1.17, 2)}}, "warm-up"),
    (21, less(signed("conv2"), 0.5), "Conv2"),  # Zhou et al.
    (21, less(signed("conv8"), 9), "Conv8"),  # Ramanujan et al.
    (21, less(signed("conv4"), -2), "Conv4"),  # Diffenderfer and Kailkhura
    (21, less(learned("conv2", "rescaled_constant_epochs"), -1), "Conv2, trained here"),
    (21, less(at_density("conv2", "edge_popup", "0.1"), -2), "Conv2, trained here"),
    (21, less(at_density("conv2", "mpt", "0.1"), 2), "Conv2, trained here"),
    (22, less(resnet("resnet20"), 0.5), "ResNet20"),
    (22, less(resnet("resnet20x2"), -1), "ResNet20x2"),
    (22, less(resnet("resnet20x3"), 1), "narrowing"),
    (23, less(resnet("resnet20x1.5"), -10, "remaining"), "ResNet20x1.5"),
    (23, less(resnet("resnet20x3"), 1), "ResNet20x3"),
    (23, less(resnet("resnet20x2.5"), -1.2, "remaining"), "ResNet20x2.5"),
    (24, less(resnet("resnet56"), 53), "ResNet56"),
    (24, less(resnet("resnet56"), -6), "ResNet56"),
    (24, less(resnet("resnet110"), -14), "depth"),
    (24, less(resnet("resnet110", "baseline"), -6), "depth"),
    (25, less(learned_batch_norm("resnet20"), 2), "ResNet20"),
    (25, less(learned_batch_norm("resnet56"), -4), "ResNet56"),
    (25, less(learned_batch_norm("resnet110"), -18, "remaining"), "ResNet110"),
    (26, {resnet("resnet20"): {"seconds": 1.2}}, "ResNet20"),
    (26, {resnet("resnet20x2"): {"csr_compression": 70.0}}, "ResNet20x2"),
    (27, left(resnet("resnet20"), conv020=0.9), "ResNet20"),
    (27, left(resnet("resnet20x3"), conv020=0.9), "ResNet20x3"),
    (28, less(signed("fcn", "he"), 0.35), "accuracy"),
    (28, width(uniform("fcn"), 0.4), "spread"),
    (28, width(uniform("fcn"), 0.14, "remaining"), "spread"),
    (28, less(uniform("fcn"), 0.6, "remaining"), "remaining weights"),
    (29, less(uniform("conv2"), -1.58), "Conv2"),
    (29, less(uniform("conv4"), 1), "Conv4"),
    (29, less(uniform("conv6"), 0.5, "remaining"), "Conv6"),
    (29, width(uniform("conv8"), 2), "Conv8"),
    (30, less(elus_scores("fcn"), -0.12), "accuracy"),
    (30, less(elus_scores("fcn"), 1), "accuracy"),
    (30, {elus_scores("fcn"): {"history": history(3.77, 1)}}, "remaining weights"),
    (30, less(elus_scores("fcn"), 0.6, "remaining"), "remaining weights"),
    (31, less(elus_scores("conv2"), 1), "Conv2"),
    (31, less(elus_scores("conv6"), 1), "Conv6"),
    (31, less(elus_scores("conv6"), 2), "Conv6"),
    (31, {elus_scores("conv8"): {"history": history(1.17, 4)}}, "Conv8"),
    (31, less(elus_scores("conv4"), 0.2, "remaining"), "Conv4"),
    (32, less(sinn("conv2", 1), -0.3, "remaining"), "Conv2"),
    (32, less(sinn("conv8", 2), -0.8, "remaining"), "Conv8"),
    (33, less(sinn("conv4", 1), -2.5), "Conv4"),
    (33, less(sinn("fcn", 1), -1), "FCN"),
    (34, less(sinn("conv6", 2), 1.5), "Conv6"),
    (34, less(sinn("conv2", 2), -0.4, "remaining"), "Conv2"),
    (34, less(sinn("conv8", 2), -0.2, "remaining"), "Conv8"),
    (35, left(sinn("conv2", 1), conv1=0.35), "Conv2"),
    (35, left(sinn("conv4", 2), conv1=0.75), "Conv4"),
    (35, left(sinn("conv8", 1), out=0.5), "Conv8"),
    (36, less(sinn("fcn", 1), -1), ""),
    (36, less(sinn("fcn", 1), -0.5, "remaining"), ""),
    (37, less(sinn("fcn", 2), -3, "remaining"), ""),
]
IDS = [f"{number}-{part or 'whole'}-{place}" for place, (number, _, part) in enumerate(FAILING)]


def test_there_are_37_claims_and_a_failing_case_for_each_part():
    assert sorted(CLAIMS) == list(range(1, 38))
    assert {number for number, _, _ in FAILING} == set(CLAIMS)
    assert len({claim.decide.__name__ for claim in CLAIMS.values()}) == 37 and "_" not in CLAIMS


@pytest.mark.parametrize("number", sorted(CLAIMS))
def test_a_claim_holds_on_the_papers_numbers(number):
    finding = judged(CLAIMS, number, PAPER)
    assert finding.verdict == HOLDS and set(finding.runs.values()) == {40}, finding.numbers


@pytest.mark.parametrize("number, changes, part", FAILING, ids=IDS)
def test_a_claim_fails_in_the_part_that_is_changed(number, changes, part):
    finding = altered(number, changes)
    assert finding.verdict == FAILS and finding.parts[part].verdict == FAILS, finding.numbers
    others = [its.verdict for label, its in finding.parts.items() if label != part]
    assert set(others) <= {HOLDS, FAILS} and (len(others) < 2 or HOLDS in others)


@pytest.mark.parametrize("runs, silent", [(1, {2, 12, 16, 17, 19, 29}), (2, set())])
def test_few_runs_decide_nothing(runs, silent):
    """One run has no width, nothing in common with another, and no part in a test."""
    verdicts = {finding.number: finding.verdict for finding in CLAIMS.ledger(first(PAPER, runs))}
    assert verdicts == {number: NONE if number in silent else LEANS_HOLDS for number in CLAIMS}
    for number, changes, _ in FAILING:
        assert altered(number, changes, runs).verdict in (LEANS_FAILS, LEANS_HOLDS, NONE)


@pytest.mark.parametrize("number", sorted(CLAIMS))
def test_runs_of_equal_values_change_no_verdict(number):
    names = list(READ[number])
    for chosen in (names, names[::2], names[1::2]):
        assert judged(CLAIMS, number, doubled(PAPER, chosen)).verdict == HOLDS


def test_a_claim_leans_by_the_networks_that_there_are():
    conv2 = {name: its for name, its in WORLD.items() if "conv2" in name}
    finding = judged(CLAIMS, 18, MadeUp(conv2))
    verdicts = {label: part.verdict for label, part in finding.parts.items()}
    assert verdicts == dict.fromkeys(("FCN", "Conv4", "Conv6", "Conv8"), NONE) | {"Conv2": HOLDS}
    assert finding.verdict == LEANS_HOLDS and finding.n == "40"
    assert (
        "Conv2 (holds, n 40): remaining" in finding.numbers and "needs 3 runs of koster_table1_fcn" in finding.numbers
    )


def test_that_there_is_no_difference_needs_the_runs_of_a_test():
    """Conv4's part of claim 29 is that signed constants are not better: 3 runs, which differ by chance, say nothing."""
    assert judged(CLAIMS, 29, first(PAPER, 3)).parts["Conv4"].verdict == NONE
    assert judged(CLAIMS, 29, first(PAPER, 12)).parts["Conv4"].verdict == LEANS_HOLDS
    assert altered(29, less(uniform("conv4"), 2), runs=12).parts["Conv4"].verdict == LEANS_FAILS


def test_what_few_runs_agree_on_is_not_judged_by_its_amount():
    """Two runs agree on 9 of 10 weights of a sparse layer by chance."""
    finding = judged(CLAIMS, 16, first(PAPER, 2))
    assert finding.verdict == LEANS_HOLDS and "FCN (leans to holds, n 2): equal in 2 runs: fc1 0.8" in finding.numbers


@pytest.mark.parametrize(
    "device, load, seconds, verdict",
    [
        ("a GPU", 1.0, 1.05, HOLDS),
        ("a GPU", 1.0, 1.5, FAILS),
        ("x86_64", 1.0, 1.05, LEANS_HOLDS),
        ("x86_64", 1.0, 1.5, LEANS_FAILS),
        ("a GPU", 9.0, 1.05, NONE),  # a busy machine
    ],
)
def test_a_claim_on_time_needs_a_gpu_and_an_idle_machine(device, load, seconds, verdict):
    both = {name: {"environment": {"device": device, "load": load}} for name in (FCN, baseline("fcn"))}
    both[FCN] |= {"seconds": seconds}
    finding = altered(4, both)
    assert finding.verdict == verdict and "92.01 % compression" in finding.numbers


@pytest.mark.parametrize("step, verdict", [(5.0, LEANS_HOLDS), (0.0, LEANS_HOLDS), (10.1, LEANS_FAILS), (-1.0, LEANS_FAILS)])
@pytest.mark.parametrize("environment", [{"load": 9.0}, {"device": "x86_64"}])
def test_steps_in_turns_show_a_tendency_where_no_gpu_was_timed(environment, step, verdict):
    other = {name: {"environment": environment, "spec": {"model": "fcn"}} for name in (FCN, baseline("fcn"))}
    its = MadeUp(changed({name: WORLD[name] for name in READ[4]}, other))
    its.times = Times({"fcn": step, "conv2": 50.0}, {FCN: -20.0})
    finding = judged(CLAIMS, 4, its)
    assert finding.verdict == verdict and f"{step:.1f} % more time on a CPU, by training steps" in finding.numbers
    assert "training that shrinks -20.0 %" in finding.numbers
    its.times = Times({"conv2": 5.0}, {FCN: -20.0})
    assert (judged(CLAIMS, 4, its).verdict == NONE) == ("load" in environment)


def test_widths_of_equally_many_runs_are_compared():
    """Two runs of one spread are nearer to each other than many."""
    its = MadeUp(changed(WORLD, width(FCN, 0.35) | width(baseline("fcn", "elu"), 0.3)))
    its.experiments[FCN] = its.experiments[FCN][:20:19]
    assert judged(CLAIMS, 2, its).parts["ELUS"].verdict == LEANS_HOLDS


def test_three_runs_decide_on_the_deepest_networks():
    assert judged(CLAIMS, 24, first(PAPER, 3)).verdict == HOLDS and set(DEEP) == {"resnet56", "resnet110"}
    assert judged(CLAIMS, 22, first(PAPER, 3)).verdict == LEANS_HOLDS
