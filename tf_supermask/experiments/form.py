"""The form of a record: a table of its parts, and the differences of a file from it."""

TEXT, WHOLE, NUMBER, NONE = {str}, {int}, {int, float}, {type(None)}

# A form is a set of types, a dict with the required keys, or a list: of one form for all of at least one element, or of a form
# for each.
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
    "data": {"name": TEXT, "input_shape": [WHOLE], "classes": WHOLE, "fingerprint": TEXT},
    "environment": {"threads": NUMBER},
}

SHRUNK = [{"epoch": WHOLE, "units": {dict}}]  # of a run that shrank, beside RECORD
SHRUNK_STATE = {"events": SHRUNK, "live": {dict}}  # of its checkpoint

# Columns of the history, by mode; those of other modes are EPOCHS. Supermasks have further ones, of other lengths.
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


def differences(value, form, place="it"):
    """Yields a text for each difference of `value`, parsed JSON, from `form`; `place` is its position in the file."""
    kinds = form if isinstance(form, set) else {type(form)}
    if type(value) not in kinds or isinstance(form, list) and (not value or len(form) not in (1, len(value))):
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


def history_differences(history, mode):
    """Yields a text for each difference of a history from the columns of `mode`: numbers, in equally many rows."""
    columns = dict.fromkeys((*HISTORY.get(mode, EPOCHS), *history), [NUMBER | NONE])
    yield from differences(history, columns, "history")
    rows = {len(column) for column in history.values()}
    if mode != "supermask" and len(rows) > 1:
        yield f"history has columns of {min(rows)} to {max(rows)} rows"
