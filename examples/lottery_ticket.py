"""Lottery tickets (Zhou et al. 2019) on your own Keras model: train, rank, prune, rewind, repeat.

    python examples/lottery_ticket.py

Needs no download: the images are the 8x8 digits of scikit-learn. For whole chains with records, use
`python -m tf_supermask.main --mode=lottery`.
"""

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from tf_supermask.experiments import criteria
from tf_supermask.experiments.trainer import FreezePruned, assign, copies, kernels_of

ROUNDS, PRUNED = 4, 0.5  # after each round half of a layer's weights goes

keras.utils.set_random_seed(0)
images, labels = load_digits(return_X_y=True)
images = (images / 16).astype("float32")
train_x, test_x, train_y, test_y = train_test_split(images, labels, test_size=360, random_state=0)

model = keras.Sequential(
    [keras.Input((64,)), keras.layers.Dense(300, activation="relu"), keras.layers.Dense(100, activation="relu")]
    + [keras.layers.Dense(10)]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(1.2e-3), loss, metrics=["accuracy"])
model.optimizer.build(model.trainable_variables)
kernels = kernels_of(model)  # layer name -> variable; biases are not pruned
for kernel in kernels.values():
    kernel.constraint = FreezePruned(kernel.shape)  # puts pruned weights back to 0 after each step
initial = dict(zip(kernels, copies(kernels.values())))
fresh, new_optimizer = model.get_weights(), copies(model.optimizer.variables)


def train(masks):
    """Test accuracy of the initial weights in `masks`, trained; the kernels are those of the end."""
    model.set_weights(fresh)
    for name, kernel in kernels.items():
        kernel.constraint.mask.assign(masks[name])
        kernel.assign(initial[name] * masks[name])
    assign(model.optimizer.variables, new_optimizer)
    model.fit(train_x, train_y, batch_size=60, epochs=6, verbose=0)
    return model.evaluate(test_x, test_y, verbose=0)[1]


accuracies = {}
for criterion in ("large_final", "random"):
    generator = np.random.default_rng(0)
    masks = {name: np.ones(kernel.shape, bool) for name, kernel in initial.items()}
    for number in range(ROUNDS + 1):
        accuracies[criterion, number] = train(masks)
        remaining = np.mean(np.concatenate([mask.ravel() for mask in masks.values()]))
        print(
            f"{criterion}, round {number}: {100 * remaining:5.1f} % remain, {100 * accuracies[criterion, number]:.1f} %"
        )
        for name, kernel in kernels.items():
            scores = criteria.ranked(criterion, initial[name], np.asarray(kernel), masks[name])
            masks[name] = criteria.cut(scores, masks[name], PRUNED, generator)
