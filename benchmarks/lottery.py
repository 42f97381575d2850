"""What a round of lottery tickets costs, and what all supermasks of a dense run cost: python benchmarks/lottery.py

training_over_bare      FC on 55,000 random images, batch 60, validation every 100 steps: our round against a bare compiled
                        loop that does the same steps and validations, in turns in one process
supermasks_over_dense   the paper's 11 criteria at 25 levels on 10,000 test images against the 50,000 steps of the dense run, the
                        latter extrapolated from the measured steps
product_gflops          what the product of the first layer alone reaches, the limit for these

All written to lottery.json beside this file.
"""

import statistics

from absl import app, flags

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    import keras
    import numpy as np
    import tensorflow as tf
    from train_step import random_data

    from tf_supermask import sparsity
    from tf_supermask.deploy.timing import ratio, time_interleaved
    from tf_supermask.evidence import benchmarks
    from tf_supermask.experiments import criteria, data, lottery, one_shot, training
    from tf_supermask.experiments.spec import Spec
    from tf_supermask.experiments.trainer import Trainer

FLAGS = flags.FLAGS
flags.DEFINE_integer("steps", 10_000, "steps of a turn: a full run evaluates on the test images only twice")
PAPERS = tuple(criteria.CRITERIA)[:11]  # without those that only the authors' code has


def ours(spec, dataset):
    trainer = Trainer(spec, dataset, training.Options(log=lambda line: None))
    layers = lottery.dense(trainer.initial)

    def run(repeats):
        for _ in range(repeats):
            trainer(layers)

    return run


def bare(spec, dataset):
    """The same steps and validations without Keras' loop, callbacks, masks, or best weights."""
    split = data.held_out(dataset, spec.validation_images)
    model = Trainer(spec, dataset).model
    for layer in sparsity.kernel_layers(model):
        layer.kernel.constraint = None
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    images = tf.constant(data.PREPROCESS[spec.preprocess](split.train_images))
    labels = tf.constant(split.train_labels)
    validation, answers = data.evaluation_arrays(split, spec)

    @tf.function(jit_compile=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        model.optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    @tf.function
    def steps(start):
        for i in tf.range(start, start + spec.evaluate_every):
            i = i % (len(images) // spec.batch_size)
            step(
                images[i * spec.batch_size : (i + 1) * spec.batch_size],
                labels[i * spec.batch_size : (i + 1) * spec.batch_size],
            )

    @tf.function(jit_compile=True)
    def validate():
        return loss_of(answers, model(validation, training=False))

    def run(repeats):
        for _ in range(repeats):
            for start in range(0, spec.iterations, spec.evaluate_every):
                steps(tf.constant(start))
                validate().numpy()

    return run


def all_supermasks(spec, dataset):
    """A function that evaluates the paper's criteria at all levels on the test images, made-up final weights."""
    network = one_shot.Untrained(spec, dataset)
    del network.evaluations["val"]
    draw = np.random.default_rng(0)
    initial = {name: np.asarray(kernel).copy() for name, kernel in network.kernels.items()}
    finals = {name: kernel + draw.normal(size=kernel.shape, scale=0.05) for name, kernel in initial.items()}
    rates = lottery.pruning_rates(spec, network.model)

    def run(repeats):
        for _ in range(repeats):
            network.accuracies(initial)  # at level 0 all criteria keep everything
            for criterion in PAPERS:
                levels = list(one_shot.masks(criterion, initial, finals, rates, spec.rounds, lambda name: draw))
                for kept in levels[1:]:
                    network.accuracies({name: initial[name] * mask for name, mask in kept.items()})

    return run


def first_product(spec, dataset):
    """A function that multiplies all test images by one kernel of the first layer, and the operations of that: the limit."""
    x = tf.reshape(data.evaluation_arrays(dataset, spec)[0], (len(dataset.test_images), -1))
    kernel = next(iter(one_shot.Untrained(spec, dataset).kernels.values()))
    product = tf.function(lambda weights: tf.matmul(x, weights))
    weights = tf.convert_to_tensor(kernel)

    def run(repeats):
        for _ in range(repeats):
            last = product(weights)
        last.numpy()

    return run, 2 * len(x) * int(np.prod(kernel.shape))


def main(argv):
    del argv
    tf.get_logger().setLevel("ERROR")
    spec = Spec.of(mode="lottery", rounds=0, iterations=FLAGS.steps)
    dataset = random_data(spec, 60_000, 10_000)
    ours_s, bare_s = time_interleaved([ours(spec, dataset), bare(spec, dataset)], FLAGS.rounds, FLAGS.turn_seconds)
    supermask = Spec.of(mode="supermask")
    product, operations = first_product(supermask, dataset)
    masks_s, product_s = time_interleaved([all_supermasks(supermask, dataset), product], 3, FLAGS.turn_seconds)
    masks = len(PAPERS) * (supermask.rounds + 1)
    weights = sum(int(np.prod(kernel.shape)) for kernel in one_shot.Untrained(supermask, dataset).kernels.values())
    dense_s = statistics.median(ours_s) / FLAGS.steps * Spec.of(mode="lottery").iterations
    found = {
        "steps": FLAGS.steps,
        "ours_s": statistics.median(ours_s),
        "training_over_bare": ratio(ours_s, bare_s),
        "supermasks_s": statistics.median(masks_s),
        "masks": masks,
        "supermasks_gflops": masks * len(dataset.test_images) * 2 * weights / statistics.median(masks_s) / 1e9,
        "product_gflops": operations / statistics.median(product_s) / 1e9,
        "supermasks_over_dense": statistics.median(masks_s) / dense_s,
    }
    print(found)
    benchmarks.save(__file__, found)


if __name__ == "__main__":
    app.run(main)
