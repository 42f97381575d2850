"""Checks of arguments: each function returns the value, or raises a ValueError of one line that says what would work."""

import math
import numbers

import numpy as np

from tf_supermask.errors import short


def refused(name, what, value):
    """The ValueError of an argument that must be `what`."""
    return ValueError(f"`{name}` must be {what}. Received: {short(value)}")


def keras_3(name, value, what):
    """`value`, if it is no model or layer of tf_keras, of which Keras 3 knows nothing."""
    if any(cls.__module__.split(".")[0] == "tf_keras" for cls in type(value).__mro__):
        raise ValueError(f"`{name}` must be a Keras 3 {what}. Received one of tf_keras: {type(value).__name__}")
    return value


def number(name, value, what, holds):
    """`value`, if it is a finite number, and `holds(value)`; True and False are none. `what`: the same in words."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    if not (is_number and holds(value)):
        raise refused(name, what, value)
    return value


def share(name, value):
    """`value`, if it is a number above 0 and up to 1."""
    return number(name, value, "a number above 0 and up to 1", lambda value: 0 < value <= 1)


def threshold(value):
    """`value`, if it is a finite number >= 0."""
    return number("threshold", value, "a finite number >= 0", lambda value: value >= 0)


def bound(name, value):
    """`value` as an int or a float, if it is a number, which may be infinite; True and False are none."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or math.isnan(value):
        raise refused(name, "a number", value)
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def integer(name, value, low, most=None, optional=False):
    """`value` as an int, if it is an integer from `low` to `most`; None stays None where it is `optional`."""
    if value is None and optional:
        return None
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < low or most and value > most:
        range_ = f"an integer >= {low}" if most is None else f"an integer from {low} to {most}"
        raise refused(name, f"{range_}{' or None' * optional}", value)
    return int(value)


def switch(name, value):
    """`value` as a bool, if it is True or False, of Python or NumPy."""
    if not isinstance(value, (bool, np.bool_)):
        raise refused(name, "True or False", value)
    return bool(value)


def verbosity(value):
    """The argument `verbose`: True or False, or 1 or 0 as in Keras."""
    if not isinstance(value, (numbers.Integral, np.bool_)) or value not in (0, 1):
        raise refused("verbose", "True or False", value)
    return bool(value)


def choice(name, value, values):
    """`value`, if it is one of `values`, names."""
    if not isinstance(value, str) or value not in values:
        raise refused(name, f"one of {', '.join(values)}", value)
    return value


def function(name, value, what):
    """`value`, if it can be called. `what`: the function in words."""
    if not callable(value):
        raise refused(name, what, value)
    return value
