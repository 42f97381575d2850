"""Steps in one loop of XLA. Oracle: the same training as Keras calls it, one step after the other."""

import dataclasses

import keras
import numpy as np
import pytest

from tf_supermask.experiments import training
from tf_supermask.experiments.looped import looped
from tf_supermask.experiments.spec import Spec

QUIET = training.Options(progress=0, log=lambda line: None)
draw = np.random.default_rng(0)


def model_of():
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Flatten(), keras.layers.Dense(9, "relu"), keras.layers.BatchNormalization(), keras.layers.Dense(4)]
    model = keras.Sequential([keras.Input((3, 2)), *layers])
    model = keras.Model(model.inputs, model.outputs)
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=0.1, clipnorm=0.5),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=True,
    )
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.mark.parametrize("images, together", [(40, 40), (40, 16), (46, 40), (5, 8)], ids=str)
def test_a_loop_makes_the_same_steps(images, together):
    """All of an epoch at a time, or two steps, with a smaller batch at the end or alone: weights, states and logs are equal."""
    x, y = draw.normal(size=(images, 3, 2)).astype(np.float32), draw.integers(0, 4, images)
    one, other = model_of(), model_of()
    loop = looped(other, 8, [keras.metrics.SparseCategoricalAccuracy(name="accuracy")])
    logs = [
        model.fit(x, y, batch_size=size, epochs=2, shuffle=False, verbose=0).history
        for model, size in ((one, 8), (loop, together))
    ]
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(*(its[name] for its in logs), rtol=1e-6)
    assert int(other.optimizer.iterations) == int(one.optimizer.iterations) == 2 * -(-images // 8)
    for a, b in zip((*one.variables, *one.optimizer.variables), (*other.variables, *other.optimizer.variables), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("mode", ["signed", "baseline"])
def test_a_run_has_the_same_bits_with_and_without(tiny, mode):
    """64 images: two steps of 28 in a loop, and one of 8."""
    spec = Spec.of(model="fcn", mode=mode, epochs=3, batch_size=28, shuffle=True)
    records = [
        training.train(spec, tiny, options=dataclasses.replace(QUIET, steps_per_execution=steps))[1] for steps in (None, 3)
    ]
    assert [record["environment"]["steps_per_execution"] for record in records] == [2, 3]
    one, other = ({**record["history"], "seconds": None} for record in records)
    assert one == other and records[0]["layers"] == records[1]["layers"]


def test_what_acts_between_steps_has_no_loop_and_large_images_a_short_one(tiny, monkeypatch):
    def steps(options=QUIET, events=(), **given):
        spec = Spec.of(**{"model": "fcn", "batch_size": 16} | given)
        return training.steps_in_a_loop(spec, tiny, training.compiled(spec, tiny, options), options, events)

    assert steps() == 4 and steps(batch_size=100) == 1
    assert steps(dataclasses.replace(QUIET, jit_compile=False)) == steps(events=["a callback"]) == 1
    assert steps(dataclasses.replace(QUIET, steps_per_execution=2)) == steps(affine=0.1) == 1
    for batches, expected in ((3, 2), (1, 1), (0.5, 1)):
        monkeypatch.setattr(training, "LOOP_BYTES", int(batches * 16 * 64 * 4))
        assert steps() == expected
