"""Makes what records say into files: what `report` does after its flags are checked, with TensorFlow and pandas."""

import functools
import pathlib

from absl import logging

from tf_supermask import files
from tf_supermask.errors import InputError
from tf_supermask.evidence import benchmarks, claims, figures, pages, sizes, small_networks, table_files, zoo_files
from tf_supermask.evidence.results import FOLDERS
from tf_supermask.experiments import data, flag_files, names, paths, records, runs
from tf_supermask.papers import catalogue

COMMITTED = ("paper", "reduced")  # scales whose records, figures and pages are committed
OVERVIEW = "tables.md"
NEXT = """Next: bash run_all.sh --all                                          all networks at quick scale
      bash run_all.sh --scale=paper koster_table1_ --seeds=0-4     Table 1 as published, on MNIST
      python -m tf_supermask.export --help                         a trained network as a file of a few kilobytes"""


def without_flag_file(rows):
    """`(missing, unused)`: experiments that tables, figures or the zoo show but no file of `rows` trains, and the reverse."""
    trained = {experiment.name for experiment in flag_files.read_all(rows, ["--seeds=0"])}
    shown = catalogue.shown() | zoo_files.experiments()
    return sorted(shown - trained), sorted(name for name in trained - shown if not names.unlisted(name))


def check(source, pages_dir):
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
    stale += pages.stale(pages_dir, source)
    stale += zoo_files.stale(pages_dir, source.scales["paper"])
    if stale:
        raise InputError(f"stale: {', '.join(map(str, stale))}; run python -m tf_supermask.report")


def verify(evidence, prefix, data_dir):
    """Yields `(agrees, line)` for each run of the experiments whose names begin with `prefix`.

    The container beside the record is loaded, evaluated on the test images and compared with the record. `agrees` is None if
    there is no container.
    """

    load = functools.cache(
        lambda name, shape, splits: data.load(name, data_dir, paths.default_cache_dir(), shape, splits)
    )
    for name in sorted(evidence.experiments):
        if not name.startswith(prefix) or "/" in name:
            continue
        for record in evidence.experiments[name]:
            run = records.Run(evidence.folder, name, record["spec"]["seed"])
            agrees, text = runs.verified(run, record, load)
            yield agrees, f"{run.record}: {({True: 'agrees', False: 'DIFFERS', None: 'skipped'})[agrees]}; {text}"


def print_verified(evidence, prefix, data_dir):
    """Prints the lines of `verify` and their counts. Raises InputError if a run differs from its record, or there is no run."""
    counts = {True: 0, False: 0, None: 0}
    for agrees, line in verify(evidence, prefix, data_dir):
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


def update_files(evidence, folder, anew):
    """Writes the tables and figures of one scale; returns a line on each figure. `anew`: draw also those that are up to date."""
    table_files.write(catalogue.PAPERS, evidence, folder)
    return list(figures.update(catalogue.FIGURES, evidence, folder, anew))


def update_committed(source, pages_dir, anew):
    """Writes all that `check` looks at; prints a line on each figure and page."""
    for scale, evidence in source.scales.items():
        print("\n".join(update_files(evidence, FOLDERS[scale][1], anew)))
    content = sizes.updated(source.scales["paper"], pages.SIZES).encode()
    files.write(pages.SIZES, lambda file: file.write(content))
    small_networks.write(source.speed)
    changed = pages.write(pages_dir, source)
    for path in [*changed, *zoo_files.write(pages_dir, source.scales["paper"])]:
        print(f"wrote {path}")


def overview(evidence, lines):
    """Markdown of all tables, and the `lines` on figures."""
    texts = []
    for paper in catalogue.PAPERS.values():
        texts += [f"## {paper.title}", *(pages.table_sections(paper, evidence) or ["No records yet."])]
    return "\n\n".join([*texts, "## Figures", *lines]) + "\n"


def update_elsewhere(evidence, folder, anew):
    """Writes tables and figures of records that are not committed; prints what fits on one screen, the rest is in a file."""
    lines = update_files(evidence, folder, anew)
    path = pathlib.Path(folder, OVERVIEW)
    files.write(path, lambda file: file.write(overview(evidence, lines).encode()))
    frame = pages.headline_frame(catalogue.PAPERS, evidence)
    drawn = len(list(pathlib.Path(folder).glob("*.svg")))
    runs_done = sum(len(found) for name, found in evidence.experiments.items() if "/" not in name)
    print(f"\n{frame.to_string(index=False)}\n" if len(frame) else "")
    print(f"{runs_done} runs in {evidence.folder}/; all tables: {path}; {drawn} figures: {folder}/*.svg")
    print(NEXT)


def committed(chosen, times, options):
    """The pages.Source of the committed records. The evidence `chosen` is used for its scale unless --results_dir is given."""
    scales = {
        scale: (
            chosen
            if scale == chosen.scale and not options.results_dir
            else catalogue.evidence(FOLDERS[scale][0], scale, times)
        )
        for scale in COMMITTED
    }
    shown = catalogue.shown() | zoo_files.experiments()
    flags_dir = options.flags_dir or flag_files.ROWS
    return pages.Source(catalogue.PAPERS, shown, scales, options.speed, flags_dir, catalogue.PAGES)


def run(options, prefix):
    """Does what `options`, the flags of `report`, say. `prefix`: beginning of the names of experiments, for --verify."""
    logging.set_verbosity(logging.ERROR)  # no messages of tensorflow-datasets, no warnings of retracing
    folder, figures_dir = FOLDERS[options.scale]
    times = benchmarks.times(options.speed)
    chosen = catalogue.evidence(options.results_dir or folder, options.scale, times)
    if options.check:
        return check(committed(chosen, times, options), options.pages_dir)
    if options.verify:
        return print_verified(chosen, prefix, options.data_dir)
    if options.claims:
        return print_claims(chosen)
    if not chosen.experiments:
        scale = chosen.scale
        print(f"no records of {scale} scale in {chosen.folder}; train something: bash run_all.sh --scale={scale}")
    if options.results_dir or options.figures_dir or options.scale not in COMMITTED:
        beside = options.results_dir and pathlib.Path(options.results_dir, "figures")  # not over those of other records
        return update_elsewhere(chosen, options.figures_dir or beside or figures_dir, options.figures)
    update_committed(committed(chosen, times, options), options.pages_dir, options.figures)
