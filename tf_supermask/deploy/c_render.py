"""The text of a program in C: the templates in c/, rendered and joined, and the constants of the layers.

A line of a template that begins with `@feature` is for networks with the feature only, `@!feature` for networks without it,
`@one+other` for networks with both. `$name` is replaced by a value.
"""

import math
import pathlib
import re
import string
import textwrap

import numpy as np

from tf_supermask.deploy import c_sizes
from tf_supermask.deploy.c_layers import memory_of

MARK = "Made by tf_supermask"
TYPES = {"int8": ("int8_t", "int32_t"), "float": ("float", "float")}  # arithmetic -> C's types of values and sums
FAVORS = ("size", "speed")  # what the constants of the weights are chosen for
MAINS = {  # preprocessing in main.c: type of its input, expression for a pixel
    True: ("float", "pixels[i]"),
    "standardize": ("uint8_t", "(float)((pixels[i] - mean) / deviation)"),
    "unit": ("uint8_t", "pixels[i] / 255.0f"),
}
MAIN_FILES = ("main.c", "Makefile")
_PARTS = {  # templates of functions, after the types and constants, and the feature that needs them
    "reader.c": "coded",
    "values.c": "always",
    "plane.c": "plane",
    "dense.c": "dense",
    "fast.c": "fast",
    "conv.c": "conv",
    "copy.c": "copy",
    "run.c": "always",
}
_TEMPLATES = pathlib.Path(__file__).parent / "c"
_FEATURE = re.compile(r"@([\w!+]+)(?: |$)")
_WIDTH = 100  # of a line of numbers


def files(program, main):
    """Name -> text of a `c_source.Program`; `main`: False or a key of MAINS."""
    features, values = _features(program.layers), _values(program)
    types = _rendered("types.c", features, values)
    parts = [_rendered(part, features, values) for part, feature in _PARTS.items() if feature in features]
    texts = {
        "network.h": _rendered("network.h", features, values),
        "network.c": "\n".join([types, *_constants(program, types), *parts]),
    }
    if main is not False:
        features |= {"prepare", main} if program.network or main is not True else set()
        read, prepared = MAINS[main]
        values |= {"read": read, "image": "image" if "prepare" in features else "pixels"}
        values |= {"prepared": f"quantized({prepared})" if program.network else prepared}
        texts |= {part: _rendered(part, features, values) for part in MAIN_FILES}
    return dict(zip(names(program.name, main), texts.values(), strict=True))


def names(name, main):
    """Names of the files of a program `name`."""
    return f"{name}.h", f"{name}.c", *(MAIN_FILES if main is not False else ())


def table_bytes(layers, pointer=4):
    """Bytes of the table of layers, on a machine whose pointers have so many bytes."""
    types = _rendered("types.c", _features(layers), {"title": "", "name": ""} | _types(layers))
    return len(layers) * c_sizes.structures(types, pointer)["layer"]


def _features(layers):
    features = set().union({"always"}, *(layer.features for layer in layers))
    return features | ({"both"} if {"bits", "ternary"} <= features else set())


def _rendered(part, features, values):
    lines = []
    for line in (_TEMPLATES / part).read_text().splitlines(keepends=True):
        condition = _FEATURE.match(line)
        words = condition[1].split("+") if condition else []
        if all((word.lstrip("!") in features) != word.startswith("!") for word in words):
            lines.append(line[condition.end() :] if condition else line)
    return string.Template("".join(lines)).substitute(values)


def _values(program):
    """Name -> value in the templates."""
    first, last = program.stages[0], program.stages[-1]
    value, total = TYPES[program.arithmetic]
    values, place = program.plane
    texts = {
        "title": f"{MARK}: {program.name}, {program.arithmetic}",
        "about": "\n".join([" *", *(f" * {_comment(line)}" for line in program.lines())]),
        "name": program.name,
        "NAME": program.name.upper(),
        "value": value,
        "sum": total,
        "inputs": math.prod(first.shape),
        "shape": "x".join(map(str, first.shape)) + ", channels last" * (len(first.shape) == 3),
        "outputs": last.outputs * last.units,
        "constants": program.constants,
        "ram": program.ram,
        "place": place,
        "plane": values,
        "last": "linear" if last.alpha is None else "activated",
        "calls": "\n".join(_calls(program)),
    }
    if program.network:
        scales = {"input_scale": program.network.input_scale, "output_scale": program.network.output_scale}
        texts |= {name: _number(np.float32(scale)) for name, scale in scales.items()}
    return texts | _types(program.layers)


def _types(layers):
    """The smallest C types that hold the numbers of all layers."""
    fields = [layer.fields for layer in layers]
    axes = [number for entry in fields for name in "yx" for number in entry.get(name, {}).values()]
    sizes = [entry.get(name, 0) for entry in fields for name in ("units", "inputs", "channels", "next", "apart")]
    bias = next((layer.arrays["bias"].dtype for layer in layers if "bias" in layer.arrays), np.dtype(np.int8))
    return {
        "index": _unsigned(max(layer.reach for layer in layers), {2**16: "unsigned"}),
        "size": _unsigned(max(sizes), {2**16: "uint16_t"}),
        "small": _unsigned(max(axes, default=0), {2**8: "uint8_t", 2**16: "uint16_t"}),
        "bias": _type(bias),
        "factor": _type(fields[0]["factor"].dtype),
    }


def _unsigned(largest, types):
    return next((name for end, name in types.items() if largest < end), "uint32_t")


def _type(dtype):
    return "float" if dtype == np.float32 else f"{dtype.name}_t"


def _number(value):
    return f"{value!s}f" if isinstance(value, np.float32) else str(value)


def _comment(text):
    """Text without characters that could end a C comment."""
    return re.sub(r"[^\w .,:;()+-]|[^\x20-\x7e]", "_", text)


def _constants(program, types):
    """The arrays, the table of layers, and the arena. A layer gets the fields that are in the C types `types` and are not 0."""
    known, texts, entries = set(re.findall(r"(\w+)(?=[,;])", types)), [], []
    for number, layer in enumerate(program.layers):
        for name, array in layer.arrays.items():
            numbers = textwrap.fill(", ".join(map(_number, array)), _WIDTH)
            texts.append(f"static const FLASH {_type(array.dtype)} {name}{number}[{len(array)}] = {{\n{numbers}\n}};\n")
        fields = {name: f"{name}{number}" for name in layer.arrays} | layer.fields
        entries.append(f"    {_initializer(fields, known)}, /* {_comment(layer.stage.name)} */")
    texts.append("\n".join(["static const FLASH layer layers[] = {", *entries, "};\n"]))
    size = memory_of(program.stages)[1]
    return texts + [f"static {TYPES[program.arithmetic][0]} arena[{size}];\n"] * (size > 0)


def _initializer(fields, known):
    parts = []
    for name, value in fields.items():
        text = _initializer(value, known) if isinstance(value, dict) else _number(value)
        if name in known and value != 0 and text != "{}":
            parts.append(f".{name} = {text}")
    return f"{{{', '.join(parts)}}}"


def _calls(program):
    starts = [f"arena + {start}" for start in memory_of(program.stages)[0]]
    calls = zip(program.layers, ["image", *starts], [*starts, "outputs"], strict=True)
    for number, (layer, source, target) in enumerate(calls):
        yield f"    {layer.function}(&layers[{number}], {source}, {target});"
