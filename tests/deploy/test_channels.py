"""What compaction knows of the channels that layers make."""

import keras
import numpy as np

from tf_supermask.deploy import channels


def test_no_activation_of_keras_is_taken_for_another_kind():
    """Oracle: whether a channel's value changes with another channel's."""
    names = [name for name in dir(keras.activations) if name not in ("get", "serialize", "deserialize", "threshold")]
    functions = [getattr(keras.activations, name) for name in names if name.islower() and name[0] != "_"]
    x = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    other = np.concatenate([x[:, :4], x[:, 4:] + 1], 1)
    for function in functions:
        joint = any(not np.array_equal(*(np.asarray(function(its))[:, :k] for its in (x, other))) for k in (1, 4))
        assert channels.elementwise(keras.layers.Activation(function)) == (not joint), function
