"""The tables of the docs on exported and compact networks, made from the measurements of benchmarks/.

Each function takes the folder of the JSON files and returns a section of a page: `(heading, name -> data frame of text, notes)`.
"""

import pandas as pd

from tf_supermask.evidence.benchmarks import machines, measurements, milliseconds
from tf_supermask.evidence.statistics import summary
from tf_supermask.evidence.tables import show


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
        f"TFLite has {measured['threads']} threads and takes filters 32 at a time: a 3x3 convolution of 64 channels on 64 images "
        f"of 32x32 takes with {tiles}. {machines({}, measured['environment'])}",
    )


def _tflite(run, batch, row):
    return {"network": run["model"], "batch": batch, "bound": f"{run['bound']:.2f}"} | {
        "bound in tiles of 32": f"{run['tiled']:.2f}",
        "dense, ms": milliseconds(row["tflite"]["dense_ms"]),
        "gain (of the bound)": _gain(row["tflite"], run),
        "call alone, ms": milliseconds(row["call_ms"]) if "call_ms" in row else "-",
        "gain, ReLU for ELU": _gain(row["tflite_relu"], run),
    }


def _saved_model(run, batch, row):
    best = row["products"].get("best")
    others = [f"{name} {way}" for name, way in (best or {}).items() if way != "dense"]
    return {"network": run["model"], "batch": batch, "bound": f"{run['bound']:.2f}"} | {
        "dense, ms": milliseconds(row["saved_model"]["dense_ms"]),
        "gain (of the bound)": _gain(row["saved_model"], run),
        "products that are fastest": "-" if best is None else ", ".join(others) or "all dense",
        "further gain by them": f"{row['products']['gain']:.2f}" if others else "-",
    }


def _gain(measured, run):
    """The speedup, and its share of the bound."""
    return f"{measured['gain']:.2f} ({measured['gain'] / run['bound']:.0%})"


def formats(folder):
    """Size and test accuracy of every exported format, and the time to read it."""
    by_run = measurements(folder, "formats")
    environment = by_run.pop("environment")
    rows, reading = [], {}
    for path, measured in by_run.items():
        run = path.removeprefix("results/")
        reading[run] = {f"{way}, ms": milliseconds(ms) for way, ms in measured["reading_ms"].items()}
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
        f"relative to the largest logit of the masked network. Reading is timed on {machines({}, environment)}",
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
    seeds, bytes_, cost, others = [], [], [], []
    for path, measured in runs.items():
        network = path.removeprefix("results/").rpartition("/")[0]
        seeds.append({"network": network} | _of_seeds(measured["seeds"].values()))
        line = {"network": network, "C for size, Cortex-M0": _flash(measured["size"]["targets"]["Cortex-M0"])}
        line["TFLite int8, the file"] = f"{measured['tflite_int8']:,}"
        others.append(line | {"emlearn, float, ReLU for ELU": _bytes_or_text(measured["emlearn"])})
        for favor in ("size", "speed"):
            row, line = measured[favor], {"network": network, "for": favor}
            targets = {target: _sections(found) for target, found in row["targets"].items()}
            bytes_.append(line | {"weights": f"{row['weights']:,}"} | targets)
            accuracies = {"test accuracy, %": f"{row['test_accuracy']:.2f}", "float, %": f"{measured['recorded']:.2f}"}
            cost.append(line | accuracies | _counts(row["instructions"]))
    return (
        "Measured",
        {"all seeds": pd.DataFrame(seeds), "text + rodata + bss, bytes": pd.DataFrame(bytes_)}
        | {"instructions per image": pd.DataFrame(cost), "other programs, bytes": pd.DataFrame(others)},
        "The first table has all seeds as integer C, exported for size, means with the 5 % and 95 % quantiles; the others have "
        "one. `text` has the functions of the compiler's own library too, with `-Os`; that of AVR has the constants. A TFLite "
        "file needs an interpreter besides. Instructions are counted by callgrind on this machine "
        f"({environment['processor']}), by QEMU for the others. Measured by `python benchmarks/microcontroller.py`.",
    )


def _of_seeds(rows):
    """Columns on the C files of several seeds."""
    return {
        "n": len(rows),
        "bytes of weights": show(summary(row["weights"] for row in rows), 0),
        "test accuracy, %": show(summary(row["test_accuracy"] for row in rows), 2),
    }


def _counts(instructions):
    """Columns of instructions per image."""
    return {
        f"{target}, {level}": f"{count:,}"
        for target, counts in instructions.items()
        if not isinstance(counts, str)
        for level, count in counts.items()
    }


def _sections(found):
    return found if isinstance(found, str) else " + ".join(f"{found[kind]:,}" for kind in ("text", "rodata", "bss"))


def _flash(found):
    return found if isinstance(found, str) else f"{found['text'] + found['rodata']:,}"


def _bytes_or_text(value):
    return f"{value:,}" if isinstance(value, int) else value


SIZES = (formats, inference)  # the sections of the page on sizes
