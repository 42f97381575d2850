"""What compaction gains in inference: python benchmarks/inference.py [--runs=RECORD,...] [--batches=1,256,4096]

For each run, as SavedModel and as TFLite: the dense baseline's form, which is the folded network with all its zeros, and the
compact one, in turns in one process. The bound is the ratio of their multiplications, once as they are and once with the units
of each layer rounded up to whole tiles, as TFLite's kernels do (`tiles`). `tflite_relu` is without the exponentials of ELU,
`products` the SavedModel whose dense layers multiply in the way that measures best, `call_ms` what TFLite takes for next to
nothing. Written to inference.json.
"""

import os
import statistics
import tempfile

from absl import app, flags

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    import keras
    import numpy as np
    import tensorflow as tf
    from tiles import multiplications

    from tf_supermask import conversion
    from tf_supermask.deploy import compaction, matmul
    from tf_supermask.deploy.saved_model import export_saved_model
    from tf_supermask.deploy.tflite import export_tflite
    from tf_supermask.deploy.timing import ratio, repeated, time_interleaved
    from tf_supermask.evidence import benchmarks
    from tf_supermask.experiments import runs
    from tf_supermask.silence import hidden

FLAGS = flags.FLAGS
flags.DEFINE_list(
    "runs",
    [
        "results/koster_table1_fcn_signed_elus/seed0",
        "results/koster_check_conv2_signed_shuffled/seed0",
        "results/reduced/koster_check_conv4_signed_shuffled/seed0",
        "results/koster_check_conv8_signed_8_epochs/seed0",
    ],
    "records of masked runs",
)
flags.DEFINE_integer("threads", os.cpu_count(), "threads of TFLite")
flags.DEFINE_integer("rounds", 15, "turns of each comparison")
flags.DEFINE_float("turn_seconds", 0.5, "about how long one turn lasts")
flags.DEFINE_list("batches", ["1", "256", "4096"], "images per call")
flags.DEFINE_list(
    "kinds",
    ["saved_model", "tflite", "tflite_relu", "products", "call_ms", "tiles"],
    "what to measure; the rest of the file stays",
)


def saved(model, x, folder):
    path = export_saved_model(model, os.path.join(folder, f"m{len(os.listdir(folder))}"))
    loaded, images = tf.saved_model.load(str(path)), tf.constant(x)
    return repeated(lambda: loaded.serve(images).numpy())


def lite(model, x, folder):
    from ai_edge_litert.interpreter import Interpreter

    path = export_tflite(model, os.path.join(folder, f"m{len(os.listdir(folder))}.tflite"))
    interpreter = Interpreter(str(path), num_threads=FLAGS.threads)
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(source["index"], x.shape)
    interpreter.allocate_tensors()

    def call():
        interpreter.set_tensor(source["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    return repeated(call)


def with_relu(model):
    """The same network with ReLU in place of ELU, whose exponential is no multiplication: what is left of the gain's bound."""

    def other(layer):
        config = layer.get_config()
        if config.get("activation") == "elu":
            config["activation"] = "relu"
        return type(layer).from_config(config)

    clone = keras.models.clone_model(model, clone_function=other)
    clone.set_weights(model.get_weights())
    return clone


def gain(form, models, x):
    """Milliseconds of the first of two models in a form, and how many times as fast the second one is."""
    with tempfile.TemporaryDirectory() as folder, hidden(1, 2):
        dense, compacted = time_interleaved([form(model, x, folder) for model in models], FLAGS.rounds, FLAGS.turn_seconds)
    return {"dense_ms": 1000 * statistics.median(dense), "gain": ratio(dense, compacted)}


def product_gain(models, x):
    """Which products measure best in the compact network, and what it gains by them; {} of large batches, where dense ones
    are known to win."""
    if len(x) > 256:
        return {}
    chosen, rows = matmul.fastest(models[1], len(x))
    best = {row["layer"]: row["best"] for row in rows}
    return {"best": best} | (gain(saved, (models[1], chosen), x) if set(best.values()) != {"dense"} else {})


def call_alone(models, x):
    """Milliseconds of a TFLite call that computes next to nothing of such images."""
    flat = [keras.layers.Flatten()] if x.ndim > 2 else []
    model = keras.Sequential([keras.Input(x.shape[1:]), *flat, keras.layers.Dense(1)])
    with tempfile.TemporaryDirectory() as folder, hidden(1, 2):
        (taken,) = time_interleaved([lite(model, x, folder)], FLAGS.rounds, FLAGS.turn_seconds)
    return 1000 * statistics.median(taken)


TILE = 32  # filters that TFLite's kernels take at a time, see `tiles`
KINDS = {
    "saved_model": lambda models, x: gain(saved, models, x),
    "tflite": lambda models, x: gain(lite, models, x),
    "tflite_relu": lambda models, x: gain(lite, list(map(with_relu, models)), x),
    "products": product_gain,
    "call_ms": call_alone,
}


def tiles():
    """Milliseconds of one convolution in TFLite, 3x3 of 64 channels at 32x32, 64 images, by its number of filters."""
    x, counts = np.random.default_rng(0).normal(size=(64, 32, 32, 64)).astype(np.float32), (64, 48, 34, 32, 16)
    models = [keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Conv2D(n, 3, padding="same")]) for n in counts]
    with tempfile.TemporaryDirectory() as folder, hidden(1, 2):
        times = time_interleaved([lite(model, x, folder) for model in models], FLAGS.rounds, FLAGS.turn_seconds)
    return {n: 1000 * statistics.median(taken) for n, taken in zip(counts, times, strict=True)}


def main(argv):
    del argv
    tf.get_logger().setLevel("ERROR")
    found = {"runs": {}} | benchmarks.load(__file__) | {"threads": FLAGS.threads}
    for path in FLAGS.runs:
        model = runs.load_run(path)
        models = conversion.strip_masks(model), compaction.compact(model)
        bound, tiled = (multiplications(models[0], tile) / multiplications(models[1], tile) for tile in (1, TILE))
        its = found["runs"].setdefault(path, {"batches": {}})
        its |= {"model": runs.find_run(path)[1]["spec"]["model"], "bound": bound, "tiled": tiled}
        for batch in FLAGS.batches:
            x = np.random.default_rng(0).normal(size=(int(batch), *model.input.shape[1:])).astype(np.float32)
            rows = its["batches"].setdefault(batch, {})
            for kind in set(FLAGS.kinds) & KINDS.keys():
                rows[kind] = KINDS[kind](models, x)
            print(path, batch, f"bound {bound:.2f}, in tiles {tiled:.2f}", rows, flush=True)
            benchmarks.save(__file__, found)
    if "tiles" in FLAGS.kinds:
        found["tiles"] = tiles()
        benchmarks.save(__file__, found)


if __name__ == "__main__":
    app.run(main)
