"""What `Masked`, which masks any layer, costs against SignedMaskDense and SignedMaskConv2D: time per training step.

    python benchmarks/masked.py [--models=fcn,conv2] [--rounds=15]

    general / special   the training step that `main` runs, batch 128, of one network in both forms, in turns in one process: the
                        median of the ratios of neighbouring turns. Both have the same weights and scores, and take the same
                        batches; their scores are compared after the first steps.

Images are random: no data set is read. Writes masked.json beside this file.
"""

import statistics

from absl import app, flags

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    import keras
    import numpy as np
    import tensorflow as tf

    from tf_supermask import Masked, sparsity
    from tf_supermask.deploy.timing import in_turns, ratio
    from tf_supermask.evidence import benchmarks
    from tf_supermask.experiments import choices, data, training
    from tf_supermask.experiments.spec import Spec
    from tf_supermask.signed_mask import SignedMask

FLAGS = flags.FLAGS
flags.DEFINE_list("models", ["fcn", "conv2"], "networks")
flags.DEFINE_integer("rounds", 15, "turns of each comparison")
flags.DEFINE_float("turn_seconds", 0.5, "about how long one turn lasts")
IMAGES = {"fcn": 60_000}
FEW = 5_000


def random_data(spec):
    count, draw = IMAGES.get(spec.model, FEW), np.random.default_rng(0)
    images = draw.integers(0, 256, (count, *choices.DATASETS[spec.dataset]), np.uint8)
    labels = draw.integers(0, 10, count).astype(np.int32)
    return data.Dataset(images, labels, images[:500], labels[:500], classes=10)


def general(special, spec, dataset):
    """The same network with `Masked` around plain layers, compiled in the same way, with the weights and scores of `special`."""

    def made(layer):
        if not isinstance(layer, SignedMask):
            return layer.from_config(layer.get_config())
        return Masked(layer.plain(), rule=layer.rule, threshold=layer.threshold)

    model = keras.models.clone_model(special, clone_function=made)
    for source, target in zip(kernels(special), kernels(model), strict=True):
        target.weight.assign(source.weight)
        target.score.assign(source.score)
    options = training.Options(jit_compile=special.jit_compile)
    training.compile_model(model, spec, data.steps_per_epoch(dataset, spec), options)
    return model


def kernels(model):
    return sparsity.masked_kernels(model).values()


def stepper(model, spec, dataset, one_call):
    """A function that runs calls of `one_call` training steps."""
    model.steps_per_execution = one_call
    step = model.make_train_function() or model.train_function
    batches = iter(data.batches(dataset, spec))

    def run(calls):
        for _ in range(calls):
            step(batches)
        model.optimizer.iterations.numpy()

    return run


def compare(name):
    spec = Spec.of(model=name, mode="signed", epochs=10**6)
    dataset = random_data(spec)
    special = training.compiled(spec, dataset)
    models = {"special": special, "general": general(special, spec, dataset)}
    one_call = 50 if special.jit_compile else 1
    steps = {form: stepper(model, spec, dataset, one_call) for form, model in models.items()}
    for run in steps.values():
        run(1)
    apart = max(
        float(np.abs(np.subtract(a.score, b.score)).max()) for a, b in zip(*map(kernels, models.values()), strict=True)
    )
    times = dict(zip(steps, in_turns([*steps.values()], FLAGS.rounds, FLAGS.turn_seconds), strict=True))
    found = {f"{form}_ms": 1e3 * statistics.median(its) / one_call for form, its in times.items()}
    found |= {"general_over_special": ratio(times["general"], times["special"]), "rounds": FLAGS.rounds}
    found |= {"compiled_by_xla": bool(special.jit_compile), f"scores_apart_after_{one_call}_steps": apart}
    print(name, ", ".join(f"{key} {value:.4g}" for key, value in found.items()), flush=True)
    return found


def main(argv):
    del argv
    tf.random.set_seed(0)
    results = benchmarks.load(__file__)
    for name in FLAGS.models:
        results[name] = compare(name)
        benchmarks.save(__file__, results)


if __name__ == "__main__":
    app.run(main)
