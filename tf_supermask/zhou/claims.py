"""The qualitative claims of 'Deconstructing Lottery Tickets' (Zhou et al. 2019), numbered in the order of its text.

Its numbers are in the tables. A claim on several networks fails where it fails on one, and holds only when all have records.
Curves are compared where the paper's differ: between a third and a hundredth of the weights remaining.
"""

import numpy as np

from tf_supermask import tables
from tf_supermask.claims import Claims, falling, listed
from tf_supermask.criteria import CRITERIA
from tf_supermask.evidence import Missing

claim = CLAIMS = Claims()
SIGNIFICANT = 0.05  # the paper's level
ORDERED, TESTED = 3, 5  # least runs for an order of close means, and for tests; the paper has 5
NETS = ("fcn", "conv2", "conv4", "conv6")
CONVS = NETS[1:]
TITLE = {net: "FC" if net == "fcn" else net.capitalize() for net in NETS}
NINE = tuple(CRITERIA)[:9]  # of iterative pruning
ELEVEN = tuple(CRITERIA)[:11]  # of supermasks
PAIRS = (
    ("large_final", "small_final"),
    ("large_init", "small_init"),
    ("large_init_large_final", "small_init_small_final"),
)
SMALL = tuple(small for _, small in PAIRS)
NO_SIGN = ("reinit", "reshuffle", "constant")
SIGN = tuple(f"{action}_init_sign" for action in NO_SIGN)
WEIGHTS = {"init": "initial weights", "signed_constant": "signed constants"}
TREATMENTS = tuple(WEIGHTS)
GRID = range(-5, 6)  # initial scores of learned masks


# ---------------------------------------------------------------------------------------------------------------------
# Names of experiments, and comparisons that several claims make


def dense(net):
    return f"zhou_dense_{net}"


def chain(net, criterion="large_final", mask1="rewind", mask0="zero"):
    """The experiment that differs from the paper's usual one, which is that of large_final, in one of the three."""
    if mask1 != "rewind":
        return f"zhou_fig4_{net}_{mask1}"
    return f"zhou_fig5_{net}_{mask0}" if mask0 != "zero" else f"zhou_fig3_{net}_{criterion}"


def supermask(net, treatment=None):
    return f"zhou_fig7_{net}/{treatment}" if treatment else f"zhou_fig7_{net}"


def learned(net, score="best"):
    return f"zhou_learned_{net}/best" if score == "best" else f"zhou_learned_{net}_{score}"


def rounds(e, name, column="test_accuracy", least=1):
    """Array (runs, rounds + 1) of a column of chains, the dense run first."""
    runs = [record["history"][column] for record in e.need(name, least)]
    return np.array(runs, float)[:, : min(map(len, runs))]


def sparse(e, name, most=33.0, least=1.0):
    """Bool array (rounds + 1): the rounds at which so many percent of the weights remain."""
    left = rounds(e, name, "remaining").mean(axis=0)
    return (left <= most) & (left >= least)


def lead(e, first, second, runs=1, **where):
    """Array over sparse rounds: by how many points one experiment's mean accuracy exceeds another's."""
    ours, theirs = rounds(e, first, least=runs), rounds(e, second, least=runs)
    return (ours.mean(axis=0) - theirs.mean(axis=0))[sparse(e, first, **where)]


def significant(e, first, second):
    """Share of sparse rounds at which one experiment is significantly more accurate than another."""
    ours, theirs = rounds(e, first, least=TESTED), rounds(e, second, least=TESTED)
    better = [a.mean() > b.mean() and tables.welch(a, b) < SIGNIFICANT for a, b in zip(ours.T, theirs.T, strict=True)]
    return float(np.mean(np.array(better)[sparse(e, first)]))


def by_net(*nets):
    """Makes `function(e, net) -> (holds, text)` a claim's function of all `nets` that have records."""

    def of(function):
        def decide(e):
            found, lacking = {}, []
            for net in nets:
                try:
                    found[net] = function(e, net)
                except Missing as missing:
                    lacking.append(missing)
            if not found:
                raise lacking[0]
            text = "; ".join(f"{TITLE[net]} {text}" for net, (_, text) in found.items())
            holds = all(holds for holds, _ in found.values())
            return (None, f"{text}; needs {lacking[0]}") if holds and lacking else (holds, text)

        return decide

    return of


def best(e, net, treatment, criteria=ELEVEN):
    """Criterion -> mean over runs of the best test accuracy at any level."""
    its = e.need(supermask(net))
    return {c: float(np.mean([max(r["history"][f"{c}/{treatment}/test"]) for r in its])) for c in criteria}


def curve(e, net, criterion, treatment):
    """Mean test accuracy over runs at every level of a supermask."""
    return np.mean([r["history"][f"{criterion}/{treatment}/test"] for r in e.need(supermask(net))], axis=0)


# ---------------------------------------------------------------------------------------------------------------------
# Mask criteria


@claim(1, "large_final beats random, and is among the best")
@by_net(*NETS)
def _(e, net):
    more = lead(e, chain(net), chain(net, "random"))
    means = {c: lead(e, chain(net, c), chain(net, "random")).mean() for c in NINE}
    place = sorted(means.values(), reverse=True).index(means["large_final"]) + 1
    return more.min() > 0 and place <= 3, f"{more.mean():+.2f} points above random, place {place} of {len(NINE)}"


@claim(2, "magnitude_increase is at least as good as large_final, at times significantly better")
def _(e):
    clear = {}

    @by_net(*NETS)
    def compared(e, net):
        more = lead(e, chain(net, "magnitude_increase"), chain(net), TESTED)
        clear[net] = significant(e, chain(net, "magnitude_increase"), chain(net))
        return more.mean() > -0.1, f"{more.mean():+.2f} points, significant at {clear[net]:.0%} of the levels"

    holds, text = compared(e)
    return holds and max(clear.values()) > 0, text


@claim(3, "magnitude_increase is slightly more accurate than large_final on Conv2 and Conv4")
@by_net("conv2", "conv4")
def _(e, net):
    more = lead(e, chain(net, "magnitude_increase"), chain(net), ORDERED)
    return more.mean() > 0, f"{more.mean():+.2f} points"


@claim(4, "large_final and magnitude_increase are the most accurate and stop earliest")
@by_net(*NETS)
def _(e, net):
    accuracy = {c: lead(e, chain(net, c), chain(net, "random"), ORDERED).mean() for c in NINE}
    stop = {c: rounds(e, chain(net, c), "best_iteration").mean(axis=0)[sparse(e, chain(net, c))].mean() for c in NINE}
    best_two, first_two = sorted(NINE, key=accuracy.get)[-2:], sorted(NINE, key=stop.get)[:2]
    holds = set(best_two) == set(first_two) == {"large_final", "magnitude_increase"}
    return holds, f"most accurate {', '.join(best_two[::-1])}, earliest {', '.join(first_two)}"


@claim(5, "Of each of three pairs of opposed criteria, one is above random and the other below")
@by_net(*NETS)
def _(e, net):
    apart = {}
    for large, small in PAIRS:
        first, second = (lead(e, chain(net, c), chain(net, "random"), most=14) for c in (large, small))
        apart[large.removeprefix("large_")] = 100 * np.mean(first * second < 0)
    return min(apart.values()) >= 80, f"on different sides at {listed(apart, '{:.0f}')} % of the levels"


@claim(6, "All small criteria are worse than random")
@by_net(*NETS)
def _(e, net):
    dense_half = {c: lead(e, chain(net, c), chain(net, "random"), most=99, least=14).max() for c in SMALL}
    more = {c: lead(e, chain(net, c), chain(net, "random"), most=14).max() for c in SMALL}
    text = f"at most {listed(more, '{:+.2f}')} points below 14 % remaining ({listed(dense_half, '{:+.2f}')} above)"
    return max(more.values()) < 0 and max(dense_half.values()) < 0.3, text


@claim(7, "movement keeps more weights that changed their sign than magnitude_increase does")
@by_net(*NETS)
def _(e, net):
    its = e.need(supermask(net))
    kept = {
        c: np.mean([r["history"][f"{c}/sign_changed"] for r in its], axis=0)[its[0]["spec"]["rounds"] // 2]
        for c in ("movement", "magnitude_increase")
    }
    return kept["movement"] > kept["magnitude_increase"], f"{listed(kept, '{:.1f}')} % of the kept (half of the levels)"


@claim(8, "Lottery tickets often exceed the dense network")
@by_net(*NETS)
def _(e, net):
    accuracy = rounds(e, chain(net)).mean(axis=0)
    above = np.mean(accuracy[1:] > accuracy[0])
    return above > 1 / 3, f"at {above:.0%} of the levels, by up to {accuracy.max() - accuracy[0]:.2f} points"


# ---------------------------------------------------------------------------------------------------------------------
# Mask-1 actions


def behind(e, net, actions):
    """Action -> points by which it trails rewinding, mean over sparse rounds."""
    return {a: -lead(e, chain(net, mask1=a), chain(net)).mean() for a in actions}


@claim(9, "Without the initial sign, reinit, reshuffle and constant are each worse than rewinding")
@by_net(*NETS)
def _(e, net):
    less = behind(e, net, NO_SIGN)
    return min(less.values()) > 0, f"behind by {listed(less)} points"


@claim(10, "Each is better with the initial sign than without")
@by_net(*NETS)
def _(e, net):
    more = {a: lead(e, chain(net, mask1=f"{a}_init_sign"), chain(net, mask1=a)).mean() for a in NO_SIGN}
    return min(more.values()) > 0, f"better by {listed(more)} points"


@claim(11, "Reshuffle and constant with the initial sign perform as rewinding does")
@by_net(*NETS)
def _(e, net):
    less = {a: behind(e, net, (f"{a}_init_sign", a)) for a in ("reshuffle", "constant")}
    holds = all(abs(its[f"{a}_init_sign"]) < abs(its[a]) / 2 for a, its in less.items())
    text = "; ".join(listed(its) for its in less.values())
    return holds, f"behind by {text} points (holds below half of that without sign)"


@claim(12, "The constant with the initial sign performs consistently well")
@by_net(*NETS)
def _(e, net):
    above = lead(e, chain(net, mask1="constant_init_sign"), chain(net, "random"))
    less = behind(e, net, ("constant_init_sign",))["constant_init_sign"]
    return (
        above.min() > 0 and less < 1,
        f"{above.min():+.2f} points or more above random, behind rewinding by {less:.2f}",
    )


@claim(13, "The initial sign is what all working actions have in common")
@by_net(*NETS)
def _(e, net):
    less = behind(e, net, SIGN + NO_SIGN)
    worst, good = max(less[a] for a in SIGN), min(less[a] for a in NO_SIGN)
    return worst < good, f"behind rewinding by at most {worst:.2f} points with it, by at least {good:.2f} without"


# ---------------------------------------------------------------------------------------------------------------------
# Mask-0 actions


@claim(14, "Freezing at zero is significantly better than freezing at the initial value")
@by_net(*NETS)
def _(e, net):
    more = lead(e, chain(net), chain(net, mask0="init"), TESTED)
    clear = significant(e, chain(net), chain(net, mask0="init"))
    return clear >= 0.5, f"{more.mean():+.2f} points, significant at {clear:.0%} of the levels"


@claim(
    15, "Zero for what moved toward zero, else the initial value, is as good as zero for all (its later text: better)"
)
@by_net(*NETS)
def _(e, net):
    zero, init = (lead(e, chain(net, mask0="toward_zero"), chain(net, mask0=a)).mean() for a in ("zero", "init"))
    return zero > -0.1 and init > 0, f"{zero:+.2f} points against zero, {init:+.2f} against the initial value"


@claim(16, "With few weights left, freezing at the initial value may be better than at zero")
@by_net(*NETS)
def _(e, net):
    more = lead(e, chain(net, mask0="init"), chain(net), most=3, least=0)
    return more.max() > 0, f"up to {more.max():+.2f} points below 3 % remaining"


@claim(17, "The same rule on all weights is better than the original lottery tickets")
@by_net(*NETS)
def _(e, net):
    more = lead(e, chain(net, mask0="toward_zero_all"), chain(net))
    return more.mean() > 0, f"{more.mean():+.2f} points"


@claim(18, "large_final tends to prune weights that moved toward zero")
@by_net(*NETS)
def _(e, net):
    pruned, all_ = (rounds(e, chain(net), column).mean(axis=0)[:-1] for column in ("toward_zero_pruned", "toward_zero"))
    return (pruned > all_).all(), f"{pruned.mean():.0f} % of the pruned, {all_.mean():.0f} % of all"


# ---------------------------------------------------------------------------------------------------------------------
# Supermasks of the dense run


@claim(19, "Untrained networks, unmasked or masked at random, are at chance")
@by_net(*NETS)
def _(e, net):
    bare = float(np.mean([r["history"]["untrained"] for r in e.need(supermask(net))]))
    masked = {t: curve(e, net, "random", t) for t in TREATMENTS}
    low, high = min(bare, *map(min, masked.values())), max(bare, *map(max, masked.values()))
    return 5 < low and high < 15, f"{bare:.1f} % unmasked, all between {low:.1f} and {high:.1f}"


@claim(20, "large_final masks of untrained networks are clearly above chance")
@by_net(*NETS)
def _(e, net):
    its = best(e, net, "init")
    ours, top = its["large_final"], curve(e, net, "large_final", "init").max()
    return ours > its["random"] + 5, f"{ours:.1f} %, random {its['random']:.1f} (best of the mean curve {top:.1f})"


@claim(21, "large_final_same_sign is the best heuristic by far, on both kinds of weights")
@by_net(*NETS)
def _(e, net):
    texts, holds = [], True
    for treatment in TREATMENTS:
        its = best(e, net, treatment)
        ours = its.pop("large_final_same_sign")
        second = max(its, key=its.get)
        holds &= ours > its[second] + 5
        top = curve(e, net, "large_final_same_sign", treatment).max()
        texts.append(f"{treatment} {ours:.1f} % (of the mean curve {top:.1f}), then {second} {its[second]:.1f}")
    return holds, ", ".join(texts)


def _gain(e, net, criterion="large_final_same_sign"):
    return best(e, net, "signed_constant")[criterion] - best(e, net, "init")[criterion]


@claim(22, "Signed constants beat initial weights for the good masks, more so on CIFAR-10")
def _(e):
    gains = {net: {c: _gain(e, net, c) for c in ("large_final", "large_final_same_sign")} for net in NETS}
    holds = min(min(its.values()) for its in gains.values()) > 0
    holds &= min(_gain(e, net) for net in CONVS) > _gain(e, "fcn")
    return holds, "; ".join(f"{TITLE[net]} {listed(its, '{:+.1f}')}" for net, its in gains.items())


@claim(23, "large_final_diff_sign, the control, has no such gain")
@by_net(*NETS)
def _(e, net):
    top = {t: curve(e, net, "large_final_diff_sign", t).max() for t in TREATMENTS}
    return max(top.values()) < 16, f"{listed(top, '{:.1f}')} % at most"


@claim(24, "Supermasks reach most on FC, then Conv6, Conv4, Conv2")
def _(e):
    its = {t: {net: best(e, net, t)["large_final_same_sign"] for net in NETS} for t in TREATMENTS}
    holds = all(v["fcn"] > v["conv6"] + 20 and v["conv6"] >= v["conv4"] >= v["conv2"] for v in its.values())
    return holds, "; ".join(f"{t}: {listed(v, '{:.1f}')} %" for t, v in its.items())


# ---------------------------------------------------------------------------------------------------------------------
# Learned supermasks


@claim(25, "Learned masks are far better than heuristic ones")
@by_net(*NETS)
def _(e, net):
    ours, heuristic = e.mean(learned(net), "test_accuracy"), max(best(e, net, "signed_constant").values())
    return ours > heuristic + 5, f"{ours:.1f} against {heuristic:.1f} %"


@claim(26, "Learned masks are not far below trained weights; the gap grows from FC to Conv2, Conv4, Conv6")
def _(e):
    gaps = {n: e.mean(dense(n), "test_accuracy") - e.mean(learned(n), "test_accuracy") for n in NETS}
    return falling(list(gaps.values())[::-1]) and max(gaps.values()) < 15, f"{listed(gaps, '{:.1f}')} points"


@claim(27, "Sampling masks is slightly better than rounding them")
@by_net(*NETS)
def _(e, net):
    more = e.mean(learned(net), "test_accuracy") - e.mean(learned(net, "rounded"), "test_accuracy")
    return more > 0, f"{more:+.1f} points"


@claim(28, "The initial score decides how much is pruned: from 7 to 89 %")
@by_net(*NETS)
def _(e, net):
    pruned = {score: 100 - e.mean(learned(net, score), "remaining") for score in GRID}
    holds = falling(list(pruned.values())) and min(pruned.values()) < 10 and max(pruned.values()) > 85
    return holds, f"{pruned[GRID[-1]]:.0f} to {pruned[GRID[0]]:.0f} %"


@claim(29, "Conv4 and Conv6 overfit while masks are learned")
@by_net("conv4", "conv6")
def _(e, net):
    rise = [r["history"]["val_loss"][-1] / min(r["history"]["val_loss"]) for r in e.need(learned(net))]
    return np.mean(rise) > 1.02, f"validation loss ends at {np.mean(rise):.2f} times its least"


@claim(30, "From too low a score nothing is learned")
@by_net(*NETS)
def _(e, net):
    low, best_ = e.mean(learned(net, GRID[0]), "test_accuracy"), e.mean(learned(net), "test_accuracy")
    return low < best_ / 2, f"{low:.1f} % from {GRID[0]}, the best {best_:.1f}"


@claim(31, "Learning finds a rate of its own for the last layer")
@by_net(*NETS)
def _(e, net):
    left = e.remaining(learned(net))
    out = left.pop("out")
    return all(
        abs(out - share) > 0.02 for share in left.values()
    ), f"{out:.1%} remain in it, others {listed(left, '{:.1%}')}"


@claim(32, "Of the initial weights only the sign matters, not the magnitude")
@by_net(*NETS)
def _(e, net):
    gain = _gain(e, net)
    less = behind(e, net, ("constant_init_sign",))["constant_init_sign"]
    return gain > 0 and less < 1, f"constants: supermask {gain:+.1f} points, lottery tickets behind by {less:.2f}"
