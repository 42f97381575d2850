"""Trains networks: python -m tf_supermask.main --model=conv8 --mode=signed

Without further flags a run has the settings of the paper for its model and mode. Finished runs are skipped, an interrupted
run continues from its checkpoint. Flags may be in a file, one per line, with comments (# or //) and blank lines:
--flagfile=flags/NAME.flags. Several such files, named without --flagfile, are trained cheapest and most informative
first: flags/koster_table1*.flags --seeds=0-9

TensorFlow runs with oneDNN unless the variable TF_ENABLE_ONEDNN_OPTS is set; the last bits of a run depend on it.
"""

import os

from absl import app, flags

from tf_supermask.command_line import fail, help_if_asked, output_may_be_closed, silence_tensorflow
from tf_supermask.errors import InputError
from tf_supermask.evidence import results
from tf_supermask.experiments import flag_files
from tf_supermask.scheduling import run_flags, status

FLAGS = flags.FLAGS


def usage():
    """The text of --help."""
    listed = "\n".join(FLAGS.module_help(group) for group in flag_files.groups())
    return f"{__doc__}\n{listed}"


def parse(argv):
    """Parser of flags for absl's `app.run`: `(names of flag files, further arguments, which override them)`.

    Ends with an error of one line if flags are wrong.
    """
    help_if_asked(argv, usage)
    try:
        argv = flag_files.expanded(argv, FLAGS)
        rows = list(map(os.path.expanduser, FLAGS(argv)[1:]))
        for row in rows:
            if not row.endswith(".flags"):
                raise flags.Error(f"unexpected argument {row!r}; flags are written --name=value, files end in .flags")
        FLAGS([argv[0], *flag_files.run_arguments(rows, FLAGS), *argv[1:]])  # the command line overrides rows
        further = [argument for argument in argv[1:] if not argument.endswith(".flags") or argument.startswith("-")]
        return rows, further
    except (flags.Error, InputError) as error:
        fail(error)


def folder_of(experiments):
    """The folder of the results of experiments. Raises InputError where their scales have folders of their own."""
    scales = dict.fromkeys(spec.scale for experiment in experiments for spec in experiment.specs)
    folders = {FLAGS.results_dir or results.home(scale) for scale in scales}
    if len(folders) > 1:
        raise InputError(f"rows of the scales {', '.join(scales)} at a time; give one --scale, or --results_dir")
    return folders.pop()


@output_may_be_closed()
def print_status(experiments):
    """The status of the runs of `experiments`; without any, of all runs in the folder of results and all planned there."""
    selected = [(experiment.name, spec.seed) for experiment in experiments for spec in experiment.specs]
    home = results.home(FLAGS.scale or "paper")  # refuses an unknown scale also where a folder is given
    folder = folder_of(experiments) if experiments else FLAGS.results_dir or home
    may_be_absent = experiments or folder == home  # of runs that have not begun
    if not os.path.isdir(folder) and (os.path.exists(folder) or not may_be_absent):
        raise InputError(f"--results_dir={folder} is no folder; name one with runs: FOLDER/EXPERIMENT/seed0.json")
    for line in status.report(folder, selected or None):
        print(line)


@output_may_be_closed()
def main(arguments):
    rows, further = arguments
    try:
        run_flags.check(FLAGS)
        if FLAGS.status:
            print_status(flag_files.read_all(rows, further))
            return
        experiments = flag_files.read_all(rows, further) if rows else flag_files.described(FLAGS)
        folder = folder_of(experiments)
        with silence_tensorflow():  # only here: what is wrong so far is said at once
            from tf_supermask import train
        train.train_all(experiments, folder)
    except KeyboardInterrupt:
        fail("stopped; the same command continues from the last checkpoint", 130)
    except InputError as error:
        fail(error)
    except BrokenPipeError:
        raise  # of the output, which nobody reads any more
    except OSError as error:
        fail(f"cannot write {error.filename or 'the results'}: {error.strerror}; nothing recorded before was touched")


if __name__ == "__mp_main__":  # in a process of --jobs, before it reads what it is given
    import tf_supermask.preloaded  # noqa: F401

if __name__ == "__main__":
    flag_files.define_flags()
    app.run(main, flags_parser=parse)
