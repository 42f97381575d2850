"""Fields of a Spec: each has a help text, a group for `--help`, bounds or choices, and a condition on the other fields."""

import contextlib
import dataclasses
import math
from operator import ge, gt, le, lt

import numpy as np

from tf_supermask.errors import InputError


def spec_field(
    group,
    help,
    *,
    choices=None,
    low=None,
    above=None,
    below=None,
    most=None,
    when=None,
    parse=None,
    rounding=None,
    optional=None,
    absent=None,
):
    """A dataclasses.field with the default None.

    Args:
        group, help: for `--help`.
        choices: allowed values, or a function that returns them.
        low, most: smallest and largest allowed value; above, below: excluded bounds.
        when: values by field name -> whether a run reads the field; None: every run.
        parse: raises InputError for a bad text; a field with `parse` may be None.
        optional: values by field name -> whether the field may be None although the run reads it.
        absent: what runs had before there was the field, where `when` holds.
        rounding: a switch that changes a run by rounding only. An older record may lack it, and then counts as on and as off.
    """
    # None also stands for a field that was added after a record was written.
    return dataclasses.field(default=None, metadata={k: v for k, v in locals().items() if v is not None})


_LARGEST = {int: 2**31 - 1, float: float(np.finfo(np.float32).max)}  # of what TensorFlow computes with
_BOUNDS = {"low": ("at least", ge), "above": ("greater than", gt), "below": ("less than", lt), "most": ("at most", le)}


def typed(field, value):
    """`value`, as a float where the field is a float and `value` an int."""
    with contextlib.suppress(OverflowError):  # too large for a float: `check` raises the error
        return float(value) if field.type is float and type(value) is int else value
    return value


def aged(fields, settings):
    """The values of `fields`, name -> field, in `settings`, those of a record: of a field that it lacks None, or what runs had
    before there was the field."""
    values = {name: typed(field, settings.get(name)) for name, field in fields.items()}
    lacking = {name: field.metadata for name, field in fields.items() if name not in settings and "absent" in field.metadata}
    return values | {name: rule["absent"] for name, rule in lacking.items() if rule["when"](values)}


def names_of(field):
    """The values that a field may have, if they are names."""
    names = field.metadata.get("choices", ())
    return names() if callable(names) else tuple(names)


def check(field, values):
    """Raises InputError where `values`, by field name, have a bad one for `field`, or one that their run does not read."""
    value, rule = values[field.name], field.metadata
    if "when" in rule and not rule["when"](values):
        if value is not None:
            raise InputError(f"--{field.name}={value} has no effect in this run (see --help); leave it out")
        return
    if value is None and ("parse" in rule or "rounding" in rule):
        return
    if value is None and "optional" in rule:
        if rule["optional"](values):
            return
        raise InputError(f"--mode={values['mode']} needs --{field.name}: {rule['help']}")
    if not isinstance(value, field.type) or (field.type is int and isinstance(value, bool)):
        raise InputError(f"--{field.name} must be a {field.type.__name__}, not {value!r}")
    if "choices" in rule and value not in (names := names_of(field)):
        raise InputError(f"--{field.name}={value} is unknown; choose from {', '.join(names)}")
    if "parse" in rule:
        rule["parse"](value)
    for key, (words, holds) in _BOUNDS.items():
        if key in rule and not holds(value, rule[key]):
            raise InputError(f"--{field.name} must be {words} {rule[key]}, not {value}")
    if field.type is float and not math.isfinite(value):
        raise InputError(f"--{field.name} must be finite, not {value}")
    if field.type in _LARGEST and abs(value) > _LARGEST[field.type]:
        raise InputError(f"--{field.name} must be at most {_LARGEST[field.type]}, not {value}")
