"""The flags on how to run: their checks, and the training.Options, threads and executor that they give.

Each function takes parsed flags, absl's FlagValues. TensorFlow is loaded only by those that need it, so that wrong flags are
refused at once.
"""

import importlib.util
import math
import sys

from tf_supermask.errors import InputError
from tf_supermask.experiments import paths

PROGRESS = {"auto": None, "bar": 1, "epoch": 2, "silent": 0}  # --progress -> `verbose` of keras.Model.fit
EXECUTORS = ("local", "ray")
WRITTEN = ("export_dir", "tensorboard_dir")  # folders that are first written to late in a run


def check(values):
    """Raises InputError for flags on how to run that are wrong or exclude each other."""
    for name in ("steps_per_execution", "checkpoint_seconds", "jobs", "threads", "gpus_per_run"):
        _check_positive(name, values[name].value)
    for wrong, message in _rules(values):
        if wrong:
            raise InputError(message)
    for name in WRITTEN:
        if values[name].value and not values.status:
            paths.check_folder(name, values[name].value)


def _check_positive(name, value):
    may_be_zero = name in ("checkpoint_seconds", "gpus_per_run")
    if value is not None and not (0 <= value < math.inf) or value == 0 and not may_be_zero:
        raise InputError(f"--{name} must be positive, not {value}")


def _rules(values):
    """Pairs of a condition that must not hold, and the error message where it does."""
    ray = values.executor == "ray"
    no_tensorboard = values.tensorboard_dir and importlib.util.find_spec("tensorboard") is None
    return (
        (
            values.progress not in PROGRESS,
            f"--progress={values.progress} is unknown; choose from {', '.join(PROGRESS)}",
        ),
        (
            values.executor not in EXECUTORS,
            f"--executor={values.executor} is unknown; choose from {', '.join(EXECUTORS)}",
        ),
        (no_tensorboard, "--tensorboard_dir needs the package tensorboard: pip install -e '.[tensorboard]'"),
        (
            values.deterministic and values.jit_compile,
            "--deterministic excludes --jit_compile: Keras has no XLA with a GPU's deterministic kernels; leave one out",
        ),
        (
            ray and values.jobs > 1,
            "--jobs is for this machine; Ray takes as many runs as fit, by --threads and --gpus_per_run",
        ),
        (values.ray_address == "", "--ray_address= is empty; name a cluster, or leave the flag out"),
        (
            not ray and (values.ray_address or values.gpus_per_run),
            "--ray_address and --gpus_per_run are for --executor=ray",
        ),
        (
            values.gpus_per_run > 1 and values.gpus_per_run % 1,
            f"--gpus_per_run={values.gpus_per_run} must be below 1 or a whole number of GPUs",
        ),
    )


def check_machine(values):
    """Raises InputError for flags that this machine cannot follow."""
    from tf_supermask.experiments import device

    on_gpu = values.gpus_per_run if values.executor == "ray" else device.has_gpu()
    if values.deterministic and values.threads not in (None, 1) and not on_gpu:
        raise InputError(
            f"--deterministic takes one thread on a CPU, --threads={values.threads} does not; leave one out"
        )


def options(values):
    """The training.Options of the flags."""
    from tf_supermask.experiments import training

    progress = PROGRESS[values.progress]
    return training.Options(
        jit_compile=values.jit_compile,
        steps_per_execution=values.steps_per_execution,
        progress=(1 if sys.stdout.isatty() else 2) if progress is None else progress,
        checkpoint_seconds=values.checkpoint_seconds,
        deterministic=values.deterministic,
        tensorboard_dir=values.tensorboard_dir,
    )


def in_this_process(values):
    """Whether runs are trained in this process."""
    return values.jobs == 1 and values.executor == "local"


def threads(values):
    """Threads of each run; None for as many as there are processors."""
    if values.executor == "ray":
        return values.threads or 1
    from tf_supermask.experiments import device

    share = max(1, device.processors() // values.jobs) if values.jobs > 1 else None
    return values.threads or share
