"""Trains what the flags say: python -m tf_supermask.main --model=conv8 --mode=signed

Without further flags a run has the paper's own settings for its model and mode. Finished runs are skipped, an
interrupted one continues from its checkpoint. Flags may be in a file, one on each line beside comments, # or //, and
blank lines: --flagfile=flags/NAME.flags. Several such files, named without --flagfile, are trained cheapest and most
informative first: flags/koster_table1*.flags --seeds=0-9

TensorFlow runs with oneDNN unless the variable TF_ENABLE_ONEDNN_OPTS is set; the last bits of a run depend on it.
"""

import dataclasses
import functools
import os
import re
import sys
import time

from absl import app, flags, logging

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    import tensorflow as tf

    from tf_supermask.command_line import fail
    from tf_supermask.deploy.saved_model import export_saved_model
    from tf_supermask.errors import InputError
    from tf_supermask.evidence import results, tables
    from tf_supermask.experiments import device, flag_files, modes, records, runs
    from tf_supermask.papers.koster import reported as koster_reported
    from tf_supermask.papers.zhou import reported as zhou_reported
    from tf_supermask.scheduling import cluster, jobs, local, run_flags, scheduler, status
    from tf_supermask.scheduling.progress import ConsoleReporter, Progress, silent

FLAGS = flags.FLAGS


# ---------------------------------------------------------------------------------------------------------------------
# Flags


def usage():
    """The text of --help."""
    listed = "\n".join(FLAGS.module_help(group) for group in flag_files.groups())
    return f"{__doc__}\n{re.sub(r'(?m)^    ?--(?:.no.)?', '  --', listed)}"


def parse(argv):
    """Parser of flags for absl's `app.run`: `(paths of rows, arguments that are further flags of them)`.

    Prints one line instead of a page where flags are wrong.
    """
    if any(argument in ("--help", "-help", "--helpfull", "--helpshort", "-h") for argument in argv[1:]):
        print(usage())
        sys.exit(0)
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


# ---------------------------------------------------------------------------------------------------------------------
# Jobs


def silence_warnings():
    """Hides warnings of TensorFlow and tensorflow-datasets unless TF_CPP_MIN_LOG_LEVEL asks for them."""
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3":
        tf.get_logger().setLevel("ERROR")  # warns of retracing when several runs share a process
        logging.set_verbosity(logging.ERROR)  # tensorflow-datasets logs what it reads


def set_up(threads, deterministic, number, count):
    """Sets TensorFlow up in one of `count` processes."""
    silence_warnings()
    device.set_up(threads, deterministic, number, count)


def jobs_of(experiments, ordered=True):
    """The Jobs of Experiments, if `ordered` the cheapest and most informative first. Raises InputError for several folders."""
    pairs = [(experiment, spec) for experiment in experiments for spec in experiment.specs]
    if ordered and len(experiments) > 1:
        pairs = flag_files.in_order(experiments, jobs.cost)
    folders = {spec.scale: FLAGS.results_dir or results.home(spec.scale) for _, spec in pairs}
    if len(set(folders.values())) > 1:
        raise InputError(f"rows of the scales {', '.join(folders)} at a time; give one --scale, or --results_dir")
    return [jobs.job_of(experiment.name, spec, folders[spec.scale]) for experiment, spec in pairs]


def train_all(todo, options):
    """Trains jobs, none of which is done; returns a scheduler.Failed where some fail, else None."""
    jobs.prepare(todo)
    plan = status.plan_of(todo, time.time())
    load = functools.partial(jobs.load, FLAGS.data_dir, FLAGS.cache_dir)
    with status.Planned(todo[0].run.results_dir, plan):
        ready = scheduler.supplied(todo, load)
        if ready and run_flags.in_this_process(FLAGS):
            reporter = ConsoleReporter(ready, plan)
            scheduler.run_all(ready, scheduler.Scheduler(load, options, plan.began), reporter.begin, reporter.end)
        elif ready:
            with Progress(ready, plan) as progress:
                train_elsewhere(ready, load, dataclasses.replace(options, log=silent, progress=0), plan.began, progress)
    return scheduler.failures(todo, plan.began)


def train_elsewhere(ready, load, options, began, progress):
    """Trains jobs on a Ray cluster, or in several processes on this machine."""
    if FLAGS.executor == "ray":
        return cluster.run(
            ready, load, options, began, FLAGS.ray_address, run_flags.threads(FLAGS), FLAGS.gpus_per_run, progress
        )
    count = min(FLAGS.jobs, len(ready))
    setting = functools.partial(set_up, run_flags.threads(FLAGS), FLAGS.deterministic, count=count)
    local.run(ready, scheduler.Scheduler(load, options, began), count, setting, progress)


# ---------------------------------------------------------------------------------------------------------------------
# Command


def print_status(rows, further):
    """The status of the runs of `rows`; without rows, of all runs in the folder of results and all that are planned there."""
    home = results.home(FLAGS.scale or "paper")  # refuses an unknown scale also where a folder is given
    selected, folder = None, FLAGS.results_dir or home
    if rows:
        todo = jobs_of(flag_files.read_all(rows, further), ordered=False)
        selected, folder = [(job.run.experiment, job.run.seed) for job in todo], todo[0].run.results_dir
    for line in status.report(folder, selected):
        print(line)


def export_all(done):
    """Writes the networks of jobs that are done as SavedModels."""
    for job in done:
        folder = os.path.join(FLAGS.export_dir, f"{job.run.experiment}_seed{job.run.seed}")
        print(f"exported to {export_saved_model(runs.load_run(job.run.record), folder)}")


def is_done(job):
    return records.find(job.run, job.spec) is not None


def train_rows(rows, further):
    """Trains all runs that are not done, exports and prints results. Raises InputError where runs fail."""
    experiments = flag_files.read_all(rows, further) if rows else flag_files.described(FLAGS)
    ordered = jobs_of(experiments)
    results.check_folder(ordered[0].run.results_dir, ordered[0].spec.scale)
    if FLAGS.export_dir and not all(modes.of(job.spec).exportable for job in ordered):
        raise InputError(
            "--export_dir is for trained masks and baselines; lottery tickets and supermasks keep no network"
        )
    todo = [job for job in ordered if not is_done(job)]
    for job in ordered:
        if job not in todo:
            print(f"{job.name}: done before", flush=True)
    failed = train_all(todo, run_flags.options(FLAGS)) if todo else None
    if FLAGS.export_dir:
        export_all(filter(is_done, ordered))
    if failed:
        raise failed
    if len(experiments) == 1:
        finished = [records.find(job.run, job.spec) for job in ordered]
        print(f"\n{tables.result(finished, (koster_reported.PAPER | zhou_reported.PAPER).get(experiments[0].name))}")


def main(arguments):
    rows, further = arguments
    try:
        silence_warnings()
        run_flags.check(FLAGS)
        if run_flags.in_this_process(FLAGS) and not FLAGS.status:
            device.set_up(run_flags.threads(FLAGS), FLAGS.deterministic)
        else:
            device.without_gpu()
        if FLAGS.status:
            print_status(rows, further)
        else:
            train_rows(rows, further)
    except KeyboardInterrupt:
        fail("stopped; the same command continues from the last checkpoint", 130)
    except InputError as error:
        fail(error)
    except OSError as error:
        fail(f"cannot write {error.filename or 'the results'}: {error.strerror}; nothing recorded before was touched")


if __name__ == "__main__":
    flag_files.define_flags()
    app.run(main, flags_parser=parse)
