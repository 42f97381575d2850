"""Masked models of sequences against dense ones, on real data: python benchmarks/sequences.py

The digits of scikit-learn are read as sequences of eight rows of eight pixels. An LSTM, and a transformer block, are trained
dense, and with the masks that `mask_model` gives all their kernels: frozen signed constants, trained scores. Both forms of a
model train as many epochs with the same optimizer. With the first seed and without the last 287 training sequences, the dense
form is trained at each of RATES, the masked one at each of RATES and DECAYS. The dense rate with the best accuracy on the 287 is
taken, and of masks what keeps the fewest weights within SLACK of that accuracy. Accuracies are those on the test sequences after
the last epoch. Writes sequences.json beside this file.
"""

import itertools
import statistics

from absl import app, flags

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    import keras

    from tf_supermask import mask_model, sparsity
    from tf_supermask.deploy import container
    from tf_supermask.evidence import benchmarks
    from tf_supermask.experiments import data

FLAGS = flags.FLAGS
flags.DEFINE_integer("epochs", 40, "epochs of each training")
flags.DEFINE_integer("seeds", 3, "number of trainings of each model")
BATCH, HELD_OUT = 64, 287
RATES = (0.001, 0.003, 0.01, 0.03)
DECAYS = {"dense": (0.0,), "masked": (0.3, 1.0, 3.0, 10.0)}  # of the scores, at each step multiplied by the learning rate
SLACK = 1.0  # points
L = keras.layers


def lstm():
    return keras.Sequential([keras.Input((8, 8)), L.LSTM(64), L.Dense(10)], name="lstm")


def transformer():
    """One block with normalization first; what follows it reads all steps, which have no other mark of their places."""
    inputs = keras.Input((8, 8))
    x = L.Dense(32)(inputs)
    y = L.LayerNormalization()(x)
    x = L.Add()([x, L.MultiHeadAttention(4, 8)(y, y)])
    y = L.Dense(32)(L.Dense(64, "gelu")(L.LayerNormalization()(x)))
    x = L.LayerNormalization()(L.Add()([x, y]))
    return keras.Model(inputs, L.Dense(10)(L.Flatten()(x)), name="transformer")


MODELS = {"LSTM of 64 units": lstm, "transformer block": transformer}
flags.DEFINE_list("models", list(MODELS), "models")


def sequences():
    """`(training sequences, labels, test sequences, labels)`: values from 0 to 1, shape (n, 8, 8)."""
    digits = data.digits((8, 8, 1))
    pairs = (digits.train_images, digits.train_labels), (digits.test_images, digits.test_labels)
    return [array for images, labels in pairs for array in (images[..., 0] / 255.0, labels)]


def trained(make, form, rate, decay, seed, x, y):
    """A model in one of the two forms after its epochs."""
    keras.utils.set_random_seed(seed)
    model = make()
    if form == "masked":
        model = mask_model(model, seed=seed, verbose=False)
    model.compile(
        keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(rate, _steps(x)), weight_decay=decay),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,  # compiling would take longer than the training
    )
    model.fit(x, y, batch_size=BATCH, epochs=FLAGS.epochs, verbose=0)
    return model


def _steps(x):
    return FLAGS.epochs * -(-len(x) // BATCH)


def accuracy(model, x, y):
    return 100 * model.evaluate(x, y, batch_size=360, verbose=0)[1]


def remaining(model):
    """`(remaining weights, all weights)` of the masks of a model, (0, 0) without masks."""
    masks = [kernel.mask() for kernel in sparsity.masked_kernels(model).values()]
    return sum(int((mask != 0).sum()) for mask in masks), sum(mask.size for mask in masks)


def tried(make, form, x, y):
    """`(learning rate, decay)` -> `(accuracy on the last training sequences, remaining weights)`."""
    kept, held = (x[:-HELD_OUT], y[:-HELD_OUT]), (x[-HELD_OUT:], y[-HELD_OUT:])
    found = {}
    for pair in itertools.product(RATES, DECAYS[form]):
        model = trained(make, form, *pair, 0, *kept)
        found[pair] = accuracy(model, *held), remaining(model)[0]
    return found


def chosen(make, x, y):
    """Form -> its learning rate and decay."""
    dense, masked = (tried(make, form, x, y) for form in ("dense", "masked"))
    best = max(dense, key=dense.get)
    enough = [pair for pair in masked if masked[pair][0] >= dense[best][0] - SLACK] or [max(masked, key=masked.get)]
    return {"dense": best, "masked": min(enough, key=lambda pair: masked[pair][1])}


def measured(make):
    """Both forms of a model: learning rate, accuracies by seed; of masks the weights that remain, and bytes."""
    x, y, test_x, test_y = sequences()
    found = {}
    for form, (rate, decay) in chosen(make, x, y).items():
        models = [trained(make, form, rate, decay, seed, x, y) for seed in range(FLAGS.seeds)]
        accuracies = [accuracy(model, test_x, test_y) for model in models]
        found[form] = {"learning_rate": rate, "weight_decay": decay, "test_accuracy": accuracies}
    counts = [remaining(model) for model in models]
    found["weights"] = counts[0][1]
    found["remaining"] = [100 * left / weights for left, weights in counts]
    found["dense_bytes"] = 4 * make().count_params()
    found["container_bytes"] = statistics.mean(len(container.packed(model)) for model in models)
    return found


def main(argv):
    del argv
    results = {}
    for name in FLAGS.models:
        results[name] = measured(MODELS[name])
        print(name, results[name], flush=True)
        benchmarks.save(__file__, results | {"epochs": FLAGS.epochs})


if __name__ == "__main__":
    app.run(main)
