"""Training for an exact number of iterations, whatever the number of steps between evaluations."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_supermask.experiments import iterations


class Count(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.after = []

    def on_epoch_end(self, epoch, logs=None):
        self.after.append(int(self.model.optimizer.iterations))


@pytest.mark.parametrize("total, every", [(6, 3), (7, 3), (2, 5), (9, 1)])
def test_evaluations_are_at_the_iterations_that_are_said(total, every):
    spec, count = types.SimpleNamespace(iterations=total, evaluate_every=every), Count()
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False, steps_per_execution=iterations.stretch(spec))
    batches = tf.data.Dataset.from_tensors((np.ones((1, 1)), np.ones((1, 1)))).repeat()
    iterations.fit_iterations(model, batches, spec, count)
    expected = [*range(every, total, every), total]
    assert count.after == expected
    assert [iterations.iterations_after(spec, epoch) for epoch in range(len(expected))] == expected
    assert all(steps % iterations.stretch(spec) == 0 for steps in np.diff([0, *expected]))
