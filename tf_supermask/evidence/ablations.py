"""Ablations: experiments with `check` in their names, each compared with the row of the papers that differs least from it."""

import dataclasses

import pandas as pd

from tf_supermask.evidence import statistics, tables
from tf_supermask.experiments import names
from tf_supermask.experiments.spec import ROUNDING, Spec

MEASURES = ("test_accuracy", "remaining")


def table(shown, *scales):
    """Data frame of text: a line per ablation in the Evidences `scales`, beside the usual row after as many epochs.

    `shown`: the experiments that are in a table or figure.
    """
    lines = []
    for evidence in scales:
        for name in sorted(evidence.experiments):
            if names.ablation(name):
                lines.append(_line(evidence, name, _usual(evidence, name, shown)))
    return pd.DataFrame(lines)


def _line(evidence, name, usual):
    records = evidence.experiments[name]
    epochs = records[0]["spec"]["epochs"]
    line = {
        "ablation": names.ablation(name),
        "scale": evidence.scale,
        "n": len(records),
        "epochs": str(epochs),
    }
    for measure in MEASURES:
        heading, digits = tables.MEASURES[measure]
        at_epoch = [record["history"][measure][epochs - 1] for record in usual]
        line[heading] = tables.show(statistics.summary(statistics.values(records, measure)), digits)
        line[f"usual: {heading}"] = tables.show(statistics.summary(at_epoch), digits)
    return line


def _usual(evidence, name, shown):
    """Records of the papers' row with the fewest different settings; [] where none was trained for as many epochs."""
    wanted = _settings(evidence.experiments[name])
    usual = [row for row in shown & evidence.experiments.keys() if "/" not in row and not names.ablation(row)]
    rows = [evidence.experiments[row] for row in sorted(usual)]
    candidates = [
        (sum(wanted[key] != value for key, value in settings.items()), number)
        for number, settings in enumerate(map(_settings, rows))
        if all(settings[key] == wanted[key] for key in ("model", "mode"))
        and wanted["epochs"]
        and settings["epochs"] >= wanted["epochs"]
    ]
    return rows[min(candidates)[1]] if candidates else []


def _settings(records):
    """Settings of an experiment but its seed, with those that did not exist when it was recorded."""
    settings = dataclasses.asdict(Spec.recorded(records[0]["spec"], "a record"))
    return {key: value for key, value in settings.items() if key not in ("seed", *ROUNDING)}
