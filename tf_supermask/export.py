"""Export of a trained run: python -m tf_supermask.export --run=results/EXPERIMENT/seed0 --format=saved_model

The masked model of the run is written as a SavedModel, a Keras file or a TFLite file, which need no code of this package, or as a
small container, which does.
"""

import os

from absl import app, flags, logging

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    from tf_supermask import conversion, sparsity
    from tf_supermask.command_line import fail, parse
    from tf_supermask.deploy import compaction, container, matmul
    from tf_supermask.deploy.saved_model import export_keras, export_saved_model, size_of
    from tf_supermask.deploy.tflite import export_tflite
    from tf_supermask.errors import InputError
    from tf_supermask.experiments import data, paths, runs

FLAGS = flags.FLAGS

FORMATS = {"saved_model": "", "keras": ".keras", "tflite": ".tflite", "supermask": ".supermask"}  # format -> ending


def _export(model, path):
    """Writes a model in the format of the flags. Raises InputError for flags that do not go together."""
    if FLAGS.compact and FLAGS.format == "supermask":
        raise InputError("--compact has no effect on a container, which has the codes of all units; leave it out")
    if FLAGS.int8 and FLAGS.format != "tflite":
        raise InputError(f"--int8 is for --format=tflite, not {FLAGS.format}")
    if FLAGS.images is not None and (FLAGS.format != "saved_model" or FLAGS.images < 1):
        raise InputError(
            f"--images takes 1 or more, with --format=saved_model. Received: --images={FLAGS.images} --format={FLAGS.format}"
        )
    if FLAGS.compact:
        model = compaction.compact(model)
    if FLAGS.images:
        model, rows = matmul.fastest(model, FLAGS.images)
        print("\n".join(map(matmul.line, rows)))
    if FLAGS.format == "tflite":
        export_tflite(model, path, _calibration_images() if FLAGS.int8 else None)
    else:
        write = {"saved_model": export_saved_model, "keras": export_keras, "supermask": container.save}[FLAGS.format]
        write(model, path)


def _calibration_images():
    """200 training images of the data set of the run, preprocessed."""
    _, record = runs.find_run(FLAGS.run)
    spec, shape = record["spec"], tuple(record["data"]["input_shape"])
    dataset = data.load(spec["dataset"], FLAGS.data_dir, paths.default_cache_dir(), shape, spec.get("splits"))
    return data.PREPROCESS[spec["preprocess"]](dataset.train_images[:200])


def main(argv):
    del argv
    logging.set_verbosity(logging.ERROR)
    try:
        if FLAGS.run is None:
            raise InputError("--run is missing; name a record: --run=results/EXPERIMENT/seed0")
        if FLAGS.format not in FORMATS:
            raise InputError(f"--format={FLAGS.format} is unknown; choose from {', '.join(FORMATS)}")
        run, _ = runs.find_run(FLAGS.run)
        name = (
            f"{run.experiment}_seed{run.seed}{'_compact' * FLAGS.compact}{'_int8' * FLAGS.int8}{FORMATS[FLAGS.format]}"
        )
        path = FLAGS.output or os.path.join("exported", name)
        model = runs.load_run(FLAGS.run)
        _export(model, path)
        dense = sparsity.dense_bytes(conversion.strip_masks(model))
        print(f"wrote {path}: {size_of(path):,} bytes; the dense network has {dense:,} bytes of weights")
    except (InputError, ValueError) as error:
        fail(error)


def define_flags(values=FLAGS):
    text, boolean, path = flags.DEFINE_string, flags.DEFINE_boolean, paths.define_path
    for define, name, default, help_ in (
        (path, "run", None, "record of the run: results/EXPERIMENT/seed0"),
        (text, "format", "saved_model", f"one of {', '.join(FORMATS)}"),
        (boolean, "compact", False, "remove dead units first"),
        (boolean, "int8", False, "for TFLite: weights and activations as int8, calibrated with 200 training images"),
        (
            flags.DEFINE_integer,
            "images",
            None,
            "for SavedModels: choose the fastest product of each dense layer for so many images per call",
        ),
        (path, "output", None, "file or folder to write; default: exported/EXPERIMENT_seedN..."),
        (path, "data_dir", None, "folder of tensorflow-datasets, for --int8; default: $TFDS_DATA_DIR"),
    ):
        define(name, default, help_, flag_values=values)


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=parse)
