"""Masks for your own Keras model: mask, train, make small, save, load, export.

    python examples/own_model.py

Needs no download: the images are the 8x8 digits of scikit-learn. Writes digits.supermask and the folder exported/.
"""

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from tf_supermask import compact, export_saved_model, load, mask_model, save, summary

keras.utils.set_random_seed(0)
images, labels = load_digits(return_X_y=True)
images = (images / 16).astype("float32").reshape(-1, 8, 8, 1)
train_x, test_x, train_y, test_y = train_test_split(images, labels, test_size=360, random_state=0)

network = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(32, 3, padding="same", activation="elu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(100, activation="elu"),
        keras.layers.Dense(10),
    ]
)

# 1. Mask. The weights are drawn once and stay; each has a score, which is trained.
model = mask_model(network, rule="signed", threshold=0.01, seed=0)

# 2. Train. Weight decay prunes: it takes scores that the loss does not need below the threshold.
model.compile(
    keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.1, clipnorm=0.5),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(train_x, train_y, batch_size=32, epochs=12, verbose=0)
_, accuracy = model.evaluate(test_x, test_y, verbose=0)
summary(model)

# 3. Make small: a plain Keras model without dead units, with the same outputs.
small = compact(model)
np.testing.assert_allclose(small.predict(test_x, verbose=0), model.predict(test_x, verbose=0), rtol=1e-3, atol=1e-3)

# 4. Save and load: signs and one scale per layer, entropy-coded.
size = save(model, "digits.supermask")
same = load("digits.supermask")  # a plain Keras model
np.testing.assert_allclose(same.predict(test_x, verbose=0), model.predict(test_x, verbose=0), rtol=1e-3, atol=1e-3)

# 5. Export for TensorFlow Serving: needs neither this package nor Keras to run.
export_saved_model(small, "exported")

print(f"{100 * accuracy:.1f} % test accuracy; {4 * network.count_params():,} bytes of weights became {size:,} bytes")
