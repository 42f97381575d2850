"""What committed runs that shrank take on an idle machine, against dense training: python benchmarks/replay.py [--rounds=9]

Whole runs of convolutional networks take hours. Here each network that a run had is built again, with as many units as its record
says, and its training step is timed in turns with the dense network's, in one process. A run takes the sum of its epochs' steps,
and of the compilations, which are timed as the first step of each network. Evaluation is left out on both sides. Images are
random: no data set is read. Beside a step are the multiplications that are left, as they are and with the units of each layer
rounded up to whole tiles, as kernels compute them. Writes replay.json beside this file.
"""

import pathlib
import statistics
import time

from absl import app, flags

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    import numpy as np
    from tiles import multiplications
    from train_step import spec_of, step_data, stepper_of

    from tf_supermask import sparsity
    from tf_supermask.deploy.timing import time_interleaved
    from tf_supermask.evidence import benchmarks
    from tf_supermask.experiments import records, training
    from tf_supermask.experiments.shrinking import Shrinking

RESULTS = pathlib.Path(__file__).parent.parent / "results"
FLAGS = flags.FLAGS  # --rounds and --turn_seconds are those of train_step.py
flags.DEFINE_list("runs", ["koster_table1_fcn_signed_elus/seed14", "koster_table12_conv2_signed_elus/seed0"], "records")
IMAGES = {"mnist": 60_000, "cifar10": 50_000}
TILE = 16  # units that oneDNN's kernels take at a time: float32 in a register of AVX-512


def at_widths(spec, dataset, units):
    """The network of `spec` with as many units left as a record's event says, compiled."""
    whole = training.compiled(spec, dataset)
    shrinking = Shrinking(spec, whole, len(dataset.train_images))
    sizes = {layer.name: sparsity.kernel_shape(layer)[-1] for layer in sparsity.masked_layers(whole)}
    shrinking.restore({"events": [], "live": {name: np.arange(left) for name, left in units.items()}} if units else None)
    assert not units or units.keys() == sizes.keys()
    return shrinking.network(spec.epochs)


def timed_stepper(model, spec, dataset):
    """The stepper of a model, the steps of one call, and the seconds of its first call, with compilation."""
    run, steps = stepper_of(model, spec, dataset)
    began = time.perf_counter()
    run(1)
    return run, steps, time.perf_counter() - began


def replay(name):
    """The measurements of the run `name`: FOLDER/seedN."""
    record = records.read(RESULTS / f"{name}.json")
    network, epochs = record["spec"]["model"], record["spec"]["epochs"]
    masked, dense = spec_of(network, masked=True, shrink=True), spec_of(network)
    dataset = step_data(dense)
    began = [0, *(event["epoch"] for event in record["shrunk"])]
    stages = [later - earlier for earlier, later in zip(began, [*began[1:], epochs], strict=True)]
    models = [training.compiled(dense, dataset), training.compiled(masked, dataset)]
    models += [at_widths(masked, dataset, event["units"]) for event in record["shrunk"]]
    timed = [timed_stepper(model, dense if i == 0 else masked, dataset) for i, model in enumerate(models)]
    runs, calls, firsts = zip(*timed, strict=True)
    turns = time_interleaved([*runs], FLAGS.rounds, FLAGS.turn_seconds)
    step = [statistics.median(times) / calls[0] for times in turns]
    left = [[multiplications(model, tile) for model in models[1:]] for tile in (1, TILE)]
    steps = -(-IMAGES[record["spec"]["dataset"]] // masked.batch_size)
    whole = epochs * steps * step[0] + firsts[0]
    shrinking = sum(epochs * steps * each for epochs, each in zip(stages, step[1:], strict=True)) + sum(firsts[1:])
    return {
        "epochs": epochs,
        "stages": [
            {"epochs": length, "step_ms": 1e3 * each, "step_over_dense": each / step[0], "first_call_s": first}
            | {"left": plain / left[0][0], "left_in_tiles": tiled / left[1][0]}
            for length, each, first, plain, tiled in zip(stages, step[1:], firsts[1:], *left, strict=True)
        ],
        "tile": TILE,
        "units": [event["units"] for event in record["shrunk"]],
        "dense_step_ms": 1e3 * step[0],
        "dense_s": whole,
        "shrinking_s": shrinking,
        "shrinking_over_dense": shrinking / whole,
    }


def main(argv):
    del argv
    for name in FLAGS.runs:
        row = replay(name)
        print(name, row, flush=True)
        benchmarks.save(__file__, {name: row})


if __name__ == "__main__":
    app.run(main)
