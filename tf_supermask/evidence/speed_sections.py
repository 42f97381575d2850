"""The sections of the page on speed, made of the measurements of benchmarks/.

The functions of SPEED take the folder of the JSON files and return a section of a page, as the functions of measured_sizes.py
do: `(heading, name -> data frame of text, notes)`.
"""

import pathlib

import pandas as pd

from tf_supermask.evidence.benchmarks import load, machines, measurements, milliseconds
from tf_supermask.experiments.shrinking import units_text


def speed(folder):
    """Time and memory of a training step, time of an FCN epoch and of a round of lottery tickets."""
    steps, lottery = measurements(folder, "train_step"), measurements(folder, "lottery")
    epoch, environment = steps.pop("fcn_epoch"), steps.pop("environment")
    steps.pop("methods", None)  # on the page of other methods
    time = pd.DataFrame(
        {
            "network": name,
            "baseline, ms per step": f"{row['baseline_ms']:.2f}",
            "masked / baseline": f"{row['masked_over_baseline']:.3f}",
            "the same, batch normalization learned": _or_dash(row.get("normalized_over_baseline"), 3),
            "kernels alone / step": f"{row['kernels_over_step']:.2f}",
            "GFLOP/s of a masked step": _or_dash(row.get("gflops"), 0),
            "share of a large product's": _or_dash(row.get("of_product"), 2),
            "passes over scores at the memory's speed / step": _or_dash(row.get("of_bandwidth"), 2),
        }
        for name, row in steps.items()
    )
    memory = pd.DataFrame({"network": name} | _memory(row) for name, row in steps.items() if "masked_mib" in row)
    return (
        "A training step",
        {"time": time, "memory, MiB": memory},
        f"An FCN epoch with evaluation and callbacks takes {epoch['ours_over_bare']:.2f} times a bare "
        f"`tf.function` loop that trains and evaluates on the same arrays (ours {epoch['ours_s']:.2f} s; training alone "
        f"{epoch['training_over_bare']:.2f} times). {machines(steps, environment, 'TensorFlow')}\n\n"
        f"A round of lottery tickets of FC with its validations takes {lottery['training_over_bare']:.2f} times a bare compiled "
        f"loop (ours {1000 * lottery['ours_s'] / lottery['steps']:.2f} ms a step). The {lottery['masks']} masks of a dense run "
        f"(11 criteria, 25 levels) are evaluated on 10,000 images in {lottery['supermasks_s']:.1f} s, "
        f"{lottery['supermasks_over_dense']:.2f} of the dense run's time, at {lottery['supermasks_gflops']:.0f} GFLOP/s; "
        f"the product of the first layer alone reaches {lottery['product_gflops']:.0f}.",
    )


def _memory(row):
    return {
        "peak of the baseline": f"{row['baseline_mib']:.0f}",
        "masks add": f"{row['masked_mib'] - row['baseline_mib']:.0f}",
        "scores and one copy of the weights": f"{2 * row['weights_mib']:.0f}",
    }


def _or_dash(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def _section(folder, name, heading, cells, note):
    """A section of one table, of benchmarks/`name`.json.

    `cells`: name of a row, its measurements and the environment -> column -> text; `note`: all rows and the environment -> text.
    What the file says of all rows together is in the environment too.
    """
    measured = measurements(folder, name)
    environment = measured.pop("environment")
    environment |= {key: value for key, value in measured.items() if not isinstance(value, dict)}
    rows = {key: row for key, row in measured.items() if isinstance(row, dict)}
    table = pd.DataFrame(cells(key, row, environment) for key, row in rows.items())
    return heading, {"": table}, note(rows, environment)


def masked(folder):
    """Time of a training step with `Masked` around plain layers against the two special layers."""

    def cells(name, row, environment):
        return {
            "network": name,
            "SignedMaskDense and SignedMaskConv2D, ms per step": milliseconds(row["special_ms"]),
            "Masked": milliseconds(row["general_ms"]),
            "Masked / special": f"{row['general_over_special']:.3f}",
            "largest difference of scores after the first steps": f"{_apart(row):.2g}",
        }

    def note(rows, environment):
        return f"In turns in one process. {environment['processor']}."

    return _section(folder, "masked", "Masked around any layer", cells, note)


def _apart(row):
    return next(value for name, value in row.items() if name.startswith("scores_apart_"))


def onednn(folder):
    """Time of a masked training step without and with oneDNN."""

    def cells(name, row, environment):
        return {
            "network": name,
            "without oneDNN, ms per step": milliseconds(row["off_ms"]),
            "with, as the commands set it": milliseconds(row["on_ms"]),
            "without / with": f"{row['off_over_on']:.2f}",
        }

    def note(rows, environment):
        return f"A masked step, in processes of their own, in turns. {machines(rows, environment)}"

    return _section(folder, "onednn", "oneDNN", cells, note)


def shrinking(folder):
    """Time of whole runs that shrink, and that stay whole, against dense ones."""

    def cells(name, row, environment):
        return {
            "network": name,
            "epochs": row["epochs"],
            "turns": row["rounds"],
            "dense, s": f"{row['dense_s']:.0f}",
            "signed, shrinking, s": f"{row['shrinking_s']:.0f}",
            "shrinking / dense": f"{row['shrinking_over_dense']:.2f}",
            "whole / dense": f"{row['whole_over_dense']:.2f}",
            "units left": "; ".join(
                f"after {event['epoch']} epochs {'-'.join(map(str, event['units'].values()))}"
                for event in row["shrunk"]
            ),
            "test accuracy, %: dense, shrinking, whole": ", ".join(f"{x:.2f}" for x in row["test_accuracy"].values()),
        }

    def note(rows, environment):
        return (
            "Whole processes from start to record, with compilation, in turns; medians. "
            f"{machines(rows, environment)}"
        )

    return _section(folder, "shrinking", "Runs that shrink", cells, note)


def peers(folder):
    """Time of a signed training step against dense training and edge-popup in PyTorch."""

    def cells(name, row, environment):
        return {
            "network": name,
            "batch": row["batch_size"],
            "signed, ms per step": milliseconds(row["signed_ms"]),
            "PyTorch dense": milliseconds(row["dense_ms"]),
            "PyTorch edge-popup": milliseconds(row["edge_popup_ms"]),
            "signed / dense": f"{row['signed_over_dense']:.2f}",
            "signed / edge-popup": f"{row['signed_over_edge_popup']:.2f}",
        }

    def note(rows, environment):
        return (
            "The same networks, batch sizes and optimizers; each case in a process of its own, in turns. PyTorch runs eagerly, "
            "channels last; edge-popup sorts the scores of each layer in each forward pass, as its authors do. "
            f"PyTorch {', '.join(dict.fromkeys(row['torch'] for row in rows.values()))}, "
            f"{machines(rows, environment, 'TensorFlow')}"
        )

    return _section(folder, "peers", "PyTorch", cells, note)


def _column(row, name):
    return ", ".join(f"{stage[name]:.2f}" for stage in row["stages"])


def replayed(folder):
    """Training time of committed runs at the widths that they had, against dense ones."""

    def cells(name, row, environment):
        return {
            "run": name,
            "epochs": ", ".join(str(stage["epochs"]) for stage in row["stages"]),
            "units": "; ".join(["all", *map(units_text, row["units"])]),
            "multiplications left": _column(row, "left"),
            f"the same, units in tiles of {row['tile']}": _column(row, "left_in_tiles"),
            "a step / dense": _column(row, "step_over_dense"),
            "dense, s": milliseconds(row["dense_s"]),
            "shrinking, s": milliseconds(row["shrinking_s"]),
            "shrinking / dense": f"{row['shrinking_over_dense']:.2f}",
        }

    def note(rows, environment):
        return (
            "The sum of all training steps and of compiling, without evaluation: steps are timed in turns with dense ones, at "
            f"the widths of the record, which shrank by the rule of its commit. {machines(rows, environment)}"
        )

    return _section(folder, "replay", "Committed runs that shrank", cells, note)


def many(folder):
    """Runs per hour by jobs and threads."""

    def cells(name, row, environment):
        one, jobs, threads = row["one_job"], row["jobs"], environment["threads"]
        return {
            "network": name,
            f"one job, {threads} threads: runs per hour": f"{one['runs_per_hour']:.0f}",
            f"{threads} jobs of one thread": f"{jobs['runs_per_hour']:.0f}",
            "gain": f"{jobs['runs_per_hour'] / one['runs_per_hour']:.2f}",
            "an epoch with --deterministic / without": (
                f"{row['deterministic']['seconds_per_epoch'] / one['seconds_per_epoch']:.2f}"
            ),
        }

    def note(rows, environment):
        runs = f"{environment['runs']} short runs in each turn, with all that a user waits for."
        return f"{runs} {machines(rows, environment)}"

    return _section(folder, "jobs", "Many runs", cells, note)


def gpu(folder):
    """Seconds of an epoch on a GPU by kernels, and runs per hour by jobs."""
    heading = "On a GPU"
    jobs = load(pathlib.Path(folder, "gpu")).get("jobs")
    if not jobs:
        return heading, {}, "Not measured yet: `python benchmarks/gpu.py`."

    def cells(name, row, environment):
        if name == "jobs":
            return {}
        seconds, equal = row["seconds_per_epoch"], [kind for kind, same in row["equal_bits"].items() if same]
        return {
            "network": name,
            "signed, deterministic kernels, s per epoch": f"{seconds['deterministic']:.2f}",
            "baseline / signed": f"{seconds['baseline'] / seconds['deterministic']:.2f}",
            "other kernels / deterministic": f"{seconds['plain'] / seconds['deterministic']:.2f}",
            "XLA / deterministic": f"{seconds['xla'] / seconds['deterministic']:.2f}",
            "equal bits in all turns": ", ".join(equal) or "none",
        }

    def note(rows, environment):
        rates = ", ".join(f"{rate:.0f} with --jobs={number}" for number, rate in jobs["runs_per_hour"].items())
        bits = "equal" if jobs["equal_bits"] else "different"
        return f"Short runs per hour: {rates}; their bits are {bits}. {environment['device']}, {machines(rows, environment)}"

    heading, tables, text = _section(folder, "gpu", heading, cells, note)
    return heading, {"": tables[""].dropna()}, text


SPEED = (speed, masked, onednn, peers, shrinking, replayed, many, gpu)  # the sections of the page on speed
