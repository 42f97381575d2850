"""Claims of Appendices D (weight distribution), E (scores' scheme), F (pruning more), Figures 12 to 21."""

from tf_supermask.evidence.claims import Claims
from tf_supermask.evidence.comparisons import difference, falling, listed, widths
from tf_supermask.papers.koster.claims.common import (
    MANY,
    SIGNIFICANT,
    TESTED,
    accuracy,
    by_net,
    half_pruned,
    warmed_up,
    weights,
)
from tf_supermask.papers.koster.names import CONVS, NETS, baseline, elus_scores, signed, sinn, uniform

claim = Claims("Appendices D to F")


def _wider(e, net, measure, least):
    """`(ratio, text)` of the 5-95 % intervals of uniform weights and of signed constants."""
    wide = widths(e, {"uniform": uniform(net), "constant": signed(net, "he")}, measure, least)
    ratio = wide["uniform"] / wide["constant"] if wide["constant"] else float("inf")
    return ratio, f"5-95 % widths {listed(wide)} points"


def _more_remains(e, first, second, least=1):
    """Percentage points of weights that remain in `first` beyond those in `second`."""
    return e.mean(first, "remaining", least) - e.mean(second, "remaining", least)


UNIFORM_PARTS = ("accuracy", "spread", "remaining weights")


@claim(
    28,
    "FCN: He signed constant beats He uniform, which varies more in accuracy and remaining weights, not in their mean",
    dict(zip(UNIFORM_PARTS, UNIFORM_PARTS, strict=True)),
)
def signed_constants_beat_uniform_weights_on_fcn_and_vary_less(e, part):
    """More: 1.5 times as wide; remaining weights, whose width few runs show, are judged first. Not in their mean: less than half
    a point."""
    constant = signed("fcn", "he")
    if part == "accuracy":
        more = difference(e, constant, uniform("fcn"), TESTED)
        return more.above(SIGNIFICANT), f"{more} points"
    if part == "spread":
        left, text = _wider(e, "fcn", "remaining", TESTED)
        if left <= 1.5:
            return False, f"remaining weights: {text}"
        accuracy_wide, more = _wider(e, "fcn", "test_accuracy", MANY)
        return accuracy_wide > 1.5, f"remaining weights: {text}; accuracy: {more}"
    shift = _more_remains(e, uniform("fcn"), constant, TESTED)
    return abs(shift) < 0.5, f"{shift:+.2f} points"


@claim(
    29,
    "Conv: He signed constant beats He uniform significantly only in Conv2; uniform varies more in Conv2 and 8, not in sparsity",
    by_net(*CONVS),
)
def signed_constants_beat_uniform_weights_on_conv2_alone(e, net):
    """More: 1.5 times as wide. Not in sparsity: the means differ by less than a tenth. That there is no significant difference
    takes as many runs as a test."""
    constant = signed(net, "he")
    more = difference(e, constant, uniform(net), MANY, few=1 if net == "conv2" else TESTED)
    shift = _more_remains(e, uniform(net), constant)
    holds = more.above(SIGNIFICANT) if net == "conv2" else not (more.mean > 0 and more.p < SIGNIFICANT)
    holds, text = holds and abs(shift) < 0.1 * e.mean(constant, "remaining"), f"{more} points, remaining {shift:+.2f}"
    if net in ("conv2", "conv8"):
        ratio, more = _wider(e, net, "test_accuracy", MANY)
        holds, text = holds and ratio > 1.5, f"{text}, {more}"
    return holds, text


SCORE_PARTS = ("accuracy", "remaining weights")


@claim(
    30,
    "FCN: Xavier scores beat ELUS scores slightly but significantly; ELUS scores drop weights a few epochs later",
    dict(zip(SCORE_PARTS, SCORE_PARTS, strict=True)),
)
def xavier_scores_beat_elus_scores_slightly_and_prune_earlier_on_fcn(e, part):
    """Slightly: by less than half a point. Later: half of the weights are gone a whole epoch later, and as many remain in the
    end, within .3 points."""
    ours, theirs = signed("fcn"), elus_scores("fcn")
    if part == "accuracy":
        more = difference(e, ours, theirs, MANY)
        return more.above(SIGNIFICANT) and more.mean < 0.5, f"{more} points"
    later, left = half_pruned(e, theirs) - half_pruned(e, ours), _more_remains(e, theirs, ours)
    return later >= 1 and abs(left) < 0.3, f"half of them gone {later:.1f} epochs later, remaining {left:+.2f} points"


@claim(
    31,
    "Conv: ELUS scores are significantly different, and better, only in Conv6; they start later in Conv4, 6, 8 and keep more",
    by_net(*CONVS),
)
def elus_scores_are_better_on_conv6_alone_start_later_and_keep_more(e, net):
    """Start: more than 25 % accuracy, a whole epoch later. That there is no significant difference takes as many runs as a
    test."""
    ours, theirs = elus_scores(net), signed(net)
    more, left = difference(e, ours, theirs, MANY, few=1 if net == "conv6" else TESTED), _more_remains(e, ours, theirs)
    expected = more.above(SIGNIFICANT) if net == "conv6" else more.p >= SIGNIFICANT
    later = warmed_up(e, ours) - warmed_up(e, theirs)
    holds = expected and left > 0 and (net == "conv2" or later >= 1)
    return holds, f"{more} points, {later:.1f} epochs later, remaining {left:+.2f}"


@claim(
    32,
    "SiNN1 and SiNN2 prune more than 99 % of every Conv network, SiNN1 more than 99.5 %",
    by_net(*CONVS),
    full_length=True,
)
def sinns_prune_more_than_99_percent(e, net):
    left = {f"SiNN{number}": e.mean(sinn(net, number), "remaining") for number in (1, 2)}
    return left["SiNN1"] < 0.5 and left["SiNN2"] < 1, listed(left) + " % remaining"


@claim(33, "SiNN1 is significantly less accurate than SiNN2 on every network", by_net(*NETS))
def sinn1_is_significantly_less_accurate_than_sinn2(e, net):
    more = difference(e, sinn(net, 2), sinn(net, 1), TESTED)
    return more.above(SIGNIFICANT), f"SiNN2 {more} points"


@claim(
    34,
    "SiNN2 is as accurate as the baseline with .3 to .6 % of the weights, about 14,000 in every Conv network",
    by_net(*CONVS),
    full_length=True,
)
def sinn2_is_as_accurate_as_the_baseline_with_14000_weights(e, net):
    """As accurate: less than 1.5 points below ('a similar test accuracy'). About 14,000: 9,000 to 19,000."""
    gap = accuracy(e, sinn(net, 2)) - accuracy(e, baseline(net))
    left, count = e.mean(sinn(net, 2), "remaining"), weights(e, sinn(net, 2))
    holds = gap > -1.5 and 0.25 <= left < 0.65 and 9000 < count < 19000
    return holds, f"{gap:+.2f} points with {left:.2f} %, {count:.0f} weights"


@claim(
    35,
    "Conv: SiNN1 prunes the first layer even more than SiNN2 does, the last layer as much as usual",
    by_net(*CONVS),
    full_length=True,
)
def sinn1_prunes_the_first_layer_most_and_the_last_as_usual(e, net):
    """As much: within 10 points."""
    usual, more, most = (e.remaining(name) for name in (signed(net), sinn(net, 2), sinn(net, 1)))
    holds = most["conv1"] < more["conv1"] < usual["conv1"] and abs(most["out"] - usual["out"]) < 0.1
    shares = (usual, more, most)
    first, last = (" / ".join(f"{share[layer]:.1%}" for share in shares) for layer in ("conv1", "out"))
    return holds, f"remaining, usual / SiNN2 / SiNN1: first {first}, last {last}"


@claim(36, "FCN: SiNN1 keeps about 1.4 %, and is less accurate than SiNN2 and the usual settings", full_length=True)
def sinn1_keeps_least_of_fcn_and_is_least_accurate(e):
    """About 1.4 %: 1 to 1.8 %."""
    names = {"usual": signed("fcn"), "SiNN2": sinn("fcn", 2), "SiNN1": sinn("fcn", 1)}
    means = {name: accuracy(e, experiment) for name, experiment in names.items()}
    left = {name: e.mean(experiment, "remaining") for name, experiment in names.items()}
    holds = min(means, key=means.get) == "SiNN1" and 1 < left["SiNN1"] < 1.8 and min(left, key=left.get) == "SiNN1"
    return holds, f"{listed(means)} %; remaining {listed(left)} %"


@claim(37, "The pruning rate is controllable through learning rate and weight decay")
def rate_over_decay_controls_the_pruning_rate(e):
    """The smaller the rate over the decay, the fewer weights remain; on FCN."""
    left = {}
    for name in (signed("fcn"), sinn("fcn", 2), sinn("fcn", 1)):
        spec = e.need(name)[0]["spec"]
        left[spec["learning_rate"] / spec["weight_decay"]] = e.mean(name, "remaining")
    ratios = sorted(left, reverse=True)
    text = ", ".join(f"{left[ratio]:.2f} % at {ratio:.1f}" for ratio in ratios)
    return falling([left[ratio] for ratio in ratios]), f"FCN remaining weights by rate / decay: {text}"
