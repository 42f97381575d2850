"""Claims on what kept and pruned weights are set to (sections 3 and 4, Figures 4, 5)."""

import numpy as np

from tf_supermask.evidence.claims import Claims
from tf_supermask.evidence.comparisons import listed
from tf_supermask.papers.zhou.claims.common import behind, by_net, everywhere, on_each
from tf_supermask.papers.zhou.names import NETS, NO_SIGN, SIGN, TITLE, chain
from tf_supermask.papers.zhou.readings import TESTED, lead, leads, points, rounds, significant

claim = Claims("Kept and pruned weights")


@claim(9, "Without the initial sign, reinit, reshuffle and constant are each worse than rewinding", by_net(*NETS))
def actions_without_the_sign_are_worse_than_rewinding(e, net):
    less = behind(e, net, NO_SIGN)
    return min(less.values()) > 0, f"behind by {listed(less)} points"


@claim(10, "Each is better with the initial sign than without", by_net(*NETS))
def each_action_is_better_with_the_sign(e, net):
    more = {a: lead(e, chain(net, mask1=f"{a}_init_sign"), chain(net, mask1=a)).mean() for a in NO_SIGN}
    return min(more.values()) > 0, f"better by {listed(more)} points"


@claim(11, "Reshuffle and constant with the initial sign perform as rewinding does", by_net(*NETS))
def reshuffle_and_constant_with_the_sign_perform_as_rewinding(e, net):
    """They differ from rewinding by less than half of what they lack without the sign."""
    less = {a: behind(e, net, (f"{a}_init_sign", a)) for a in ("reshuffle", "constant")}
    holds = all(abs(less[a][f"{a}_init_sign"]) < less[a][a] / 2 for a in less)
    text = "; ".join(map(listed, less.values()))
    return holds, f"behind by {text} points (holds below half of that without sign)"


@claim(12, "The constant with the initial sign performs consistently well", by_net(*NETS))
def constant_with_the_sign_performs_consistently_well(e, net):
    """Above random at 90 % of the levels, and less than a point behind rewinding."""
    more = lead(e, chain(net, mask1="constant_init_sign"), chain(net, "random"))
    above, less = np.mean(more > 0), behind(e, net, ("constant_init_sign",))["constant_init_sign"]
    text = f"above random at {above:.0%} of the levels, by {more.mean():.2f} points; behind rewinding by {less:.2f}"
    return more.mean() > 0 and above >= 0.9 and less < 1, text


@claim(13, "The initial sign is what all working actions have in common", by_net(*NETS))
def sign_is_what_working_actions_have_in_common(e, net):
    """The worst action with the sign is better than the best without."""
    less = behind(e, net, SIGN + NO_SIGN)
    worst, good = max(less[a] for a in SIGN), min(less[a] for a in NO_SIGN)
    return worst < good, f"behind rewinding by at most {worst:.2f} points with it, by at least {good:.2f} without"


@claim(14, "Freezing at zero is significantly better than freezing at the initial value", by_net(*NETS))
def freezing_at_zero_is_significantly_better_than_at_the_initial_value(e, net):
    """At half of the levels."""
    more = lead(e, chain(net), chain(net, mask0="init"), TESTED)
    clear, text = significant(e, chain(net), chain(net, mask0="init"))
    return clear >= 0.5, f"{more.mean():+.2f} points, {text}"


@claim(
    15,
    "Zero for what moved toward zero, else the initial value, is as good as all zero, and better than all initial",
    by_net(*NETS) | {"better than zero (long version)": None},
)
def freezing_by_motion_is_as_good_as_zero_and_better_than_initial(e, net):
    """As good: less than .1 points below. The long version of the paper has it better than zero, on each network."""
    if net is None:
        return _better_than_zero(e)
    ours = chain(net, mask0="toward_zero")
    zero, init = (leads(e, ours, chain(net, mask0=a)) for a in ("zero", "init"))
    tested = all(len(e.need(name)) >= TESTED for name in (ours, chain(net)))
    clear = f", {significant(e, ours, chain(net))[1]}" if tested else ""
    return (
        zero.mean() > -0.1 and init.mean() > 0,
        f"{points(zero)} against zero{clear}, {init.mean():+.2f} against the initial value",
    )


def _better_than_zero(e):
    more, lacking = on_each(NETS, lambda net: leads(e, chain(net, mask0="toward_zero"), chain(net)))
    if not more:
        raise lacking[0]
    text = ", ".join(f"{TITLE[net]} {points(differences)}" for net, differences in more.items())
    return everywhere(e, all(differences.mean() > 0 for differences in more.values()), lacking), text


@claim(16, "With few weights left, freezing at the initial value may be better than at zero", by_net(*NETS))
def freezing_at_the_initial_value_may_be_better_with_few_weights(e, net):
    """Few: less than 3 %."""
    more = lead(e, chain(net, mask0="init"), chain(net), most=3, least=0)
    return more.mean() > 0, f"{more.mean():+.2f} points below 3 % remaining, up to {more.max():+.2f}"


@claim(17, "The same rule on all weights is better than the original lottery tickets", by_net(*NETS))
def freezing_by_motion_on_all_weights_is_better_than_lottery_tickets(e, net):
    more = leads(e, chain(net, mask0="toward_zero_all"), chain(net))
    return more.mean() > 0, points(more)


@claim(18, "large_final tends to prune weights that moved toward zero", by_net(*NETS))
def large_final_prunes_what_moved_toward_zero(e, net):
    """Most of all weights that it prunes moved so in their last round, and more than of the weights that were there. A larger
    share than of all is not enough: small final weights are mostly smaller than their initial ones, whatever training does. One
    run has enough weights for a share."""
    columns = ("toward_zero_pruned", "toward_zero", "remaining")
    pruned, there, left = (rounds(e, chain(net), column).mean(axis=0) for column in columns)
    number = -np.diff(left)  # of the weights that each round prunes
    share, usual = (np.average(column[:-1], weights=number) for column in (pruned, there))
    text = f"{share:.0f} % of the pruned (first round {pruned[0]:.0f}, last {pruned[-2]:.0f}), {usual:.0f} % of all"
    return bool(share > max(50, usual)), text
