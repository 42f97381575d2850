"""Trains what the flags say: python -m tf_supermask.main --model=conv8 --mode=signed

Without further flags a run has the paper's own settings for its model and mode. Finished runs are skipped, an
interrupted one goes on where it was. Flags may stand in a file, one on each line beside comments, # or //, and blank
lines: --flagfile=flags/NAME.flags. Several such files, named without --flagfile, are trained in an order that tells
most soonest: flags/koster_table1*.flags --seeds=0-9
"""

import dataclasses
import functools
import importlib.util
import math
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
    from tf_supermask.experiments import device, flag_files, flagfile, modes, runs, training
    from tf_supermask.experiments.records import find
    from tf_supermask.papers.koster import reported as koster_reported
    from tf_supermask.papers.zhou import reported as zhou_reported
    from tf_supermask.scheduling import cluster, local, scheduler, status
    from tf_supermask.scheduling.progress import ConsoleReporter, Progress, silent

FLAGS = flags.FLAGS


def usage():
    listed = "\n".join(FLAGS.module_help(group) for group in flag_files.groups())
    return f"{__doc__}\n{re.sub(r'(?m)^    ?--(?:.no.)?', '  --', listed)}"


def parse(argv):
    """Names of flag files, of which the other arguments are further flags. One line instead of a page where they are wrong."""
    if any(argument in ("--help", "-help", "--helpfull", "--helpshort", "-h") for argument in argv[1:]):
        print(usage())
        sys.exit(0)
    try:
        argv = flagfile.expanded(argv, FLAGS)
        rows = list(map(os.path.expanduser, FLAGS(argv)[1:]))
        for row in rows:
            if not row.endswith(".flags"):
                raise flags.Error(f"unexpected argument {row!r}; flags are written --name=value, files end in .flags")
        FLAGS([argv[0], *flag_files.carried_out(rows, FLAGS), *argv[1:]])  # the command line outdoes rows
        return [
            rows,
            [argument for argument in argv[1:] if not argument.endswith(".flags") or argument.startswith("-")],
        ]
    except (flags.Error, InputError) as error:
        fail(error)


PROGRESS = {"auto": None, "bar": 1, "epoch": 2, "silent": 0}


EXECUTORS = ("local", "ray")


def options():
    if FLAGS.progress not in PROGRESS:
        raise InputError(f"--progress={FLAGS.progress} is unknown; choose from {', '.join(PROGRESS)}")
    if FLAGS.executor not in EXECUTORS:
        raise InputError(f"--executor={FLAGS.executor} is unknown; choose from {', '.join(EXECUTORS)}")
    for name in ("steps_per_execution", "checkpoint_seconds", "jobs", "threads", "gpus_per_run"):
        value = getattr(FLAGS, name)
        zero = name in ("checkpoint_seconds", "gpus_per_run")
        if value is not None and not (0 <= value < math.inf) or value == 0 and not zero:
            raise InputError(f"--{name} must be positive, not {value}")
    if FLAGS.tensorboard_dir and importlib.util.find_spec("tensorboard") is None:
        raise InputError("--tensorboard_dir needs the package tensorboard: pip install 'tf_supermask[tensorboard]'")
    if FLAGS.deterministic and FLAGS.jit_compile:
        raise InputError(
            "--deterministic excludes --jit_compile: Keras has no XLA with a GPU's deterministic kernels; leave one out"
        )
    if FLAGS.executor == "ray" and FLAGS.jobs > 1:
        raise InputError("--jobs is for this machine; Ray takes as many runs as fit, by --threads and --gpus_per_run")
    if FLAGS.executor != "ray" and (FLAGS.ray_address or FLAGS.gpus_per_run):
        raise InputError("--ray_address and --gpus_per_run are for --executor=ray")
    if FLAGS.gpus_per_run > 1 and FLAGS.gpus_per_run % 1:
        raise InputError(f"--gpus_per_run={FLAGS.gpus_per_run} must be a part of a GPU, or whole")
    gpu = FLAGS.gpus_per_run if FLAGS.executor == "ray" else device.has_gpu()
    if FLAGS.deterministic and FLAGS.threads not in (None, 1) and not gpu:
        raise InputError(
            f"--deterministic takes one thread on a CPU, --threads={FLAGS.threads} does not; leave one out"
        )
    progress = PROGRESS[FLAGS.progress]
    return training.Options(
        jit_compile=FLAGS.jit_compile,
        steps_per_execution=FLAGS.steps_per_execution,
        progress=(1 if sys.stdout.isatty() else 2) if progress is None else progress,
        checkpoint_seconds=FLAGS.checkpoint_seconds,
        deterministic=FLAGS.deterministic,
        tensorboard_dir=FLAGS.tensorboard_dir,
    )


def hush():
    """Keeps warnings of TensorFlow from the view of a user who did not ask for them."""
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3":
        tf.get_logger().setLevel("ERROR")  # warns of retracing when several runs share a process
        logging.set_verbosity(logging.ERROR)  # tensorflow-datasets tells what it reads


def set_up(threads, deterministic, number, count):
    """TensorFlow in one of `count` processes."""
    hush()
    device.set_up(threads, deterministic, number, count)


def jobs_of(found, ordered=True):
    """The Units of Experiments, if `ordered` those first that tell most. Raises InputError where their folders differ."""
    todo = [(experiment, spec) for experiment in found for spec in experiment.specs]
    if ordered and len(found) > 1:
        todo = flag_files.in_order(found, scheduler.cost)
    folders = {spec.scale: FLAGS.results_dir or results.home(spec.scale) for _, spec in todo}
    if len(set(folders.values())) > 1:
        raise InputError(f"rows of the scales {', '.join(folders)} at a time; give one --scale, or --results_dir")
    return [scheduler.job_of(experiment.name, spec, folders[spec.scale]) for experiment, spec in todo]


def planned(units):
    """The status.Plan of units that are not done."""
    its = []
    for run, spec, _ in units:
        rows = modes.of(spec).rows(spec)
        its.append((run.experiment, run.seed, scheduler.cost(spec), rows, min(status.rows_saved(run), rows - 1) / rows))
    return status.Plan(time.time(), its)


def in_this_process():
    """Whether runs are trained in this process."""
    return FLAGS.jobs == 1 and FLAGS.executor == "local"


def threads():
    """Threads of each run; None: as many as there are processors."""
    if FLAGS.executor == "ray":
        return FLAGS.threads or 1
    share = max(1, device.processors() // FLAGS.jobs) if FLAGS.jobs > 1 else None
    return FLAGS.threads or share


def train_all(units, how):
    """Trains `units`, none of which is done; returns a walk.Failed where some fail, else None."""
    scheduler.prepare(units)
    plan = planned(units)
    load = functools.partial(scheduler.load, FLAGS.data_dir, FLAGS.cache_dir)
    hidden = dataclasses.replace(how, say=silent, progress=0)
    with status.Planned(units[0].run.results_dir, plan):
        ready = scheduler.supplied(units, load)
        if not ready:
            pass  # all have failed
        elif in_this_process():
            told = ConsoleReporter(ready, plan)
            scheduler.run_all(ready, scheduler.Scheduler(load, how, plan.began), told.begin, told.end)
        elif FLAGS.executor == "ray":
            with Progress(ready, plan) as progress:
                cluster.run(ready, load, hidden, plan.began, FLAGS.ray_address, threads(), FLAGS.gpus_per_run, progress)
        else:
            count = min(FLAGS.jobs, len(ready))
            setting = functools.partial(set_up, threads(), FLAGS.deterministic, count=count)
            with Progress(ready, plan) as progress:
                local.run(ready, scheduler.Scheduler(load, hidden, plan.began), count, setting, progress)
    return scheduler.failures(units, plan.began)


def print_status(rows, further):
    """Of rows if there are some, else of all that is in the folder of results and all that walks mean to do there."""
    units = jobs_of(flag_files.read_all(rows, further), ordered=False) if rows else None
    home = results.home(FLAGS.scale or "paper")
    folder = units[0].run.results_dir if units else FLAGS.results_dir or home
    wanted = [(unit.run.experiment, unit.run.seed) for unit in units] if units else None
    for line in status.report(folder, wanted):
        print(line)


def exported(units):
    """Writes the networks of all units that are done."""
    for run, spec, _ in units:
        if find(run, spec):
            path = export_saved_model(
                runs.load_run(run.record), os.path.join(FLAGS.export_dir, f"{run.experiment}_seed{run.seed}")
            )
            print(f"exported to {path}")


def main(arguments):
    rows, further = arguments
    try:
        hush()
        how = options()
        if in_this_process() and not FLAGS.status:
            device.set_up(threads(), FLAGS.deterministic)
        else:
            device.without_gpu()
        if FLAGS.status:
            return print_status(rows, further)
        found = flag_files.read_all(rows, further) if rows else flag_files.described(FLAGS)
        units = jobs_of(found)
        results.check_folder(units[0].run.results_dir, units[0].spec.scale)
        if FLAGS.export_dir and not all(modes.of(unit.spec).exportable for unit in units):
            raise InputError(
                "--export_dir is for trained masks and baselines; lottery tickets and supermasks keep no network"
            )
        todo = [unit for unit in units if not find(unit.run, unit.spec)]
        for unit in units:
            if unit not in todo:
                print(f"{unit.name}: done before", flush=True)
        failed = train_all(todo, how) if todo else None
        if FLAGS.export_dir:
            exported(units)
        if failed:
            raise failed
        if len(found) == 1:
            made = [find(unit.run, unit.spec) for unit in units]
            print(f"\n{tables.result(made, (koster_reported.PAPER | zhou_reported.PAPER).get(found[0].name))}")
    except KeyboardInterrupt:
        fail("stopped; the same command goes on from the last checkpoint", 130)
    except InputError as error:
        fail(error)
    except OSError as error:
        fail(f"cannot write {error.filename or 'the results'}: {error.strerror}; nothing recorded before was touched")


if __name__ == "__main__":
    flag_files.define_flags()
    app.run(main, flags_parser=parse)
