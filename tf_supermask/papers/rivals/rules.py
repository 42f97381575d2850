"""Mask rules against each other: by a threshold, by a density that is set, with several levels; and the page on them.

rivals_rules_fcn_signed_topk       a rule on a network, with the settings of Koster et al. 2022
"""

import numpy as np
import pandas as pd

from tf_supermask.evidence import benchmarks, statistics
from tf_supermask.evidence.markup import markdown
from tf_supermask.evidence.pages import SIZES
from tf_supermask.evidence.tables import show
from tf_supermask.experiments.names import Name
from tf_supermask.papers.rivals import readings

PAGE = "docs/results/rules.md"
NETS = {"fcn": "FCN on MNIST", "conv2": "Conv2 on CIFAR-10 in 30 epochs"}
RULES = {
    "signed": "signed",
    "signed_topk": "signed top-k",
    "signed_2_levels": "two levels",
    "signed_4_levels": "four levels",
}
# network -> experiment with all its epochs, whose density `signed_topk` is given
LEARNED = {"fcn": "koster_table1_fcn_signed_elus", "conv2": "rivals_rules_conv2_signed"}
_SHORTER = ("conv2",)  # networks whose runs of `signed` are not those of a paper's table


def experiments(net):
    """Rule -> its experiment on a network."""
    names = {rule: str(Name("rivals", "rules", net, rule)) for rule in RULES}
    return names if net in _SHORTER else names | {"signed": LEARNED[net]}


def shown():
    """Names of all experiments on the page."""
    return {name for net in NETS for name in experiments(net).values()}


def compared(net, evidence):
    """Rule -> its records, of the rules that have some, on the seeds that all have; {} of one rule or without `signed`."""
    runs = {rule: evidence.experiments[name] for rule, name in experiments(net).items() if name in evidence.experiments}
    if len(runs) < 2 or "signed" not in runs:
        return {}
    seeds = set.intersection(*({record["spec"]["seed"] for record in records} for records in runs.values()))
    return {rule: [record for record in records if record["spec"]["seed"] in seeds] for rule, records in runs.items()}


def _means(net, rule, records, file):
    """`(accuracy, remaining weights, bytes)`, means over the records of a rule."""
    containers = readings.containers(file).get(experiments(net)[rule])
    if containers is not None:
        containers = containers[containers["seed"].isin([record["spec"]["seed"] for record in records])]
    means = (np.mean(statistics.values(records, measure)) for measure in ("test_accuracy", "remaining"))
    return *map(float, means), readings.stored(records, containers)[0]


def table(net, runs, file=SIZES):
    """Data frame of text of what `compared` gives."""
    lines = []
    for rule, records in runs.items():
        *_, size = _means(net, rule, records, file)
        density = records[0]["spec"].get("density")
        lines.append(
            {
                "rule": RULES[rule],
                "density set, %": "-" if density is None else f"{100 * density:g}",
                "n": str(len(records)),
                "test accuracy, %": readings.accuracy(records),
                "remaining weights, %": show(statistics.summary(statistics.values(records, "remaining")), 2),
                "bytes of the container": f"{size:,.0f}",
            }
        )
    return pd.DataFrame(lines)


def finding(net, runs, file=SIZES):
    """A sentence: each rule against `signed` on the same seeds, in accuracy, weights and bytes."""
    accuracy, remaining, size = _means(net, "signed", runs["signed"], file)
    parts = []
    for rule, records in runs.items():
        if rule != "signed":
            means = _means(net, rule, records, file)
            p = statistics.paired(_by_seed(records), _by_seed(runs["signed"]))
            test = "one seed" if p is None else f"paired p {p:.2g}"
            parts.append(
                f"{RULES[rule]} {means[0] - accuracy:+.2f} points ({test}) with {means[1] / remaining:.2f} times the weights "
                f"and {means[2] / size:.2f} times the bytes"
            )
    return f"Against `signed`, {accuracy:.2f} % in {size:,.0f} bytes: {'; '.join(parts)}."


def _by_seed(records):
    return {record["spec"]["seed"]: record["final"]["test_accuracy"] for record in records}


def _section(net, evidence):
    runs = compared(net, evidence)
    if not runs:
        return ""
    return f"## {NETS[net]}, {evidence.scale} scale\n\n{markdown(table(net, runs))}\n\n{finding(net, runs)}"


def page(source):
    """Markdown of the networks that have records, and of the models of sequences. `source`: evidence.pages.Source."""
    sections = [_section(net, evidence) for evidence in source.scales.values() for net in NETS]
    records = "\n\n".join(filter(None, sections)) or "No records of images yet."
    heading, tables, notes = benchmarks.sequences(source.speed)
    return "\n\n".join([records, f"## {heading}", *map(markdown, tables.values()), notes])
