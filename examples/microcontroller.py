"""A trained network as C code: trained on 8x8 digits, exported, compiled with the C compiler of this machine, and run.

    python examples/microcontroller.py

Needs no download. Writes the folder digits_c/ into the current folder, and compiles it if `make` and a C compiler are there.
"""

import pathlib
import shutil
import subprocess

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from tf_supermask import ELUS, SignedMaskDense, export_c

keras.utils.set_random_seed(0)
images, labels = load_digits(return_X_y=True)
images = (images / 16).astype("float32")
train_x, test_x, train_y, test_y = train_test_split(images, labels, test_size=360, random_state=0)

model = keras.Sequential(
    [
        keras.Input((64,)),
        SignedMaskDense(100, activation="elu", weight_initializer=ELUS(seed=1)),
        SignedMaskDense(10, weight_initializer=ELUS(seed=2)),
    ]
)
model.compile(
    keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.1, clipnorm=0.5),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(train_x, train_y, batch_size=32, epochs=15, verbose=0)
accuracy = model.evaluate(test_x, test_y, verbose=0)[1]

# Some hundred training images choose the scales of the int8 activations. main=True adds a main.c that reads float32 images.
program = export_c(model, "digits_c", images=train_x[:300], main=True)
print("\n".join(program.lines()))
print(f"{program.constants:,} bytes of constants, {program.ram:,} bytes of buffers")

if shutil.which("make") and shutil.which("cc"):
    subprocess.run(["make", "-C", "digits_c", "network"], check=True, stdout=subprocess.DEVNULL)
    printed = subprocess.run(
        [pathlib.Path("digits_c", "network")], input=test_x.tobytes(), capture_output=True, check=True
    )
    classes = np.array(printed.stdout.split(), int)
    print(f"test accuracy: {100 * accuracy:.1f} % in Keras, {100 * np.mean(classes == test_y):.1f} % in C")
