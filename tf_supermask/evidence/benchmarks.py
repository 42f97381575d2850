"""The measurements of benchmarks/: JSON files, read and written."""

import json
import pathlib
import statistics

import pandas as pd

from tf_supermask import files
from tf_supermask.evidence.results import Times
from tf_supermask.experiments.environment import current_environment


def measurements(folder, name):
    """The measurements of benchmarks/`name`.py."""
    return json.loads(pathlib.Path(folder, f"{name}.json").read_text())


def load(script):
    """The measurements of the file `script`, {} before the first."""
    script = pathlib.Path(script)
    return measurements(script.parent, script.stem) if script.with_suffix(".json").exists() else {}


def save(script, measured):
    """Writes the measurements of the file `script`, name -> row, and the environment, beside it.

    Other rows that the file has stay. Those of another environment keep it as their own `environment`.
    """
    before, now = load(script), current_environment()
    past = before.pop("environment", now)
    rows = before | {name: _without_environment(row) for name, row in measured.items() if name != "environment"}
    for name, row in before.items():
        if _without_environment(rows[name]) == _without_environment(row):
            rows[name] = {"environment": past} | row if isinstance(row, dict) and past != now else row
    text = json.dumps(rows | {"environment": now}, indent=1) + "\n"
    files.write(pathlib.Path(script).with_suffix(".json"), lambda file: file.write(text.encode()))


def _without_environment(row):
    return {key: value for key, value in row.items() if key != "environment"} if isinstance(row, dict) else row


def machines(rows, environment, *further):
    """The processor and threads of `environment`, those of the rows that have another one, and the versions of the packages
    `further`."""

    def machine(of):
        versions = [f"{package} {of[package.lower()]}" for package in further]
        return ", ".join([*versions, of.get("processor") or of["device"], f"{of['threads']} threads"])

    others = {name: machine(row["environment"]) for name, row in rows.items() if "environment" in row}
    common = machine(environment)
    return "; ".join([common, *(f"{name}: {other}" for name, other in others.items() if other != common)]) + "."


def times(folder):
    """The Times that are measured below `folder`; that of an experiment is the median over its measured seeds."""
    steps, whole, ratios = load(pathlib.Path(folder, "train_step")), load(pathlib.Path(folder, "replay")), {}
    for run, row in whole.items():
        if "/" in run:
            ratios.setdefault(run.partition("/")[0], []).append(row["shrinking_over_dense"])
    return Times(
        {model: _more(row["masked_over_baseline"]) for model, row in steps.items() if "masked_ms" in row},
        {experiment: _more(statistics.median(its)) for experiment, its in ratios.items()},
    )


def _more(ratio):
    return 100 * (ratio - 1)


def steps_of_methods(folder):
    """Network -> method -> time of a training step, with the changes of masks, over that of the dense network."""
    methods = load(pathlib.Path(folder, "train_step")).get("methods", {})
    methods.pop("environment", None)  # where another part was measured since
    return {net: {method: row["over_dense"] for method, row in rows.items()} for net, rows in methods.items()}


def milliseconds(value):
    """Milliseconds with three significant digits: `0.0107`, `4,096`."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def sequences(folder):
    """Masked models of sequences against dense ones."""
    heading, models = "Sequences: digits row by row", load(pathlib.Path(folder, "sequences.py"))
    if not models:
        return heading, {}, "Not measured yet."
    epochs, environment = models.pop("epochs"), models.pop("environment")
    table = pd.DataFrame(
        {
            "model": name,
            "n": len(row["remaining"]),
            "dense: test accuracy, %": _by_seed(row["dense"]["test_accuracy"]),
            "masked": _by_seed(row["masked"]["test_accuracy"]),
            "remaining weights, %": _by_seed(row["remaining"]),
            "dense, bytes": f"{row['dense_bytes']:,}",
            "container": f"{row['container_bytes']:,.0f}",
            "learning rates: dense, masked": f"{row['dense']['learning_rate']:g}, {row['masked']['learning_rate']:g}",
        }
        for name, row in models.items()
    )
    apart = ", ".join(f"{name} {_points(row):+.2f}" for name, row in models.items())
    return (
        heading,
        {"": table},
        f"Masked against dense, points: {apart}. {epochs} epochs; {environment['processor']}.",
    )


def _by_seed(values):
    return f"{statistics.mean(values):.2f} ({', '.join(f'{value:.2f}' for value in values)})"


def _points(row):
    """Accuracy of the masked form less that of the dense one, means over seeds."""
    return statistics.mean(row["masked"]["test_accuracy"]) - statistics.mean(row["dense"]["test_accuracy"])
