"""How records of chains of pruning and of learned masks are read and compared.

Curves are compared where the paper's differ: between a third and a hundredth of the weights remaining. Runs of one seed share
their dense run: differences are taken seed by seed, and where the paper tests by Welch's test, a paired one stands beside it.
"""

import numpy as np
import scipy.stats

from tf_supermask.evidence.comparisons import compare

SIGNIFICANT = 0.05  # the paper's level
ORDERED, TESTED = 3, 5  # least runs for an order of close means, and for tests; the paper has 5


def rounds(e, name, column="test_accuracy", least=1, few=1):
    """Array (runs, rounds + 1) of a column of chains, the dense run first."""
    runs = [record["history"][column] for record in e.need(name, least, few)]
    return np.array(runs, float)[:, : min(map(len, runs))]


def sparse(e, name, most=33.0, least=1.0):
    """Bool array (rounds + 1): the rounds at which so many percent of the weights remain."""
    left = rounds(e, name, "remaining").mean(axis=0)
    return (left <= most) & (left >= least)


def leads(e, first, second, runs=ORDERED, **where):
    """Array (common seeds, sparse rounds): by how many points one experiment is more accurate than another."""
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


def paired(differences):
    """p of the two-sided t-test that differences of runs of the same seeds have mean 0; None of one run."""
    if len(differences) < 2:
        return None
    if np.allclose(differences, differences[0], atol=1e-9):  # no spread, no test
        return float(abs(differences[0]) < 1e-9)
    return float(scipy.stats.ttest_1samp(differences, 0).pvalue)


def points(its):
    """`leads` as text: their mean, and p of the runs' means over rounds."""
    p = paired(its.mean(axis=1))
    return f"{its.mean():+.2f} points" + ("" if p is None else f" (p {p:.1g}, seed by seed)")


def significant(e, first, second, few=1):
    """`(share, text)`: of sparse rounds at which one experiment is significantly more accurate than another."""
    ours, theirs = (rounds(e, name, least=TESTED, few=few).T for name in (first, second))
    levels = [compare(a, b, TESTED) for a, b in zip(ours, theirs, strict=True)]
    share = float(np.mean(np.array([level.above(SIGNIFICANT) for level in levels])[sparse(e, first)]))
    if not all(level.tested for level in levels):
        return share, f"above at {share:.0%} of the levels"
    alike = np.mean([d.mean() > 0 and paired(d) < SIGNIFICANT for d in leads(e, first, second, TESTED).T])
    return share, f"significant at {share:.0%} of the levels, in pairs at {alike:.0%}"


def length(e, name):
    """How long an experiment trained, as text."""
    return f"after {e.need(name)[0]['spec']['iterations']:,} iterations"
