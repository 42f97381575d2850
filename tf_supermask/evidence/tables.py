"""The papers' tables: a row is an experiment, a column a measure, with our values beside the printed ones.

A table is made from the records of one scale. `experiment` is the name of the folder of its records and of its flag file.
"""

from typing import NamedTuple

import pandas as pd

from tf_supermask.evidence import statistics

# measure of a record's `final` -> (heading, digits after the point)
MEASURES = {
    "test_accuracy": ("test accuracy, %", 2),
    "selected": ("test accuracy of the mask that is best on validation images, %", 2),
    "test_loss": ("test loss", 3),
    "remaining": ("remaining weights, %", 2),
    "csr_compression": ("CSR compression, %", 2),
    "seconds_per_epoch": ("seconds per epoch", 2),
    "additional_time": ("additional time per epoch, %", 1),  # of a row against its baseline
    "additional_step_time": ("per step, measured in turns, %", 1),  # the same, of benchmarks/train_step.py
}
WELCH = "Welch p, accuracy against its baseline"
_FIRST = ("test_accuracy", "remaining", "csr_compression", "seconds_per_epoch")
_TIMES = ("seconds_per_epoch", "additional_time", "additional_step_time")  # of other machines: not compared
SEVERAL = 5  # runs from which on their interval is compared with the paper's


class Row(NamedTuple):
    label: str
    experiment: str
    baseline: str = None  # the experiment that it is tested against


class Table(NamedTuple):
    title: str
    measures: tuple
    rows: tuple
    notes: tuple = ()
    printed: dict = {}  # experiment -> measure -> (mean,) or (mean, 5 % quantile, 95 % quantile)
    quoted: tuple = ()  # rows of other papers: label, test accuracy, remaining weights


def agreement(numbers, printed):
    """`yes` or `no`: whether the interval of SEVERAL runs overlaps the paper's. Of fewer runs, whether they are `inside` or
    `outside` the paper's, or how many are inside. `-` where there is nothing to compare."""
    if len(numbers) >= SEVERAL:
        return {None: "-", True: "yes", False: "no"}[statistics.overlap(statistics.summary(numbers), printed)]
    if not len(numbers) or len(printed) < 3:
        return "-"
    inside = sum(statistics.overlap((number,), printed) for number in numbers)
    return {0: "outside", len(numbers): "inside"}.get(inside, f"{inside} of {len(numbers)} inside")


# ---------------------------------------------------------------------------------------------------------------------
# Tables as data frames of text


def show(interval, digits):
    """`97.48 [97.30, 97.70]` of (mean, q05, q95), `97.48` of one value, `-` of none."""
    if not interval:
        return "-"
    mean, *ends = (f"{value:.{digits}f}" for value in interval)
    return f"{mean} [{', '.join(ends)}]" if ends else mean


def measured(experiments, row, measure, steps):
    """Interval of a measure over the records of a row, () where there are none; of times, over runs on an idle machine."""
    records = experiments.get(row.experiment, ())
    if measure == "additional_step_time":
        return tuple(steps[model] for model in {record["spec"]["model"] for record in records} if model in steps)
    if measure == "additional_time":
        return statistics.additional_time(records, experiments.get(row.baseline, ()))
    if measure == "seconds_per_epoch":
        return statistics.summary(statistics.seconds_per_epoch(records))
    return statistics.summary(statistics.values(records, measure))


def frame(table, experiments, steps):
    """Data frame of a Table for `experiments` (name -> records of one scale): ours, the paper's, whether they overlap.

    `steps`: model -> percent by which a training step of signed masks takes longer than the baseline's, from benchmarks/.
    """
    lines = []
    for row in table.rows:
        line = {"": row.label, "n": str(len(experiments.get(row.experiment, ())) or "-")}
        for measure in table.measures:
            heading, digits = MEASURES[measure]
            ours = measured(experiments, row, measure, steps)
            printed = table.printed.get(row.experiment, {}).get(measure, ())
            line |= {heading: show(ours, digits), f"paper: {heading}": show(printed, digits)}
            if measure not in _TIMES:
                numbers = statistics.values(experiments.get(row.experiment, ()), measure)
                line[f"overlap: {heading}"] = agreement(numbers, printed)
        if "test_accuracy" in table.measures:
            line[WELCH] = _welch_text(experiments, row)
        lines.append(line)
    for label, accuracy, remaining in table.quoted:
        quoted = {"": f"{label} (quoted)", "paper: test accuracy, %": f"{accuracy:.1f}"}
        lines.append(quoted | {"paper: remaining weights, %": remaining})
    return pd.DataFrame(lines).fillna("-")


def _welch_text(experiments, row):
    samples = [statistics.values(experiments.get(name, ()), "test_accuracy") for name in (row.experiment, row.baseline)]
    p = statistics.welch(*samples)
    return "-" if p is None else f"{p:.1g}" if p >= 1e-4 else "< 1e-4"


def result(records, printed):
    """Text table of the records of one experiment: a column per measure, a row per seed, their mean, and the `printed` values."""
    lines = {
        f"seed {r['spec']['seed']}": {m: statistics.summary(statistics.values([r], m)) for m in _FIRST} for r in records
    }
    if len(records) > 1:
        lines["mean [5 %, 95 %]"] = {m: statistics.summary(statistics.values(records, m)) for m in _FIRST}
    if printed:
        lines["paper"] = {m: printed.get(m, ()) for m in _FIRST}
    headings = {MEASURES[m][0]: {row: show(line[m], MEASURES[m][1]) for row, line in lines.items()} for m in _FIRST}
    return pd.DataFrame(headings).to_string()
