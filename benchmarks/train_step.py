"""What a supermask costs: time per training step of masks against trained weights, and of our epoch against a bare loop.

    python benchmarks/train_step.py [--models=fcn,zhou_conv2] [--parts=steps,memory,epoch,methods] [--rounds=15]
    python benchmarks/train_step.py --parts=methods [--models=fcn,conv2] [--methods=rigl,twn]

Every comparison is made in one process, in turns, and printed as the median of the ratios of neighbouring turns; memory is
the peak of one process per case. Images are random: no data set is read. Writes train_step.json beside this file.

    masked / baseline   the training step that `main` runs, at equal network, with the batch size and optimizer of the paper:
                        signed masks of Koster et al. 2022, Bernoulli masks of Zhou et al. 2019 (`zhou_`); `normalized` is a
                        signed ResNet that learns its batch normalization, as its baseline does
    kernels / step      the step's convolutions and matrix products (forward, by input, by kernel), timed alone, over the
                        baseline's whole step
    GFLOP/s             of the masked step: 2 operations per multiplication of the forward pass, 2 by kernel, 2 by input except
                        for the first layer; beside it a product of two float32 matrices of 2048 x 2048, in the same turns:
                        the limit of the machine
    bytes / bandwidth   the time that the passes over scores and weights take at the speed of a copy of 256 MiB, in the same
                        turns, as a share of the masked step: the limit of the memory
    epoch / bare loop   an FCN epoch of 60,000 images, and evaluation on 10,000, through keras.Model.fit with our callbacks,
                        against a tf.function that slices the same arrays and updates the same variables, without
                        metrics and progress; and the same of the training steps alone
    peak memory         of a process while it trains
    method / dense      a step of each method of docs/results/rivals.md, at the settings of its row at 10 %, of FCN and Conv2; a
                        change of its masks, timed alone, counts with its share of a step; what precedes the first step does not
"""

import dataclasses
import math
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
    from tf_supermask.deploy.timing import ratio, time_interleaved
    from tf_supermask.evidence import benchmarks
    from tf_supermask.experiments import choices, data, flag_files, training, updates
    from tf_supermask.experiments.callbacks import COLUMNS
    from tf_supermask.experiments.looped import looped
    from tf_supermask.experiments.shrinking import Shrinking
    from tf_supermask.experiments.spec import Spec
    from tf_supermask.papers.rivals import names

FLAGS = flags.FLAGS
flags.DEFINE_list(
    "models",
    ["fcn", "conv2", "conv4", "conv6", "conv8", "resnet20", "zhou_fcn", "zhou_conv2", "zhou_conv4", "zhou_conv6"],
    "networks",
)
PARTS = ["steps", "memory", "epoch", "methods"]
flags.DEFINE_list("parts", PARTS, f"what to measure, of {', '.join(PARTS)}; the rest of the JSON file stays")
METHODS = [method for method in names.OWN | names.WITH_DENSITY if method != "dense"]
flags.DEFINE_list("methods", METHODS, "methods of the part `methods`; the others stay")
for name, known in (("parts", PARTS), ("methods", METHODS)):
    flags.register_validator(name, lambda given, known=known: set(given) <= set(known), f"choose from {', '.join(known)}")
flags.DEFINE_integer("rounds", 15, "turns of each comparison")
flags.DEFINE_float("turn_seconds", 0.5, "about how long one turn lasts")
flags.DEFINE_string("memory_of", None, "internal: print the peak memory of training NETWORK,MASKED in MiB")
ENDLESS = 10**6
CALL = 50  # steps of a call
MATRIX, COPY = 2048, 2**26  # rows and columns of the large product; float32 numbers of the large copy
# A masked step reads score and weight and writes the kernel; reads the kernel's gradient and the weight and writes the score's
# gradient; reads it and reads and writes momentum and score. Each is 4 bytes per weight.
BYTES_PER_WEIGHT = 4 * (3 + 3 + 5)


def spec_of(name, masked=False, **settings):
    """The Spec of a network of Koster et al. 2022, or with `zhou_` of Zhou et al. 2019, with masks or with trained weights."""
    if not name.startswith("zhou_"):
        return Spec.of(model=name, mode="signed" if masked else "baseline", epochs=ENDLESS, **settings)
    model = name.removeprefix("zhou_")
    if masked:
        return Spec.of(model=model, mode="bernoulli", **settings)
    like = Spec.of(model=model, mode="bernoulli")  # both at one batch size and optimizer
    same = {key: getattr(like, key) for key in ("dialect", "batch_size", "optimizer", "learning_rate", "preprocess")}
    return Spec.of(model=model, mode="baseline", epochs=ENDLESS, **same)


def random_data(spec, count, tests=500):
    shape = choices.DATASETS[spec.dataset]
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (count, *shape), np.uint8)
    labels = draw.integers(0, 10, count).astype(np.int32)
    return data.Dataset(images, labels, images[:tests], labels[:tests], classes=10)


def step_data(spec):
    """Random images for training steps."""
    return random_data(spec, 9 * CALL * spec.batch_size if spec.model == "fcn" else 5_000)


def stepper(spec):
    """A function that runs n training steps of `spec` as main does, and the number of steps of one call."""
    dataset = step_data(spec)
    return stepper_of(training.compiled(spec, dataset), spec, dataset)


def stepper_of(model, spec, dataset, every=0):
    """The same of a compiled model. A call never goes beyond a multiple of `every` steps."""
    one_call = math.gcd(CALL, every) if model.jit_compile else 1
    if training.steps_in_a_loop(spec, dataset, model, training.Options(), every) > 1 and spec.dialect == "koster":
        model = looped(model, spec.batch_size, training.metrics())
        batches = iter(data.batches(dataset, dataclasses.replace(spec, batch_size=one_call * spec.batch_size)))
    else:
        model.steps_per_execution = one_call
        batches = iter(data.batches(dataset, spec))
    step = model.make_train_function() or model.train_function

    def run(calls):
        for _ in range(calls):
            step(batches)
        model.optimizer.iterations.numpy()

    return run, one_call


def kernels_alone(spec):
    """A function that runs the convolutions and matrix products of one training step, and nothing else."""
    model = training.compiled(spec, random_data(spec, spec.batch_size))
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
    model, options = training.compiled(spec, dataset), training.Options(log=lambda line: None)
    several = dataclasses.replace(
        spec, batch_size=spec.batch_size * training.steps_in_a_loop(spec, dataset, model, options, ())
    )
    batches, tests = data.batches(dataset, several), data.evaluation_batches(dataset, spec)
    shrinking = Shrinking(spec, model, len(dataset.train_images))
    callbacks = training._callbacks(spec, dataset, None, options, {name: [] for name in COLUMNS}, shrinking)
    trained = looped(model, spec.batch_size, training.metrics())

    def run(repeats):
        trained.fit(
            batches,
            epochs=repeats,
            steps_per_epoch=data.steps_per_epoch(dataset, several),
            validation_data=tests,
            callbacks=callbacks,
            verbose=0,
            shuffle=False,
        )

    return run


def peak_mib():
    status = pathlib.Path("/proc/self/status").read_text()  # unlike getrusage, without the peak of the parent process
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def memory_of(case):
    """Peak memory of a process while it trains a few steps of `NETWORK,MASKED`."""
    name, masked = case.split(",")
    run, _ = stepper(spec_of(name, masked == "True"))
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of building the model
    run(3)
    return peak_mib()


def memory(name, masked):
    command = [sys.executable, __file__, f"--memory_of={name},{masked}"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def compare_memory(name):
    spec = spec_of(name)
    _, weights = operations(spec)
    row = {"baseline_mib": memory(name, masked=False), "masked_mib": memory(name, masked=True)}
    row["weights_mib"] = 4 * weights / 2**20
    print(
        f"{name:10} {row['baseline_mib']:6.0f} MiB baseline, masked {row['masked_mib'] - row['baseline_mib']:+5.1f} MiB; "
        f"scores and one copy of the weights: {2 * row['weights_mib']:5.1f} MiB",
        flush=True,
    )
    return row


def operations(spec):
    """`(floating-point operations of a training step, weights)` of the network of `spec`."""
    model = training.compiled(spec, random_data(spec, spec.batch_size))
    macs = list(sparsity.macs(model).values())
    weights = sum(math.prod(sparsity.kernel_shape(layer)) for layer in sparsity.kernel_layers(model))
    return 2 * spec.batch_size * (3 * sum(macs) - macs[0]), weights


def large_product():
    """A function that multiplies two large matrices."""
    a, b = tf.random.normal((MATRIX, MATRIX)), tf.random.normal((MATRIX, MATRIX))

    def run(repeats):
        for _ in range(repeats):
            product = a @ b
        product[0, 0].numpy()

    return run


def large_copy():
    """A function that copies a large array, in one thread per processor as TensorFlow's elementwise operations do."""
    source = tf.random.uniform((COPY,))

    def run(repeats):
        for _ in range(repeats):
            copied = -source  # reads and writes each number once
        copied[0].numpy()

    return run


def limits(spec, seconds, product_seconds, copy_seconds):
    """The rate of a masked step that takes `seconds`, beside those of the machine."""
    count, weights = operations(spec)
    product = 2 * MATRIX**3 / statistics.median(product_seconds)
    bandwidth = 2 * 4 * COPY / statistics.median(copy_seconds)
    return {
        "gflops": count / seconds / 1e9,
        "product_gflops": product / 1e9,
        "of_product": count / seconds / product,
        "bandwidth_gb": bandwidth / 1e9,
        "of_bandwidth": BYTES_PER_WEIGHT * weights / bandwidth / seconds,
    }


def compare_steps(name):
    specs = {"baseline": spec_of(name), "masked": spec_of(name, masked=True)}
    if name.startswith("resnet"):
        specs["normalized"] = spec_of(name, masked=True, batch_norm="trainable")
    steppers, calls = zip(*map(stepper, specs.values()), strict=True)
    functions = [*steppers, kernels_alone(specs["baseline"]), large_product(), large_copy()]
    *times, kernels, product, copy = time_interleaved(functions, FLAGS.rounds, FLAGS.turn_seconds)
    steps = {case: [s / n for s in turns] for case, turns, n in zip(specs, times, calls, strict=True)}
    row = {f"{case}_ms": 1e3 * statistics.median(steps[case]) for case in ("baseline", "masked")}
    row |= {f"{case}_over_baseline": ratio(steps[case], steps["baseline"]) for case in specs if case != "baseline"}
    row["kernels_over_step"] = ratio(kernels, steps["baseline"])
    row |= limits(specs["masked"], row["masked_ms"] / 1e3, product, copy)
    print(name, ", ".join(f"{key} {value:.3f}" for key, value in row.items()), flush=True)
    return row


def spec_of_method(net, method):
    """The Spec of the row of a method, with a density at 10 %, that never ends."""
    part, further = ("density", ["--density=0.1"]) if method in names.WITH_DENSITY else ("own", [])
    ((spec, *_),) = (its.specs for its in flag_files.read(flag_files.ROWS / f"rivals_{part}_{net}_{method}.flags", further))
    return spec if spec.epochs is None else dataclasses.replace(spec, epochs=ENDLESS)


def change_of(event):
    """A function that changes the masks n times, by the callback `event`."""

    def run(repeats):
        event.on_epoch_begin(0)
        for _ in range(repeats):
            event.on_train_batch_end(event.every - 1 - event.before % event.every)

    return run


def compare_method(net, method, dense):
    """A step of a method against `dense`, the stepper of the dense network and the number of its steps in a call."""
    spec = spec_of_method(net, method)
    dataset = step_data(spec)
    model = training.compiled(spec, dataset)
    every = updates.interval(spec)
    events = updates.prepared(spec, dataset, model) if every else ()
    step, steps = stepper_of(model, spec, dataset, every or 0)
    (dense_step, dense_steps), seconds = dense, FLAGS.turn_seconds
    theirs, ours = time_interleaved([dense_step, step], FLAGS.rounds, seconds)
    row = {
        "dense_ms": 1e3 * statistics.median(theirs) / dense_steps,
        "step_over_dense": ratio(ours, theirs) * dense_steps / steps,
        "change_over_dense": 0.0,
    }
    for event in events:
        (changes,) = time_interleaved([change_of(event)], min(5, FLAGS.rounds), seconds)
        row["change_over_dense"] += 1e3 * statistics.median(changes) / every / row["dense_ms"]
    row["over_dense"] = row["step_over_dense"] + row["change_over_dense"]
    print(net, method, ", ".join(f"{key} {value:.3f}" for key, value in row.items()), flush=True)
    return row


def compare_methods(results):
    """Measures FLAGS.methods; saves `results` after each."""
    for net in [net for net in ("fcn", "conv2") if net in FLAGS.models]:
        dense = stepper(spec_of_method(net, "dense"))
        for method in FLAGS.methods:
            results.setdefault("methods", {}).setdefault(net, {})[method] = compare_method(net, method, dense)
            benchmarks.save(__file__, results)


def compare_epochs():
    spec = spec_of("fcn", masked=True, shrink=False)
    dataset = random_data(spec, 60_000, 10_000)
    training_alone, steps = stepper(spec)
    functions = [
        our_epoch(spec, dataset),
        bare_epoch(spec, dataset, True),
        training_alone,
        bare_epoch(spec, dataset, False),
    ]
    ours, bare, ours_training, bare_training = time_interleaved(functions, FLAGS.rounds, 6 * FLAGS.turn_seconds)
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
            benchmarks.save(__file__, {name: results[name]})
    if "epoch" in FLAGS.parts:
        benchmarks.save(__file__, {"fcn_epoch": compare_epochs()})
    if "methods" in FLAGS.parts:
        compare_methods(results)


if __name__ == "__main__":
    app.run(main)
