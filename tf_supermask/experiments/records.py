"""Files of a run, each written beside its place and renamed, so that no moment leaves half a file.

results/<experiment>/seed<k>.json        the record: spec, history, final, layers, environment
results/<experiment>/seed<k>.supermask   of runs with masks that are not sampled: the network in one small file (container.py)
results/<experiment>/seed<k>.final.npz   of other runs: trained variables, or the rounds in which weights were pruned
results/<experiment>/seed<k>.ckpt.npz    the checkpoint of an unfinished run
results/<experiment>/seed<k>.csv         its history so far, one line per epoch, by which others see its progress
results/<experiment>/seed<k>.lock        says which process trains it (locks.py)
results/<experiment>/seed<k>.error       why it failed when it was last tried
"""

import dataclasses
import json
import os
import pathlib
import re

import numpy as np

from tf_supermask import files
from tf_supermask.errors import InputError, one_line
from tf_supermask.experiments import form, machines
from tf_supermask.experiments.spec import Spec, differences

CHECKPOINT = 1  # version of the form of checkpoints; those that name none have this one


@dataclasses.dataclass(frozen=True)
class Run:
    """The paths of the files of one run."""

    results_dir: str | os.PathLike
    experiment: str
    seed: int

    def __post_init__(self):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.experiment):
            raise InputError(
                f"--experiment={self.experiment!r} must be made of letters, digits, dots, dashes and underscores"
            )

    def _file(self, ending):
        return pathlib.Path(self.results_dir) / self.experiment / f"seed{self.seed}.{ending}"

    @property
    def record(self):
        return self._file("json")

    @property
    def history(self):
        return self._file("csv")

    @property
    def final(self):
        return self._file("final.npz")

    @property
    def container(self):
        return self._file("supermask")

    @property
    def checkpoint(self):
        return self._file("ckpt.npz")

    @property
    def lock(self):
        return self._file("lock")

    @property
    def error(self):
        return self._file("error")

    @property
    def weights(self):
        """Path of the masks or weights of a finished run: `final`, else `container`. Runs of earlier versions may have both."""
        return self.container if self.container.exists() and not self.final.exists() else self.final

    @property
    def temporary(self):
        """Paths of the files that only an unfinished run has."""
        return [self.history, self.checkpoint]

    @property
    def made(self):
        """Paths of the files that a run writes, the record last: with it the run is finished."""
        return [*self.temporary, self.final, self.container, self.record]

    def remove_temporary(self):
        """Deletes the temporary files of a finished run."""
        for path in self.temporary:
            path.unlink(missing_ok=True)


def _damaged(path, reason):
    return InputError(
        f"{path} is damaged ({reason}); it is kept as {files.quarantine(path).name}, start again to go on without it"
    )


def prepare(run):
    """Makes the run's folder. Raises InputError where it cannot be written."""
    try:
        probe = run.record.with_name(f".probe{os.getpid()}")
        files.write(probe, lambda file: None)
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"cannot write to {run.record.parent} ({error.strerror}); give another --results_dir"
        ) from error


def save(run, record):
    """Writes the record, one top-level key per line, for short diffs."""
    lines = (f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in record.items())
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    files.write(run.record, lambda file: file.write(text.encode()))


def parsed(path):
    """The record at `path`. Raises Malformed where the file is no record, InputError where it is of a newer version or cannot be
    read."""
    try:
        record = json.loads(pathlib.Path(path).read_text(), parse_constant=_no_number)
    except OSError as error:
        raise InputError(f"cannot read the record {path} ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not a JSON object: {error}") from error
    for what in _differences(record, path):
        raise Malformed(what)
    return record


def _differences(record, path):
    """Yields a text for each fault of a record. Raises InputError where it is of a newer version, whose form may differ."""
    yield from form.differences(record, {"spec": {dict}}, "record")
    yield from (f"without record.{key}" for key in form.RECORD if key not in record)
    # names unknown fields as it names unknown settings
    spec = Spec.recorded(record["spec"] | dict.fromkeys(form.unknown(record)), path)
    Spec.recorded(record["spec"] | dict.fromkeys(form.unknown_columns(record["history"], spec)), path)
    yield from form.differences(record, form.RECORD, "record")
    yield from form.history_differences(record["history"], spec)
    if record.get("shrunk", []) != []:
        yield from form.differences(record, {"shrunk": form.SHRUNK}, "record")
    if pathlib.Path(path).name != (name := f"seed{record['spec']['seed']}.json"):
        yield f"its seed is that of a file named {name}"


class Malformed(ValueError):
    """A file that is not a record; the message gives the fault."""


def _no_number(text):
    raise ValueError(f"{text} is no number")


def read(path):
    """The record at `path`, a file of ours. Raises InputError for a damaged one, which is renamed."""
    try:
        return parsed(path)
    except Malformed as error:
        raise _damaged(pathlib.Path(path), str(error)) from error


def find(run, spec):
    """The record of `run`, or None where it is not finished. Raises InputError where it was made with another spec."""
    if not run.record.exists():
        return None
    record = read(run.record)
    _same_spec(run.record, record["spec"], spec)
    return record


def _same_spec(path, settings, spec):
    """Raises InputError where `settings`, from the file at `path`, are not those of `spec`."""
    old = spec.recorded(settings, path)
    others = [f"{name} {getattr(old, name)!r}, not {getattr(spec, name)!r}" for name in differences(old, spec)]
    if others:
        raise InputError(
            f"{path} was made with other settings: {'; '.join(others)}; "
            "give another --experiment or --results_dir, nothing was overwritten"
        )


def save_arrays(path, arrays):
    """npz of `arrays`, a dict of numpy arrays. Raises OSError."""
    files.write(path, lambda file: np.savez_compressed(file, **arrays))


def load_arrays(path):
    """The arrays of `save_arrays`. A missing or damaged file is named in the InputError."""
    path = pathlib.Path(path)
    if not path.exists():
        raise InputError(f"{path} is missing; move the record beside it away to train the run again")
    try:
        return files.arrays(path)
    except files.Damaged as error:
        raise _damaged(path, one_line(error)) from error


def save_checkpoint(run, spec, variables, history, shrunk=None):
    """Writes variables and history to one file, so that they always belong together.

    `shrunk`: JSON that `shrunk_in_checkpoint` reads.
    """
    note = {"version": CHECKPOINT, "spec": dataclasses.asdict(spec), "history": history}
    note |= {"machines": machines.with_this(run.checkpoint)} | ({} if shrunk is None else {"shrunk": shrunk})
    note = json.dumps(note)
    arrays = {f"variable{i}": value for i, value in enumerate(variables)}
    files.write(run.checkpoint, lambda file: np.savez(file, note=np.frombuffer(note.encode(), np.uint8), **arrays))


def load_checkpoint(run, spec, shapes=None):
    """`(variables, history)` of an unfinished run, or None.

    Raises InputError, and leaves the file, where it is of another version, of other settings, or, with `shapes` given, has
    variables of other shapes or other columns than this run; a damaged one is renamed.
    """
    if not run.checkpoint.exists():
        return None
    arrays = load_arrays(run.checkpoint)
    try:
        note = json.loads(arrays.pop("note").tobytes())
        version = note.get("version", CHECKPOINT)
    except (ValueError, KeyError, AttributeError) as error:
        raise _damaged(run.checkpoint, f"no note of its run: {error}") from error
    if version != CHECKPOINT:
        raise InputError(
            f"{run.checkpoint} is a checkpoint of version {version}, this tf_supermask reads version {CHECKPOINT}; go on with "
            "the one that wrote it, or move the file away to start anew"
        )
    lacking = (f"without {name}" for name in (f"variable{i}" for i in range(len(arrays))) if name not in arrays)
    for what in (*form.differences(note, {"spec": {dict}, "history": {dict}}, "note"), *lacking):
        raise _damaged(run.checkpoint, what)
    _same_spec(run.checkpoint, note["spec"], spec)
    variables, history = [arrays[f"variable{i}"] for i in range(len(arrays))], note["history"]
    if shapes is not None:
        same = [value.shape for value in variables] == [tuple(shape) for shape in shapes]
        other = (*form.history_differences(history, spec, finished=False), *form.unknown_columns(history, spec))
        if not same or other:
            raise InputError(f"{run.checkpoint} was written by another version; move it away to start anew")
    return variables, history


def shrunk_in_checkpoint(run):
    """`shrunk` of the checkpoint that `load_checkpoint` has read, None where it has none. A damaged one is kept aside."""
    note = json.loads(load_arrays(run.checkpoint)["note"].tobytes())
    shrunk = note.get("shrunk")
    for what in form.differences(note, {"shrunk": form.SHRUNK_STATE}, "note") if shrunk is not None else ():
        raise _damaged(run.checkpoint, what)
    return shrunk
