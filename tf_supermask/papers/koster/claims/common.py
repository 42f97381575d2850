"""Shared by the claims of all subjects: the numbers of runs that verdicts need, and functions that read records."""

import numpy as np

from tf_supermask.evidence import statistics
from tf_supermask.evidence.claims import LEAST
from tf_supermask.papers.koster.names import TITLE, is_deep

SIGNIFICANT = 0.01  # the paper's level
# Least runs for a verdict. With fewer, tests miss differences of the paper's size, and the order of close means is chance.
# MANY: for differences of a tenth of a point, widths of accuracies, and agreement of all runs, which falls with their number.
# Shares of remaining weights hardly vary between runs: claims.LEAST is enough for them.
TESTED, ORDERED, MANY = 10, 5, 40
CPUS = ("x86_64", "AMD64", "arm64", "aarch64")  # values of `device` in records of runs without a GPU


def by_net(*nets):
    """Parts of a claim on several networks: title -> network."""
    return {TITLE[net]: net for net in nets}


def accuracy(e, name):
    """Mean test accuracy; three runs of ResNet56 and 110 are enough, as in the paper."""
    return e.mean(name, "test_accuracy", LEAST if is_deep(name) else ORDERED)


def weights(e, name):
    """Mean number of remaining weights."""
    return e.mean(name, "remaining") / 100 * sum(e.sizes(name).values())


def cost(e, masked, dense, most, rates):
    """`(holds, text)` of a claim on cost: at most `most` percent more time, and a compression between `rates`, two percentages.

    The paper's times are of a GPU: those of a CPU only show a tendency. There the training steps that benchmarks time in turns
    with those of the dense network are taken before the times of runs, which were made on different days.
    """
    rate = e.mean(masked, "csr_compression")
    text = f"{rate:.2f} % compression"
    if not rates[0] <= rate <= rates[1]:
        return False, text
    runs = e.need(masked), e.need(dense)
    timed, more = statistics.timed(*runs), e.times.steps.get(runs[0][0]["spec"].get("model"))
    on_gpu, where = bool(timed) and timed[0][0] not in CPUS, "a CPU, by training steps in turns"
    if timed and (on_gpu or more is None):
        (where, *_), *seconds = timed
        more = statistics.slower(*seconds)
    e.require(more is not None, f"{masked} and {dense}, timed on an idle machine; {text}", tendency=False)
    e.require(on_gpu, "times of a GPU")
    whole = e.times.whole_runs.get(masked)
    shrinking = "" if whole is None else f"; training that shrinks {whole:+.1f} %"
    return 0 <= more <= most, f"{more:.1f} % more time on {where} (as claimed up to {most}){shrinking}, {text}"


def first_epoch(e, name, column, reached):
    """Mean over runs of the first index of a history at which `reached(value)` is true; its length where it never is."""
    curves = reached(e.history(name, column))
    return float(np.mean([np.argmax(curve) if curve.any() else len(curve) for curve in curves]))


def half_pruned(e, name):
    """The epoch after which less than half of the weights remain."""
    return first_epoch(e, name, "remaining", lambda left: left < 50)


def warmed_up(e, name):
    """The epoch after which more than 25 % of the test images are classified correctly."""
    return 1 + first_epoch(e, name, "test_accuracy", lambda accuracy: accuracy > 25)
