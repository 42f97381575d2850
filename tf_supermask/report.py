"""Records -> the table in README.md and pictures: python -m tf_supermask.report [--check]

Nothing here is typed by hand: every number comes from a record, every printed one from `tables.PAPER`.
"""

import hashlib
import io
import json
import pathlib
import sys

import matplotlib
import pandas as pd
from absl import app, flags

from tf_supermask.quiet import quiet

with quiet():
    from tf_supermask import records, tables
    from tf_supermask.errors import InputError

FLAGS = flags.FLAGS
_NEUTRAL = {"svg": {"Date": None}, "png": {"Software": None}}  # equal records, equal bytes
BEGIN, END = "<!-- {}: made by `python -m tf_supermask.report` -->", "<!-- end of {} -->"

# One style for all pictures: readable in print, in colours that the colour-blind can tell apart (Okabe and Ito).
STYLE = {
    "axes.prop_cycle": matplotlib.cycler(linestyle=["-", "--", ":"])
    * matplotlib.cycler(color=["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]),
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "axes.titlesize": 10,
    "font.size": 9,
    "grid.alpha": 0.3,
    "savefig.dpi": 150,
    "svg.hashsalt": "tf_supermask",
}


def collect(results_dir):
    """Experiment -> its records by seed, of all records below a folder; both sorted."""
    found = {}
    for path in pathlib.Path(results_dir).glob("*/seed*.json"):
        found.setdefault(path.parent.name, []).append(records.read(path))
    return {name: sorted(found[name], key=lambda record: record["spec"]["seed"]) for name in sorted(found)}


def overview(experiments):
    """DataFrame: a row per experiment, ours beside the paper's, mean and 5 and 95 % quantiles over n seeds."""
    rows = []
    for name, its in experiments.items():
        printed = tables.paper(its[0])
        row = {"experiment": name, "n": len(its), "epochs": its[0]["spec"]["epochs"]}
        for measure, (heading, digits) in tables.MEASURES.items():
            row[heading] = tables.show(tables.summary(its, measure), digits)
            if measure != "seconds_per_epoch":  # other machines, other seconds
                row[f"paper: {heading}"] = tables.show(printed.get(measure, ()), digits)
        rows.append(row)
    return pd.DataFrame(rows).astype(str)


def markdown(table):
    lines = [table.columns.tolist(), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def curves(experiments):
    """Figure with a row per network: test accuracy (left) and remaining weights (right, logarithmic) over epochs; the mean,
    and all seeds as a band."""
    from matplotlib.figure import Figure

    networks = {}
    for name, its in experiments.items():
        networks.setdefault(its[0]["spec"]["model"], {})[name] = its
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 0.3 + 2.6 * len(networks)))
        rows = figure.subplots(len(networks), 2, squeeze=False)
        for (accuracy, remaining), (network, its_experiments) in zip(rows, networks.items(), strict=True):
            for name, its in its_experiments.items():
                _band(accuracy, [record["history"]["test_accuracy"] for record in its], 1, name)
                starts = [[record["initial"]["remaining"], *record["history"]["remaining"]] for record in its]
                _band(remaining, starts, 0, f"{name} (n={len(its)})")
            accuracy.set(title=network, ylabel="test accuracy, %")
            remaining.set(title=network, ylabel="remaining weights, %", yscale="log", ylim=(None, 130))
            remaining.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
            remaining.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
        for axes in rows[-1]:
            axes.set_xlabel("epoch")
    return figure


def _band(axes, runs, first_epoch, label):
    length = min(len(run) for run in runs)
    table = pd.DataFrame([run[:length] for run in runs])
    epochs = range(first_epoch, first_epoch + length)
    (line,) = axes.plot(epochs, table.mean(), label=label, marker="o" if length < 3 else None, markersize=4)
    axes.fill_between(epochs, table.min(), table.max(), color=line.get_color(), alpha=0.25, linewidth=0)


def fingerprint(experiments):
    """Stands in a picture's metadata and says which records it was drawn from, whatever drew it."""
    return hashlib.sha256(json.dumps(experiments, sort_keys=True).encode()).hexdigest()


def rendered(figure, ending, description):
    """The bytes of a figure as svg or png."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    file = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(file, format=ending, metadata=_NEUTRAL[ending] | {"Description": description})
    return file.getvalue()


def speed(path):
    """Markdown of benchmarks/train_step.py's JSON file: what a supermask costs per step, and an FCN epoch."""
    found = json.loads(pathlib.Path(path).read_text())
    epoch, environment = found.pop("fcn_epoch"), found.pop("environment")
    table = pd.DataFrame(
        {
            "network": name,
            "baseline, ms per step": f"{row['baseline_ms']:.2f}",
            "signed / baseline": f"{row['signed_over_baseline']:.3f}",
            "kernels alone / step": f"{row['kernels_over_step']:.2f}",
            "peak memory of the baseline, MiB": f"{row['baseline_mib']:.0f}",
            "signed adds": f"{row['signed_mib'] - row['baseline_mib']:.0f}",
            "scores and one copy of the weights": f"{2 * row['weights_mib']:.0f}",
        }
        for name, row in found.items()
    )
    return (
        f"{markdown(table)}\n\nAn FCN epoch with evaluation and callbacks takes {epoch['ours_over_bare']:.2f} times a bare "
        f"`tf.function` loop that trains and evaluates on the same arrays ({epoch['ours_s']:.2f} s; training alone "
        f"{epoch['training_over_bare']:.2f} times). TensorFlow {environment['tensorflow']}, {environment['device']}, "
        f"{environment['threads']} threads."
    )


def blocks(experiments, speed_file):
    """Name -> markdown of each generated block of the README."""
    return {"results": markdown(overview(experiments)), "speed": speed(speed_file)}


def between_markers(text, name, content):
    """`text` with `content` in place of what stands between the markers of block `name`."""
    before, begin, rest = text.partition(BEGIN.format(name))
    _, end, after = rest.partition(END.format(name))
    if not begin or not end:
        raise InputError(f"the README has no lines {BEGIN.format(name)} and {END.format(name)} to put a table between")
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def stale(experiments, speed_file, readme, figure):
    """The files among the last two that do not show these records."""
    contents = {figure: [fingerprint(experiments)]} if figure else {}
    if readme:
        contents[readme] = blocks(experiments, speed_file).values()
    texts = {
        path: pathlib.Path(path).read_text(errors="replace") if pathlib.Path(path).exists() else "" for path in contents
    }
    return [path for path in contents if not all(content in texts[path] for content in contents[path])]


def update(experiments, speed_file, readme, figure):
    """Writes the files that the records determine; yields their paths."""
    if readme:
        text = pathlib.Path(readme).read_text()
        for name, content in blocks(experiments, speed_file).items():
            text = between_markers(text, name, content)
        records.write(readme, lambda file: file.write(text.encode()))
        yield readme
    if figure:
        ending = pathlib.Path(figure).suffix[1:]
        if ending not in _NEUTRAL:
            raise InputError(f"--figure={figure} must end in .svg or .png")
        picture = rendered(curves(experiments), ending, fingerprint(experiments))
        records.write(figure, lambda file: file.write(picture))
        yield figure


def main(argv):
    del argv
    try:
        experiments = collect(FLAGS.results_dir)
        if not experiments:
            raise InputError(f"no records in {FLAGS.results_dir}; train something first: python -m tf_supermask.main")
        chosen = {name: its for name, its in experiments.items() if name.startswith(FLAGS.prefix)}
        if FLAGS.check:
            old = stale(chosen, FLAGS.speed, FLAGS.readme, FLAGS.figure)
            if old:
                raise InputError(f"stale: {', '.join(old)}; run python -m tf_supermask.report")
            return
        print(overview(chosen).T.to_string(header=False))
        for path in update(chosen, FLAGS.speed, FLAGS.readme, FLAGS.figure):
            print(f"wrote {path}")
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def define_flags():
    flags.DEFINE_string("results_dir", "results", "folder of all results")
    flags.DEFINE_string("prefix", "", "only experiments whose names begin so")
    flags.DEFINE_string("readme", "README.md", "file with the table; empty: none")
    flags.DEFINE_string("speed", "benchmarks/train_step.json", "measurements of benchmarks/train_step.py")
    flags.DEFINE_string("figure", "figures/training.svg", "picture of the training curves, .svg or .png; empty: none")
    flags.DEFINE_boolean("check", False, "write nothing; fail if a file is not what the records say")


if __name__ == "__main__":
    define_flags()
    app.run(main)
