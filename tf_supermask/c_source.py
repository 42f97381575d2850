"""A trained network as C99 for microcontrollers: no allocation, no library beyond <stdint.h> (float: <math.h> for ELU).

    network.h    int network_run(const int8_t *image, int32_t *outputs), the sizes and scales
    network.c    the weights, in a code that is read once (c_codes.py), and the functions that run them (c/)
    main.c       where asked for: reads images from standard input, prints classes; with a Makefile

A line of the templates in c/ that begins with `@feature` is only for networks with the feature, `@!feature` for those without,
`@one+other` for those with both. `$name` is filled in.
"""

import dataclasses
import pathlib
import re
import string
import textwrap

import numpy as np

from tf_supermask import compaction, integer, records
from tf_supermask.c_layers import layers_of, memory_of
from tf_supermask.errors import InputError
from tf_supermask.stages import stages_of

ARITHMETICS = {"int8": ("int8_t", "int32_t"), "float": ("float", "float")}  # C's types of values and sums
FAVORS = ("size", "speed")
MAINS = {True: "float", "standardize": "uint8_t", "unit": "uint8_t"}  # what main.c reads: preprocessed, or pixels to prepare so
_MARK = "Made by tf_supermask"
_TEMPLATES = pathlib.Path(__file__).parent / "c"
_FEATURE = re.compile(r"@([\w!+]+)(?: |$)")
_PARTS = {  # of a program, and for which features
    "reader.c": "coded",
    "values.c": "always",
    "plane.c": "plane",
    "dense.c": "dense",
    "fast.c": "fast",
    "conv.c": "conv",
    "copy.c": "copy",
    "run.c": "always",
}
_WIDTH = 100  # of a line of numbers


@dataclasses.dataclass
class Program:
    """A network in C. `layers`: c_layers.Layer; `network`: the IntegerNetwork that computes what the C does, None where the
    arithmetic is float; `model`: the plain Keras model of both; `paths`: the files, once they are written."""

    name: str
    model: object
    layers: list
    network: integer.IntegerNetwork | None
    paths: tuple = ()

    @property
    def stages(self):
        return [layer.stage for layer in self.layers]

    @property
    def arithmetic(self):
        return "int8" if self.network else "float"

    @property
    def constants(self):
        """Bytes of weights, biases, factors and tables; the instructions come on top."""
        return sum(layer.constants for layer in self.layers)

    @property
    def plane(self):
        """`(values, C type)` of the buffer for one unit at all places."""
        planes = [layer for layer in self.layers if layer.stage.kind != "dense"]
        narrow = all(layer.largest <= np.iinfo(np.int16).max for layer in planes)
        kind = "float" if not self.network else "int16_t" if narrow else "int32_t"
        return max((int(np.prod(layer.stage.places)) for layer in planes), default=0), kind

    @property
    def ram(self):
        """Bytes of static buffers; image and outputs are the caller's."""
        (values, kind), arena = self.plane, memory_of(self.stages)[1]
        return values * {"float": 4, "int16_t": 2, "int32_t": 4}[kind] + arena * (1 if self.network else 4)

    def lines(self):
        """A line of text per layer, with its sizes."""
        for layer in self.layers:
            stage = layer.stage
            code = f", {np.count_nonzero(stage.codes):,} weights: {layer.code}" if layer.code else ""
            yield (
                f"{stage.name}: {'x'.join(map(str, stage.shape))} to {stage.outputs * stage.units} values{code}; "
                f"{layer.constants:,} bytes"
            )


def export_c(
    model,
    folder,
    images=None,
    arithmetic="int8",
    main=False,
    most_flash=None,
    most_ram=None,
    name="network",
    favor="size",
):
    """Writes a trained network as C and returns its Program.

    Args:
        model: Keras model, masked or plain: a chain of dense layers, convolutions, poolings, normalizations, ELUs and ReLUs. All
            kernels are -1, 0, +1 times a number for each unit, as masks on signed constants make them. Dead units are left out.
        folder: where to write NAME.h and NAME.c; files that this function wrote before are replaced.
        images: preprocessed images float32 `(n, ...)` after which `int8` chooses its scales; a few hundred are enough.
        arithmetic: "int8": activations int8, sums int32; "float": float32, the logits are Keras' but for rounding.
        main: whether to write main.c, which reads preprocessed float32 images, and a Makefile; "standardize" or "unit": main.c
            reads uint8 pixels and prepares them, as `tf.image.per_image_standardization` does, or divided by 255.
        most_flash, most_ram: bytes that constants and static buffers may take.
        name: prefix of all names, a C identifier.
        favor: "size": weights in the fewest bytes; "speed": dense layers in a code of whole bytes, larger and quickly read.

    Raises:
        InputError: the model has a layer, or a kernel, that has no C, or is larger than allowed; a folder cannot be written.
    """
    _check(arithmetic, images, main, name, favor)
    plain = compaction.compact(model)
    stages = stages_of(plain)
    network = integer.quantize(plain, stages, images) if arithmetic == "int8" else None
    program = Program(name, plain, layers_of(stages, network, favor == "speed"), network)
    _fits(program, most_flash, most_ram)
    return dataclasses.replace(program, paths=tuple(_write(pathlib.Path(folder), c_render.files(program, main))))


def accuracies(program, images, labels):
    """Percent of preprocessed images that the float network and, if there is one, the integer network classify as labelled."""
    found = {"float": program.model.predict(images, batch_size=500, verbose=0)}
    if program.network:
        found["int8"] = program.network.logits(program.network.quantized(images))
    return {name: 100 * float(np.mean(its.reshape(len(images), -1).argmax(axis=-1) == labels)) for name, its in found.items()}


def _check(arithmetic, images, main, name, favor):
    if favor not in FAVORS:
        raise InputError(f"favor={favor!r} is unknown; choose from {', '.join(FAVORS)}")
    if arithmetic not in ARITHMETICS:
        raise InputError(f"the arithmetic {arithmetic!r} is unknown; choose from {', '.join(ARITHMETICS)}")
    if main is not False and main not in MAINS:
        raise InputError(f"main={main!r} is unknown; choose from {', '.join(map(repr, (False, *MAINS)))}")
    if arithmetic == "int8" and (images is None or not len(images)):
        raise InputError("the arithmetic int8 needs images to choose its scales: some hundred preprocessed training images")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise InputError(f"the name {name!r} is not a C identifier: letters, digits and underscores, a letter first")


def _fits(program, most_flash, most_ram):
    flash = ", ".join(f"{layer.stage.name} {layer.constants:,}" for layer in program.layers)
    if most_flash is not None and program.constants > most_flash:
        raise InputError(
            f"{program.name} has {program.constants:,} bytes of constants, more than {most_flash:,} ({flash}); mask more weights"
        )
    values, kind = program.plane
    ram = ", ".join(f"{stage.name} {stage.outputs * stage.units:,}" for stage in program.stages[:-1])
    if most_ram is not None and program.ram > most_ram:
        raise InputError(
            f"{program.name} has {program.ram:,} bytes of buffers, more than {most_ram:,}: two neighbours of ({ram}) values as "
            f"{ARITHMETICS[program.arithmetic][0]}, and a plane of {values:,} as {kind}; take fewer units, or pool earlier"
        )


def _write(folder, files):
    """Paths of the files, written. Raises InputError, before any is written, where others' files have their names."""
    paths = [folder / name for name in files]
    try:
        foreign = [path for path in paths if path.exists() and _MARK not in path.read_text(errors="replace")[:80]]
        if foreign:
            raise InputError(f"{foreign[0]} exists and is not of tf_supermask; give another folder")
        for path, text in zip(paths, files.values(), strict=True):
            records.write(path, lambda file, text=text: file.write(text.encode()))
    except OSError as error:
        raise InputError(f"cannot write {folder} ({error.strerror}); give another folder") from error
    return paths
