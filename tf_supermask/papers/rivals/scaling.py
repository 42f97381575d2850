"""What it changes that frozen weights have the size for the inputs that a density keeps: a table, and a sentence.

rivals_unscaled_fcn_mpt_0.1        the method and density of rivals_density_fcn_mpt_0.1 with --weight_fan=all, and its own rate
"""

import numpy as np
import pandas as pd

from tf_supermask.evidence import statistics
from tf_supermask.evidence.markup import markdown
from tf_supermask.papers.rivals import names, readings

METHODS = ("edge_popup", "mpt", "iterand", "signed_topk")


def experiments(net):
    """`(method, density)` -> the experiments of the weights for kept inputs, and for all."""
    densities = names.NETS[net].densities
    return {(m, d): (names.at_density(net, m, d), names.unscaled(net, m, d)) for d in densities for m in METHODS}


def shown():
    """Names of the experiments with weights for all inputs."""
    return {other for _, other in experiments("fcn").values()}


def table(net, evidence):
    """Data frame of text: accuracies of both, and their difference, of the methods and densities that have records of both."""
    lines = []
    for (method, density), pair in experiments(net).items():
        if all(name in evidence.experiments for name in pair):
            kept, every = (evidence.experiments[name] for name in pair)
            lines.append(
                {
                    "method": names.SCORES[method],
                    "density, %": f"{100 * float(density):g}",
                    "for kept inputs": readings.accuracy(kept),
                    "for all inputs": readings.accuracy(every),
                    "points": f"{_mean(kept) - _mean(every):+.2f}",
                }
            )
    return pd.DataFrame(lines)


def _mean(records):
    return np.mean(statistics.values(records, "test_accuracy"))


def section(net, evidence):
    """Markdown of the table; '' without records of both."""
    frame = table(net, evidence)
    if frame.empty:
        return ""
    return "\n\n".join([
        f"### Size of frozen weights, {names.NETS[net].title}",
        "Test accuracy, %. A unit that keeps a share k of its inputs gets sums as large as without masks if its weights "
        "are 1 / sqrt(k) times as large, as Ramanujan et al. write: `--weight_fan=kept`, rows above. With weights for all "
        "inputs, `--weight_fan=all`, outputs shrink with the density, layer by layer; the rows for all inputs had one "
        "rate for all densities, the best of a grid at 10 %. Signed top-k differs in its scheme too: ELU for kept inputs, "
        "which is Eq. 24 of Koster et al., and ELUS for all inputs, which they use with thresholds.",
        markdown(frame),
    ])  # fmt: skip
