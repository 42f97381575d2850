"""How small a trained supermask gets: the same network as Keras file, as TFLite file and as container.

    python examples/small_model.py

Needs no download: the images are the 8x8 digits of scikit-learn. Writes digits.* into the current folder.
"""

import pathlib

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from tf_supermask import ELUS, SignedMaskDense, compact, export_tflite, load, save, strip_masks, summary

keras.utils.set_random_seed(0)
images, labels = load_digits(return_X_y=True)
images = (images / 16).astype("float32")
train_x, test_x, train_y, test_y = train_test_split(images, labels, test_size=360, random_state=0)

# Masked layers can be used as they are, instead of keras.layers.Dense. They have no bias, as in Koster et al. 2022: a unit
# without weights then gives 0, and a network of such units shrinks most.
model = keras.Sequential(
    [
        keras.Input((64,)),
        SignedMaskDense(300, activation="elu", weight_initializer=ELUS(seed=1)),
        SignedMaskDense(100, activation="elu", weight_initializer=ELUS(seed=2)),
        SignedMaskDense(10, weight_initializer=ELUS(seed=3)),
    ]
)
model.compile(
    keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.2, clipnorm=0.5),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(train_x, train_y, batch_size=32, epochs=15, verbose=0)
_, accuracy = model.evaluate(test_x, test_y, verbose=0)
summary(model)

dense, small = strip_masks(model), compact(model)  # plain Keras: all units, and those that are alive
dense.save("digits.keras")
export_tflite(dense, "digits.tflite")
export_tflite(small, "digits_compact.tflite")
save(model, "digits.supermask")

outputs = model.predict(test_x, verbose=0)
for plain in (dense, small, load("digits.supermask")):
    np.testing.assert_allclose(plain.predict(test_x, verbose=0), outputs, rtol=1e-3, atol=1e-3)

sizes = {file.name: file.stat().st_size for file in sorted(pathlib.Path().glob("digits*"))}
print(f"{100 * accuracy:.1f} % test accuracy")
for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
    print(f"{size:9,} bytes  {name}")
