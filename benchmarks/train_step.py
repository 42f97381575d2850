"""What a supermask costs: time per training step of signed against baseline, and of our epoch against a bare loop.

    python benchmarks/train_step.py [--models=fcn,conv2] [--rounds=15]

Every comparison is made in one process, in turns, and printed as the median of the ratios of neighbouring turns; memory is
the peak of one process per case. Images are random: no data set is read. Writes train_step.json beside this file.

    signed / baseline   the training step that `main` runs, batch 128, at equal network
    kernels / step      the step's convolutions and matrix products (forward, by input, by kernel), timed alone, over the
                        baseline's whole step: what part of the time the processor's limit accounts for
    epoch / bare loop   an FCN epoch of 60,000 images, and evaluation on 10,000, through keras.Model.fit with our callbacks,
                        against a tf.function that slices the same arrays and updates the same variables, without
                        metrics and progress; and the same of the training steps alone
    peak memory         of the process, above that of one which only imports TensorFlow
"""

import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

from absl import app, flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from tf_supermask import data, records, sparsity, training  # noqa: E402
from tf_supermask.spec import Spec  # noqa: E402

FLAGS = flags.FLAGS
flags.DEFINE_list("models", ["fcn", "conv2", "conv4", "conv6", "conv8"], "networks")
flags.DEFINE_integer("rounds", 15, "turns of each comparison")
flags.DEFINE_float("turn_seconds", 0.5, "about how long one turn lasts")
flags.DEFINE_boolean("deterministic", True, "as in main")
flags.DEFINE_string("memory_of", None, "internal: print the peak memory of training MODEL,MODE (or of nothing), in MiB")
MODES = ("baseline", "signed")
ENDLESS = 10**6


def random_data(spec, count, tests=500):
    shape = data.DATASETS[spec.dataset]
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


def in_turns(functions, rounds, seconds):
    """Runs functions of a repeat count in turns; returns the seconds of one repeat, a list per function."""
    repeats = []
    for function in functions:
        function(1)  # traces
        began = time.perf_counter()
        function(1)
        repeats.append(max(1, round(seconds / (time.perf_counter() - began))))
    times = [[] for _ in functions]
    for _ in range(rounds):
        for function, repeat, taken in zip(functions, repeats, times, strict=True):
            began = time.perf_counter()
            function(repeat)
            taken.append((time.perf_counter() - began) / repeat)
    return times


def ratio(above, below):
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def kernels_alone(spec):
    """A function that runs the convolutions and matrix products of one training step, and nothing else."""
    model = training.compiled(spec, random_data(spec, 128))
    cases = []
    for number, layer in enumerate(sparsity.kernel_layers(model)):
        x = tf.random.normal((spec.batch_size, *layer.input.shape[1:]))
        y = tf.random.normal((spec.batch_size, *layer.output.shape[1:]))
        cases.append((number == 0, x, tf.convert_to_tensor(layer.kernel), y))

    @tf.function(jit_compile=model.jit_compile)
    def one(first, x, kernel, y):
        if kernel.shape.rank == 2:
            results = [x @ kernel, tf.matmul(x, y, transpose_a=True)]
            return results if first else [*results, tf.matmul(y, kernel, transpose_b=True)]
        by_kernel = tf.raw_ops.Conv2DBackpropFilter(
            input=x, filter_sizes=kernel.shape, out_backprop=y, strides=[1, 1, 1, 1], padding="SAME"
        )
        results = [tf.nn.conv2d(x, kernel, 1, "SAME"), by_kernel]
        if first:
            return results
        return [*results, tf.nn.conv2d_transpose(y, kernel, x.shape, 1, "SAME")]

    def run(repeats):
        for _ in range(repeats):
            for case in cases:
                last = one(*case)
        last[0].numpy()

    return run


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
    history = {name: [] for name in training.COLUMNS}

    def run(repeats):
        model.fit(
            batches,
            epochs=repeats,
            steps_per_epoch=data.steps_per_epoch(dataset, spec),
            validation_data=tests,
            callbacks=training._callbacks(spec, dataset, None, training.Options(say=lambda line: None), history),
            verbose=0,
        )

    return run


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory_of(case):
    """Peak memory of a process that trains a few steps of `MODEL,MODE`."""
    if case != "nothing":
        model, mode = case.split(",")
        run, calls = stepper(Spec.of(model=model, mode=mode, epochs=ENDLESS))
        run(2)
    return peak_mib()


def memory(case):
    out = subprocess.run([sys.executable, __file__, f"--memory_of={case}"], check=True, capture_output=True, text=True)
    return float(out.stdout)


def compare(name):
    specs = {mode: Spec.of(model=name, mode=mode, epochs=ENDLESS) for mode in MODES}
    steppers = {mode: stepper(spec) for mode, spec in specs.items()}
    calls = {mode: one_call for mode, (_, one_call) in steppers.items()}
    functions = [steppers[mode][0] for mode in MODES] + [kernels_alone(specs["baseline"])]
    baseline, signed, kernels = in_turns(functions, FLAGS.rounds, FLAGS.turn_seconds)
    baseline = [seconds / calls["baseline"] for seconds in baseline]
    signed = [seconds / calls["signed"] for seconds in signed]
    nothing = memory("nothing")
    baseline_model = training.compiled(specs["baseline"], random_data(specs["baseline"], 128))
    weights = sum(layer.kernel.numpy().size for layer in sparsity.kernel_layers(baseline_model))
    return {
        "baseline_ms": 1e3 * statistics.median(baseline),
        "signed_ms": 1e3 * statistics.median(signed),
        "signed_over_baseline": ratio(signed, baseline),
        "kernels_over_step": ratio(kernels, baseline),
        "baseline_mib": memory(f"{name},baseline") - nothing,
        "signed_mib": memory(f"{name},signed") - nothing,
        "weights_mib": 4 * weights / 2**20,
    }


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
    ours, bare, ours_training, bare_training = in_turns(functions, FLAGS.rounds, FLAGS.turn_seconds)
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
    if FLAGS.deterministic:
        tf.config.experimental.enable_op_determinism()
    tf.random.set_seed(0)
    results = {}
    print(
        f"{'network':8} {'baseline':>10} {'signed':>10} {'signed/baseline':>16} {'kernels/step':>13} {'MiB (one copy of weights)':>30}"
    )
    for name in FLAGS.models:
        row = results[name] = compare(name)
        print(
            f"{name:8} {row['baseline_ms']:7.2f} ms {row['signed_ms']:7.2f} ms {row['signed_over_baseline']:16.3f} "
            f"{row['kernels_over_step']:13.3f} {row['baseline_mib']:10.0f} -> {row['signed_mib']:5.0f} "
            f"({row['weights_mib']:.0f})",
            flush=True,
        )
    results["fcn_epoch"] = compare_epochs()
    target = pathlib.Path(__file__).with_suffix(".json")
    results["environment"] = records.environment()
    records.write(target, lambda file: file.write((json.dumps(results, indent=1) + "\n").encode()))


if __name__ == "__main__":
    app.run(main)
