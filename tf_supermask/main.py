"""Trains what the flags say: python -m tf_supermask.main --model=conv8 --mode=signed

Without further flags a run has the paper's own settings for its model and mode. Finished runs are skipped, an
interrupted one goes on where it was. Flags may stand in a file: --flagfile=flags/NAME.flags. Several such files,
named without --flagfile, are trained in an order that tells most soonest: flags/koster_table1*.flags --seeds=0-9
"""

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
    import keras
    import tensorflow as tf

    from tf_supermask import (
        data,
        evidence,
        experiments,
        export,
        learned,
        lottery,
        models,
        records,
        runs,
        sparsity,
        supermasks,
        tables,
        training,
    )
    from tf_supermask.errors import InputError
    from tf_supermask.koster import printed as koster
    from tf_supermask.spec import Spec
    from tf_supermask.zhou import printed as zhou

FLAGS = flags.FLAGS
_IMAGES = {"digits": 1_437, "digits8": 1_437}  # of training data, where it is far from the others' 50,000 or 60,000


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


def options():
    if FLAGS.progress not in PROGRESS:
        raise InputError(f"--progress={FLAGS.progress} is unknown; choose from {', '.join(PROGRESS)}")
    for name in ("steps_per_execution", "checkpoint_seconds"):
        value = getattr(FLAGS, name)
        if value is not None and not (0 <= value < math.inf) or value == 0 and name == "steps_per_execution":
            raise InputError(f"--{name} must be positive, not {value}")
    if FLAGS.tensorboard_dir and importlib.util.find_spec("tensorboard") is None:
        raise InputError("--tensorboard_dir needs the package tensorboard: pip install 'tf_supermask[tensorboard]'")
    if deterministic() and FLAGS.jit_compile:
        raise InputError(
            "--jit_compile has no effect with --deterministic, under which Keras does not use XLA; leave one out"
        )
    progress = PROGRESS[FLAGS.progress]
    return training.Options(
        jit_compile=False if deterministic() else FLAGS.jit_compile,
        steps_per_execution=FLAGS.steps_per_execution,
        progress=(1 if sys.stdout.isatty() else 2) if progress is None else progress,
        checkpoint_seconds=FLAGS.checkpoint_seconds,
        tensorboard_dir=FLAGS.tensorboard_dir,
    )


def deterministic():
    """A CPU's kernels repeat themselves as they are; those of a GPU have to be told."""
    return bool(tf.config.list_physical_devices("GPU")) if FLAGS.deterministic is None else FLAGS.deterministic


def prepare_tensorflow():
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3":
        tf.get_logger().setLevel("ERROR")  # warns of retracing when several runs share a process
        logging.set_verbosity(logging.ERROR)  # tensorflow-datasets tells what it reads
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    if deterministic():
        tf.config.experimental.enable_op_determinism()


def shape_of(model, dataset):
    """Shape of the images that `model` gets: those of the data set, or, where it takes any, of the one it was made for."""
    return data.DATASETS.get(dataset) or data.DATASETS[Spec.of(model=model).dataset]


@functools.cache
def load(dataset, shape):
    return data.load(dataset, FLAGS.data_dir, FLAGS.cache_dir, shape)


@functools.cache
def _multiply_adds(model, shape):
    return sparsity.multiply_adds(models.build(Spec.of(model=model, mode="baseline"), shape, 10))


def cost(spec):
    """What a run takes beside others: multiplications of its forward passes, and as many as pass while it starts."""
    if spec.mode == "supermask":
        images = 20_000 * 25 * 2 * 13
    elif spec.iterations:
        images = spec.iterations * spec.batch_size * ((spec.rounds or 0) + 1)
    else:
        images = _IMAGES.get(spec.dataset, 60_000) * spec.passes * spec.epochs
    return 2e11 + _multiply_adds(spec.model, shape_of(spec.model, spec.dataset)) * images


def train(spec, run, how):
    """Trains a run; before a chain of lottery tickets or supermasks, the dense run that they begin with."""
    dataset = load(spec.dataset, shape_of(spec.model, spec.dataset))
    if not spec.iterations:
        return training.train(spec, dataset, run, how)
    dense = None
    if spec.rounds:
        first = lottery.dense_spec(spec)
        dense = records.Run(run.results_dir, experiments.name_of(first), spec.seed)
        if records.find(dense, first) is None or not dense.final.exists():  # dense weights are not in the repository
            print(f"  first its dense run, {dense.experiment}", flush=True)
            lottery.train(first, dataset, dense, how)
    method = {"lottery": lottery, "supermask": supermasks}.get(spec.mode, learned)
    return method.train(spec, dataset, run, how, dense)


def results_dir(spec):
    return FLAGS.results_dir or evidence.FOLDERS[spec.scale][0]


def run_all(todo, how):
    """Trains or skips each `(experiment, spec)`; returns the records. A run that diverges is told, the others go on."""
    found, failed = [], []
    places = [records.Run(results_dir(spec), name, spec.seed) for name, spec in todo]
    before = [
        records.find(run, spec) for run, (_, spec) in zip(places, todo, strict=True)
    ]  # all, before any is trained
    costs = [0 if record else cost(spec) for record, (_, spec) in zip(before, todo, strict=True)]
    began = time.monotonic()
    for position, (run, record, (name, spec)) in enumerate(zip(places, before, todo, strict=True), 1):
        skipped = record is not None
        print(f"{name}, seed {spec.seed} ({position} of {len(todo)}){': done before' if skipped else ''}", flush=True)
        model = None
        if not skipped:
            records.prepare(run)
            try:
                model, record = train(spec, run, how)
            except training.Diverged as error:
                print(f"  {error}")
                failed.append(f"{name}, seed {spec.seed}")
            left = (time.monotonic() - began) / sum(costs[:position]) * sum(costs[position:])
            if left:
                others = sum(map(bool, costs[position:]))
                print(f"  about {training.duration(left)} left for the other {others} runs")
        if record is not None:
            if FLAGS.export_dir:
                model = model or runs.rebuild(spec, record, run)
                folder = os.path.join(FLAGS.export_dir, f"{name}_seed{spec.seed}")
                print(f"  exported to {export.saved_model(model, folder)}")
            found.append(record)
        keras.backend.clear_session()
    if failed:
        raise training.Diverged(f"{len(failed)} of {len(todo)} runs diverged: {'; '.join(failed)}")
    return found


def main(arguments):
    rows, further = arguments
    try:
        prepare_tensorflow()
        found = experiments.read_all(rows, further) if rows else experiments.described(FLAGS)
        todo = experiments.in_order(found, cost) if len(found) > 1 else [(found[0], spec) for spec in found[0].specs]
        made = run_all([(experiment.name, spec) for experiment, spec in todo], options())
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
