"""Experiments that are in no table or figure of a paper. Each answers a question, beside the row that differs least from it."""

import dataclasses

import pandas as pd

from tf_supermask.evidence import statistics, tables
from tf_supermask.experiments.spec import Spec

MEASURES = ("test_accuracy", "remaining")


def table(shown, *scales):
    """Data frame of text: a line per ablation in the Evidences `scales`, ours beside the usual row after as many epochs.

    `shown`: the experiments that are in a table or figure; all others are ablations.
    """
    lines = []
    for evidence in scales:
        for name in sorted(evidence.experiments.keys() - shown):
            if "/" not in name:  # a part of another experiment's records
                lines.append(_line(evidence, name, _usual(evidence, name, shown)))
    return pd.DataFrame(lines)


def _line(evidence, name, usual):
    records = evidence.experiments[name]
    epochs = records[0]["spec"]["epochs"]
    line = {
        "ablation": name.partition("_check_")[2] or name,
        "scale": evidence.scale,
        "n": len(records),
        "epochs": epochs,
    }
    for measure in MEASURES:
        heading, digits = tables.MEASURES[measure]
        at_epoch = [record["history"][measure][epochs - 1] for record in usual]
        line[heading] = tables.show(statistics.summary(statistics.values(records, measure)), digits)
        line[f"usual: {heading}"] = tables.show(statistics.summary(at_epoch), digits)
    return line


def _usual(evidence, name, shown):
    """Records of the papers' row whose settings differ least, [] where none was trained for as many epochs."""
    wanted = _settings(evidence.experiments[name])
    rows = [evidence.experiments[row] for row in sorted(shown & evidence.experiments.keys()) if "/" not in row]
    settings = [(_settings(records), records) for records in rows]
    alike = [
        (sum(wanted[key] != value for key, value in its.items()), number)
        for number, (its, _) in enumerate(settings)
        if all(its[key] == wanted[key] for key in ("model", "mode"))
        and wanted["epochs"]
        and its["epochs"] >= wanted["epochs"]
    ]
    return rows[min(alike)[1]] if alike else []


def _settings(records):
    """Settings of an experiment but its seed, with those that did not exist when it was recorded."""
    settings = dataclasses.asdict(Spec(**records[0]["spec"]))
    return {key: value for key, value in settings.items() if key != "seed"}
