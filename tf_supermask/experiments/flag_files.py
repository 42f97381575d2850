"""Makes experiments, a name and a Spec for each seed, from command lines and flag files.

A row is a flag file of one experiment, named after the table row or figure of a paper that it reproduces: the name of the file is
the name of the experiment. Its first line, a comment, gives the paper's claim.
"""

import contextlib
import dataclasses
import functools
import itertools
import pathlib
from typing import NamedTuple

from absl import flags

from tf_supermask import files
from tf_supermask.errors import InputError
from tf_supermask.experiments import flagfile, number_flags, paths
from tf_supermask.experiments.fields import names_of
from tf_supermask.experiments.spec import ROUNDING, Spec, differences

RUNNING, FILES = "running", "files"
ROWS = flagfile.CHECKOUT / "flags"  # the rows of the papers; an installed package has none
_DEFINE = {str: flags.DEFINE_string, int: number_flags.define_integer, float: number_flags.define_float}
_DEFINE |= {bool: flags.DEFINE_boolean, pathlib.Path: paths.define_path, list: number_flags.define_list}


class Experiment(NamedTuple):
    """Runs of one name, which differ only in their seeds."""

    name: str
    specs: list
    about: str = ""  # claim of the paper
    listed: list | tuple = ()  # values of lists that it has, pairs (field, value)


def define_flags(values=flags.FLAGS):
    """`values` with a flag for each field of Spec except the seed, and the flags on how and where to run."""
    for field in dataclasses.fields(Spec):
        if field.name != "seed":
            group, help_ = field.metadata["group"], field.metadata["help"]
            if names := names_of(field):
                help_ += f" ({', '.join(names)})"
            kind = list if field.name in _LISTS else field.type
            _DEFINE[kind](field.name, None, help_, flag_values=values, module_name=group)

    def define(kind, name, default, help_, group):
        _DEFINE[kind](name, default, help_, flag_values=values, module_name=group)

    define(str, "seeds", "0", "seeds, a run each: 0-49 or 0,3,7", RUNNING)
    xla = "compile with XLA; default: on a CPU without convolutions and sampled masks, on a GPU with --nodeterministic"
    define(bool, "jit_compile", None, xla, RUNNING)
    define(int, "steps_per_execution", None, "steps per call; default: as many as speed training up, of FCN in one loop", RUNNING)
    bits = "equal bits in any number of jobs: deterministic kernels on a GPU (default there), one thread on a CPU"
    define(bool, "deterministic", None, bits, RUNNING)
    define(str, "progress", "auto", "bar, epoch (one line each), silent or auto", RUNNING)
    define(int, "jobs", 1, "runs at a time on this machine", RUNNING)
    define(int, "threads", None, "processors for each run; default: all, divided by --jobs; on Ray 1", RUNNING)
    define(str, "executor", "local", "local, or ray: on the nodes of a Ray cluster", RUNNING)
    define(str, "ray_address", None, "of the Ray cluster; default: the one that runs here", RUNNING)
    define(float, "gpus_per_run", 0.0, "GPUs, or a part of one, for each run on Ray", RUNNING)
    define(bool, "status", False, "train nothing; say which runs are done, running, waiting or failed", RUNNING)
    define(float, "checkpoint_seconds", 30.0, "least time between two checkpoints", RUNNING)
    named = (
        "name of the results; default: that of the flag file or of a row with these settings, else model_mode_dataset"
    )
    define(str, "experiment", None, named, FILES)
    folder = "folder of all results, of one scale; default: results, results/reduced or results/quick"
    define(pathlib.Path, "results_dir", None, folder, FILES)
    define(pathlib.Path, "data_dir", None, "folder of tensorflow-datasets; default: $TFDS_DATA_DIR", FILES)
    define(pathlib.Path, "cache_dir", paths.default_cache_dir(), "folder for decoded images", FILES)
    define(pathlib.Path, "export_dir", None, "write the trained network there as a SavedModel", FILES)
    define(pathlib.Path, "tensorboard_dir", None, "write TensorBoard logs there", FILES)
    return values


def groups():
    """Names of the groups of flags, in the order of `--help`."""
    return (*dict.fromkeys(field.metadata["group"] for field in dataclasses.fields(Spec)), RUNNING, FILES)


# Flags that take lists.
_LISTS = ("criterion", "mask1_action", "mask0_action", "score_value", "density", "learning_rate", "weight_decay")


def described(values):
    """The Experiments that parsed flags describe: one, or one for each combination of listed values. Raises InputError.

    The values of a list are appended to the name, also where a later flag leaves one of them. Without --experiment the name is
    that of the row with the same settings, so that records count as the row's. Names and settings are unique.
    """
    names = [field.name for field in dataclasses.fields(Spec) if field.name != "seed"]
    given = {name: values[name].value for name in names if values[name].value is not None}
    lists = {name: [value.strip() for value in given[name].split(",")] for name in _LISTS if name in given}
    seeds, name, experiments = number_flags.parse_seeds(values["seeds"].value), values["experiment"].value, []
    if name == "":
        raise InputError("--experiment= is empty; name the results, or leave the flag out")
    for chosen in itertools.product(*lists.values()):
        settings = given | {field: _typed(field, value) for field, value in zip(lists, chosen, strict=True)}
        specs = [Spec.of(seed=seed, **settings) for seed in seeds]
        listed = [pair for pair in zip(lists, chosen, strict=True) if values[pair[0]].several]
        experiment = Experiment(name + _joined(listed) if name else name_of(specs[0], listed), specs, listed=listed)
        if any(other.name == experiment.name or other.specs == specs for other in experiments):
            raise InputError(f"two of the listed combinations are {experiment.name}; list each value once")
        experiments.append(experiment)
    return experiments


def _typed(field, value):
    kind = Spec.__dataclass_fields__[field].type
    try:
        return value if kind is str else number_flags.converted(kind, value)
    except ValueError:
        raise InputError(f"--{field}={value} must be a number, or several with commas between") from None


_CHAIN = ("criterion", "mask1_action", "mask0_action")  # name lottery runs in place of their mode


def name_of(spec, listed=()):
    """Name of the row with the settings of `spec`, else one made of its network, mode and data set, and of those values of lists,
    pairs (field, value), that are not in it yet."""
    kind = f"sparse_{spec.method}" if spec.mode == "sparse" else spec.mode
    if spec.mode == "lottery":
        kind = "_".join(getattr(spec, field) for field in _CHAIN) if spec.rounds else "dense"
        listed = [pair for pair in listed if pair[0] not in _CHAIN]
    return row_of(spec) or f"{spec.model}_{kind}_{paths.title_of(spec.dataset)}{_joined(listed)}"


def _joined(listed):
    return "".join(f"_{value}" for _, value in listed)


def row_of(spec, folder=ROWS):
    """Name of the experiment in the rows of `folder` whose settings are those of `spec`, or None.

    Files that cannot be read, such as drafts, are skipped here; naming one on the command line is an error.
    """
    looked_for, values = dataclasses.replace(spec, seed=0, **dict.fromkeys(ROUNDING)), define_flags(flags.FlagValues())
    for path in rows(folder):
        with contextlib.suppress(flags.Error, InputError):
            for name, settings in _settings(name_of_file(path), _arguments(path, values), spec.scale):
                if not differences(settings, looked_for):
                    return name
    return None


@functools.cache  # half a second for all rows, which each of the values of a list looks through
def _settings(name, arguments, scale):
    """`(name, Spec of seed 0)` of each experiment of a row."""
    return [(its.name, its.specs[0]) for its in _parsed(name, arguments, ["--seeds=0", f"--scale={scale}"])]


def expanded(argv, values):
    """The command line `argv` with the flags of files in place of --flagfile=FILE; `values` defines the flags.

    The last of these files that is a row names the experiment, unless a flag does. Raises flags.Error.
    """
    names = [name_of_file(path) for path in flagfile.paths(argv) if _is_row(path, values)]
    command, *arguments = flagfile.expanded(argv, values)
    return [command, *(f"--experiment={name}" for name in names), *arguments]


def name_of_file(path):
    """Name of the experiment of a row, which does not depend on the working directory or on the name of a link to the file."""
    return files.real(path).name.removesuffix(".flags")


def _is_row(path, values):
    """Whether a file of --flagfile=FILE says what to train; others, such as _quick.flags, add flags to a row."""
    return not name_of_file(path).startswith("_") and any(
        line.name in ("model", "mode") for line in flagfile.read(path, values)
    )


def read(path, further=()):
    """The Experiments of the flag file at `path`, with `further` flags in place of the file's own. They are named after the file,
    unless a flag gives another name.

    Raises InputError, with the file's name, for a file that is not a row.
    """
    arguments = _arguments(path, define_flags(flags.FlagValues()))
    try:
        about = flagfile.texts(path)[0].removeprefix("# ")
        return [its._replace(about=about) for its in _parsed(name_of_file(path), arguments, further)]
    except (flags.Error, InputError) as error:
        raise InputError(f"{path}: {error}") from error


def _arguments(path, values):
    arguments = tuple(line.argument for line in lines(path, values))
    if not arguments:
        raise InputError(f"{path} has no flags; write what differs from the defaults, as --model=conv2, in lines of their own")
    return arguments


def _parsed(name, arguments, further):
    values = define_flags(flags.FlagValues())
    values(["row", f"--experiment={name}", *arguments, *flagfile.expanded(further, values)])
    return described(values)


def lines(path, values):
    """The flagfile.Lines of a row; `values` defines the flags. Raises InputError."""
    try:
        return flagfile.read(path, values)
    except flags.Error as error:
        raise InputError(error) from error


def run_arguments(paths, values):
    """Arguments of the rows at `paths` on how and where to run. Raises InputError where two rows differ in one."""
    common = {}
    settings = {field.name for field in dataclasses.fields(Spec)} | {"seeds", "experiment"}
    for path in paths:
        by_name = {line.name: line for line in lines(path, values) if line.name not in settings}  # the last one counts
        for name, line in by_name.items():
            if common.setdefault(name, line).argument != line.argument:
                raise InputError(line.wrong(f"{line.argument}, but {common[name].argument} in {common[name].path}"))
    return [line.argument for line in common.values()]


def read_all(paths, further=()):
    """The Experiments of flag files. Raises InputError where two have one name."""
    by_name = {}
    for path in paths:
        for experiment in read(path, further):
            if experiment.name in by_name:
                raise InputError(f"{path} and {by_name[experiment.name][0]} are both named {experiment.name}")
            by_name[experiment.name] = path, experiment
    return [experiment for _, experiment in by_name.values()]


def rows(folder):
    """Paths of all rows in a folder of flag files, sorted."""
    return sorted(str(path) for path in pathlib.Path(folder).glob("[!_]*.flags"))


def in_order(experiments, cost):
    """`(experiment, spec)` of all runs, the cheapest and most informative first.

    The variance of a mean over n seeds is proportional to 1/n, so that another run reduces it by about 1/n^2: runs are sorted by
    `cost(spec) * n^2`.
    """
    runs = (
        (cost(spec) * number**2, experiment, spec)
        for experiment in experiments
        for number, spec in enumerate(experiment.specs, 1)
    )
    return [(experiment, spec) for _, experiment, spec in sorted(runs, key=lambda run: run[0])]
