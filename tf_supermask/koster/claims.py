"""The claims of 'Signing the Supermask' (Koster et al. 2022), numbered in the order of its text."""

import numpy as np

from tf_supermask import tables
from tf_supermask.claims import Claims, falling, listed, rank_correlation
from tf_supermask.evidence import Missing, equality, uses
from tf_supermask.koster import printed

claim = CLAIMS = Claims()
SIGNIFICANT = 0.01  # the paper's level
# Least runs for a verdict. With fewer, true differences of the paper's size are missed, and orders of close means are chance.
# MANY: differences of a tenth of a point, widths of accuracies, and what all runs agree on, which is not what 10 agree on.
TESTED, ORDERED, MANY = 10, 5, 40
FEW = 3  # ResNet56 and 110: all that the paper has
CONVS = ("conv2", "conv4", "conv6", "conv8")
WIDTHS = ("resnet20", "resnet20x1.5", "resnet20x2", "resnet20x2.5", "resnet20x3")
BINARY = "koster_fig3_fcn_binary"
CPUS = ("x86_64", "AMD64", "arm64", "aarch64")  # what records have for a device where there was no GPU


# ---------------------------------------------------------------------------------------------------------------------
# Names of experiments, and comparisons that several claims make


def signed(net, scheme="elus"):
    return f"koster_table{1 if net == 'fcn' else 12}_{net}_signed_{scheme}"


def baseline(net, scheme=None):
    """The paper's own choice, where there is no other scheme: He for Conv2, ELU for the others (Tables 2 and 3)."""
    return f"koster_table{1 if net == 'fcn' else 12}_{net}_baseline_{scheme or ('he' if net == 'conv2' else 'elu')}"


def resnet(net, kind="signed"):
    return f"koster_table{4 if net.startswith('resnet20') else 5}_{net}_{kind}"


def uniform(net):
    return f"koster_appendix_d_{net}_he_uniform"


def elus_scores(net):
    return f"koster_appendix_e_{net}_elus_elus"


def sinn(net, number):
    return f"koster_table15_{net}_sinn{number}"


def difference(e, first, second, measure="test_accuracy", least=None):
    """Difference of the means and p that there is none; of `least` runs, else TESTED."""
    ours, theirs = (e.values(name, measure, least or TESTED) for name in (first, second))
    return float(ours.mean() - theirs.mean()), tables.welch(ours, theirs)


def wider_by(e, ours, theirs, measure, least=None):
    """How many times as wide the 5-95 % interval of one experiment is as that of another; of `least` runs, else TESTED."""
    first, second = (e.width(name, measure, least or TESTED) for name in (ours, theirs))
    return first / second if second else float("inf")


def cost(e, pairs, most, holds, text):
    """Verdict and text of a claim on time and compression: `pairs` are net -> (masked, baseline), `most` percent of additional
    time are as claimed, `holds` and `text` are of its other part. A time on a CPU decides nothing: the paper's are a GPU's."""
    found = {net: tables.timed(*(e.need(name) for name in pair)) for net, pair in pairs.items()}
    lacking = [net for net, its in found.items() if not its]
    if lacking:
        raise Missing(f"{' and '.join(pairs[lacking[0]])}, timed on an idle machine")
    more = {net: tables.slower(*its[1:]) for net, its in found.items()}
    place = ", ".join(sorted({its[0][0] for its in found.values()}))
    text = f"{listed(more, '{:.1f}')} % more time on {place} (as claimed up to {most}); {text}"
    if any(its[0][0] in CPUS for its in found.values()):
        return None if holds else False, text + "; needs times of a GPU"
    return holds and 0 <= min(more.values()) and max(more.values()) <= most, text


def first_epoch(e, name, column, reached):
    """Mean over runs of the first index of a history at which `reached(value)` is true."""
    curves = reached(e.history(name, column))
    return float(np.mean([np.argmax(curve) if curve.any() else len(curve) for curve in curves]))


# ---------------------------------------------------------------------------------------------------------------------
# FCN

FCN = {f"signed {s}": signed("fcn", s) for s in ("he", "elus", "xavier")} | {
    f"baseline {s}": baseline("fcn", s) for s in ("he", "elu", "xavier")
}


@claim(1, "All FCNs are similarly accurate, signed ELUS is the best")
def _(e):
    means = {name: e.mean(experiment, "test_accuracy", ORDERED) for name, experiment in FCN.items()}
    return max(means.values()) - min(means.values()) < 1 and max(means, key=means.get) == "signed elus", listed(means)


@claim(2, "Accuracy varies more between signed FCNs than between baselines, remaining weights hardly vary")
def _(e):
    pairs = {"he": "he", "elus": "elu", "xavier": "xavier"}
    widths = {
        s: (e.width(signed("fcn", s), "test_accuracy", MANY), e.width(baseline("fcn", b), "test_accuracy", MANY))
        for s, b in pairs.items()
    }
    remaining = {s: e.width(signed("fcn", s), "remaining", TESTED) for s in pairs}
    text = "; ".join(f"{s} {ours:.2f} against {theirs:.2f}" for s, (ours, theirs) in widths.items())
    holds = all(ours > theirs for ours, theirs in widths.values()) and max(remaining.values()) < 0.3
    return holds, f"5-95 % widths of accuracy: {text}; of remaining weights: {listed(remaining)} points"


@claim(3, "FCN remaining weights: ELUS < He < Xavier")
def _(e):
    means = {s: e.mean(signed("fcn", s), "remaining") for s in ("xavier", "he", "elus")}
    return falling(list(means.values())), listed(means) + " %"


@claim(4, "Signed FCN: about 5 % more time, 92 % compression", full_length=True)
def _(e):
    rate = e.mean(signed("fcn"), "csr_compression")
    return cost(e, {"FCN": (signed("fcn"), baseline("fcn"))}, 10, abs(rate - 92) < 0.5, f"{rate:.2f} % compression")


@claim(5, "FCN's first layer selects features: inputs that are background are masked for all units")
def _(e):
    runs, shape = e.masks(signed("fcn")), e.need(signed("fcn"))[0]["data"]["input_shape"]
    inner = np.zeros(shape[:2], bool)
    frame = max(1, shape[0] // 14)
    inner[frame:-frame, frame:-frame] = True
    masked = np.array([uses([mask["fc1"]]).sum(axis=1) == 0 for mask in runs]).mean(axis=0)
    outside, inside = masked[~inner.ravel()].mean(), masked[inner.ravel()].mean()
    return (
        outside > 0.9 and inside < 0.5,
        f"fully masked: {outside:.1%} of the inputs in the outermost {frame} pixels, {inside:.1%} of the others",
    )


@claim(6, "Remaining weights fall early, then stay", full_length=True)
def _(e):
    parts = {}
    for net in ("fcn", *CONVS):
        curve = e.history(signed(net), "remaining").mean(axis=0)
        parts[net] = 100 * (curve[0] - curve[len(curve) // 3]) / (curve[0] - curve[-1])
    return min(parts.values()) > 90, f"share of the fall in the first third of the epochs, %: {listed(parts, '{:.1f}')}"


@claim(
    7,
    "Signed FCN: half a point less accurate than Zhou et al.'s 98.0 %, with far fewer than their 11 % of weights",
    full_length=True,
)
def _(e):
    accuracy, left = e.mean(signed("fcn"), "test_accuracy"), e.mean(signed("fcn"), "remaining")
    return 0 < 98.0 - accuracy < 1 and left < 11 / 2, f"{accuracy:.2f} %, {left:.2f} % remaining"


@claim(8, "Binary prunes FCN's first layer as much as signed, but fewer weights always, half the inputs, and is worse")
def _(e):
    n = min(len(e.masks(signed("fcn"), MANY)), len(e.masks(BINARY, MANY)))
    found = {}
    for name, experiment in {"signed": signed("fcn"), "binary": BINARY}.items():
        used = uses([mask["fc1"] for mask in e.masks(experiment)[:n]])
        found[name] = 100 * (1 - used.mean() / n), 100 * np.mean(used == 0), int(np.sum(used.sum(axis=1) == 0))
    better, p = difference(e, signed("fcn"), BINARY)
    fewer, p_fewer = difference(e, BINARY, signed("fcn"), "remaining")
    (pruned, always, inputs), (b_pruned, b_always, b_inputs) = found["signed"], found["binary"]
    same = abs(pruned - b_pruned) < 1
    masked = always > b_always and inputs > 1.5 * b_inputs
    clear = better > 0 and fewer > 0 and max(p, p_fewer) < SIGNIFICANT
    return same and masked and clear, (
        f"pruned {pruned:.1f} and {b_pruned:.1f} %, always {always:.1f} and {b_always:.1f} %, masked inputs {inputs} and "
        f"{b_inputs} (over {n} runs each); signed {better:+.2f} points (p {p:.1g}), {fewer:.2f} points fewer weights"
    )


# ---------------------------------------------------------------------------------------------------------------------
# Conv2 to Conv8


@claim(9, "Signed Conv4, 6, 8 beat their baselines significantly, Conv2 is within .4 points")
def _(e):
    deep = {net: difference(e, signed(net), baseline(net)) for net in CONVS[1:]}
    gap = e.mean(signed("conv2"), "test_accuracy", ORDERED) - e.mean(baseline("conv2"), "test_accuracy", ORDERED)
    text = "; ".join(f"{net} {more:+.2f} (p {p:.1g})" for net, (more, p) in deep.items())
    beaten = all(more > 0 and p < SIGNIFICANT for more, p in deep.values())
    return beaten and gap >= -0.5, f"conv2 {gap:+.2f} (holds from -.5); {text}"


@claim(10, "The benefit grows with depth")
def _(e):
    gains = {
        net: e.mean(signed(net), "test_accuracy", ORDERED) - e.mean(baseline(net), "test_accuracy", ORDERED)
        for net in CONVS
    }
    return falling(list(gains.values())[::-1]), listed(gains, "{:+.2f}") + " points"


@claim(11, "Signed Conv networks keep .6 to 2.9 % of the weights, Conv4 the largest share", full_length=True)
def _(e):
    means = {net: e.mean(signed(net), "remaining") for net in CONVS}
    holds = min(means.values()) > 0.4 and max(means.values()) < 3.4 and max(means, key=means.get) == "conv4"
    return holds, listed(means) + " %"


@claim(12, "Remaining weights hardly vary between runs, except for Conv6")
def _(e):
    widths = {net: e.width(signed(net), "remaining", TESTED) for net in CONVS}
    others = max(width for net, width in widths.items() if net != "conv6")
    return others < 0.3 and widths["conv6"] > 2 * others, f"5-95 % widths: {listed(widths)} points"


@claim(13, "Signed Conv networks: 6 to 10 % more time, 94 to 98 % compression", full_length=True)
def _(e):
    rates = {net: e.mean(signed(net), "csr_compression") for net in CONVS}
    holds = 93.5 <= min(rates.values()) and max(rates.values()) < 98.5
    pairs = {net: (signed(net), baseline(net)) for net in CONVS}
    return cost(e, pairs, 10.5, holds, f"compression: {listed(rates)} %")


@claim(14, "ELUS is more accurate than He and Xavier in all Conv networks; Conv2 collapses with Xavier")
def _(e):
    means = {
        net: {s: e.mean(signed(net, s), "test_accuracy", ORDERED) for s in ("elus", "he", "xavier")} for net in CONVS
    }
    holds = all(max(its, key=its.get) == "elus" for its in means.values())
    text = "; ".join(f"{net}: {listed(its)}" for net, its in means.items())
    return holds and means["conv2"]["elus"] - means["conv2"]["xavier"] > 5, text


@claim(
    15, "First layers are pruned least; the largest layer most, above 99 %; output layers fairly much", full_length=True
)
def _(e):
    texts, holds = [], True
    for net in CONVS:
        left, sizes = e.remaining(signed(net)), e.sizes(signed(net))
        largest = max(sizes, key=sizes.get)
        hidden = {layer: share for layer, share in left.items() if layer != "out"}
        holds &= max(hidden, key=hidden.get) == "conv1" and left[largest] < 0.01 and left["out"] < 0.5
        holds &= min(left, key=left.get) == largest
        texts.append(
            f"{net}: conv1 {left['conv1']:.1%}, largest ({largest}) {left[largest]:.2%}, out {left['out']:.1%}"
        )
    return holds, "remaining, " + "; ".join(texts)


@claim(16, "Masks of different runs agree more the larger a layer is; about 0 in first convolutions; FCN about half")
def _(e):
    texts, holds = [], True
    for net in ("fcn", *CONVS):
        runs, sizes = e.masks(signed(net), MANY), e.sizes(signed(net))
        equal = {layer: equality([mask[layer] for mask in runs]) for layer in runs[0]}
        largest = max(sizes, key=sizes.get)
        order = rank_correlation([sizes[layer] for layer in equal], equal.values())
        holds &= order > 0.5 and max(equal, key=equal.get) == largest and (net == "fcn" or equal["conv1"] < 0.1)
        texts.append(f"{net}: {listed(equal)}")
        if net == "fcn":
            holds &= 0.4 < np.average(list(equal.values()), weights=[sizes[k] for k in equal]) < 0.6
    return holds, "; ".join(texts)


@claim(17, "Equality of |masks| differs from that of masks only in output layers with He or Xavier")
def _(e):
    texts, others, exceptions = [], 0.0, []
    for net in ("fcn", *CONVS):
        for scheme in ("he", "elus", "xavier"):
            runs = e.masks(signed(net, scheme), MANY)
            more = {
                layer: equality([run[layer] for run in runs], True) - equality([run[layer] for run in runs])
                for layer in runs[0]
            }
            _, *inner, last = more  # 'and some inputs': the first layer is not judged
            hidden = max(more[layer] for layer in inner)
            others = max(others, hidden)
            exceptions += [f"{net} {scheme}"] * ((more[last] > 0.05) != (scheme != "elus"))
            texts.append(f"{net} {scheme}: out {more['out']:+.2f}, other layers at most {hidden:+.2f}")
    # 'almost all models'
    return others < 0.05 and len(exceptions) <= 2, "; ".join(texts) + f"; exceptions: {', '.join(exceptions) or 'none'}"


@claim(18, "ELUS prunes the last layer clearly more than He and Xavier")
def _(e):
    texts, holds = [], True
    for net in ("fcn", *CONVS):
        left = {s: e.remaining(signed(net, s))["out"] for s in ("elus", "he", "xavier")}
        holds &= left["elus"] < 0.9 * min(left["he"], left["xavier"])
        texts.append(f"{net}: {listed(left, '{:.1%}')}")
    return holds, "remaining in the last layer, " + "; ".join(texts)


@claim(19, "Masks of the first dense layer have a structure that repeats between runs")
def _(e):
    found = {}
    for net in CONVS:
        counts = [uses([mask["fc1"]]).sum(axis=1) for mask in e.masks(signed(net), 2)[:2]]
        found[net] = rank_correlation(*counts)
    return all(
        value > 0.3 for value in found.values()
    ), f"rank correlation of two runs' weights per input: {listed(found)}"


@claim(20, "Signed runs vary more in accuracy than baselines; deeper ELUS networks need a few epochs to warm up")
def _(e):
    widths = {
        net: e.width(signed(net), "test_accuracy", MANY) - e.width(baseline(net), "test_accuracy", MANY)
        for net in CONVS
    }
    starts = {net: _start(e, signed(net)) for net in CONVS}
    holds = min(widths.values()) > 0 and starts["conv8"] >= starts["conv2"] + 2
    return holds, f"wider by {listed(widths)} points; above 25 % accuracy from epoch {listed(starts, '{:.1f}')}"


@claim(
    21,
    "Signed beats Zhou et al. (Conv2, 4, 6) by 2 points and Ramanujan et al. at 10 %; not Diffenderfer and Kailkhura",
    full_length=True,
)
def _(e):
    quoted = {label: accuracy for label, accuracy, _ in printed.QUOTED["koster_table2"]}
    ours = {net: e.mean(signed(net), "test_accuracy", ORDERED) for net in CONVS}

    def gains(who):
        return [
            ours[net] - quoted[f"{who}, {net.capitalize()}"] for net in CONVS if f"{who}, {net.capitalize()}" in quoted
        ]

    zhou, ramanujan, biprop = map(
        gains, ("Zhou et al. 2019", "Ramanujan et al. 2020", "Diffenderfer and Kailkhura 2021")
    )
    holds = min(zhou) >= 2 and min(ramanujan) >= 2 and max(biprop) < 0
    text = "; ".join(", ".join(f"{gain:+.1f}" for gain in its) for its in (zhou, ramanujan, biprop))
    return holds, f"points against each, by depth: {text}"


# ---------------------------------------------------------------------------------------------------------------------
# ResNets


def _gaps(e, nets, least):
    def mean(net, kind):
        return e.mean(resnet(net, kind), "test_accuracy", least)

    return {net: mean(net, "signed") - mean(net, "baseline") for net in nets}


@claim(22, "Signed ResNet20 trails its baseline by 2 to 3 points, less the wider it is")
def _(e):
    gaps = _gaps(e, WIDTHS, ORDERED)
    holds = all(-4 < gap < -1.5 for gap in gaps.values()) and gaps["resnet20x3"] > gaps["resnet20"]
    return holds, listed(gaps, "{:+.2f}")


@claim(
    23,
    "Remaining weights fall with width; x2.5 and x3 reach the original baseline with a third of its weights",
    full_length=True,
)
def _(e):
    left = {net: e.mean(resnet(net), "remaining") for net in WIDTHS}
    target = e.mean(resnet("resnet20", "baseline"), "test_accuracy", ORDERED)
    counts = {net: left[net] / 100 * sum(e.sizes(resnet(net)).values()) for net in WIDTHS[3:]}
    gaps = {net: e.mean(resnet(net), "test_accuracy", ORDERED) - target for net in WIDTHS[3:]}
    third = sum(e.sizes(resnet("resnet20", "baseline")).values()) * 0.4
    holds = falling(list(left.values())) and min(gaps.values()) > -0.5 and max(counts.values()) < third
    return (
        holds,
        f"{listed(left)} %; against the baseline's {target:.2f} %: {listed(gaps, '{:+.2f}')} with "
        f"{listed(counts, '{:.0f}')} weights",
    )


@claim(24, "Signed ResNet56 and 110 learn CIFAR-100 but trail clearly; 110 is worse than 56, the baseline too")
def _(e):
    gaps = _gaps(e, ("resnet56", "resnet110"), FEW)
    means = {net: e.mean(resnet(net), "test_accuracy") for net in gaps}
    dense = {net: e.mean(resnet(net, "baseline"), "test_accuracy") for net in gaps}
    holds = max(gaps.values()) < -3 and min(means.values()) > 10
    holds &= means["resnet110"] < means["resnet56"] and dense["resnet110"] < dense["resnet56"]
    return holds, f"{listed(means)} %; {listed(gaps, '{:+.2f}')}"


@claim(
    25,
    "Learned batch normalization raises accuracy and lowers remaining weights, still below the baseline",
    full_length=True,
)
def _(e):
    texts, holds = [], True
    for net in ("resnet20", "resnet56", "resnet110"):
        name = f"koster_table6_{net}_bn"
        ours, frozen, dense = (
            e.mean(experiment, "test_accuracy", FEW) for experiment in (name, resnet(net), resnet(net, "baseline"))
        )
        fewer = e.mean(name, "remaining") - e.mean(resnet(net), "remaining")
        holds &= ours > frozen and fewer < 0 and ours < dense
        texts.append(
            f"{net} {ours - frozen:+.2f} points, remaining {fewer:+.2f}, against the baseline {ours - dense:+.2f}"
        )
    return holds, "; ".join(texts)


@claim(26, "Signed ResNet20: 3 to 14.5 % more time; compression rises with the pruning rate")
def _(e):
    rates = {net: e.mean(resnet(net), "csr_compression") for net in WIDTHS}
    pairs = {net: (resnet(net), resnet(net, "baseline")) for net in WIDTHS}
    return cost(e, pairs, 15, falling(list(rates.values())[::-1]), f"compression: {listed(rates)} %")


@claim(27, "In ResNet20, wider layers are pruned more; 1x1 shortcuts are relatively sparse", full_length=True)
def _(e):
    left, sizes = e.remaining(resnet("resnet20")), e.sizes(resnet("resnet20"))
    order = rank_correlation([sizes[k] for k in left], left.values())
    shortcuts = [f"conv{i:03d}" for i in (1, 8, 15)]
    hidden = [left[k] for k in left if k not in (*shortcuts, "conv000", "out")]
    # The caption of Figure 11 calls the first and the last layer sparse, too, as in the Conv networks, where they are pruned
    # least (claim 15): by 'sparse' it may mean sparsely pruned.
    return order < -0.5, (
        f"rank correlation of size and remaining {order:.2f}; remaining, not judged since 'sparse' may mean sparsely pruned: "
        f"shortcuts {np.mean([left[k] for k in shortcuts]):.1%}, other hidden layers {np.mean(hidden):.1%}, "
        f"first {left['conv000']:.1%}, output {left['out']:.1%}"
    )


# ---------------------------------------------------------------------------------------------------------------------
# Appendices


@claim(
    28,
    "FCN: He signed constant beats He uniform, which varies more in accuracy and remaining weights, not in their mean",
)
def _(e):
    constant = signed("fcn", "he")
    more, p = difference(e, constant, uniform("fcn"))
    wider = {m: wider_by(e, uniform("fcn"), constant, m) for m in ("test_accuracy", "remaining")}
    shift = e.mean(uniform("fcn"), "remaining") - e.mean(constant, "remaining")
    holds = more > 0 and p < SIGNIFICANT and min(wider.values()) > 1.5 and abs(shift) < 0.5
    return (
        holds,
        f"{more:+.2f} points (p {p:.1g}); uniform is so many times as wide: {listed(wider)}; remaining {shift:+.2f}",
    )


@claim(
    29,
    "Conv: He signed constant beats He uniform significantly only in Conv2; uniform varies more in Conv2 and 8, not in sparsity",
)
def _(e):
    found = {net: difference(e, signed(net, "he"), uniform(net), least=MANY) for net in CONVS}
    shifts = {net: e.mean(uniform(net), "remaining") - e.mean(signed(net, "he"), "remaining") for net in CONVS}
    clear = {net for net, (more, p) in found.items() if p < SIGNIFICANT and more > 0}
    wider = {net: wider_by(e, uniform(net), signed(net, "he"), "test_accuracy", MANY) for net in ("conv2", "conv8")}
    text = "; ".join(f"{net} {more:+.2f} (p {p:.1g})" for net, (more, p) in found.items())
    holds = clear == {"conv2"} and max(map(abs, shifts.values())) < 0.5 and min(wider.values()) > 1.5
    return holds, f"{text}; remaining {listed(shifts, '{:+.2f}')}; uniform times as wide: {listed(wider)}"


def _half(e, name):
    return first_epoch(e, name, "remaining", lambda left: left < 50)


def _start(e, name):
    return 1 + first_epoch(e, name, "test_accuracy", lambda accuracy: accuracy > 25)


@claim(
    30, "FCN: Xavier scores beat ELUS scores slightly but significantly; ELUS scores drop weights a few epochs later"
)
def _(e):
    more, p = difference(e, signed("fcn"), elus_scores("fcn"), least=MANY)
    later = _half(e, elus_scores("fcn")) - _half(e, signed("fcn"))
    left = e.mean(elus_scores("fcn"), "remaining") - e.mean(signed("fcn"), "remaining")
    holds = 0 < more < 0.5 and p < SIGNIFICANT and later >= 1 and abs(left) < 0.3
    return (
        holds,
        f"{more:+.2f} points (p {p:.1g}); half of the weights gone {later:.1f} epochs later; remaining {left:+.2f}",
    )


@claim(31, "Conv: ELUS scores are significantly different, and better, only in Conv6; they start later in Conv4, 6, 8")
def _(e):
    found = {net: difference(e, elus_scores(net), signed(net), least=MANY) for net in CONVS}
    clear = {net for net, (more, p) in found.items() if p < SIGNIFICANT}
    later = {net: _start(e, elus_scores(net)) - _start(e, signed(net)) for net in CONVS[1:]}
    left = {net: e.mean(elus_scores(net), "remaining") - e.mean(signed(net), "remaining") for net in CONVS}
    text = "; ".join(f"{net} {more:+.2f} (p {p:.1g})" for net, (more, p) in found.items())
    holds = clear == {"conv6"} and found["conv6"][0] > 0 and min(later.values()) >= 1 and min(left.values()) > 0
    return holds, f"{text}; later by {listed(later, '{:.1f}')} epochs; remaining {listed(left, '{:+.2f}')}"


@claim(32, "SiNN1 and SiNN2 prune more than 99 % of every Conv network, SiNN1 more than 99.5 %", full_length=True)
def _(e):
    left = {(net, i): e.mean(sinn(net, i), "remaining") for net in CONVS for i in (1, 2)}
    holds = all(share < (0.5 if i == 1 else 1) for (_, i), share in left.items())
    return holds, listed({f"{net} SiNN{i}": share for (net, i), share in left.items()}) + " % remaining"


@claim(33, "SiNN1 is significantly less accurate than SiNN2 on every network")
def _(e):
    found = {net: difference(e, sinn(net, 1), sinn(net, 2)) for net in ("fcn", *CONVS)}
    text = "; ".join(f"{net} {more:+.2f} (p {p:.1g})" for net, (more, p) in found.items())
    return all(more < 0 and p < SIGNIFICANT for more, p in found.values()), text


@claim(
    34,
    "SiNN2 is as accurate as the baseline with .3 to .6 % of the weights, about 14,000 in every Conv network",
    full_length=True,
)
def _(e):
    gaps = {
        n: e.mean(sinn(n, 2), "test_accuracy", ORDERED) - e.mean(baseline(n), "test_accuracy", ORDERED) for n in CONVS
    }
    counts = {n: e.mean(sinn(n, 2), "remaining") / 100 * sum(e.sizes(sinn(n, 2)).values()) for n in CONVS}
    left = {n: e.mean(sinn(n, 2), "remaining") for n in CONVS}
    holds = (
        min(gaps.values()) > -1.5
        and 0.25 <= min(left.values())
        and max(left.values()) < 0.65
        and 9000 < min(counts.values())
        and max(counts.values()) < 19000
    )
    return holds, f"{listed(gaps, '{:+.2f}')} points; {listed(left)} %, {listed(counts, '{:.0f}')} weights"


@claim(
    35,
    "Conv: SiNN1 prunes the first layer even more than SiNN2 does, the last layer as much as usual",
    full_length=True,
)
def _(e):
    texts, holds = [], True
    for net in CONVS:
        usual, more, most = (e.remaining(name) for name in (signed(net), sinn(net, 2), sinn(net, 1)))
        holds &= most["conv1"] < more["conv1"] < usual["conv1"] and abs(most["out"] - usual["out"]) < 0.1
        first, last = (" / ".join(f"{its[layer]:.1%}" for its in (usual, more, most)) for layer in ("conv1", "out"))
        texts.append(f"{net}: first {first}, last {last}")
    return holds, "remaining, usual / SiNN2 / SiNN1: " + "; ".join(texts)


@claim(36, "FCN: SiNN1 keeps about 1.4 %, and is less accurate than SiNN2 and the usual settings", full_length=True)
def _(e):
    names = {"usual": signed("fcn"), "SiNN2": sinn("fcn", 2), "SiNN1": sinn("fcn", 1)}
    means = {name: e.mean(experiment, "test_accuracy", ORDERED) for name, experiment in names.items()}
    left = {name: e.mean(experiment, "remaining") for name, experiment in names.items()}
    holds = min(means, key=means.get) == "SiNN1" and 1 < left["SiNN1"] < 1.8 and min(left, key=left.get) == "SiNN1"
    return holds, f"{listed(means)} %; remaining {listed(left)} %"


@claim(37, "The pruning rate is controllable through learning rate and weight decay")
def _(e):
    left = {}
    for name in (signed("fcn"), sinn("fcn", 2), sinn("fcn", 1)):
        spec = e.need(name)[0]["spec"]
        left[spec["learning_rate"] / spec["weight_decay"]] = e.mean(name, "remaining")
    ordered = [left[ratio] for ratio in sorted(left, reverse=True)]
    text = ", ".join(f"{share:.2f} % at {ratio:.1f}" for ratio, share in sorted(left.items(), reverse=True))
    return falling(ordered), f"FCN remaining weights by rate / decay: {text}"
