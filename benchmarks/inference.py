"""What compaction gains in inference: python benchmarks/inference.py [--runs=RECORD,...] [--batches=1,256,4096]

For each run, as SavedModel and as TFLite: the dense baseline's form, which is the folded network with all its zeros, and the
compact one, in turns in one process. The bound is the ratio of their multiplications. Written to inference.json.
"""

import json
import os
import pathlib
import statistics
import tempfile

from absl import app, flags

from tf_supermask.quiet import hidden, quiet

with quiet():
    import numpy as np
    import tensorflow as tf
    from train_step import in_turns, ratio

    from tf_supermask import compact, export, records, runs, sparsity

FLAGS = flags.FLAGS
flags.DEFINE_list(
    "runs",
    [
        "results/koster_table1_fcn_signed_elus/seed0",
        "results/koster_table12_conv2_signed_elus/seed0",
        "results/koster_check_conv8_signed_8_epochs/seed0",
    ],
    "records of masked runs",
)
flags.DEFINE_integer("threads", os.cpu_count(), "threads of TFLite")
flags.DEFINE_list("batches", ["1", "256", "4096"], "images per call")


def repeated(call):
    def run(repeats):
        for _ in range(repeats):
            call()

    return run


def saved(model, x, folder):
    path = export.saved_model(model, os.path.join(folder, f"m{len(os.listdir(folder))}"))
    loaded, images = tf.saved_model.load(str(path)), tf.constant(x)
    return repeated(lambda: loaded.serve(images).numpy())


def lite(model, x, folder):
    from ai_edge_litert.interpreter import Interpreter

    path = export.tflite(model, os.path.join(folder, f"m{len(os.listdir(folder))}.tflite"))
    interpreter = Interpreter(str(path), num_threads=FLAGS.threads)
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(source["index"], x.shape)
    interpreter.allocate_tensors()

    def call():
        interpreter.set_tensor(source["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])

    return repeated(call)


def main(argv):
    del argv
    tf.get_logger().setLevel("ERROR")
    found = {}
    for path in FLAGS.runs:
        model = runs.load_run(path)
        folded, small = export.plain(model), compact.compact(model)
        bound = sparsity.multiply_adds(folded) / sparsity.multiply_adds(small)
        found[path] = {"bound": bound}
        for batch in map(int, FLAGS.batches):
            x = np.random.default_rng(0).normal(size=(batch, *model.input.shape[1:])).astype(np.float32)
            for name, form in (("saved_model", saved), ("tflite", lite)):
                with tempfile.TemporaryDirectory() as folder, hidden(1, 2):
                    dense, compacted = in_turns(
                        [form(folded, x, folder), form(small, x, folder)], FLAGS.rounds, FLAGS.turn_seconds
                    )
                its = {"dense_ms": 1000 * statistics.median(dense), "gain": ratio(dense, compacted)}
                found[path][f"{name}, batch {batch}"] = its
                gain = f"{its['dense_ms']:.3f} ms dense, {its['gain']:.2f} times as fast, bound {bound:.2f}"
                print(f"{path} {name} batch {batch}: {gain}", flush=True)
    found["environment"] = records.environment()
    target = pathlib.Path(__file__).with_suffix(".json")
    records.write(target, lambda file: file.write((json.dumps(found, indent=1) + "\n").encode()))


if __name__ == "__main__":
    app.run(main)
