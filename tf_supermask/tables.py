"""The papers' tables: which experiments in which rows, which measures in which columns, ours beside what was printed.

`TABLES` is the layout; the printed numbers are in koster.py, ours in records. A table is made from the records of one
scale, and takes a name as `experiment`: the folder of the records and the name of the flag file that makes them.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.stats

from tf_supermask import koster

PAPER = koster.PAPER

# measure of a record's `final` -> (heading, digits after the point)
MEASURES = {
    "test_accuracy": ("test accuracy, %", 2),
    "test_loss": ("test loss", 3),
    "remaining": ("remaining weights, %", 2),
    "csr_compression": ("CSR compression, %", 2),
    "seconds_per_epoch": ("seconds per epoch", 2),
    "additional_time": ("additional time per epoch, %", 1),  # of a row against its baseline
}
_FIRST = ("test_accuracy", "remaining", "csr_compression", "seconds_per_epoch")
_TIMES = ("seconds_per_epoch", "additional_time")  # of other machines: the intervals are not compared


class Row(NamedTuple):
    label: str
    experiment: str
    baseline: str = None  # the experiment that it is tested against


class Table(NamedTuple):
    title: str
    measures: tuple
    rows: tuple
    notes: tuple = ()


_LABEL = {"he": "He", "elu": "ELU", "elus": "ELUS", "xavier": "Xavier"}
_CONVS = ("conv2", "conv4", "conv6", "conv8")
_WIDTHS = ("", "x1.5", "x2", "x2.5", "x3")


def _inits(prefix, network):
    baselines = {s: f"{prefix}_baseline_{s}" for s in ("he", "elu", "xavier")}
    for scheme, experiment in baselines.items():
        yield Row(f"{network} baseline, {_LABEL[scheme]}", experiment)
    for scheme in ("he", "elus", "xavier"):
        partner = baselines["elu" if scheme == "elus" else scheme]
        yield Row(f"{network} signed, {_LABEL[scheme]}", f"{prefix}_signed_{scheme}", partner)


def _pairs(rows):
    """Rows of a baseline and of what stands against it: `(label, experiment, baseline)`."""
    for label, experiment, baseline in rows:
        yield Row(f"{label} baseline", baseline)
        yield Row(label, experiment, baseline)


# Table 2 has the He baseline for Conv2, the ELU baselines for the others: found by the numbers.
_CONV_PAIRS = tuple(
    (f"{net.capitalize()} signed", f"koster_table12_{net}_signed_elus", f"koster_table12_{net}_baseline_{scheme}")
    for net, scheme in zip(_CONVS, ("he", "elu", "elu", "elu"), strict=True)
)
_RESNET20_PAIRS = tuple(
    (f"ResNet20{w} signed", f"koster_table4_resnet20{w}_signed", f"koster_table4_resnet20{w}_baseline") for w in _WIDTHS
)
_APPENDICES = {
    "D": ("uniform weights (He)", "koster_appendix_d_{}_he_uniform", "signed constant (He)", "he"),
    "E": ("ELUS scores", "koster_appendix_e_{}_elus_elus", "Xavier scores", "elus"),
}


def _appendix(letter):
    changed, name, standard, scheme = _APPENDICES[letter]
    for net in ("fcn", *_CONVS):
        label = net.upper() if net == "fcn" else net.capitalize()
        usual = f"koster_table{1 if net == 'fcn' else 12}_{net}_signed_{scheme}"
        yield Row(f"{label}, {standard}", usual)
        yield Row(f"{label}, {changed}", name.format(net), usual)


def _sinns():
    for net in ("fcn", *_CONVS):
        label = net.upper() if net == "fcn" else net.capitalize()
        baseline = f"koster_table{1 if net == 'fcn' else 12}_{net}_baseline_elu"
        for number in (1, 2):
            yield Row(f"{label}, SiNN{number}", f"koster_table15_{net}_sinn{number}", baseline)


TABLES = {
    "koster_table1": Table(
        "FCN on MNIST",
        ("test_accuracy", "remaining", "seconds_per_epoch"),
        (
            *_inits("koster_table1_fcn", "FCN"),
            Row("FCN binary, ELUS", "koster_fig3_fcn_binary", "koster_table1_fcn_signed_elus"),
        ),
        ("The binary supermask is of Figure 3, and tested against signed ELUS.",),
    ),
    "koster_table2": Table(
        "Conv2 to Conv8 on CIFAR-10",
        ("test_accuracy", "remaining"),
        tuple(_pairs(_CONV_PAIRS)),
        (
            "The paper's baselines are He for Conv2 and ELU for the others, as its numbers show.",
            "Misprint: Table 2 has 74.50 for the Conv4 baseline, outside its own interval; Table 12's 75.00 stands here.",
        ),
    ),
    "koster_table3": Table(
        "Cost and compression of Conv2 to Conv8, signed",
        ("additional_time", "csr_compression"),
        tuple(Row(label, experiment, baseline) for label, experiment, baseline in _CONV_PAIRS),
    ),
    "koster_table4": Table(
        "ResNet20 of five widths on CIFAR-10",
        ("test_accuracy", "remaining"),
        tuple(_pairs(_RESNET20_PAIRS)),
        ("The paper's counts of weights do not agree with its percentages, which stand here.",),
    ),
    "koster_table5": Table(
        "ResNet56 and ResNet110 on CIFAR-100",
        ("test_accuracy", "remaining"),
        tuple(
            _pairs(
                (f"ResNet{n} signed", f"koster_table5_resnet{n}_signed", f"koster_table5_resnet{n}_baseline")
                for n in (56, 110)
            )
        ),
        ("The ResNet110 baseline has 1,705,904 weights; the paper prints the signed network's 1,668,272 for both.",),
    ),
    "koster_table6": Table(
        "Signed ResNets with learned batch normalization",
        ("test_accuracy", "remaining"),
        tuple(
            Row(f"ResNet{n} signed, learned normalization", f"koster_table6_resnet{n}_bn", f"{table}_baseline")
            for n, table in (
                (20, "koster_table4_resnet20"),
                (56, "koster_table5_resnet56"),
                (110, "koster_table5_resnet110"),
            )
        ),
    ),
    "koster_table12": Table(
        "Conv2 to Conv8 on CIFAR-10, all initializations",
        ("test_accuracy", "test_loss", "seconds_per_epoch"),
        tuple(row for net in _CONVS for row in _inits(f"koster_table12_{net}", net.capitalize())),
        ("Misprint: the paper's 2.51 s of Conv4 signed Xavier lie outside their interval, about 4.25 s.",),
    ),
    "koster_table13": Table(
        "Cost and compression of ResNet20, signed",
        ("additional_time", "csr_compression"),
        tuple(Row(label, experiment, baseline) for label, experiment, baseline in _RESNET20_PAIRS),
    ),
    "koster_table15": Table(
        "SiNN1 (rate .01, decay 5e-4) and SiNN2 (rate .008, decay 3e-4)",
        ("test_accuracy", "remaining"),
        tuple(_sinns()),
        ("The paper prints these settings; of results only text and Figures 18 to 21.",),
    ),
    "koster_appendix_d": Table(
        "Uniform weights against signed constants",
        ("test_accuracy", "remaining"),
        tuple(_appendix("D")),
    ),
    "koster_appendix_e": Table(
        "ELUS scores against Xavier scores",
        ("test_accuracy", "remaining"),
        tuple(_appendix("E")),
    ),
}

# What a recount of Table 14's networks gives, by the name in its first column.
RECOUNT = {
    "MPT-1/32": "the network is VGG-Small: 4,656,512 weights, of which 5 % are 0.23 M",
    "MPT-1/32 + BN": "its authors say 2.6 M",
    "RigL": "WRN-22-2 has 1.08 M weights; 26.8 M is WRN-22-10",
    "IteRand": "Conv6 at twice the width has 9.04 M weights, 4.5 M at 50 %",
    "BinaryConnect": "4.57 M are the convolutions alone; with its dense layers 14.0 M; accuracy with real-valued weights",
    "BNN": "4.57 M are the convolutions alone; with its dense layers 14.0 M",
    "FORCE": "prunes at initialization, then trains what is left: not a masked method",
    "Sig. Supermask + BN": "this ResNet20 has 248,624 weights",
}


# ---------------------------------------------------------------------------------------------------------------------
# Statistics


def values(records, measure):
    """The values of a measure over records, without those that have none."""
    return [record["final"][measure] for record in records if record["final"][measure] is not None]


def summary(numbers):
    """(mean, 5 % quantile, 95 % quantile) of several numbers, (number,) of one, () of none."""
    numbers = list(numbers)
    if len(numbers) < 2:
        return tuple(numbers)
    return (float(np.mean(numbers)), *(float(quantile) for quantile in np.quantile(numbers, (0.05, 0.95))))


def additional_time(records, baseline):
    """(percent,) by which an epoch of `records` takes longer than one of `baseline`, in the 10 % quantile over epochs.

    The first epoch, with tracing, is left out. Only runs on an otherwise idle machine count, and only such on one kind of
    device with the same number of threads are compared; of several kinds that with most runs. () if there is none with both.
    """
    ours, theirs = ([_place(record) for record in its if _alone(record)] for its in (records, baseline))
    common = sorted(set(ours) & set(theirs), key=lambda place: (min(ours.count(place), theirs.count(place)), place))
    if not common:
        return ()
    seconds = [
        [s for r in its if _alone(r) and _place(r) == common[-1] for s in r["history"]["seconds"][1:]]
        for its in (records, baseline)
    ]
    return (float(100 * (_fast(seconds[0]) / _fast(seconds[1]) - 1)),) if all(seconds) else ()


def _alone(record):
    """Whether the machine did nothing else: its load was that of the run's own threads."""
    environment = record["environment"]
    return environment.get("load") is not None and environment["load"] < environment["threads"] + 0.5


def _fast(seconds):
    return np.quantile(seconds, 0.1)


def _place(record):
    environment = record["environment"]
    return tuple(str(environment.get(name)) for name in ("device", "threads", "jit_compile", "steps_per_execution"))


def welch(first, second):
    """p of Welch's two-sided t-test that two samples have one mean; None with fewer than two values on a side."""
    if min(len(first), len(second)) < 2:
        return None
    if np.ptp(first) == np.ptp(second) == 0:  # no spread, no test
        return float(first[0] == second[0])
    return float(scipy.stats.ttest_ind(first, second, equal_var=False).pvalue)


def overlap(ours, printed):
    """Whether our interval and the paper's have a point in common; None where either is missing.

    A single number counts as an interval of no length, and the paper's last digit as rounded.
    """
    if not ours or not printed:
        return None
    slack = 0.5 * 10.0 ** -max(len(str(value).partition(".")[2]) for value in printed)
    (low, high), (paper_low, paper_high) = _ends(ours), _ends(printed)
    return low <= paper_high + slack and paper_low - slack <= high


def _ends(interval):
    return interval[1:] if len(interval) == 3 else 2 * interval


# ---------------------------------------------------------------------------------------------------------------------
# Tables as data frames of text


def show(interval, digits):
    """`97.48 [97.30, 97.70]` of (mean, q05, q95), `97.48` of one value, `-` of none."""
    if not interval:
        return "-"
    mean, *ends = (f"{value:.{digits}f}" for value in interval)
    return f"{mean} [{', '.join(ends)}]" if ends else mean


def measured(experiments, row, measure):
    """Interval of a measure over the records of a row, () where there are none."""
    records = experiments.get(row.experiment, ())
    if measure == "additional_time":
        return additional_time(records, experiments.get(row.baseline, ()))
    return summary(values(records, measure))


def frame(name, experiments):
    """Table `name` of TABLES, filled from `experiments` (name -> records of one scale): ours, the paper's, do they overlap."""
    table = TABLES[name]
    lines = []
    for row in table.rows:
        line = {"": row.label, "n": str(len(experiments.get(row.experiment, ())) or "-")}
        for measure in table.measures:
            heading, digits = MEASURES[measure]
            ours, printed = measured(experiments, row, measure), PAPER.get(row.experiment, {}).get(measure, ())
            line |= {heading: show(ours, digits), f"paper: {heading}": show(printed, digits)}
            if measure not in _TIMES:
                line[f"overlap: {heading}"] = {None: "-", True: "yes", False: "no"}[overlap(ours, printed)]
        if "test_accuracy" in table.measures:
            line["Welch p, accuracy against its baseline"] = _welch_text(experiments, row)
        lines.append(line)
    for label, accuracy, remaining in koster.QUOTED.get(name, ()):
        quoted = {"": f"{label} (quoted)", "paper: test accuracy, %": f"{accuracy:.1f}"}
        lines.append(quoted | {"paper: remaining weights, %": remaining})
    return pd.DataFrame(lines).fillna("-")


def _welch_text(experiments, row):
    samples = [values(experiments.get(name, ()), "test_accuracy") for name in (row.experiment, row.baseline)]
    p = welch(*samples)
    return "-" if p is None else f"{p:.1g}" if p >= 1e-4 else "< 1e-4"


def literature():
    """Table 14: what the paper says of other methods, with what a recount gives."""
    columns = ("method", "network", "weights", "test accuracy, %", "initial weights", "remaining weights", "recount")
    rows = [(*map(str, line), RECOUNT.get(line[0], "-")) for line in koster.LITERATURE]
    return pd.DataFrame(rows, columns=columns)


def result(name, records):
    """Text table of the records of experiment `name`: a column a measure, a row a seed, their mean, the paper's values."""
    lines = {f"seed {r['spec']['seed']}": {m: summary(values([r], m)) for m in _FIRST} for r in records}
    if len(records) > 1:
        lines["mean [5 %, 95 %]"] = {m: summary(values(records, m)) for m in _FIRST}
    if name in PAPER:
        lines["paper"] = {m: PAPER[name].get(m, ()) for m in _FIRST}
    headings = {MEASURES[m][0]: {row: show(line[m], MEASURES[m][1]) for row, line in lines.items()} for m in _FIRST}
    return pd.DataFrame(headings).to_string()
