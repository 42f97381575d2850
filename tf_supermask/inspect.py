"""Prints the content of a record, container or export: python -m tf_supermask.inspect FILE [--images=1]

FILE is a record (results/EXPERIMENT/seed0), a container (.supermask), a Keras or TFLite file, or the folder of a SavedModel.
With --images, dead units are removed, and the fastest product of each dense layer with so many images per call is measured.
"""

from absl import app, flags

from tf_supermask.command_line import fail, output_may_be_closed, parse, silence_tensorflow
from tf_supermask.errors import InputError
from tf_supermask.experiments import number_flags

FLAGS = flags.FLAGS


@output_may_be_closed()
def main(argv):
    try:
        if len(argv) != 2:
            raise InputError(f"name one file to inspect, not {len(argv) - 1}")
        with silence_tensorflow():  # only here: what is wrong so far is said at once
            from tf_supermask import inspecting
        inspecting.show(argv[1], FLAGS.images)
    except (InputError, ValueError) as error:
        fail(error)


def define_flags(values=FLAGS):
    help_ = "measure the products of dense layers with so many images per call"
    number_flags.define_integer("images", None, help_, values, lower_bound=1)


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=parse)
