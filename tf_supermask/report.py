"""Records -> tables, figures, claims, the pages of docs/ and the README.

    python -m tf_supermask.report                                     updates all committed files
    python -m tf_supermask.report --check                             fails if a committed file is stale
    python -m tf_supermask.report --scale=quick [--results_dir=...]   tables and figures of other records
    python -m tf_supermask.report --claims                            each claim with its verdict and numbers
    python -m tf_supermask.report --verify [beginning of names]       evaluates stored networks, compares with their records

No number in a table or figure is typed by hand: ours come from a record or a measurement, those of the papers from reported.py of
each paper.
"""

import pathlib

from absl import app, flags

from tf_supermask.command_line import fail, output_may_be_closed, parse, silence_tensorflow
from tf_supermask.errors import InputError
from tf_supermask.evidence.results import home
from tf_supermask.experiments import paths

FLAGS = flags.FLAGS


def check(argv):
    """Raises InputError for flags and arguments that do not go together, or name nothing."""
    if len(argv) > 1 + FLAGS.verify:
        raise InputError(f"unexpected argument {argv[-1]!r}; only --verify takes one, the beginning of names")
    home(FLAGS.scale)  # raises InputError for an unknown scale
    folder = FLAGS.results_dir
    if FLAGS.check and (folder or FLAGS.figures_dir):
        raise InputError("--check is for the committed files; leave out --results_dir and --figures_dir")
    if folder and not pathlib.Path(folder).is_dir():
        raise InputError(f"--results_dir={folder} is no folder; name one with records: FOLDER/EXPERIMENT/seed0.json")


@output_may_be_closed()
def main(argv):
    try:
        check(argv)
        with silence_tensorflow():  # only here: what is wrong so far is said at once
            from tf_supermask import reporting
        reporting.run(FLAGS, "".join(argv[1:]))
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
