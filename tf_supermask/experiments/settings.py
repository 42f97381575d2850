"""Keras' global settings as the papers' networks need them, whatever the user's are."""

import contextlib

import keras

# getter and, with `set_` before it, setter in keras.config -> value. The last two, for debugging, cut `fit` short.
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
    """`with needed():`, or `@needed()` on a function: Keras' own defaults inside, the user's settings again after it.

    Layers, losses, metrics and optimizers take type and format from the settings when they are made, and Keras takes some when
    it traces and trains: an argument of each layer is not enough.
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
