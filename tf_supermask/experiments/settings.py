"""Keras' global settings that the papers' networks need, independent of those of the user."""

import contextlib

import keras

# getter in keras.config, whose setter has the prefix `set_` -> value. The last two, for debugging, shorten `fit`.
NEEDED = {
    "floatx": "float32",
    "dtype_policy": "float32",
    "image_data_format": "channels_last",
    "epsilon": 1e-7,
    "max_epochs": None,
    "max_steps_per_epoch": None,
}


@contextlib.contextmanager
def needed():
    """Context manager and decorator: the settings in NEEDED inside, the user's settings after it.

    Layers, losses, metrics and optimizers read data type and format from the settings when they are made, and Keras reads some
    when it traces and trains: arguments of the layers are not enough.
    """
    names = [name for name in NEEDED if hasattr(keras.config, name)]  # older versions have no limits of `fit`
    before = {name: getattr(keras.config, name)() for name in names}
    _apply({name: NEEDED[name] for name in names})
    try:
        yield
    finally:
        _apply(before)


def _apply(values):
    for name, value in values.items():
        getattr(keras.config, f"set_{name}")(value)
