"""Claims on the masks of layers (section 3.2, Figures 2, 7 to 9)."""

import numpy as np

from tf_supermask.evidence.claims import Claims
from tf_supermask.evidence.comparisons import listed, rank_correlation
from tf_supermask.evidence.results import equality, uses
from tf_supermask.papers.koster.claims.common import MANY, by_net
from tf_supermask.papers.koster.names import CONVS, NETS, TITLE, signed

claim = Claims("Masks of layers")
SCHEMES = ("he", "elus", "xavier")


@claim(
    15,
    "First layers are pruned least; the largest layer most, above 99 %; output layers fairly much",
    by_net(*CONVS),
    full_length=True,
)
def first_layers_are_pruned_least_and_the_largest_most(e, net):
    """Least: of all but the output layer. Fairly much: more than half."""
    left, sizes = e.remaining(signed(net)), e.sizes(signed(net))
    largest = max(sizes, key=sizes.get)
    hidden = {layer: share for layer, share in left.items() if layer != "out"}
    holds = max(hidden, key=hidden.get) == "conv1" and left["out"] < 0.5
    holds &= min(left, key=left.get) == largest and left[largest] < 0.01
    return (
        holds,
        f"remaining: conv1 {left['conv1']:.1%}, largest ({largest}) {left[largest]:.2%}, out {left['out']:.1%}",
    )


@claim(
    16,
    "Masks of different runs agree more the larger a layer is; about 0 in first convolutions; FCN about half",
    by_net(*NETS),
)
def masks_agree_more_the_larger_a_layer_is(e, net):
    """About 0: less than .1. About half: .4 to .6. Fewer runs agree on more: with less than MANY only the order is judged."""
    runs, sizes = e.masks(signed(net), MANY, few=2), e.sizes(signed(net))
    equal = {layer: equality([mask[layer] for mask in runs]) for layer in runs[0]}
    order = rank_correlation([sizes[layer] for layer in equal], equal.values())
    holds = order > 0.5 and max(equal, key=equal.get) == max(sizes, key=sizes.get)
    if len(runs) >= MANY:
        whole = np.average(list(equal.values()), weights=[sizes[layer] for layer in equal])
        holds &= 0.4 < whole < 0.6 if net == "fcn" else equal["conv1"] < 0.1
    return bool(holds), f"equal in {len(runs)} runs: {listed(equal)}"


@claim(
    17,
    "Equality of |masks| differs from that of masks only in output layers with He or Xavier",
    by_net(*NETS) | {"output layers": None},
)
def signs_differ_only_in_output_layers_with_he_or_xavier(e, net):
    """A part per network: its hidden layers differ by less than .05. First layers are not judged ('and some inputs'). Output
    layers differ by more, with He and Xavier alone; up to two of the 15 may be exceptions ('almost all models')."""
    more = {(n, s): _more_equal_without_signs(e, signed(n, s)) for n in ([net] if net else NETS) for s in SCHEMES}
    if net:
        hidden = {scheme: max(list(gains.values())[1:-1]) for (_, scheme), gains in more.items()}
        out = {scheme: gains["out"] for (_, scheme), gains in more.items()}
        return (
            max(hidden.values()) < 0.05,
            f"hidden layers {listed(hidden, '{:+.2f}')}, output {listed(out, '{:+.2f}')}",
        )
    exceptions = [f"{TITLE[n]} {s}" for (n, s), gains in more.items() if (gains["out"] > 0.05) != (s != "elus")]
    return len(exceptions) <= 2, f"exceptions: {', '.join(exceptions) or 'none'}"


def _more_equal_without_signs(e, name):
    """Layer -> equality of the |masks| of all runs minus equality of the masks."""
    runs = e.masks(name, MANY, few=2)
    return {
        layer: equality([mask[layer] for mask in runs], True) - equality([mask[layer] for mask in runs])
        for layer in runs[0]
    }


@claim(18, "ELUS prunes the last layer clearly more than He and Xavier", by_net(*NETS))
def elus_prunes_the_last_layer_clearly_more(e, net):
    """Clearly: less than .9 times as much remains."""
    left = {scheme: e.remaining(signed(net, scheme))["out"] for scheme in SCHEMES}
    return left["elus"] < 0.9 * min(left["he"], left["xavier"]), f"remaining {listed(left, '{:.1%}')}"


@claim(19, "Masks of the first dense layer have a structure that repeats between runs", by_net(*CONVS))
def first_dense_masks_repeat_their_structure(e, net):
    """Two runs' numbers of weights per input have a rank correlation above .3."""
    counts = [uses([mask["fc1"]]).sum(axis=1) for mask in e.masks(signed(net), 2, few=2)[:2]]
    correlation = rank_correlation(*counts)
    return correlation > 0.3, f"rank correlation of two runs' weights per input {correlation:.2f}"
