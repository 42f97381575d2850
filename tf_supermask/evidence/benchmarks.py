"""The measurements of benchmarks/: JSON files, and the tables of the docs that are made of them.

`speed`, `many`, `inference`, `formats` and `microcontroller` take the folder of the JSON files and return a section of a page:
`(heading, name -> data frame of text, notes)`.
"""

import json
import pathlib

import pandas as pd

from tf_supermask import files
from tf_supermask.experiments.environment import current_environment


def measurements(folder, name):
    """The measurements of benchmarks/`name`.py."""
    return json.loads(pathlib.Path(folder, f"{name}.json").read_text())


def load(script):
    """The measurements of the file `script`, {} before the first."""
    script = pathlib.Path(script)
    return measurements(script.parent, script.stem) if script.with_suffix(".json").exists() else {}


def save(script, measured):
    """Writes the measurements of the file `script`, and the environment, beside it."""
    text = json.dumps(measured | {"environment": current_environment()}, indent=1) + "\n"
    files.write(pathlib.Path(script).with_suffix(".json"), lambda file: file.write(text.encode()))


def step_times(folder):
    """Model -> percent by which a training step of signed masks takes longer than one of the baseline; {} where it was not
    measured."""
    steps = load(pathlib.Path(folder, "train_step"))
    return {model: 100 * (row["signed_over_baseline"] - 1) for model, row in steps.items() if "signed_ms" in row}


def speed(folder):
    """Time and memory of a training step, time of an FCN epoch and of a round of lottery tickets."""
    steps, lottery = measurements(folder, "train_step"), measurements(folder, "lottery")
    epoch, environment = steps.pop("fcn_epoch"), steps.pop("environment")
    time = pd.DataFrame(
        {
            "network": name,
            "baseline, ms per step": f"{row['baseline_ms']:.2f}",
            "signed / baseline": f"{row['signed_over_baseline']:.3f}",
            "the same, batch normalization learned": _or_dash(row.get("normalized_over_baseline"), 3),
            "kernels alone / step": f"{row['kernels_over_step']:.2f}",
        }
        for name, row in steps.items()
    )
    memory = pd.DataFrame({"network": name} | _memory(row) for name, row in steps.items() if "signed_mib" in row)
    return (
        "A training step",
        {"time": time, "memory, MiB": memory},
        f"An FCN epoch with evaluation and callbacks takes {epoch['ours_over_bare']:.2f} times a bare "
        f"`tf.function` loop that trains and evaluates on the same arrays ({epoch['ours_s']:.2f} s; training alone "
        f"{epoch['training_over_bare']:.2f} times). TensorFlow {environment['tensorflow']}, {environment['device']}, "
        f"{environment['threads']} threads.\n\n"
        f"A round of lottery tickets of FC with its validations takes {lottery['training_over_bare']:.2f} times a bare compiled "
        f"loop ({1000 * lottery['ours_s'] / lottery['steps']:.2f} ms a step). The {lottery['masks']} masks of a dense run (11 "
        f"criteria, 25 levels) are evaluated on 10,000 images in {lottery['supermasks_s']:.1f} s, "
        f"{lottery['supermasks_over_dense']:.2f} of the dense run's time, at {lottery['supermasks_gflops']:.0f} GFLOP/s; "
        f"the product of the first layer alone reaches {lottery['product_gflops']:.0f}.",
    )


def _memory(row):
    return {
        "peak of the baseline": f"{row['baseline_mib']:.0f}",
        "signed adds": f"{row['signed_mib'] - row['baseline_mib']:.0f}",
        "scores and one copy of the weights": f"{2 * row['weights_mib']:.0f}",
    }


def _or_dash(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def many(folder):
    """Runs per hour by jobs and threads."""
    networks = measurements(folder, "jobs")
    runs, threads = networks.pop("runs"), networks.pop("environment")["threads"]
    table = pd.DataFrame(
        {
            "network": name,
            f"one job, {threads} threads: runs per hour": f"{row['one_job']['runs_per_hour']:.0f}",
            f"{threads} jobs of one thread": f"{row['jobs']['runs_per_hour']:.0f}",
            "gain": f"{row['jobs']['runs_per_hour'] / row['one_job']['runs_per_hour']:.2f}",
            "an epoch with --deterministic / without": f"{_slowdown(row):.2f}",
        }
        for name, row in networks.items()
    )
    return "Many runs", {"": table}, f"{runs} short runs in each turn, with all that a user waits for."


def _slowdown(row):
    return row["deterministic"]["seconds_per_epoch"] / row["one_job"]["seconds_per_epoch"]


def inference(folder):
    """Speedups of compact networks, beside the bound that their multiplications allow."""
    measured = measurements(folder, "inference")
    rows = [(run, batch, row) for run in measured["runs"].values() for batch, row in run["batches"].items() if row]
    tiles = ", ".join(f"{count} filters {ms:.1f} ms" for count, ms in measured["tiles"].items())
    return (
        "Inference of compact networks",
        {
            "TFLite": pd.DataFrame(_tflite(*row) for row in rows),
            "SavedModel": pd.DataFrame(_saved_model(*row) for row in rows),
        },
        f"{measured['threads']} threads. TFLite takes filters 32 at a time: a 3x3 convolution of 64 channels on 64 images of "
        f"32x32 takes with {tiles}.",
    )


def _tflite(run, batch, row):
    return {"network": run["model"], "batch": batch, "bound": f"{run['bound']:.2f}"} | {
        "bound in tiles of 32": f"{run['tiled']:.2f}",
        "dense, ms": _ms(row["tflite"]["dense_ms"]),
        "gain (of the bound)": _gain(row["tflite"], run),
        "call alone, ms": _ms(row["call_ms"]) if "call_ms" in row else "-",
        "gain, ReLU for ELU": _gain(row["tflite_relu"], run),
    }


def _saved_model(run, batch, row):
    best = row["products"].get("best")
    others = [f"{name} {way}" for name, way in (best or {}).items() if way != "dense"]
    return {"network": run["model"], "batch": batch, "bound": f"{run['bound']:.2f}"} | {
        "dense, ms": _ms(row["saved_model"]["dense_ms"]),
        "gain (of the bound)": _gain(row["saved_model"], run),
        "products that are fastest": "-" if best is None else ", ".join(others) or "all dense",
        "further gain by them": f"{row['products']['gain']:.2f}" if others else "-",
    }


def _ms(value):
    """Milliseconds with three significant digits: `0.0107`, `4,096`."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _gain(measured, run):
    """The speedup, and its share of the bound."""
    return f"{measured['gain']:.2f} ({measured['gain'] / run['bound']:.0%})"


def formats(folder):
    """Size and test accuracy of every exported format, and the time to read it."""
    by_run = measurements(folder, "formats")
    by_run.pop("environment")
    rows, reading = [], {}
    for path, measured in by_run.items():
        run = path.removeprefix("results/")
        reading[run] = {f"{way}, ms": _ms(ms) for way, ms in measured["reading_ms"].items()}
        by_form = {(row["format"], row["int8"], row["compact"]): row for row in measured["forms"]}
        for (name, int8, compact), row in by_form.items():
            if not compact:
                rows.append({"run": run, "format": name + " int8" * int8} | _form(row, by_form.get((name, int8, True))))
                rows[-1]["test accuracy, recorded"] = f"{measured['recorded']:.2f}"
    table, stored = pd.DataFrame(rows), ["bytes", "bytes, compact"]
    return (
        "Formats",
        {
            "bytes": table[["run", "format", *stored]],
            "accuracy": table.drop(columns=stored),
            "time to read": pd.DataFrame(reading).rename_axis("").reset_index(),
        },
        "All were read in a new process and run on the real test images. Differences are "
        "relative to the largest logit of the masked network.",
    )


def _form(row, compact):
    """Columns of one exported file; `compact` is the row of the file without dead units, or None."""
    return {
        "bytes": f"{row['bytes']:,}",
        "bytes, compact": f"{compact['bytes']:,}" if compact else "-",
        "test accuracy, %": f"{row['test_accuracy']:.2f}",
        "compact": f"{compact['test_accuracy']:.2f}" if compact else "-",
        "largest difference of a logit": f"{max(form['difference'] for form in (row, compact) if form):.0e}",
    }


def microcontroller(folder):
    """What networks take as C: bytes on each target, instructions, and the same networks by others."""
    runs = measurements(folder, "microcontroller")
    environment = runs.pop("environment")
    bytes_, cost, others = [], [], []
    for path, measured in runs.items():
        network = path.removeprefix("results/").rpartition("/")[0]
        line = {"network": network, "C for size, Cortex-M0": _flash(measured["size"]["targets"]["Cortex-M0"])}
        line["TFLite int8, the file"] = f"{measured['tflite_int8']:,}"
        others.append(line | {"emlearn, float, ReLU for ELU": _bytes_or_text(measured["emlearn"])})
        for favor in ("size", "speed"):
            row, line = measured[favor], {"network": network, "for": favor}
            targets = {target: _sections(found) for target, found in row["targets"].items()}
            bytes_.append(line | {"weights": f"{row['weights']:,}"} | targets)
            counts = row["instructions"] or {}
            cost.append(
                line
                | {"test accuracy, %": f"{row['test_accuracy']:.2f}", "float, %": f"{measured['recorded']:.2f}"}
                | {f"instructions, {level}": f"{count:,}" for level, count in counts.items()}
            )
    return (
        "Measured",
        {"text + rodata + bss, bytes": pd.DataFrame(bytes_), "instructions per image": pd.DataFrame(cost)}
        | {"other programs, bytes": pd.DataFrame(others)},
        "`text` has the functions of the compiler's own library too, with `-Os`; that of AVR has the constants. A TFLite file "
        f"needs an interpreter besides. Instructions are those of this machine ({environment['device']}), counted by callgrind. "
        "Measured by `python benchmarks/microcontroller.py`.",
    )


def _sections(found):
    return found if isinstance(found, str) else " + ".join(f"{found[kind]:,}" for kind in ("text", "rodata", "bss"))


def _flash(found):
    return found if isinstance(found, str) else f"{found['text'] + found['rodata']:,}"


def _bytes_or_text(value):
    return f"{value:,}" if isinstance(value, int) else value
