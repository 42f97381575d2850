"""Bounds on the variables that TensorFlow makes: they are counted before they take memory."""

import contextlib
import math

import tensorflow as tf

_SMALL = 8  # a variable of so many numbers gets the initial value of its layer, a larger one zeros


class Counted:
    """Creator of variables that counts their numbers before memory is taken. When there are too many, it makes scalars."""

    def __init__(self, most):
        self.most, self.count, self.scratch = most, 0, tf.Graph()

    def __call__(self, create, **arguments):
        value = arguments["initial_value"]
        if callable(value):
            with self.scratch.as_default():
                value = value()
        size, dtype = value.shape.num_elements(), value.dtype
        size = math.inf if size is None else size
        self.count += size
        if self.count > self.most:
            arguments["initial_value"] = tf.zeros((), dtype)
        elif size > _SMALL and dtype.is_floating:  # its value comes from the file
            arguments["initial_value"] = lambda shape=value.shape: tf.zeros(shape, dtype)
        return create(**arguments)


@contextlib.contextmanager
def at_most(most):
    """Inside this context variables are made by the Counted that it gives."""
    counted = Counted(most)
    with tf.variable_creator_scope(counted):
        yield counted
