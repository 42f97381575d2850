"""What tests of exports share: models, images, and SavedModels read in this process or in one without this package."""

import numpy as np
import tensorflow as tf

from tf_supermask.deploy.saved_model import export_saved_model
from tf_supermask.experiments import networks
from tf_supermask.experiments.spec import Spec

SHAPE = (16, 16, 3)
# A process that cannot import this package loads the SavedModel and prints the logits of two batch sizes.
READER = """
import sys; sys.modules["tf_supermask"] = None
import json, numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
x = np.load(sys.argv[2])
whole, one = model.serve(x).numpy(), model.serve(x[:1]).numpy()
signature = model.signatures["serve"](images=tf.constant(x))
assert np.array_equal(list(signature.values())[0], whole)
np.testing.assert_allclose(one, whole[:1], rtol=1e-4, atol=1e-5)
print(json.dumps(whole.tolist()))
"""


def images(count=5, shape=SHAPE):
    return np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32)


def served(model, tmp_path):
    loaded = tf.saved_model.load(str(export_saved_model(model, tmp_path / "saved")))
    return lambda *x: loaded.serve(*x)  # keeps the variables


def build(name, **given):
    return networks.build(Spec.of(model=name, **given), SHAPE, 10)
