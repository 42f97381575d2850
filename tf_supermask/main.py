"""Trains what the flags say: python -m tf_supermask.main --model=conv8 --mode=signed

Without further flags a run has the paper's own settings for its model and mode. Finished runs are skipped, an
interrupted one goes on where it was. Flags may stand in a file: --flagfile=flags/NAME.flags
"""

import dataclasses
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

    from tf_supermask import data, export, models, records, tables, training
    from tf_supermask.errors import InputError
    from tf_supermask.spec import Spec

FLAGS = flags.FLAGS
RUNNING, FILES = "running", "files"
_DEFINE = {str: flags.DEFINE_string, int: flags.DEFINE_integer, float: flags.DEFINE_float, bool: flags.DEFINE_boolean}


def define_flags():
    """One flag for each field of Spec but the seed, and those that say how and where to run."""
    for field in dataclasses.fields(Spec):
        if field.name != "seed":
            group, help_ = field.metadata["group"], field.metadata["help"]
            choices = field.metadata.get("choices")
            if choices:
                help_ += f" ({', '.join(choices)})"
            _DEFINE[field.type](field.name, None, help_, module_name=group)
    flags.DEFINE_string("seeds", "0", "seeds, a run each: 0-49 or 0,3,7", module_name=RUNNING)
    flags.DEFINE_boolean(
        "jit_compile",
        None,
        "compile with XLA; default: for networks without convolutions, and with --nodeterministic on a GPU",
        module_name=RUNNING,
    )
    flags.DEFINE_integer("steps_per_execution", None, "steps per call; default: as many as help", module_name=RUNNING)
    flags.DEFINE_boolean(
        "deterministic",
        None,
        "use TensorFlow's deterministic kernels; default: on a GPU (a CPU's are)",
        module_name=RUNNING,
    )
    flags.DEFINE_string("progress", "auto", "bar, epoch (one line each), silent or auto", module_name=RUNNING)
    flags.DEFINE_float("checkpoint_seconds", 30.0, "least time between two checkpoints", module_name=RUNNING)
    flags.DEFINE_string("experiment", None, "name of the results; default: model_mode_dataset", module_name=FILES)
    flags.DEFINE_string("results_dir", "results", "folder of all results", module_name=FILES)
    flags.DEFINE_string("data_dir", None, "folder of tensorflow-datasets; default: $TFDS_DATA_DIR", module_name=FILES)
    flags.DEFINE_string("cache_dir", data.default_cache_dir(), "folder for decoded images", module_name=FILES)
    flags.DEFINE_string("export_dir", None, "write the trained network there as a SavedModel", module_name=FILES)
    flags.DEFINE_string("tensorboard_dir", None, "write TensorBoard logs there", module_name=FILES)


def usage():
    groups = dict.fromkeys(field.metadata["group"] for field in dataclasses.fields(Spec))
    listed = "\n".join(FLAGS.module_help(group) for group in (*groups, RUNNING, FILES))
    return f"{__doc__}\n{re.sub(r'(?m)^    ?--(?:.no.)?', '  --', listed)}"


def parse(argv):
    """Flags, with one line instead of a page where they are wrong."""
    if any(argument in ("--help", "-help", "--helpfull", "--helpshort", "-h") for argument in argv[1:]):
        print(usage())
        sys.exit(0)
    try:
        rest = FLAGS(argv)
        if len(rest) > 1:
            raise flags.Error(f"unexpected argument {rest[1]!r}; flags are written --name=value")
        return rest
    except (flags.Error, OSError) as error:
        fail(error)


def fail(error):
    print("error: " + " ".join(str(error).split()), file=sys.stderr)
    sys.exit(2)


def parse_seeds(text):
    """`0-2,7` -> [0, 1, 2, 7]. Raises InputError."""
    seeds = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not match:
            raise InputError(f"--seeds={text!r} has no seeds to read at {part!r}; write 0-49 or 0,3,7")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise InputError(f"--seeds={text!r} counts backwards at {part!r}; write {last}-{first}")
        seeds.extend(range(first, last + 1))
    return list(dict.fromkeys(seeds))


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


def specs():
    """One Spec per seed."""
    names = [field.name for field in dataclasses.fields(Spec) if field.name != "seed"]
    given = {name: FLAGS[name].value for name in names if FLAGS[name].value is not None}
    return [Spec.of(seed=seed, **given) for seed in parse_seeds(FLAGS.seeds)]


def prepare_tensorflow():
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3":
        tf.get_logger().setLevel("ERROR")  # warns of retracing when several runs share a process
        logging.set_verbosity(logging.ERROR)  # tensorflow-datasets tells what it reads
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    if deterministic():
        tf.config.experimental.enable_op_determinism()


def load(spec):
    shape = data.DATASETS.get(Spec.of(model=spec.model).dataset)  # of the data set that the network was made for
    return data.load(spec.dataset, FLAGS.data_dir, FLAGS.cache_dir, shape)


def run_all(todo, experiment):
    """Trains or skips each run; returns all records."""
    how, found, dataset, began = options(), [], None, time.monotonic()
    for position, spec in enumerate(todo, 1):
        run = records.Run(FLAGS.results_dir, experiment, spec.seed)
        record = records.find(run, spec)
        skipped = record is not None
        if not skipped:
            records.prepare(run)
            dataset = dataset or load(spec)
        print(
            f"{experiment}, seed {spec.seed} ({position} of {len(todo)}){': done before' if skipped else ''}",
            flush=True,
        )
        model = None
        if not skipped:
            model, record = training.train(spec, dataset, run, how)
            left = (time.monotonic() - began) / position * (len(todo) - position)
            if left:
                print(f"  about {training.duration(left)} left for the other seeds")
        if FLAGS.export_dir:
            model = model or rebuild(spec, record, run)
            folder = os.path.join(FLAGS.export_dir, f"{experiment}_seed{spec.seed}")
            print(f"  exported to {export.saved_model(model, folder)}")
        found.append(record)
        keras.backend.clear_session()
    return found


def rebuild(spec, record, run):
    """The model of a finished run, from its spec and its file of final masks."""
    model = models.build(spec, tuple(record["data"]["input_shape"]), record["data"]["classes"])
    models.restore(model, records.load_arrays(run.final))
    if training.layer_table(model) != record["layers"]:
        raise InputError(f"{run.final} and {run.record} do not give one model; move both away to train it again")
    return model


def main(argv):
    del argv
    try:
        todo = specs()
        experiment = FLAGS.experiment or f"{todo[0].model}_{todo[0].mode}_{todo[0].dataset}".replace("/", "_")
        prepare_tensorflow()
        found = run_all(todo, experiment)
        print(f"\n{tables.result(found)}")
    except KeyboardInterrupt:
        fail("stopped; the same command goes on from the last checkpoint")
    except InputError as error:
        fail(error)
    except OSError as error:
        fail(
            f"cannot write {error.filename or FLAGS.results_dir}: {error.strerror}; nothing recorded before was touched"
        )


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=parse)
