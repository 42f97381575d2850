"""Trains what the flags say: python -m tf_supermask.main --model=conv8 --mode=signed

Without further flags a run has the paper's own settings for its model and mode. Finished runs are skipped, an
interrupted one goes on where it was. Flags may stand in a file: --flagfile=flags/NAME.flags. Several such files,
named without --flagfile, are trained in an order that tells most soonest: flags/koster_table1*.flags --seeds=0-9
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

from tf_supermask.quiet import quiet

with quiet():
    import tensorflow as tf

    from tf_supermask import cluster, device, evidence, experiments, export, jobs, runs, status, tables, training, walk
    from tf_supermask.errors import InputError
    from tf_supermask.koster import printed as koster
    from tf_supermask.records import Run, find
    from tf_supermask.zhou import printed as zhou

FLAGS = flags.FLAGS


def usage():
    listed = "\n".join(FLAGS.module_help(group) for group in experiments.groups())
    return f"{__doc__}\n{re.sub(r'(?m)^    ?--(?:.no.)?', '  --', listed)}"


def parse(argv):
    """Names of flag files, of which the other arguments are further flags. One line instead of a page where they are wrong."""
    if any(argument in ("--help", "-help", "--helpfull", "--helpshort", "-h") for argument in argv[1:]):
        print(usage())
        sys.exit(0)
    try:
        rows = FLAGS(argv)[1:]
        for row in rows:
            if not row.endswith(".flags"):
                raise flags.Error(f"unexpected argument {row!r}; flags are written --name=value, files end in .flags")
        return [rows, [argument for argument in argv[1:] if argument not in rows]]
    except (flags.Error, OSError) as error:
        fail(error)


def fail(error):
    print("error: " + " ".join(str(error).split()), file=sys.stderr)
    sys.exit(2)


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
    if FLAGS.deterministic and FLAGS.threads not in (None, 1) and not device.has_gpu():
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


def units_of(found):
    """The Units of Experiments, in the order in which they tell most. Raises InputError where their folders differ."""
    todo = experiments.in_order(found, walk.cost) if len(found) > 1 else [(found[0], spec) for spec in found[0].specs]
    folders = {spec.scale: FLAGS.results_dir or evidence.FOLDERS[spec.scale][0] for _, spec in todo}
    if len(set(folders.values())) > 1:
        raise InputError(f"rows of the scales {', '.join(folders)} at a time; give one --scale, or --results_dir")
    return [walk.Unit(Run(folders[spec.scale], experiment.name, spec.seed), spec) for experiment, spec in todo]


def planned(units):
    """The status.Plan of units. Raises InputError for records of other specs."""
    its = []
    for run, spec in units:
        rows = walk.rows(spec)
        share = 1.0 if find(run, spec) else min(1.0, status.rows_done(run) / rows)
        its.append((run.experiment, run.seed, walk.cost(spec), rows, share))
    return status.Plan(time.time(), its)


def in_this_process():
    """Whether runs are trained in this process."""
    return FLAGS.jobs == 1 and FLAGS.executor == "local"


def threads():
    """Threads of each run; None: as many as there are processors."""
    share = max(1, device.processors() // FLAGS.jobs) if FLAGS.jobs > 1 else None
    return FLAGS.threads or share


def train_all(units, how):
    """Trains what has no record; returns the records. Raises Failed where a run fails, after all others."""
    plan, folder = planned(units), units[0].run.results_dir
    load = functools.partial(walk.load, FLAGS.data_dir, FLAGS.cache_dir)
    hidden = dataclasses.replace(how, say=jobs.silent, progress=0)
    walk.prepare(units)
    with status.Planned(folder, plan):
        if in_this_process():
            told = Told(units, plan)
            walk.walk(units, walk.Walk(load, how, plan.began), told.begin, told.end)
        elif FLAGS.executor == "ray":
            with jobs.Progress(units, plan) as progress:
                cluster.run(
                    units, load, hidden, plan.began, FLAGS.ray_address, threads() or 1, FLAGS.gpus_per_run, progress
                )
        else:
            setting = functools.partial(set_up, threads(), FLAGS.deterministic, count=FLAGS.jobs)
            with jobs.Progress(units, plan) as progress:
                jobs.run(units, walk.Walk(load, hidden, plan.began), FLAGS.jobs, setting, progress)
    return walk.finish(units, plan.began)


class Told:
    """What a walk in this process says around each run."""

    def __init__(self, units, plan):
        self.units, self.plan, self.waiting = units, plan, set()

    def begin(self, position, unit):
        if position not in self.waiting:
            done = ": done before" if self.plan.runs[position][-1] == 1.0 else ""
            print(f"{unit.name} ({position + 1} of {len(self.units)}){done}", flush=True)

    def end(self, position, unit, outcome):
        if outcome == walk.BUSY:
            if position not in self.waiting:
                print("  another process trains it; looked at again after the others")
            self.waiting.add(position)
        elif outcome == walk.FAILED:
            print(f"  failed: {walk.reason(unit.run)}")
        elif outcome == walk.TRAINED:
            states = self.plan.states(unit.run.results_dir)
            others = sum(its.kind in (status.WAITING, status.RUNNING) for its in states)
            if others:
                print(
                    f"  about {training.duration(self.plan.left(states, time.time()))} left for the other {others} runs"
                )


def print_status(rows, further):
    """Of rows if there are some, else of all that is in the folder of results and all that walks mean to do there."""
    units = units_of(experiments.read_all(rows, further)) if rows else None
    folder = units[0].run.results_dir if units else FLAGS.results_dir or evidence.FOLDERS[FLAGS.scale or "paper"][0]
    wanted = [(unit.run.experiment, unit.run.seed) for unit in units] if units else None
    for line in status.report(folder, wanted):
        print(line)


def main(arguments):
    rows, further = arguments
    try:
        hush()
        how = options()
        if FLAGS.status:
            return print_status(rows, further)
        if in_this_process():
            device.set_up(threads(), FLAGS.deterministic)
        else:
            device.without_gpu()
        found = experiments.read_all(rows, further) if rows else experiments.described(FLAGS)
        units = units_of(found)
        made = train_all(units, how)
        for unit in units if FLAGS.export_dir else ():
            folder = os.path.join(FLAGS.export_dir, f"{unit.run.experiment}_seed{unit.spec.seed}")
            print(f"exported to {export.saved_model(runs.load_run(unit.run.record), folder)}")
        if len(found) == 1:
            print(f"\n{tables.result(made, (koster.PAPER | zhou.PAPER).get(found[0].name))}")
    except KeyboardInterrupt:
        fail("stopped; the same command goes on from the last checkpoint")
    except InputError as error:
        fail(error)
    except OSError as error:
        fail(f"cannot write {error.filename or 'the results'}: {error.strerror}; nothing recorded before was touched")


if __name__ == "__main__":
    experiments.define_flags()
    app.run(main, flags_parser=parse)
