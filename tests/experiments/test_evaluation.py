"""An Evaluation against keras.Model.evaluate."""

import keras
import pytest

from tf_supermask.experiments import data, networks
from tf_supermask.experiments.evaluation import Evaluation
from tf_supermask.experiments.spec import Spec


@pytest.mark.parametrize("model", ["fcn", "conv2"])
def test_loss_and_accuracy_are_keras_own(model, tiny, monkeypatch):
    monkeypatch.setattr(data, "EVALUATION_BATCH", 15)  # the last part is smaller
    spec = Spec.of(mode="lottery", model=model, rounds=0)
    network = networks.build(spec, tiny.input_shape, tiny.classes)
    arrays = data.evaluation_arrays(tiny, spec)
    evaluation = Evaluation(network, arrays)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(loss=loss, metrics=["accuracy"], jit_compile=False)
    for _ in range(2):
        loss, accuracy = network.evaluate(*arrays, verbose=0)
        assert evaluation() == pytest.approx((loss, 100 * accuracy), rel=1e-5)
        for kernel in network.trainable_variables:  # the second time with other weights
            kernel.assign(keras.random.normal(kernel.shape, stddev=0.1, seed=1))
