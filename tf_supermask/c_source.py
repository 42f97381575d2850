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
MAINS = {True: "float", "standardize": "uint8_t", "unit": "uint8_t"}  # what main.c reads: preprocessed, or pixels to prepare so
_MARK = "Made by tf_supermask"
_TEMPLATES = pathlib.Path(__file__).parent / "c"
_FEATURE = re.compile(r"@([\w!+]+)(?: |$)")
_PARTS = {  # of a program, and for which features
    "reader.c": "coded",
    "values.c": "always",
    "plane.c": "plane",
    "dense.c": "dense",
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


def export_c(model, folder, images=None, arithmetic="int8", main=False, most_flash=None, most_ram=None, name="network"):
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

    Raises:
        InputError: the model has a layer, or a kernel, that has no C, or is larger than allowed; a folder cannot be written.
    """
    _check(arithmetic, images, main, name)
    plain = compaction.compact(model)
    stages = stages_of(plain)
    network = integer.quantize(plain, stages, images) if arithmetic == "int8" else None
    program = Program(name, plain, layers_of(stages, network), network)
    _fits(program, most_flash, most_ram)
    return dataclasses.replace(program, paths=tuple(_write(pathlib.Path(folder), _files(program, main))))


def _check(arithmetic, images, main, name):
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


def _files(program, main):
    """Name -> text."""
    features = set().union({"always"}, *(layer.features for layer in program.layers))
    features |= {"both"} if {"bits", "ternary"} <= features else set()
    values = _values(program)
    types = _render("types.c", features, values)
    parts = [_render(part, features, values) for part, feature in _PARTS.items() if feature in features]
    header = _render("network.h", features, values)
    files = {f"{program.name}.h": header, f"{program.name}.c": "\n".join([types, _data(program, types), *parts])}
    if main is not False:
        features |= {main, "prepare"} if program.network or main is not True else set()
        pixel = {True: "pixels[i]", "standardize": "(float)((pixels[i] - mean) / deviation)", "unit": "pixels[i] / 255.0f"}[main]
        values |= {"read": MAINS[main], "image": "image" if "prepare" in features else "pixels"}
        values |= {"prepared": f"quantized({pixel})" if program.network else pixel}
        files |= {"main.c": _render("main.c", features, values), "Makefile": _render("Makefile", features, values)}
    return files


def _values(program):
    """What the templates fill in."""
    layers, last = program.layers, program.stages[-1]
    value, total = ARITHMETICS[program.arithmetic]
    arrays = {name: array.dtype for layer in layers for name, array in layer.arrays.items()}
    fields = [layer.fields for layer in layers]
    axes = [number for its in fields for name in "yx" for number in its.get(name, {}).values()]
    sizes = [its.get(name, 0) for its in fields for name in ("units", "inputs", "channels", "next", "apart")]
    planes, place = program.plane
    shape = "x".join(map(str, program.stages[0].shape))
    return {
        "title": f"{_MARK}: {_comment(program.model.name)}, {program.arithmetic}",
        "about": "\n".join([" *", *(f" * {_comment(line)}" for line in program.lines())]),
        "name": program.name,
        "NAME": program.name.upper(),
        "value": value,
        "sum": total,
        "inputs": int(np.prod(program.stages[0].shape)),
        "shape": shape + " values, channels last" * (len(program.stages[0].shape) == 3),
        "outputs": last.outputs * last.units,
        "constants": program.constants,
        "ram": program.ram,
        "input_scale": _number(np.float32(program.network.input_scale)) if program.network else "",
        "output_scale": _number(np.float32(program.network.output_scale)) if program.network else "",
        "index": _unsigned(max(layer.reach for layer in layers), {2**16: "unsigned"}),
        "size": _unsigned(max(sizes), {2**16: "uint16_t"}),
        "small": _unsigned(max(axes, default=0), {2**8: "uint8_t", 2**16: "uint16_t"}),
        "bias": _type(arrays.get("bias", np.dtype(np.int8))),
        "factor": _type(fields[0]["factor"].dtype),
        "place": place,
        "plane": planes,
        "last": "linear" if last.alpha is None else "activated",
        "calls": "\n".join(_calls(program)),
    }


def _unsigned(largest, types):
    return next((its for end, its in types.items() if largest < end), "uint32_t")


def _type(dtype):
    return "float" if dtype == np.float32 else f"{dtype.name}_t"


def _comment(text):
    """Text that can stand in a comment of C."""
    return re.sub(r"[^\w .,:;()+-]|[^\x20-\x7e]", "_", text)


def _number(value):
    return f"{value!s}f" if isinstance(value, np.float32) else str(value)


def _data(program, types):
    """The arrays, the fields that the type `layer` has and are not 0, and the arena."""
    known, text, entries = set(re.findall(r"(\w+)(?=[,;])", types)), [], []
    for number, layer in enumerate(program.layers):
        fields = {name: f"{name}{number}" for name in layer.arrays} | layer.fields
        entries.append(f"    {_fields(fields, known)}, /* {_comment(layer.stage.name)} */")
        for name, array in layer.arrays.items():
            numbers = textwrap.fill(", ".join(map(_number, array)), _WIDTH)
            text.append(f"static const FLASH {_type(array.dtype)} {name}{number}[{len(array)}] = {{\n{numbers}\n}};\n")
    text.append("\n".join(["static const FLASH layer layers[] = {", *entries, "};\n"]))
    size = memory_of(program.stages)[1]
    return "\n".join(text) + f"\nstatic {ARITHMETICS[program.arithmetic][0]} arena[{size}];\n" * (size > 0)


def _fields(fields, known):
    """An initializer of C99."""
    parts = []
    for name, value in fields.items():
        if isinstance(value, dict):
            value = _fields(value, known)
        if name in known and value not in (0, "{}"):
            parts.append(f".{name} = {_number(value)}")
    return f"{{{', '.join(parts)}}}"


def _calls(program):
    starts = [f"arena + {start}" for start in memory_of(program.stages)[0]]
    ways = zip(program.stages, ["image", *starts], [*starts, "outputs"], strict=True)
    for number, (stage, source, target) in enumerate(ways):
        yield f"    {stage.kind}(&layers[{number}], {source}, {target});"


def _render(part, features, values):
    """C from a template."""
    kept = []
    for line in (_TEMPLATES / part).read_text().splitlines(keepends=True):
        found = _FEATURE.match(line)
        words = found[1].split("+") if found else []
        if all((word.lstrip("!") in features) != word.startswith("!") for word in words):
            kept.append(line[found.end() :] if found else line)
    return string.Template("".join(kept)).substitute(values)


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
