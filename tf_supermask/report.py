"""Records -> README.md, tables, figures, claims: python -m tf_supermask.report [--scale=reduced] [--check]
Networks beside the records against the records: python -m tf_supermask.report --verify [beginning of names]

Nothing here is typed by hand: every number comes from a record, every printed one from the paper's printed.py. A figure is
drawn again when its records or the code that draws it have changed.
"""

import dataclasses
import functools
import hashlib
import io
import json
import pathlib
import re
import sys

import pandas as pd
from absl import app, flags, logging

from tf_supermask.quiet import quiet

with quiet():
    from tf_supermask import claims, evidence, experiments, figures, measured, papers, records, small, tables
    from tf_supermask.errors import InputError, fail, parse
    from tf_supermask.spec import Spec

FLAGS = flags.FLAGS
BEGIN, END = "<!-- {}: made by `python -m tf_supermask.report` -->", "<!-- end of {} -->"
SIZES = "figures/sizes.csv"  # of the containers at paper scale
_NEUTRAL = {"Date": None, "Creator": None}  # equal records, equal bytes


# ---------------------------------------------------------------------------------------------------------------------
# Text


def markdown(table):
    lines = [table.columns.tolist(), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def latex(table):
    """A booktabs tabular of a data frame of text."""
    special = {"%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#", "<": r"$<$", ">": r"$>$"}
    lines = [
        " & ".join("".join(special.get(letter, letter) for letter in str(cell)) for cell in line) + r" \\"
        for line in (table.columns, *table.to_numpy())
    ]
    head = [rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}", r"\toprule", lines[0], r"\midrule"]
    return "\n".join([*head, *lines[1:], r"\bottomrule", r"\end{tabular}", ""])


def title(name):
    """`koster_table12` -> `Koster et al. 2022, Table 12`."""
    paper, _, rest = name.partition("_")
    kind, _, number = re.fullmatch(r"(table|fig|appendix)(_?)(.*)", rest).groups()
    kind = {"table": "Table", "fig": "Figure", "appendix": "Appendix"}[kind]
    return f"{papers.PAPERS[paper].title}, {kind} {number.upper()}"


def shown(name, table, found):
    """Markdown of a table with the rows that have records, a line on the others, and the notes; '' without records."""
    frame = tables.frame(table, found.experiments, found.steps)
    known = [row.experiment in found for row in table.rows]
    if not any(known):
        return ""
    frame = frame[known + [True] * (len(frame) - len(known))]
    empty = [c for c in frame if c.startswith(("overlap", "paper")) and (frame[c] == "-").all()]
    frame = frame.drop(columns=empty)
    missing = [row.label for row, there in zip(table.rows, known, strict=True) if not there]
    notes = [f"No records yet: {'; '.join(missing)}."] * bool(missing) + list(table.notes)
    return _titled(name, table.title, frame, notes)


def _titled(name, text, frame, notes):
    return f"**{title(name)}: {text}**\n\n{markdown(frame)}\n\n{' '.join(notes)}".rstrip()


def all_tables(paper, found):
    """Markdown of all tables of a paper that have records, or that need none."""
    made = [shown(name, table, found) for name, table in papers.PAPERS[paper].tables.items()]
    for name, make in papers.PAPERS[paper].frames.items():
        text, frame, notes = make(found)
        made.append(_titled(name, text, frame, notes) if len(frame) else "")
    return "\n\n".join(filter(None, made)) or "No records yet."


def checks(*scales):
    """Markdown of the experiments that are in no table of the papers: they answer questions. Beside each stands the row of the
    papers' that differs least from it, after as many epochs."""
    rows, shown = [], papers.shown()
    every = [(found, name) for found in scales for name in sorted(found.experiments.keys() - shown) if "/" not in name]
    for found, name in every:
        its, usual = found.experiments[name], _usual(found, name, shown)
        epochs = its[0]["spec"]["epochs"]
        row = {"experiment": name, "scale": found.scale, "n": len(its), "epochs": epochs}
        for measure in ("test_accuracy", "remaining"):
            heading, digits = tables.MEASURES[measure]
            row[heading] = tables.show(tables.summary(tables.values(its, measure)), digits)
            at = [record["history"][measure][epochs - 1] for record in usual]
            row[f"{heading.partition(',')[0]}, usual"] = tables.show(tables.summary(at), digits)
        rows.append(row)
    return markdown(pd.DataFrame(rows)) if rows else "None yet."


def _usual(found, name, shown):
    """The records of the papers' row whose settings differ least, [] where none is trained in as many epochs."""
    wanted = _settings(found.experiments[name])
    rows = [found.experiments[row] for row in sorted(shown & found.experiments.keys()) if "/" not in row]
    alike = [its for its in rows if all(wanted[key] == _settings(its)[key] for key in ("model", "mode"))]
    long = [its for its in alike if wanted["epochs"] and _settings(its)["epochs"] >= wanted["epochs"]]
    return min(long, key=lambda its: sum(wanted[key] != value for key, value in _settings(its).items()), default=[])


def _settings(records):
    settings = dataclasses.asdict(Spec(**records[0]["spec"]))  # with those that did not exist when it was recorded
    return {key: value for key, value in settings.items() if key != "seed"}


def ledger(paper, found):
    """Markdown: a row per claim of a paper, its verdict at both scales and the numbers behind the better one."""
    rows, its = [], papers.PAPERS[paper].claims
    for full, less in zip(its.ledger(found["paper"]), its.ledger(found["reduced"]), strict=True):
        best = full if full.verdict != claims.OPEN or less.verdict == claims.OPEN else less
        scale = "" if best is full else "reduced: "
        seeds = _seeds(best)
        rows.append(
            {"#": full.number, "claim": full.claim, "paper scale": full.verdict, "reduced scale": less.verdict}
            | {"numbers": scale + best.numbers, "n": seeds}
        )
    return markdown(pd.DataFrame(rows))


def _seeds(finding):
    counts = sorted(set(finding.runs.values()))
    return "-".join(map(str, dict.fromkeys((counts[0], counts[-1])))) if counts else "-"


def blocks(found, speed_folder):
    """Name -> markdown of each generated block of the README; `found` is scale -> Evidence."""
    its = {"checks": checks(found["paper"], found["reduced"]), "sizes": sizes(SIZES)}
    for name, make in measured.BLOCKS.items():
        frame, text = make(speed_folder)
        its[name] = f"{markdown(frame)}\n\n{text}"
    for paper in papers.PAPERS:
        its[f"{paper} tables"] = all_tables(paper, found["paper"])
        its[f"{paper} reduced"] = all_tables(paper, found["reduced"])
        its[f"{paper} claims"] = ledger(paper, found)
    return its


def sizes(file):
    """Markdown of the sizes of all containers."""
    table = small.table(file)
    return markdown(table) if len(table) else "No containers yet."


def between_markers(text, name, content):
    """`text` with `content` in place of what stands between the markers of block `name`."""
    before, begin, rest = text.partition(BEGIN.format(name))
    _, end, after = rest.partition(END.format(name))
    if not begin or not end:
        raise InputError(f"the README has no lines {BEGIN.format(name)} and {END.format(name)} to put a table between")
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


# ---------------------------------------------------------------------------------------------------------------------
# Files


def fingerprint(found, drawing):
    """Stands in a picture's metadata and says from which records and by which code it was drawn.

    Records have the checksums of their masks; which files of masks are there is no part of it, as a clone has fewer of them.
    """
    modules = (figures, evidence, tables, sys.modules[drawing.draw.__module__])
    code = [pathlib.Path(module.__file__).read_text() for module in modules]
    its = {name: found.experiments[name] for name in drawing.experiments if name in found}
    return hashlib.sha256(json.dumps([code, its], sort_keys=True).encode()).hexdigest()


def rendered(figure, description):
    """The bytes of a figure as svg."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    FigureCanvasSVG(figure)
    file = io.BytesIO()
    with matplotlib.rc_context(figures.STYLE):
        figure.savefig(file, format="svg", metadata=_NEUTRAL | {"Description": description})
    return file.getvalue()


def table_files(found, folder):
    """Path -> bytes of the CSV and LaTeX files of all tables that have records."""
    files, frames = {}, {}
    for paper in papers.PAPERS.values():
        its = {
            name: table for name, table in paper.tables.items() if any(row.experiment in found for row in table.rows)
        }
        frames |= {name: tables.frame(table, found.experiments, found.steps) for name, table in its.items()}
        made = {name: make(found)[1] for name, make in paper.frames.items() if its}
        frames |= {name: frame for name, frame in made.items() if len(frame)}
    for name, frame in frames.items():
        files[pathlib.Path(folder, f"{name}.csv")] = frame.to_csv(index=False).encode()
        files[pathlib.Path(folder, f"{name}.tex")] = latex(frame).encode()
    return files


def _drawings(found):
    """Names and Drawings of one scale; those that show no records belong to the paper's."""
    return [(n, drawing) for n, drawing in papers.FIGURES.items() if drawing.experiments or found.scale == "paper"]


def draw(found, folder, again=False):
    """Draws the figures of one scale that are stale (`again`: all); yields a line on each, with what a figure lacks."""
    for name, drawing in _drawings(found):
        path, mark = pathlib.Path(folder, f"{name}.svg"), fingerprint(found, drawing)
        lacking = dict.fromkeys(
            "_".join(experiment.split("_")[:3]) for experiment in drawing.experiments if experiment not in found
        )
        if again or mark not in _text(path):
            try:
                picture = rendered(figures.draw(drawing, found), mark)
            except evidence.Missing as missing:
                yield f"{path}: not drawn, needs {missing}"
                continue
            records.write(path, lambda file, picture=picture: file.write(picture))
        yield f"{path}: {drawing.title}" + (f" (more of it with {', '.join(lacking)})" if lacking else "")


def _text(path):
    return pathlib.Path(path).read_text(errors="replace") if pathlib.Path(path).exists() else ""


def stale_figures(found, folder):
    """Paths of figures that do not show these records."""
    for name, drawing in _drawings(found):
        path = pathlib.Path(folder, f"{name}.svg")
        if fingerprint(found, drawing) not in _text(path) and (path.exists() or _drawable(drawing, found)):
            yield path


def _drawable(drawing, found):
    try:
        figures.draw(drawing, found)
        return True
    except evidence.Missing:
        return False


def readme_with(text, found, speed_folder):
    for name, content in blocks(found, speed_folder).items():
        text = between_markers(text, name, content)
    return text


def without_flag_file(rows):
    """Experiments that tables or figures show and no flag file of `rows` trains, and those that nothing shows."""
    names = {experiment.name for experiment in experiments.read_all(rows)}
    wanted = papers.shown()
    return sorted(wanted - names), sorted(name for name in names - wanted if "_check_" not in name)


# ---------------------------------------------------------------------------------------------------------------------
# Command line


def _check(found):
    """Raises InputError where something committed does not say what the records say."""
    folder = FLAGS.flags_dir or experiments.ROWS
    lost, unused = without_flag_file(experiments.rows(folder))
    if lost or unused:
        raise InputError(
            f"tables and figures show {', '.join(lost) or 'nothing'} that no file in {folder}/ trains; "
            f"{', '.join(unused) or 'nothing'} is trained and shown nowhere"
        )
    old = []
    for scale in ("paper", "reduced"):
        folder = evidence.FOLDERS[scale][1]
        old += stale_figures(found[scale], folder)
        old += [path for path, content in table_files(found[scale], folder).items() if _text(path) != content.decode()]
    old += [SIZES] if small.stale(found["paper"], SIZES) else []
    text = _text(FLAGS.readme)
    if readme_with(text, found, FLAGS.speed) != text:
        old.append(FLAGS.readme)
    if old:
        raise InputError(f"stale: {', '.join(map(str, old))}; run python -m tf_supermask.report")


def verify(found, prefix):
    """Yields `(agrees, line)` for the runs of the experiments whose names begin with `prefix`, from what lies beside the records.

    Each container is loaded, evaluated on the real test images and compared with its record; None where there is none.
    """
    from tf_supermask import data, runs

    load = functools.cache(lambda name, shape: data.load(name, FLAGS.data_dir, data.default_cache_dir(), shape))
    for name in sorted(its for its in found.experiments if its.startswith(prefix) and "/" not in its):
        for record in found.experiments[name]:
            run = records.Run(found.folder, name, record["spec"]["seed"])
            agrees, text = runs.verified(run, record, load)
            yield agrees, f"{run.record}: {({True: 'agrees', False: 'DIFFERS', None: 'skipped'})[agrees]}; {text}"


def _verify(found, prefix):
    """Prints the lines of `verify` and their sum. Raises InputError where a run differs, or none is there."""
    counts = {True: 0, False: 0, None: 0}
    for agrees, line in verify(found, prefix):
        counts[agrees] += 1
        print(line, flush=True)
    if not sum(counts.values()):
        raise InputError(f"no records in {found.folder} whose experiment begins with {prefix!r}")
    print(f"{counts[True]} runs agree with their records, {counts[False]} differ, {counts[None]} cannot be verified")
    if counts[False]:
        raise InputError(f"{counts[False]} runs differ from their records")


def _update(found, scale):
    """Writes what the records of one scale determine; prints what it wrote."""
    folder = FLAGS.figures_dir or evidence.FOLDERS[scale][1]
    for path, content in table_files(found, folder).items():
        records.write(path, lambda file, content=content: file.write(content))
    for line in draw(found, folder, FLAGS.figures):
        print(line)


def main(argv):
    logging.set_verbosity(logging.ERROR)  # of what tensorflow-datasets reads, and that networks are traced anew
    try:
        if len(argv) > 1 + FLAGS.verify:
            raise InputError(f"unexpected argument {argv[-1]!r}; only --verify takes one, the beginning of names")
        evidence.home(FLAGS.scale)  # there is such a scale
        wanted = {"paper", "reduced", FLAGS.scale}
        steps = measured.step_times(FLAGS.speed)
        found = {scale: papers.evidence(evidence.home(scale), scale, steps) for scale in wanted}
        if FLAGS.results_dir:
            found[FLAGS.scale] = papers.evidence(FLAGS.results_dir, FLAGS.scale, steps)
        chosen = found[FLAGS.scale]
        if FLAGS.check:
            return _check(found)
        if FLAGS.verify:
            return _verify(chosen, "".join(argv[1:]))
        if FLAGS.claims:
            for paper in papers.PAPERS.values():
                print(paper.title)
                for its in paper.claims.ledger(chosen):
                    print(f"{its.number:2} {its.verdict}: {its.claim}\n   {its.numbers} (n {_seeds(its)})")
            return
        if not chosen.experiments:
            print(
                f"no records of {FLAGS.scale} scale in {chosen.folder}; train something: bash run_all.sh --scale={FLAGS.scale}"
            )
        else:
            print("\n\n".join(all_tables(paper, chosen) for paper in papers.PAPERS))
        _update(chosen, FLAGS.scale)
        if FLAGS.readme and FLAGS.scale != "quick" and not FLAGS.results_dir:
            content = small.updated(found["paper"], SIZES)
            records.write(SIZES, lambda file: file.write(content.encode()))
            text = readme_with(pathlib.Path(FLAGS.readme).read_text(), found, FLAGS.speed)
            records.write(FLAGS.readme, lambda file: file.write(text.encode()))
            print(f"wrote {FLAGS.readme}")
    except (InputError, OSError) as error:
        fail(error)


def define_flags():
    flags.DEFINE_string("scale", "paper", "scale of the records: paper, reduced or quick")
    flags.DEFINE_string("results_dir", None, "folder of the records; default: that of the scale")
    flags.DEFINE_string("figures_dir", None, "folder of tables and figures; default: that of the scale")
    flags.DEFINE_string("flags_dir", None, "folder of flag files; default: flags/ of this package's checkout")
    flags.DEFINE_string("readme", "README.md", "file with the tables; empty: none")
    flags.DEFINE_string("speed", "benchmarks", "folder of the measurements of benchmarks/")
    flags.DEFINE_boolean("figures", False, "draw all figures again, also those that are up to date")
    flags.DEFINE_boolean("claims", False, "only print the claims, each with the numbers that it was decided by")
    flags.DEFINE_boolean(
        "verify", False, "evaluate the networks beside the records [whose names begin so] on the test images"
    )
    flags.DEFINE_string("data_dir", None, "folder of tensorflow-datasets, for --verify; default: $TFDS_DATA_DIR")
    flags.DEFINE_boolean("check", False, "write nothing; fail if a file is not what the records say")


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=parse)
