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
    from train_step import spec_of, step_data, stepper_of

    from tf_supermask import Masked, sparsity
    from tf_supermask.deploy.timing import ratio, time_interleaved
    from tf_supermask.evidence import benchmarks
    from tf_supermask.experiments import data, training
    from tf_supermask.signed_mask import SignedMask

FLAGS = flags.FLAGS  # --models, --rounds and --turn_seconds are those of train_step.py
FLAGS.set_default("models", ["fcn", "conv2"])


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


def compare(name):
    spec = spec_of(name, masked=True)
    dataset = step_data(spec)
    special = training.compiled(spec, dataset)
    models = {"special": special, "general": general(special, spec, dataset)}
    steppers, (one_call, _) = zip(*(stepper_of(model, spec, dataset) for model in models.values()), strict=True)
    steps = dict(zip(models, steppers, strict=True))
    for run in steps.values():
        run(1)
    apart = max(
        float(np.abs(np.subtract(a.score, b.score)).max()) for a, b in zip(*map(kernels, models.values()), strict=True)
    )
    times = dict(zip(steps, time_interleaved([*steps.values()], FLAGS.rounds, FLAGS.turn_seconds), strict=True))
    found = {f"{form}_ms": 1e3 * statistics.median(its) / one_call for form, its in times.items()}
    found |= {"general_over_special": ratio(times["general"], times["special"]), "rounds": FLAGS.rounds}
    found |= {"compiled_by_xla": bool(special.jit_compile), f"scores_apart_after_{one_call}_steps": apart}
    print(name, ", ".join(f"{key} {value:.4g}" for key, value in found.items()), flush=True)
    return found


def main(argv):
    del argv
    tf.random.set_seed(0)
    for name in FLAGS.models:
        benchmarks.save(__file__, {name: compare(name)})


if __name__ == "__main__":
    app.run(main)
