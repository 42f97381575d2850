"""Export as C99 for microcontrollers: no allocation, no library but <stdint.h> (float: <math.h> for ELU).

network.h    int network_run(const int8_t *image, int32_t *outputs), the sizes and scales
network.c    the coded weights (c_codes.py), and the functions that run the network (c/)
main.c       optional, with a Makefile: reads images from standard input, prints classes
"""

import dataclasses
import math
import numbers
import re

import numpy as np

from tf_supermask import cloning, files
from tf_supermask.deploy import c_render, compaction, integer
from tf_supermask.deploy.c_layers import layers_of, memory_of
from tf_supermask.deploy.stages import stages_of
from tf_supermask.errors import InputError

_TAKEN = ("main", "makefile", "run", "clean")  # in lower case: some file systems do not tell cases apart


@dataclasses.dataclass
class Program:
    """A network in C. `model`: its plain Keras model. `layers`: see c_layers. `network`: the IntegerNetwork that computes the
    same as the C, None for float arithmetic. `paths`: of the written files."""

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
        """Bytes of weights, biases, factors and tables, and of the table of layers where pointers have 4 bytes; without the
        instructions."""
        return sum(layer.constants for layer in self.layers) + c_render.table_bytes(self.layers)

    @property
    def plane(self):
        """`(values, C type)` of the buffer for one unit at all its places."""
        planes = [layer for layer in self.layers if layer.stage.kind != "dense"]
        narrow = all(layer.largest <= np.iinfo(np.int16).max for layer in planes)
        kind = "float" if not self.network else "int16_t" if narrow else "int32_t"
        return max((math.prod(layer.stage.places) for layer in planes), default=0), kind

    @property
    def ram(self):
        """Bytes of static buffers, without the image and outputs, which belong to the caller."""
        (values, kind), (_, arena) = self.plane, memory_of(self.stages)
        return values * {"float": 4, "int16_t": 2, "int32_t": 4}[kind] + arena * (1 if self.network else 4)

    def lines(self):
        """A line of text for each layer, with its sizes."""
        for layer in self.layers:
            stage, shape = layer.stage, "x".join(map(str, layer.stage.shape))
            code = f", {np.count_nonzero(stage.codes):,} weights as {layer.code}" if layer.code else ""
            yield f"{stage.name}: {shape} to {stage.outputs * stage.units:,} values{code}; {layer.constants:,} bytes"


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
        model: Keras model, masked or plain, a chain of the layers that `stages.KNOWN` lists. Its kernels are -1, 0, +1 times a
            number for each unit, as masks on signed constants make them. Dead units are left out.
        folder: where to write NAME.h and NAME.c; files of an earlier call are replaced.
        images: preprocessed images float32 `(n, ...)` that calibrate the scales of "int8"; a few hundred are enough.
        arithmetic: "int8": activations int8, sums int32; "float": float32, the same logits as Keras but for rounding.
        main: whether to write main.c, which reads preprocessed float32 images, and a Makefile; "standardize" or "unit": main.c
            reads uint8 pixels and prepares them as `tf.image.per_image_standardization`, or divides them by 255.
        most_flash: bytes that the constants may take, those of `NAME_CONSTANTS` in NAME.h. The instructions come on top: the
            guide 'A network in C' has their measured bytes.
        most_ram: bytes that static buffers may take. The stack comes on top.
        name: prefix of all names, a C identifier; with `main` none of main, run, clean and makefile, which the Makefile needs.
        favor: "size": weights in the fewest bytes; "speed": weights of dense layers in a longer code that is faster to read.

    Raises:
        InputError: a layer or kernel is not supported, the network is larger than allowed, or files cannot be written.
    """
    folder = files.expanded(folder)  # before the model is compacted, which takes long
    cloning.keras_model(model)
    main = bool(main) if isinstance(main, (numbers.Integral, np.bool_)) and main in (0, 1) else main
    _check(arithmetic, images, main, name, favor, most_flash, most_ram)
    plain = compaction.compact(model)
    stages = stages_of(plain)
    network = integer.quantize(plain, stages, images) if arithmetic == "int8" else None
    program = Program(name, plain, layers_of(stages, network, favor == "speed"), network)
    _fits(program, most_flash, most_ram)
    return dataclasses.replace(program, paths=_write(folder, c_render.files(program, main)))


def accuracies(program, images, labels):
    """Accuracy in percent of the float network and, if there is one, of the integer network, on preprocessed images."""
    outputs = {"float": program.model.predict(images, batch_size=500, verbose=0)}
    if program.network:
        outputs["int8"] = program.network.logits(program.network.quantized(images))
    classes = {name: logits.reshape(len(images), -1).argmax(axis=-1) for name, logits in outputs.items()}
    return {name: 100 * float(np.mean(predicted == labels)) for name, predicted in classes.items()}


def _check(arithmetic, images, main, name, favor, most_flash, most_ram):
    known = {
        "arithmetic": (arithmetic, tuple(c_render.TYPES)),
        "favor": (favor, c_render.FAVORS),
        "main": (main, (False, *c_render.MAINS)),
    }
    for word, (value, values) in known.items():
        if value not in values:
            raise InputError(f"{word}={value!r} is unknown; choose from {', '.join(map(str, values))}")
    if arithmetic == "int8" and (not hasattr(images, "__len__") or not len(images)):
        raise InputError(
            "the arithmetic int8 needs images to choose its scales: some hundred preprocessed training images"
        )
    for word, most in (("most_flash", most_flash), ("most_ram", most_ram)):
        if most is not None and (not isinstance(most, numbers.Integral) or isinstance(most, bool) or most < 0):
            raise InputError(f"{word} must be a whole number of bytes, 0 or more. Received: {word}={most!r}")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise InputError(f"name={name!r} is not a C identifier: letters, digits and underscores, a letter first")
    if main is not False and name.lower() in _TAKEN:
        raise InputError(f"name={name!r} is that of a file or target of the Makefile; give another name")


def _fits(program, most_flash, most_ram):
    constants = ", ".join(f"{layer.stage.name} {layer.constants:,}" for layer in program.layers)
    constants += f", table of layers {c_render.table_bytes(program.layers):,}"
    if most_flash is not None and program.constants > most_flash:
        raise InputError(
            f"{program.name} has {program.constants:,} bytes of constants, more than {most_flash:,} ({constants}); "
            "mask more weights"
        )
    values, kind = program.plane
    outputs = ", ".join(f"{stage.name} {stage.outputs * stage.units:,}" for stage in program.stages[:-1])
    if most_ram is not None and program.ram > most_ram:
        raise InputError(
            f"{program.name} has {program.ram:,} bytes of buffers, more than {most_ram:,}: the largest neighbours of "
            f"({outputs}) as {c_render.TYPES[program.arithmetic][0]}{f', and {values:,} of {kind} for a plane' * (values > 0)}; "
            "take fewer units, or pool earlier"
        )


def _write(folder, texts):
    """Writes the files and returns their paths. Raises InputError, before any is written, if one would replace another file."""
    paths = tuple(folder / name for name in texts)
    try:
        for path in paths:
            if path.exists() and c_render.MARK not in path.read_text(errors="replace")[:80]:
                raise InputError(f"{path} exists and was not made by tf_supermask; give another folder")
        for path, text in zip(paths, texts.values(), strict=True):
            files.write(path, lambda file, text=text: file.write(text.encode()))
    except OSError as error:
        raise InputError(f"cannot write {folder} ({error.strerror}); give another folder") from error
    return paths
