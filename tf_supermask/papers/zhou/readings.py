"""Reads and compares the records of iterative pruning and of learned masks.

Curves are compared where the paper's differ: between a third and a hundredth of the weights remaining. Runs of one seed share
their dense run: differences are taken seed by seed, and a paired test is shown beside the Welch test of the paper.
"""

import numpy as np

from tf_supermask.evidence.comparisons import compare
from tf_supermask.evidence.statistics import no_difference, welch
from tf_supermask.papers.zhou.names import supermask

SIGNIFICANT = 0.05  # the paper's level
ORDERED, TESTED = 3, 5  # least runs for an order of close means, and for a test; the paper has 5


def rounds(e, name, column="test_accuracy", least=1, few=1):
    """Array (runs, rounds + 1) of a column of histories, the dense run first."""
    runs = [record["history"][column] for record in e.need(name, least, few)]
    return np.array(runs, float)[:, : min(map(len, runs))]


def sparse(e, name, most=33.0, least=1.0):
    """Bool array (rounds + 1): the rounds at which `least` to `most` percent of the weights remain."""
    left = rounds(e, name, "remaining").mean(axis=0)
    return (left <= most) & (left >= least)


def leads(e, first, second, runs=ORDERED, **where):
    """Array (common seeds, sparse rounds): accuracy of one experiment minus that of another, in points."""
    ours, theirs = (
        {record["spec"]["seed"]: np.array(record["history"]["test_accuracy"]) for record in e.need(name, runs)}
        for name in (first, second)
    )
    common = sorted(ours.keys() & theirs.keys())
    text = f"runs of {first} and {second} with the same {runs} seed{'s' * (runs > 1)}"
    e.require(len(common) >= runs, text, bool(common))
    return np.array([ours[seed] - theirs[seed] for seed in common])[:, sparse(e, first, **where)]


def lead(e, first, second, runs=ORDERED, **where):
    """Array over sparse rounds: the mean of `leads` over seeds."""
    return leads(e, first, second, runs, **where).mean(axis=0)


def points(differences):
    """The array of `leads` as text: its mean, and the p value of the runs' means over rounds."""
    p = no_difference(differences.mean(axis=1))
    return f"{differences.mean():+.2f} points" + ("" if p is None else f" (p {p:.1g}, seed by seed)")


def significant(e, first, second, few=1):
    """`(share, text)`: the share of sparse rounds at which one experiment is significantly more accurate than another."""
    ours, theirs = (rounds(e, name, least=TESTED, few=few).T for name in (first, second))
    levels = [compare(a, b, TESTED) for a, b in zip(ours, theirs, strict=True)]
    share = float(np.mean(np.array([level.above(SIGNIFICANT) for level in levels])[sparse(e, first)]))
    if not all(level.tested for level in levels):
        return share, f"above at {share:.0%} of the levels"
    alike = np.mean([d.mean() > 0 and no_difference(d) < SIGNIFICANT for d in leads(e, first, second, TESTED).T])
    return share, f"significant at {share:.0%} of the levels, in pairs at {alike:.0%}"


def stars(label, lines, better=np.greater):
    """Levels at which a line is better than each other one: p < .05 by Welch's test, without correction for their number."""
    runs = lines[label]
    others = [other for name, other in lines.items() if name != label]
    if len(runs) < TESTED or not others:
        return []
    return [
        level
        for level in range(runs.shape[1])
        if all(
            len(other) >= TESTED
            and better(runs[:, level].mean(), other[:, level].mean())
            and welch(runs[:, level], other[:, level]) < SIGNIFICANT
            for other in others
        )
    ]


def tops(e, net, treatment, criterion, least=1):
    """Array over the runs of one-shot supermasks: the best test accuracy of a criterion at any level."""
    return np.array([max(r["history"][f"{criterion}/{treatment}/test"]) for r in e.need(supermask(net), least)])


def length(e, name):
    """How long an experiment trained, as text."""
    return f"after {e.need(name)[0]['spec']['iterations']:,} iterations"
