"""Records -> tables, figures, claims, the pages of docs/ and the README.

    python -m tf_supermask.report                                     updates all committed files
    python -m tf_supermask.report --check                             fails if a committed file is stale
    python -m tf_supermask.report --scale=quick [--results_dir=...]   tables and figures of other records
    python -m tf_supermask.report --claims                            each claim with its verdict and numbers
    python -m tf_supermask.report --verify [beginning of names]       evaluates stored networks, compares with their records

No number in a table or figure is typed by hand: ours come from a record or a measurement, those of the papers from reported.py of
each paper.
"""

import functools
import pathlib

from absl import app, flags, logging

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    from tf_supermask import files
    from tf_supermask.command_line import fail, output_may_be_closed, parse
    from tf_supermask.errors import InputError
    from tf_supermask.evidence import (
        benchmarks,
        claims,
        figures,
        pages,
        sizes,
        small_networks,
        table_files,
        zoo_files,
    )
    from tf_supermask.evidence.results import FOLDERS, home
    from tf_supermask.experiments import data, flag_files, names, paths, records, runs
    from tf_supermask.papers import catalogue

FLAGS = flags.FLAGS
COMMITTED = ("paper", "reduced")  # scales whose records, figures and pages are committed
OVERVIEW = "tables.md"
NEXT = """Next: bash run_all.sh --all                                          the other networks at this scale
      bash run_all.sh --scale=paper koster_table1_ --seeds=0-4     Table 1 as published, on MNIST
      python -m tf_supermask.export --help                         a trained network as a file of a few kilobytes"""


def without_flag_file(rows):
    """`(missing, unused)`: experiments that tables, figures or the zoo show but no file of `rows` trains, and the reverse."""
    trained = {experiment.name for experiment in flag_files.read_all(rows)}
    shown = catalogue.shown() | zoo_files.experiments()
    return sorted(shown - trained), sorted(name for name in trained - shown if not names.unlisted(name))


def check(source):
    """Raises InputError if a committed file is not what the records give, or an experiment has no flag file or no table."""
    missing, unused = without_flag_file(flag_files.rows(source.flags))
    if missing or unused:
        raise InputError(
            f"tables and figures show {', '.join(missing) or 'nothing'} that no file in {source.flags}/ trains; "
            f"{', '.join(unused) or 'nothing'} is trained and shown nowhere"
        )
    stale = []
    for scale, evidence in source.scales.items():
        folder = FOLDERS[scale][1]
        stale += figures.stale(catalogue.FIGURES, evidence, folder)
        stale += table_files.stale(catalogue.PAPERS, evidence, folder)
    stale += [pages.SIZES] if sizes.stale(source.scales["paper"], pages.SIZES) else []
    stale += [small_networks.FILE] if small_networks.stale(source.speed) else []
    stale += pages.stale(FLAGS.pages_dir, source)
    stale += zoo_files.stale(FLAGS.pages_dir, source.scales["paper"])
    if stale:
        raise InputError(f"stale: {', '.join(map(str, stale))}; run python -m tf_supermask.report")


def verify(evidence, prefix):
    """Yields `(agrees, line)` for each run of the experiments whose names begin with `prefix`.

    The container beside the record is loaded, evaluated on the test images and compared with the record. `agrees` is None if
    there is no container.
    """

    load = functools.cache(
        lambda name, shape, splits: data.load(name, FLAGS.data_dir, paths.default_cache_dir(), shape, splits)
    )
    for name in sorted(evidence.experiments):
        if not name.startswith(prefix) or "/" in name:
            continue
        for record in evidence.experiments[name]:
            run = records.Run(evidence.folder, name, record["spec"]["seed"])
            agrees, text = runs.verified(run, record, load)
            yield agrees, f"{run.record}: {({True: 'agrees', False: 'DIFFERS', None: 'skipped'})[agrees]}; {text}"


def print_verified(evidence, prefix):
    """Prints the lines of `verify` and their counts. Raises InputError if a run differs from its record, or there is no run."""
    counts = {True: 0, False: 0, None: 0}
    for agrees, line in verify(evidence, prefix):
        counts[agrees] += 1
        print(line, flush=True)
    if not sum(counts.values()):
        raise InputError(f"no records in {evidence.folder} whose experiment begins with {prefix!r}")
    print(f"{counts[True]} runs agree with their records, {counts[False]} differ, {counts[None]} cannot be verified")
    if counts[False]:
        raise InputError(f"{counts[False]} runs differ from their records")


def print_claims(evidence):
    ledgers = {paper.title: paper.claims.ledger(evidence) for paper in catalogue.PAPERS.values()}
    print(claims.counts(ledgers).to_string(index=False))
    for title, findings in ledgers.items():
        print(f"\n{title}")
        for finding in findings:
            print(f"{finding.number:2} {finding.shown()}: {finding.claim}\n   {finding.numbers} (n {finding.n})")


def update_files(evidence, folder):
    """Writes the tables and figures of one scale; returns a line on each figure."""
    table_files.write(catalogue.PAPERS, evidence, folder)
    return list(figures.update(catalogue.FIGURES, evidence, folder, FLAGS.figures))


def update_committed(source):
    """Writes all that `check` looks at; prints a line on each figure and page."""
    for scale, evidence in source.scales.items():
        print("\n".join(update_files(evidence, FOLDERS[scale][1])))
    content = sizes.updated(source.scales["paper"], pages.SIZES).encode()
    files.write(pages.SIZES, lambda file: file.write(content))
    small_networks.write(source.speed)
    changed = pages.write(FLAGS.pages_dir, source)
    for path in [*changed, *zoo_files.write(FLAGS.pages_dir, source.scales["paper"])]:
        print(f"wrote {path}")


def overview(evidence, lines):
    """Markdown of all tables, and the `lines` on figures."""
    texts = []
    for paper in catalogue.PAPERS.values():
        texts += [f"## {paper.title}", *(pages.table_sections(paper, evidence) or ["No records yet."])]
    return "\n\n".join([*texts, "## Figures", *lines]) + "\n"


def update_elsewhere(evidence, folder):
    """Writes tables and figures of records that are not committed; prints what fits on one screen, the rest is in a file."""
    lines = update_files(evidence, folder)
    path = pathlib.Path(folder, OVERVIEW)
    files.write(path, lambda file: file.write(overview(evidence, lines).encode()))
    frame = pages.headline_frame(catalogue.PAPERS, evidence)
    drawn = len(list(pathlib.Path(folder).glob("*.svg")))
    runs_done = sum(len(found) for name, found in evidence.experiments.items() if "/" not in name)
    print(f"\n{frame.to_string(index=False)}\n" if len(frame) else "")
    print(f"{runs_done} runs in {evidence.folder}/; all tables: {path}; {drawn} figures: {folder}/*.svg")
    print(NEXT)


def committed(chosen, steps):
    """The pages.Source of the committed records. The evidence `chosen` is used for its scale unless --results_dir is given."""
    scales = {
        scale: (
            chosen
            if scale == chosen.scale and not FLAGS.results_dir
            else catalogue.evidence(FOLDERS[scale][0], scale, steps)
        )
        for scale in COMMITTED
    }
    shown = catalogue.shown() | zoo_files.experiments()
    flags_dir = FLAGS.flags_dir or flag_files.ROWS
    return pages.Source(catalogue.PAPERS, shown, scales, FLAGS.speed, flags_dir, catalogue.PAGES)


@output_may_be_closed()
def run(prefix):
    """Runs the command of the flags. `prefix`: beginning of the names of experiments, for --verify."""
    folder, figures_dir = FOLDERS[FLAGS.scale]
    elsewhere = FLAGS.results_dir or FLAGS.figures_dir
    if FLAGS.check and elsewhere:
        raise InputError("--check is for the committed files; leave out --results_dir and --figures_dir")
    if FLAGS.results_dir and not pathlib.Path(FLAGS.results_dir).is_dir():
        raise InputError(
            f"--results_dir={FLAGS.results_dir} is no folder; name one with records: FOLDER/EXPERIMENT/seed0.json"
        )
    steps = benchmarks.step_times(FLAGS.speed)
    chosen = catalogue.evidence(FLAGS.results_dir or folder, FLAGS.scale, steps)
    if FLAGS.check:
        return check(committed(chosen, steps))
    if FLAGS.verify:
        return print_verified(chosen, prefix)
    if FLAGS.claims:
        return print_claims(chosen)
    if not chosen.experiments:
        scale = chosen.scale
        print(f"no records of {scale} scale in {chosen.folder}; train something: bash run_all.sh --scale={scale}")
    if elsewhere or FLAGS.scale not in COMMITTED:
        beside = FLAGS.results_dir and pathlib.Path(FLAGS.results_dir, "figures")  # not over those of other records
        return update_elsewhere(chosen, FLAGS.figures_dir or beside or figures_dir)
    update_committed(committed(chosen, steps))


def main(argv):
    logging.set_verbosity(logging.ERROR)  # no messages of tensorflow-datasets, no warnings of retracing
    try:
        if len(argv) > 1 + FLAGS.verify:
            raise InputError(f"unexpected argument {argv[-1]!r}; only --verify takes one, the beginning of names")
        home(FLAGS.scale)  # raises InputError for an unknown scale
        run("".join(argv[1:]))
    except (InputError, OSError) as error:
        fail(error)


def define_flags(values=FLAGS):
    text, boolean, path = flags.DEFINE_string, flags.DEFINE_boolean, paths.define_path
    for define, name, default, help_ in (
        (text, "scale", "paper", "scale of the records: paper, reduced or quick"),
        (path, "results_dir", None, "folder of the records; default: that of the scale"),
        (path, "figures_dir", None, "folder of tables and figures; default: figures/ in --results_dir, or that of the scale"),
        (path, "flags_dir", None, "folder of flag files; default: flags/ of this package's checkout"),
        (path, "pages_dir", ".", "folder with README.md and docs/, whose pages are made from the committed records"),
        (path, "speed", "benchmarks", "folder of the measurements of benchmarks/"),
        (boolean, "figures", False, "draw all figures, also those that are up to date"),
        (boolean, "claims", False, "only print the claims, each with its verdict and the numbers behind it"),
        (
            boolean,
            "verify",
            False,
            "evaluate the networks beside the records [of experiments whose names begin so] on the test images",
        ),
        (path, "data_dir", None, "folder of tensorflow-datasets, for --verify; default: $TFDS_DATA_DIR"),
        (boolean, "check", False, "write nothing; fail if a committed file is stale"),
    ):
        define(name, default, help_, flag_values=values)


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=parse)
