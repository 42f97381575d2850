"""Export of a trained run: python -m tf_supermask.export --run=results/EXPERIMENT/seed0 --format=saved_model

The masked model of the run is written as a SavedModel, a Keras, TFLite or ONNX file, C code, or codes and scales, which need no
code of this package, or as a small container, which does.
"""

import os
import re

from absl import app, flags, logging

from tf_supermask.command_line import silence_tensorflow

with silence_tensorflow():
    from tf_supermask import conversion, sparsity
    from tf_supermask.command_line import fail, output_may_be_closed, parse
    from tf_supermask.deploy import c_source, compaction, container, matmul
    from tf_supermask.deploy.codes_file import export_codes
    from tf_supermask.deploy.onnx_file import export_onnx
    from tf_supermask.deploy.saved_model import export_keras, export_saved_model, size_of
    from tf_supermask.deploy.tflite import export_tflite
    from tf_supermask.errors import InputError
    from tf_supermask.experiments import data, number_flags, paths, runs

FLAGS = flags.FLAGS

FORMATS = {  # -> ending
    "saved_model": "",
    "keras": ".keras",
    "tflite": ".tflite",
    "onnx": ".onnx",
    "supermask": ".supermask",
    "c": "_c",
    "codes": "_codes.npz",
}
# Flags that only some formats take, and why the others do not.
_ONLY_FOR = {
    "int8": (("tflite",), ""),
    "images": (("saved_model",), ""),
    "arithmetic": (("c",), ""),
    "favor": (("c",), ""),
    "main": (("c",), ""),
    "most_flash": (("c",), ""),
    "most_ram": (("c",), ""),
    "compact": (
        ("saved_model", "keras", "tflite", "onnx"),
        "; a container has the codes of all units, C and codes never have those of dead ones",
    ),
}
_WRITERS = {
    "saved_model": export_saved_model,
    "keras": export_keras,
    "onnx": export_onnx,
    "supermask": container.save,
    "codes": export_codes,
}
_CALIBRATION = 500  # images that scale the activations of C code


def _check():
    """Raises InputError for flags that do not go together."""
    if FLAGS.images is not None and FLAGS.images < 1:
        raise InputError(f"--images takes 1 or more, with --format=saved_model. Received: --images={FLAGS.images}")
    if FLAGS.arithmetic not in (None, *c_source.ARITHMETICS):
        raise InputError(f"--arithmetic={FLAGS.arithmetic} is unknown; choose from {', '.join(c_source.ARITHMETICS)}")
    if FLAGS.favor not in (None, *c_source.FAVORS):
        raise InputError(f"--favor={FLAGS.favor} is unknown; choose from {', '.join(c_source.FAVORS)}")
    for name, (formats, reason) in _ONLY_FOR.items():
        value = FLAGS[name].value
        if value is not None and value is not False and FLAGS.format not in formats:
            raise InputError(
                f"--{name} is for --format={' or '.join(formats)}, not {FLAGS.format}{reason}; leave it out"
            )


def _export(model, path):
    """Writes a model in the format of the flags."""
    if FLAGS.compact:
        model = compaction.compact(model)
    if FLAGS.images:
        model, rows = matmul.fastest(model, FLAGS.images)
        print("\n".join(map(matmul.line, rows)))
    if FLAGS.format == "tflite":
        export_tflite(model, path, _images(_data(), "train", 200) if FLAGS.int8 else None)
    elif FLAGS.format == "c":
        _export_c(model, path)
    else:
        _WRITERS[FLAGS.format](model, path)


def _export_c(model, path):
    """Writes C code; prints a line on each layer, and the accuracy of the float network and of the C code's arithmetic."""
    dataset = _data()
    main = _record()["spec"]["preprocess"] if FLAGS.main else False
    images = _images(dataset, "train", _CALIBRATION)
    options = {"most_flash": FLAGS.most_flash, "most_ram": FLAGS.most_ram, "favor": FLAGS.favor or c_source.FAVORS[0]}
    program = c_source.export_c(model, path, images, FLAGS.arithmetic or "int8", main, **options)
    print("\n".join(program.lines()))
    print(f"{program.constants:,} bytes of constants, {program.ram:,} bytes of buffers, without the instructions")
    accuracies = c_source.accuracies(program, _images(dataset, "test"), dataset.test_labels)
    print(", ".join(f"test accuracy as {name}: {percent:.2f} %" for name, percent in accuracies.items()))


def _record():
    return runs.find_run(FLAGS.run)[1]


def _data():
    """The data set of the run."""
    record = _record()
    spec, shape = record["spec"], tuple(record["data"]["input_shape"])
    return data.load(spec["dataset"], FLAGS.data_dir, paths.default_cache_dir(), shape, spec.get("splits"))


def _images(dataset, split, count=None):
    """The first `count` images of a split of the run's data set, all by default, preprocessed as for the run."""
    return data.PREPROCESS[_record()["spec"]["preprocess"]](getattr(dataset, f"{split}_images")[:count])


@output_may_be_closed()
def main(argv):
    logging.set_verbosity(logging.ERROR)
    try:
        if argv[1:]:
            raise InputError(f"unexpected argument {argv[1]!r}; flags are written --name=value, --compact, --nocompact")
        if FLAGS.run is None:
            raise InputError("--run is missing; name a record: --run=results/EXPERIMENT/seed0")
        if FLAGS.format not in FORMATS:
            raise InputError(f"--format={FLAGS.format} is unknown; choose from {', '.join(FORMATS)}")
        _check()
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
        fail(re.sub("give another (path|folder)$", "give another --output", str(error)))


def define_flags(values=FLAGS):
    text, boolean, path = flags.DEFINE_string, flags.DEFINE_boolean, paths.define_path
    whole = number_flags.define_integer
    for define, name, default, help_ in (
        (path, "run", None, "record of the run: results/EXPERIMENT/seed0"),
        (text, "format", "saved_model", f"one of {', '.join(FORMATS)}"),
        (boolean, "compact", False, "remove dead units first"),
        (boolean, "int8", False, "for TFLite: weights and activations as int8, calibrated with 200 training images"),
        (whole, "images", None, "for SavedModels: use the fastest product of dense layers for so many images per call"),
        (
            text,
            "arithmetic",
            None,
            f"for C: {' or '.join(c_source.ARITHMETICS)}; default: int8, calibrated with training images",
        ),
        (
            text,
            "favor",
            None,
            "for C: size (default): weights in the fewest bytes; speed: a longer code, faster to read",
        ),
        (boolean, "main", False, "for C: also a main.c that reads images from standard input, and a Makefile"),
        (
            whole,
            "most_flash",
            None,
            "for C: refuse a network whose constants take more bytes than this; instructions come on top",
        ),
        (
            whole,
            "most_ram",
            None,
            "for C: refuse a network whose buffers take more bytes than this; the stack comes on top",
        ),
        (path, "output", None, "file or folder to write; default: exported/EXPERIMENT_seedN..."),
        (path, "data_dir", None, "folder of tensorflow-datasets, for --int8 and C; default: $TFDS_DATA_DIR"),
    ):
        define(name, default, help_, flag_values=values)


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=parse)
