"""Claims on ResNets (section 3.3, Tables 4 to 6, 13, Figures 10, 11)."""

import numpy as np

from tf_supermask.evidence.claims import Claims
from tf_supermask.evidence.comparisons import listed, rank_correlation
from tf_supermask.papers.koster.claims.common import accuracy, by_net, cost, weights
from tf_supermask.papers.koster.names import DEEP, WIDTHS, learned_batch_norm, resnet

claim = Claims("ResNets")
SHORTCUTS = ("conv001", "conv008", "conv015")  # 1x1


def _gap(e, net):
    """Points by which a signed network is more accurate than its baseline."""
    return accuracy(e, resnet(net)) - accuracy(e, resnet(net, "baseline"))


@claim(
    22,
    "Signed ResNet20 trails its baseline by 2 to 3 points, less the wider it is",
    by_net(*WIDTHS) | {"narrowing": None},
)
def signed_resnet20_trails_by_2_to_3_points_and_less_when_wide(e, net):
    """2 to 3: from 1.5 to 3.5; the paper has up to 3.23. Less: the widest less than the narrowest, as in the paper."""
    if net:
        gap = _gap(e, net)
        return -3.5 < gap < -1.5, f"{gap:+.2f} points"
    gaps = {net: _gap(e, net) for net in (WIDTHS[0], WIDTHS[-1])}
    return gaps[WIDTHS[-1]] > gaps[WIDTHS[0]], listed(gaps, "{:+.2f}") + " points"


@claim(
    23,
    "Remaining weights fall with width; x2.5 and x3 reach the original baseline with a third of its weights",
    by_net(*WIDTHS[1:]),
    full_length=True,
)
def remaining_weights_fall_with_width_until_a_third_is_enough(e, net):
    """Reach: less than half a point below. A third: less than .4 of the weights."""
    left = {name: e.mean(resnet(name), "remaining") for name in (net, WIDTHS[WIDTHS.index(net) - 1])}
    share, narrower = left.values()
    text = f"remaining {listed(left)} %"
    if net in WIDTHS[:3]:
        return share < narrower, text
    original = resnet("resnet20", "baseline")
    gap = accuracy(e, resnet(net)) - accuracy(e, original)
    part = weights(e, resnet(net)) / sum(e.sizes(original).values())
    text += f"; against the original baseline {gap:+.2f} points with {part:.0%} of its weights"
    return share < narrower and gap > -0.5 and part < 0.4, text


@claim(
    24,
    "Signed ResNet56 and 110 learn CIFAR-100 but trail clearly; 110 is worse than 56, the baseline too",
    by_net(*DEEP) | {"depth": None},
)
def deep_signed_resnets_learn_but_trail_and_suffer_from_depth(e, net):
    """Learn: more than 10 % of 100 classes. Clearly: by more than 3 points."""
    if net:
        mean, gap = accuracy(e, resnet(net)), _gap(e, net)
        return mean > 10 and gap < -3, f"{mean:.2f} %, {gap:+.2f} points"
    means = {kind: [accuracy(e, resnet(net, kind)) for net in DEEP] for kind in ("signed", "baseline")}
    text = "; ".join(f"{kind} {shallow:.2f} and {deep:.2f} %" for kind, (shallow, deep) in means.items())
    return all(deep < shallow for shallow, deep in means.values()), text


@claim(
    25,
    "Learned batch normalization raises accuracy and lowers remaining weights, still below the baseline",
    by_net("resnet20", *DEEP),
    full_length=True,
)
def learned_batch_norm_helps_but_stays_below_the_baseline(e, net):
    name = learned_batch_norm(net)
    ours, frozen, dense = (accuracy(e, other) for other in (name, resnet(net), resnet(net, "baseline")))
    fewer = e.mean(name, "remaining") - e.mean(resnet(net), "remaining")
    text = f"{ours - frozen:+.2f} points, remaining {fewer:+.2f}, against the baseline {ours - dense:+.2f}"
    return ours > frozen and fewer < 0 and ours < dense, text


@claim(
    26,
    "Signed ResNet20: up to 14.5 % more time; compression rises with the pruning rate",
    by_net(*WIDTHS),
    full_length=True,
)
def signed_resnet20_takes_up_to_15_percent_more_time_and_is_compressed_as_it_is_pruned(e, net):
    """Rises: against the next narrower network, the more pruned is the more compressed."""
    if net != WIDTHS[0]:
        pair = [resnet(name) for name in (net, WIDTHS[WIDTHS.index(net) - 1])]
        (left, narrower_left), (rate, narrower_rate) = (
            [e.mean(name, measure) for name in pair] for measure in ("remaining", "csr_compression")
        )
        if (left - narrower_left) * (rate - narrower_rate) >= 0:
            return (
                False,
                f"compression {rate:.2f} after {narrower_rate:.2f} %, remaining {left:.2f} after {narrower_left:.2f}",
            )
    return cost(e, resnet(net), resnet(net, "baseline"), 15, (0, 100))


@claim(27, "In ResNet20, wider layers are pruned more", by_net(*WIDTHS), full_length=True)
def wider_layers_of_resnet20_are_pruned_more(e, net):
    """The rank correlation of size and remaining share is below -.5.

    The caption of Figure 11 also calls 1x1 shortcuts, the first and the last layer relatively sparse, 'as with the CNNs', whose
    first layers are pruned least: 'sparse' may mean sparsely pruned. Their shares are shown, not judged.
    """
    left, sizes = e.remaining(resnet(net)), e.sizes(resnet(net))
    order = rank_correlation([sizes[layer] for layer in left], left.values())
    hidden = [left[layer] for layer in left if layer not in (*SHORTCUTS, "conv000", "out")]
    return order < -0.5, (
        f"rank correlation of size and remaining {order:.2f}; remaining, not judged since 'sparse' may mean sparsely pruned: "
        f"shortcuts {np.mean([left[layer] for layer in SHORTCUTS]):.1%}, other hidden layers {np.mean(hidden):.1%}, "
        f"first {left['conv000']:.1%}, output {left['out']:.1%}"
    )
