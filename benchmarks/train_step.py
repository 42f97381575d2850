"""What a supermask costs: time per training step of signed against baseline, and of our epoch against a bare loop.

    python benchmarks/train_step.py [--models=fcn,conv2] [--rounds=15]

Every comparison is made in one process, in turns, and printed as the median of the ratios of neighbouring turns; memory is
the peak of one process per case. Images are random: no data set is read. Writes train_step.json beside this file.

    signed / baseline   the training step that `main` runs, batch 128, at equal network; `normalized` is a signed ResNet that
                        learns its batch normalization, as its baseline does
    kernels / step      the step's convolutions and matrix products (forward, by input, by kernel), timed alone, over the
                        baseline's whole step: what part of the time the processor's limit accounts for
    epoch / bare loop   an FCN epoch of 60,000 images, and evaluation on 10,000, through keras.Model.fit with our callbacks,
                        against a tf.function that slices the same arrays and updates the same variables, without
                        metrics and progress; and the same of the training steps alone
    peak memory         of a process while it trains
"""

import pathlib
import re
import statistics
import subprocess
import sys

from absl import app, flags

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    import numpy as np
    import tensorflow as tf

    from tf_supermask import sparsity
    from tf_supermask.deploy.timing import in_turns, ratio
    from tf_supermask.evidence import benchmarks
    from tf_supermask.experiments import choices, data, training
    from tf_supermask.experiments.callbacks import COLUMNS
    from tf_supermask.experiments.spec import Spec

FLAGS = flags.FLAGS
flags.DEFINE_list("models", ["fcn", "conv2", "conv4", "conv6", "conv8"], "networks")
flags.DEFINE_list("parts", ["steps", "memory", "epoch"], "what to measure; the rest of the JSON file stays")
flags.DEFINE_integer("rounds", 15, "turns of each comparison")
flags.DEFINE_float("turn_seconds", 0.5, "about how long one turn lasts")
flags.DEFINE_string("memory_of", None, "internal: print the peak memory of training MODEL,MODE in MiB")
MODES = ("baseline", "signed")
ENDLESS = 10**6


def random_data(spec, count, tests=500):
    shape = choices.DATASETS[spec.dataset]
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (count, *shape), np.uint8)
    labels = draw.integers(0, 10, count).astype(np.int32)
    return data.Dataset(images, labels, images[:tests], labels[:tests], classes=10)


def stepper(spec):
    """A function that runs n training steps of `spec` as main does, and the number of steps of one call."""
    dataset = random_data(spec, 60_000 if spec.model == "fcn" else 5_000)
    model = training.compiled(spec, dataset)
    one_call = 50 if model.jit_compile else 1
    model.steps_per_execution = one_call
    step = model.make_train_function() or model.train_function
    batches = iter(data.batches(dataset, spec))

    def run(calls):
        for _ in range(calls):
            step(batches)
        model.optimizer.iterations.numpy()

    return run, one_call


def kernels_alone(spec):
    """A function that runs the convolutions and matrix products of one training step, and nothing else."""
    model = training.compiled(spec, random_data(spec, 128))
    cases = []
    for number, layer in enumerate(sparsity.kernel_layers(model)):
        x = tf.random.normal((spec.batch_size, *layer.input.shape[1:]))
        y = tf.random.normal((spec.batch_size, *layer.output.shape[1:]))
        cases.append((number == 0, x, tf.convert_to_tensor(layer.kernel), y, getattr(layer, "strides", None)))

    @tf.function(jit_compile=model.jit_compile)
    def once():
        results = []
        for first, x, kernel, y, strides in cases:
            results += convolution(first, x, kernel, y, strides) if strides else dense(first, x, kernel, y)
        return results

    def run(repeats):
        for _ in range(repeats):
            last = once()
        last[0].numpy()

    return run


def dense(first, x, kernel, y):
    """The products of a dense layer: forward, by kernel, and by input where there is a layer before."""
    products = [x @ kernel, tf.matmul(x, y, transpose_a=True)]
    return products if first else [*products, tf.matmul(y, kernel, transpose_b=True)]


def convolution(first, x, kernel, y, strides):
    """The same of a convolution."""
    by_kernel = tf.raw_ops.Conv2DBackpropFilter(
        input=x, filter_sizes=kernel.shape, out_backprop=y, strides=[1, *strides, 1], padding="SAME"
    )
    products = [tf.nn.conv2d(x, kernel, strides, "SAME"), by_kernel]
    return products if first else [*products, tf.nn.conv2d_transpose(y, kernel, x.shape, strides, "SAME")]


def bare_epoch(spec, dataset, evaluate):
    """A function that runs epochs of a plain tf.function loop over the same arrays, with the same optimizer."""
    model = training.compiled(spec, dataset)
    images = tf.constant(data.PREPROCESS[spec.preprocess](dataset.train_images))
    labels = tf.constant(dataset.train_labels)
    tests = tf.constant(data.PREPROCESS[spec.preprocess](dataset.test_images))
    answers = tf.constant(dataset.test_labels)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    size = spec.batch_size

    @tf.function(jit_compile=model.jit_compile)
    def step(x, y):
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        model.optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)

    @tf.function(jit_compile=model.jit_compile)
    def correct(x, y):
        return tf.reduce_sum(tf.cast(tf.argmax(model(x), -1, tf.int32) == y, tf.int32))

    @tf.function
    def epoch():
        for i in tf.range(len(images) // size):
            step(images[i * size : (i + 1) * size], labels[i * size : (i + 1) * size])
        if len(images) % size:
            step(images[-(len(images) % size) :], labels[-(len(images) % size) :])

    @tf.function
    def test():
        total = 0
        for i in tf.range(len(tests) // 500):
            total += correct(tests[i * 500 : (i + 1) * 500], answers[i * 500 : (i + 1) * 500])
        return total

    def run(repeats):
        for _ in range(repeats):
            epoch()
            if evaluate:
                test().numpy()
        model.optimizer.iterations.numpy()

    return run


def our_epoch(spec, dataset):
    """A function that runs epochs as main does, with callbacks, evaluation and counting."""
    model = training.compiled(spec, dataset)
    batches, tests = data.batches(dataset, spec), data.evaluation_batches(dataset, spec)
    history = {name: [] for name in COLUMNS}

    def run(repeats):
        model.fit(
            batches,
            epochs=repeats,
            steps_per_epoch=data.steps_per_epoch(dataset, spec),
            validation_data=tests,
            callbacks=training._callbacks(spec, dataset, None, training.Options(log=lambda line: None), history),
            verbose=0,
            shuffle=False,
        )

    return run


def peak_mib():
    status = pathlib.Path("/proc/self/status").read_text()  # unlike getrusage, without the peak of the parent process
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def memory_of(case):
    """Peak memory of a process while it trains a few steps of `MODEL,MODE`."""
    model, mode = case.split(",")
    run, _ = stepper(Spec.of(model=model, mode=mode, epochs=ENDLESS))
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of building the model
    run(3)
    return peak_mib()


def memory(model, mode):
    command = [sys.executable, __file__, f"--memory_of={model},{mode}"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def compare_memory(name):
    spec = Spec.of(model=name, mode="baseline")
    layers = sparsity.kernel_layers(training.compiled(spec, random_data(spec, 128)))
    weights = sum(layer.kernel.numpy().size for layer in layers)
    found = {f"{mode}_mib": memory(name, mode) for mode in MODES} | {"weights_mib": 4 * weights / 2**20}
    print(
        f"{name:8} {found['baseline_mib']:6.0f} MiB baseline, signed {found['signed_mib'] - found['baseline_mib']:+5.1f} MiB; "
        f"scores and one copy of the weights: {2 * found['weights_mib']:5.1f} MiB",
        flush=True,
    )
    return found


def compare_steps(name):
    settings = {mode: {"mode": mode} for mode in MODES}
    if name.startswith("resnet"):
        settings["normalized"] = {"mode": "signed", "batch_norm": "trainable"}
    specs = [Spec.of(model=name, epochs=ENDLESS, **its) for its in settings.values()]
    steppers, calls = zip(*map(stepper, specs), strict=True)
    times = in_turns([*steppers, kernels_alone(specs[0])], FLAGS.rounds, FLAGS.turn_seconds)
    times = dict(zip([*settings, "kernels"], times, strict=True))
    taken = {case: [s / n for s in times[case]] for case, n in zip(settings, calls, strict=True)}
    found = {f"{mode}_ms": 1e3 * statistics.median(taken[mode]) for mode in MODES}
    found |= {f"{case}_over_baseline": ratio(taken[case], taken["baseline"]) for case in settings if case != "baseline"}
    found["kernels_over_step"] = ratio(times["kernels"], taken["baseline"])
    print(name, ", ".join(f"{key} {value:.3f}" for key, value in found.items()), flush=True)
    return found


def compare_epochs():
    spec = Spec.of(model="fcn", mode="signed", epochs=ENDLESS)
    dataset = random_data(spec, 60_000, 10_000)
    training_alone, steps = stepper(spec)
    functions = [
        our_epoch(spec, dataset),
        bare_epoch(spec, dataset, True),
        training_alone,
        bare_epoch(spec, dataset, False),
    ]
    ours, bare, ours_training, bare_training = in_turns(functions, FLAGS.rounds, 6 * FLAGS.turn_seconds)
    ours_training = [seconds * data.steps_per_epoch(dataset, spec) / steps for seconds in ours_training]
    found = {
        "ours_s": statistics.median(ours),
        "bare_s": statistics.median(bare),
        "ours_over_bare": ratio(ours, bare),
        "training_over_bare": ratio(ours_training, bare_training),
    }
    print(f"FCN epoch: {found}")
    return found


def main(argv):
    del argv
    if FLAGS.memory_of:
        print(memory_of(FLAGS.memory_of))
        return
    tf.random.set_seed(0)
    tf.get_logger().setLevel("ERROR")
    results = benchmarks.load(__file__)
    for part, compare in (("steps", compare_steps), ("memory", compare_memory)):
        for name in FLAGS.models if part in FLAGS.parts else ():
            results.setdefault(name, {}).update(compare(name))
            benchmarks.save(__file__, results)
    if "epoch" in FLAGS.parts:
        results["fcn_epoch"] = compare_epochs()
        benchmarks.save(__file__, results)


if __name__ == "__main__":
    app.run(main)
