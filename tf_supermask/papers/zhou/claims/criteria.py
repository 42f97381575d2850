"""Claims on mask criteria (section 2, Figure 3)."""

import numpy as np

from tf_supermask.evidence.claims import Claims
from tf_supermask.evidence.comparisons import listed
from tf_supermask.papers.zhou.claims.common import by_net, on_each, somewhere
from tf_supermask.papers.zhou.names import NETS, NINE, TITLE, chain, supermask
from tf_supermask.papers.zhou.readings import ORDERED, TESTED, lead, leads, points, rounds, significant, sparse

claim = Claims("Mask criteria")
PAIRS = (
    ("large_final", "small_final"),
    ("large_init", "small_init"),
    ("large_init_large_final", "small_init_small_final"),
)
SMALL = tuple(small for _, small in PAIRS)


@claim(1, "large_final beats random, and is among the best", by_net(*NETS))
def large_final_beats_random_and_is_among_the_best(e, net):
    """Beats: in the mean, and at 90 % of the levels. Among the best: in the first three places."""
    more = lead(e, chain(net), chain(net, "random"))
    means = {c: lead(e, chain(net, c), chain(net, "random")).mean() for c in NINE}
    place, above = sorted(means.values(), reverse=True).index(means["large_final"]) + 1, np.mean(more > 0)
    text = (
        f"{more.mean():+.2f} points above random, above it at {above:.0%} of the levels, place {place} of {len(NINE)}"
    )
    return more.mean() > 0 and above >= 0.9 and place <= 3, text


@claim(
    2,
    "magnitude_increase is at least as good as large_final, at times significantly better",
    by_net(*NETS) | {"at times": None},
)
def magnitude_increase_is_as_good_as_large_final_and_at_times_better(e, net):
    """As good: less than .1 points below in the mean. At times: significantly, at a quarter of the levels of one network; by
    chance it would be 2.5 % of the levels. A part per network is on the first half of the claim."""
    if net:
        more = lead(e, chain(net, "magnitude_increase"), chain(net), TESTED)
        return more.mean() > -0.1, f"{more.mean():+.2f} points"
    shares, lacking = on_each(
        NETS, lambda net: significant(e, chain(net, "magnitude_increase"), chain(net), few=TESTED)
    )
    holds = somewhere(any(share >= 0.25 for share, _ in shares.values()), lacking)
    return holds, ", ".join(f"{TITLE[net]} {text}" for net, (_, text) in shares.items())


@claim(3, "magnitude_increase is slightly more accurate than large_final on Conv2 and Conv4", by_net("conv2", "conv4"))
def magnitude_increase_is_better_on_conv2_and_conv4(e, net):
    more = leads(e, chain(net, "magnitude_increase"), chain(net))
    return more.mean() > 0, points(more)


@claim(4, "large_final and magnitude_increase are the most accurate and stop earliest", by_net(*NETS))
def large_final_and_magnitude_increase_are_best_and_earliest(e, net):
    accuracy = {c: lead(e, chain(net, c), chain(net, "random")).mean() for c in NINE}
    stop = {c: rounds(e, chain(net, c), "best_iteration").mean(axis=0)[sparse(e, chain(net, c))].mean() for c in NINE}
    best_two, first_two = sorted(NINE, key=accuracy.get)[-2:], sorted(NINE, key=stop.get)[:2]
    holds = set(best_two) == set(first_two) == {"large_final", "magnitude_increase"}
    return holds, f"most accurate {', '.join(best_two[::-1])}, earliest {', '.join(first_two)}"


@claim(5, "Of each of three pairs of opposed criteria, when one is above random, the other is below", by_net(*NETS))
def opposed_criteria_are_on_different_sides_of_random(e, net):
    """At 80 % of the levels with less than 14 % of the weights at which one is above random by half a point. Where a pair has no
    such level, there is no verdict. With few weights left, single runs vary by ten points: a test's number of runs is needed.
    """
    apart = {}
    for large, small in PAIRS:
        pair = [lead(e, chain(net, c), chain(net, "random"), TESTED, most=14, least=0) for c in (large, small)]
        better, worse = np.max(pair, axis=0), np.min(pair, axis=0)
        above = better > 0.5
        apart[large.removeprefix("large_")] = 100 * np.mean(worse[above] < 0) if above.any() else np.nan
    text = f"the other is below at {listed(apart, '{:.0f}')} % of the levels where one is above"
    return (None if np.isnan(list(apart.values())).any() else min(apart.values()) >= 80), text


@claim(6, "All small criteria are worse than random", by_net(*NETS))
def small_criteria_are_worse_than_random(e, net):
    """At every level with less than 14 % of the weights; with more weights, all criteria are about equal."""
    many = {c: lead(e, chain(net, c), chain(net, "random"), most=99, least=14).mean() for c in SMALL}
    few = {c: lead(e, chain(net, c), chain(net, "random"), most=14).max() for c in SMALL}
    text = f"at most {listed(few, '{:+.2f}')} points below 14 % remaining ({listed(many, '{:+.2f}')} in the mean above)"
    return max(few.values()) < 0 and max(many.values()) < 0.3, text


@claim(7, "movement keeps more weights that changed their sign than magnitude_increase does", by_net(*NETS))
def movement_favours_weights_that_changed_their_sign(e, net):
    """One-shot masks at half of the levels; the share hardly differs between runs."""
    records = e.need(supermask(net))
    kept = {
        c: np.mean([r["history"][f"{c}/sign_changed"] for r in records], axis=0)[records[0]["spec"]["rounds"] // 2]
        for c in ("movement", "magnitude_increase")
    }
    return kept["movement"] > kept["magnitude_increase"], f"{listed(kept, '{:.1f}')} % of the kept (half of the levels)"


@claim(8, "Lottery tickets often exceed the dense network", by_net(*NETS))
def lottery_tickets_often_exceed_the_dense_network(e, net):
    """Often: at more than a third of the levels."""
    accuracy = rounds(e, chain(net), least=ORDERED).mean(axis=0)
    above = np.mean(accuracy[1:] > accuracy[0])
    return above > 1 / 3, f"at {above:.0%} of the levels, by up to {accuracy.max() - accuracy[0]:.2f} points"
