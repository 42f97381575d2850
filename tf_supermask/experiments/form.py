"""The form of a record: a table of its parts, and the differences of a file from it."""

from tf_supermask.experiments.criteria import CRITERIA

TEXT, WHOLE, NUMBER, NONE = {str}, {int}, {int, float}, {type(None)}
SIZE = range(1, 10**5 + 1)  # a network is built from it: larger ones are no sizes of images or numbers of classes

# A form is a set of types, a range of integers, a dict with the required keys, or a list: of one form for all of at least one
# element, or of a form for each.
RECORD = {
    "spec": {dict},
    "initial": {"remaining": NUMBER},
    "history": {dict},
    "final": {"test_accuracy": NUMBER, "remaining": NUMBER}
    | dict.fromkeys(("test_loss", "csr_compression", "seconds_per_epoch"), NUMBER | NONE),
    "layers": [
        {
            "name": TEXT,
            "shape": [WHOLE],
            "counts": [WHOLE] * 3,
            "weight_sha256": TEXT | NONE,
            "mask_sha256": TEXT | NONE,
        }
    ],
    "data": {"name": TEXT, "input_shape": [SIZE] * 3, "classes": SIZE, "fingerprint": TEXT},
    "environment": {"threads": NUMBER},
}

FURTHER = {"final": {"seconds", "best_iteration", "end_test_accuracy"}}  # fields that runs of some modes have
SHRUNK = [{"epoch": WHOLE, "units": {dict}}]  # of a run that shrank, beside RECORD
SHRUNK_STATE = {"events": SHRUNK, "live": {dict}}  # of its checkpoint

# Columns of the history, by mode; those of other modes are EPOCHS.
EPOCHS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "remaining", "learning_rate", "seconds")
LEARNED = ("iteration", "val_loss", "val_accuracy", "remaining")
HISTORY = {
    "lottery": (
        "remaining", "test_accuracy", "test_loss", "best_iteration", "val_accuracy", "val_loss", "end_test_accuracy",
        "toward_zero", "toward_zero_pruned", "seconds",
    ),
    "bernoulli": LEARNED,
    "rounded": LEARNED,
    "supermask": ("remaining", "untrained", "trained", "seconds"),
}  # fmt: skip
SHARES = ("toward_zero", "toward_zero_pruned")  # None where they are shares of no weights, as after the last round
# Further columns of supermasks, over the levels of pruning.
LEVELS = tuple(
    f"{criterion}/{measure}"
    for criterion in CRITERIA
    for measure in ("init/test", "init/val", "signed_constant/test", "signed_constant/val", "sign_changed")
)


def differences(value, form, place="it"):
    """Yields a text for each difference of `value`, parsed JSON, from `form`; `place` is its position in the file."""
    kinds = form if isinstance(form, set) else WHOLE if isinstance(form, range) else {type(form)}
    fits = type(value) in kinds and (not isinstance(form, range) or value in form)
    if not fits or isinstance(form, list) and (not value or len(form) not in (1, len(value))):
        text = repr(value)
        yield f"{place} is {text if len(text) < 40 else f'{text[:37]}...'}"
    elif isinstance(form, dict):
        for key, part in form.items():
            if key in value:
                yield from differences(value[key], part, f"{place}.{key}")
            else:
                yield f"without {place}.{key}"
    elif isinstance(form, list) and not (
        isinstance(form[0], set) and set(map(type, value)) <= form[0]
    ):  # columns are long
        for number, element in enumerate(value):
            yield from differences(element, form[0], f"{place}[{number}]")


def unknown(record):
    """Yields the name of each field of a parsed JSON object that no record of this version has; not those of `environment`, on
    which no reader relies."""
    yield from record.keys() - {*RECORD, "shrunk"}
    for part in ("initial", "final", "data", "layers", "shrunk"):
        rows, form = record.get(part), (RECORD | {"shrunk": SHRUNK})[part]
        known = {*(form[0] if isinstance(form, list) else form), *FURTHER.get(part, ())}
        for row in rows if isinstance(rows, list) else [rows]:
            yield from (f"{part}.{name}" for name in (row.keys() - known if isinstance(row, dict) else ()))


def unknown_columns(history, spec):
    """Yields the name of each column of a history that no run of a Spec has in this version."""
    known = {*HISTORY.get(spec.mode, EPOCHS), *(LEVELS if spec.mode == "supermask" else ())}
    yield from (f"history.{name}" for name in (history.keys() - known if isinstance(history, dict) else ()))


def history_differences(history, spec, finished=True):
    """Yields a text for each difference of a history from the columns of a Spec: numbers, in equally many rows. That of an
    unfinished run may lack rounds and criteria."""
    columns, levels = HISTORY.get(spec.mode, EPOCHS), LEVELS if spec.mode == "supermask" else ()
    names = dict.fromkeys((*columns, *(levels if finished else ()), *history))
    full = {*columns, *levels}.difference(SHARES)
    yield from differences(history, {name: [NUMBER if name in full else NUMBER | NONE] for name in names}, "history")
    of_levels = {"remaining", *levels}
    rows = {len(column) for name, column in history.items() if not levels or name in of_levels}
    if len(rows) > 1:
        yield f"history has columns of {min(rows)} to {max(rows)} rows"
    elif finished and spec.rounds is not None and rows != {spec.rounds + 1}:
        yield f"history has {max(rows)} rows, its spec {spec.rounds} rounds"
