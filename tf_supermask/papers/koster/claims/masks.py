"""Claims on the masks of layers (section 3.2, Figures 2, 7 to 9)."""

import itertools

import numpy as np

from tf_supermask.evidence.claims import Claims
from tf_supermask.evidence.comparisons import listed, rank_correlation
from tf_supermask.evidence.results import equality, uses
from tf_supermask.papers.koster.claims.common import MANY, ORDERED, by_net
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
    layers differ by more, with He and Xavier alone; up to two of the 15 may be exceptions ('almost all models'). Equal numbers
    of runs are compared, because agreement falls with their number."""
    more = {(n, s): gains for n in ([net] if net else NETS) for s, gains in _more_equal_without_signs(e, n).items()}
    if net:
        hidden = {scheme: max(list(gains.values())[1:-1]) for (_, scheme), gains in more.items()}
        out = {scheme: gains["out"] for (_, scheme), gains in more.items()}
        return (
            max(hidden.values()) < 0.05,
            f"hidden layers {listed(hidden, '{:+.2f}')}, output {listed(out, '{:+.2f}')}",
        )
    exceptions = [f"{TITLE[n]} {s}" for (n, s), gains in more.items() if (gains["out"] > 0.05) != (s != "elus")]
    return len(exceptions) <= 2, f"exceptions: {', '.join(exceptions) or 'none'}"


def _more_equal_without_signs(e, net):
    """Scheme -> layer -> equality of the |masks| of runs minus equality of the masks."""
    fewest = min(len(e.masks(signed(net, scheme), MANY, few=2)) for scheme in SCHEMES)
    gains = {}
    for scheme in SCHEMES:
        runs = e.masks(signed(net, scheme), MANY, few=2)[:fewest]
        layers = {layer: [mask[layer] for mask in runs] for layer in runs[0]}
        gains[scheme] = {layer: equality(its, True) - equality(its) for layer, its in layers.items()}
    return gains


@claim(18, "ELUS prunes the last layer clearly more than He and Xavier", by_net(*NETS))
def elus_prunes_the_last_layer_clearly_more(e, net):
    """Clearly: less than .9 times as much remains."""
    left = {scheme: e.remaining(signed(net, scheme))["out"] for scheme in SCHEMES}
    return left["elus"] < 0.9 * min(left["he"], left["xavier"]), f"remaining {listed(left, '{:.1%}')}"


@claim(19, "Masks of the first dense layer have a structure that repeats between runs", by_net(*CONVS))
def first_dense_masks_repeat_their_structure(e, net):
    """Structure: which pixels keep many weights (Figure 9), summed over channels, whose order is chance. The rank correlation of
    two runs' numbers of weights per pixel is above .5, mean over all pairs of runs."""
    runs = e.masks(signed(net), ORDERED, few=2)
    pixels = [_weights_per_pixel(mask) for mask in runs]
    correlation = np.mean([rank_correlation(*pair) for pair in itertools.combinations(pixels, 2)])
    return correlation > 0.5, f"rank correlation of two runs' weights per pixel {correlation:.2f}"


def _weights_per_pixel(masks):
    """Of the first dense layer, whose inputs are the pixels of the last convolution, all channels of each in a row."""
    last = max(name for name in masks if name.startswith("conv"))
    return uses([masks["fc1"]]).sum(axis=1).reshape(-1, masks[last].shape[-1]).sum(axis=1)
