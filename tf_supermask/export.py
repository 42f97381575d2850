"""Export of a trained run: python -m tf_supermask.export --run=results/EXPERIMENT/seed0 --format=saved_model

The masked model of the run is written as a SavedModel, a Keras, TFLite or ONNX file, C code, or codes and scales, which need no
code of this package, or as a small container, which does.
"""

import re

from absl import app, flags

from tf_supermask.command_line import fail, output_may_be_closed, parse, silence_tensorflow
from tf_supermask.deploy import c_render
from tf_supermask.errors import InputError
from tf_supermask.experiments import number_flags, paths

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


def _check():
    """Raises InputError for flags that do not go together."""
    if FLAGS.images is not None and FLAGS.images < 1:
        raise InputError(f"--images takes 1 or more, with --format=saved_model. Received: --images={FLAGS.images}")
    if FLAGS.arithmetic not in (None, *c_render.TYPES):
        raise InputError(f"--arithmetic={FLAGS.arithmetic} is unknown; choose from {', '.join(c_render.TYPES)}")
    if FLAGS.favor not in (None, *c_render.FAVORS):
        raise InputError(f"--favor={FLAGS.favor} is unknown; choose from {', '.join(c_render.FAVORS)}")
    for name, (formats, reason) in _ONLY_FOR.items():
        value = FLAGS[name].value
        if value is not None and value is not False and FLAGS.format not in formats:
            raise InputError(
                f"--{name} is for --format={' or '.join(formats)}, not {FLAGS.format}{reason}; leave it out"
            )


@output_may_be_closed()
def main(argv):
    try:
        if argv[1:]:
            raise InputError(f"unexpected argument {argv[1]!r}; flags are written --name=value, --compact, --nocompact")
        if FLAGS.run is None:
            raise InputError("--run is missing; name a record: --run=results/EXPERIMENT/seed0")
        if FLAGS.format not in FORMATS:
            raise InputError(f"--format={FLAGS.format} is unknown; choose from {', '.join(FORMATS)}")
        _check()
        with silence_tensorflow():  # only here: what is wrong so far is said at once
            from tf_supermask import exporting
        exporting.write(FLAGS, FORMATS[FLAGS.format])
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
            f"for C: {' or '.join(c_render.TYPES)}; default: int8, calibrated with training images",
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
