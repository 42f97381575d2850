"""Claims on supermasks of the dense run (section 5, Figure 7, Table 1)."""

import numpy as np

from tf_supermask.evidence.claims import Claims
from tf_supermask.evidence.comparisons import compare, listed
from tf_supermask.papers.zhou.claims.common import best, by_net, curve, gain
from tf_supermask.papers.zhou.names import CONVS, NETS, TREATMENTS, WEIGHTS, supermask
from tf_supermask.papers.zhou.readings import ORDERED, SIGNIFICANT, TESTED, tops
from tf_supermask.papers.zhou.reported import LARGE_FINAL

claim = Claims("Supermasks of trained networks")


@claim(19, "Untrained networks, unmasked or masked at random, are at chance", by_net(*NETS))
def untrained_networks_are_at_chance(e, net):
    """Between 5 and 15 %."""
    bare = float(np.mean([r["history"]["untrained"] for r in e.need(supermask(net))]))
    masked = {WEIGHTS[t]: float(curve(e, net, "random", t).mean()) for t in TREATMENTS}
    at_chance = all(5 < accuracy < 15 for accuracy in (bare, *masked.values()))
    return at_chance, f"{bare:.1f} % unmasked, masked {listed(masked, '{:.1f}')} in the mean over levels"


@claim(20, "large_final masks of untrained networks are clearly above chance", by_net(*NETS), full_length=True)
def large_final_masks_are_clearly_above_chance(e, net):
    """Significantly better than random masks, each at its best level."""
    ours, random = (tops(e, net, "init", criterion, TESTED) for criterion in ("large_final", "random"))
    more, top = compare(ours, random, TESTED), curve(e, net, "large_final", "init").max()
    paper = f" (the paper: nearly {LARGE_FINAL[net]:.0f})" if net in LARGE_FINAL else ""
    text = f"{ours.mean():.1f} %{paper}, random {random.mean():.1f}, {more}; best of the mean curve {top:.1f}"
    return more.above(SIGNIFICANT), text


@claim(
    21, "large_final_same_sign is the best heuristic by far, on both kinds of weights", by_net(*NETS), full_length=True
)
def same_sign_is_the_best_heuristic_by_far(e, net):
    """By far: by more than 5 points."""
    texts, holds = [], True
    for treatment in TREATMENTS:
        others = best(e, net, treatment)
        ours = others.pop("large_final_same_sign")
        second = max(others, key=others.get)
        holds &= ours > others[second] + 5
        top = curve(e, net, "large_final_same_sign", treatment).max()
        texts.append(f"{treatment} {ours:.1f} % (of the mean curve {top:.1f}), then {second} {others[second]:.1f}")
    return holds, ", ".join(texts)


@claim(
    22,
    "Signed constants beat initial weights for large_final_same_sign masks, more so on CIFAR-10",
    by_net(*NETS),
    full_length=True,
)
def signed_constants_beat_initial_weights_and_more_so_on_cifar(e, net):
    """The paper: 'the good masks'; the gain of large_final is shown, not judged. On CIFAR-10 it is larger than on FC."""
    gains = {criterion: gain(e, net, criterion) for criterion in ("large_final", "large_final_same_sign")}
    ours, text = gains["large_final_same_sign"], f"{listed(gains, '{:+.1f}')} points"
    return ours > 0 and (net not in CONVS or ours > gain(e, "fcn")), text


@claim(23, "large_final_diff_sign, the control, has no such gain", by_net(*NETS), full_length=True)
def diff_sign_has_no_such_gain(e, net):
    """It gains less than half as much, and is less than 5 points above random masks."""
    same, control = gain(e, net), gain(e, net, "large_final_diff_sign")
    above = {
        WEIGHTS[t]: float(np.mean(tops(e, net, t, "large_final_diff_sign", ORDERED) - tops(e, net, t, "random", ORDERED)))
        for t in TREATMENTS
    }
    text = f"gains {control:+.1f} points, same_sign {same:+.1f}; above random by {listed(above, '{:+.1f}')}"
    return control < same / 2 and max(above.values()) < 5, text


AFTER = {"fcn": "conv6", "conv6": "conv4", "conv4": "conv2"}  # the order of the paper's table


@claim(24, "Supermasks reach most on FC (MNIST), then on CIFAR-10 Conv6, Conv4, Conv2", by_net(*AFTER), full_length=True)
def supermasks_reach_most_on_fc_then_conv6_conv4_conv2(e, net):
    """A part is a network against the next: FC leads by more than 20 points, the others by more than -1, because the paper's
    Conv6 leads Conv4 by .3 only. The part of FC compares two data sets, as the paper's table does."""
    texts, holds = [], True
    for treatment in TREATMENTS:
        ours, next_ = (tops(e, n, treatment, "large_final_same_sign", TESTED).mean() for n in (net, AFTER[net]))
        holds &= bool(ours > next_ + (20 if net == "fcn" else -1))
        texts.append(f"{WEIGHTS[treatment]} {ours:.1f} and {next_:.1f} %")
    return holds, f"against {AFTER[net].capitalize()}: {', '.join(texts)}"
