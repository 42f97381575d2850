"""Claims on learned supermasks (sections 5.1 and 6, Figure 7, Table 1).

The paper's iterations are epochs in the authors' code for FC. A verdict needs runs of that length; before, a claim leans.
"""

import numpy as np

from tf_supermask.evidence.claims import Claims
from tf_supermask.evidence.comparisons import difference, falling, listed
from tf_supermask.papers.zhou.claims.common import (
    behind,
    best,
    by_net,
    everywhere,
    gain,
    learned_in_full,
    longest,
    on_each,
    somewhere,
)
from tf_supermask.papers.zhou.names import GRID, NETS, TITLE, dense, learned
from tf_supermask.papers.zhou.readings import ORDERED, SIGNIFICANT, TESTED, length

claim = Claims("Learned supermasks")


@claim(25, "Learned masks are far better than heuristic ones", by_net(*NETS), full_length=True)
def learned_masks_are_far_better_than_heuristic_ones(e, net):
    """Far: by more than 5 points."""
    (name,), heuristic = longest(e, net), max(best(e, net, "signed_constant").values())
    ours = e.mean(name, "test_accuracy", ORDERED)
    return ours > heuristic + 5, f"{ours:.1f} {length(e, name)} against {heuristic:.1f} %"


@claim(
    26,
    "Learned masks are not far below trained weights; the gap grows from FC to Conv2, Conv4, Conv6",
    by_net(*NETS),
    full_length=True,
)
def learned_masks_are_not_far_below_trained_weights_less_so_when_deep(e, net):
    """Not far: less than 15 points; the paper has up to 13. A part is a network against the one before it."""
    nets = NETS[max(0, NETS.index(net) - 1) : NETS.index(net) + 1]
    names = dict(zip(nets, longest(e, *nets), strict=True))
    gaps = [e.mean(dense(n), "test_accuracy", ORDERED) - e.mean(names[n], "test_accuracy", ORDERED) for n in nets]
    text = ", ".join(f"{TITLE[n]} {gap:.1f} points {length(e, names[n])}" for n, gap in zip(nets, gaps, strict=True))
    return falling(gaps[::-1]) and max(gaps) < 15, text


@claim(27, "Sampling masks is slightly better than rounding them", by_net(*NETS), full_length=True)
def sampling_masks_is_better_than_rounding_them(e, net):
    """A verdict needs a significant difference, whichever is better. All weights are rounded, as the paper says; the authors'
    code rounds a random half (see Deviations)."""
    rounded = learned(net, "rounded")
    start = int(e.need(rounded)[0]["spec"]["score_value"])
    sampled = learned(net, start)
    more = difference(e, sampled, rounded, TESTED)
    learned_in_full(e, net, sampled, rounded)
    e.require(not more.tested or more.p < SIGNIFICANT, "a significant difference of sampled and rounded masks")
    return more.mean > 0, f"{more} points from {start}, {length(e, rounded)}; all weights are rounded, see Deviations"


RANGE, WITHIN = (7, 89), 5  # percent pruned, and points


def _pruned(e, net):
    """Percent pruned by initial score, of all and of those that learn: at least half of the accuracy from the best score."""
    names = [learned(net, score) for score in GRID]
    learned_in_full(e, net, *names)
    left, accuracy = (np.array([e.mean(name, measure) for name in names]) for measure in ("remaining", "test_accuracy"))
    return 100 - left, (100 - left)[accuracy > accuracy.max() / 2]


@claim(
    28,
    "The initial score decides how much is pruned: from 7 to 89 %",
    by_net(*NETS) | {"range": None},
    full_length=True,
)
def initial_score_decides_how_much_is_pruned(e, net):
    """Decides: a higher score prunes less. The range is that of all networks that learn something: both ends within 5 points."""
    if net:
        pruned, useful = _pruned(e, net)
        text = f"{pruned.min():.0f} to {pruned.max():.0f} %"
        text += f", {useful.min():.0f} to {useful.max():.0f} where something is learned"
        return falling(pruned), f"{text}, {length(e, learned(net, GRID[0]))}"
    useful, lacking = on_each(NETS, lambda net: _pruned(e, net)[1])
    shares = np.concatenate([[], *useful.values()])
    outside = ((shares < RANGE[0] - WITHIN) | (shares > RANGE[1] + WITHIN)).any()
    reached = len(shares) and shares.min() <= RANGE[0] + WITHIN and shares.max() >= RANGE[1] - WITHIN
    return everywhere(e, not outside, lacking) and somewhere(reached, lacking), f"{shares.min():.0f} to {shares.max():.0f} %"


@claim(29, "Conv4 and Conv6 overfit while masks are learned", by_net("conv4", "conv6"), full_length=True)
def conv4_and_conv6_overfit_while_masks_are_learned(e, net):
    """The validation loss ends more than 2 % above its minimum."""
    (name,) = longest(e, net)
    losses = [record["history"]["val_loss"] for record in e.need(name, ORDERED)]
    rise = np.mean([loss[-1] / min(loss) for loss in losses])
    return rise > 1.02, f"validation loss is {rise:.2f} times its least {length(e, name)}"


@claim(30, "From too low a score nothing is learned", by_net(*NETS), full_length=True)
def nothing_is_learned_from_too_low_a_score(e, net):
    """Nothing: less than half of the best accuracy from the lowest score."""
    lowest, best_ = learned(net, GRID[0]), learned(net)
    low, most = (e.mean(name, "test_accuracy") for name in (lowest, best_))
    learned_in_full(e, net, lowest, best_)
    return low < most / 2, f"{low:.1f} % from {GRID[0]} {length(e, lowest)}, the best {most:.1f}"


@claim(31, "Learning finds a rate of its own for the last layer", by_net(*NETS), full_length=True)
def learning_finds_a_rate_of_its_own_for_the_last_layer(e, net):
    """It differs from that of each other layer by more than 5 points. Records count one sample of the mask: the deviation of the
    share of 1,000 output weights is up to 1.6 points."""
    (name,) = longest(e, net)
    left = e.remaining(name, ORDERED)
    out = left.pop("out")
    text = f"{out:.1%} remain in it, others {listed(left, '{:.1%}')} {length(e, name)}"
    return all(abs(out - share) > 0.05 for share in left.values()), text


@claim(32, "Of the initial weights only the sign matters, not the magnitude", by_net(*NETS), full_length=True)
def only_the_sign_of_initial_weights_matters(e, net):
    """Signed constants are better in supermasks, and less than a point behind rewinding in lottery tickets."""
    more, less = gain(e, net), behind(e, net, ("constant_init_sign",))["constant_init_sign"]
    return more > 0 and less < 1, f"constants: supermask {more:+.1f} points, lottery tickets behind by {less:.2f}"
