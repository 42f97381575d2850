"""The text of a program in C: the templates in c/, filled in and put together, and the constants of a `c_source.Program`.

A line of a template that begins with `@feature` is only for networks with the feature, `@!feature` for those without,
`@one+other` for those with both. `$name` is filled in.
"""

import pathlib
import re
import string
import textwrap

import numpy as np

from tf_supermask.c_layers import memory_of

def files(program, main):
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
        "title": f"{_MARK}: {program.name}, {program.arithmetic}",
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
    ways = zip(program.layers, ["image", *starts], [*starts, "outputs"], strict=True)
    for number, (layer, source, target) in enumerate(ways):
        yield f"    {layer.function}(&layers[{number}], {source}, {target});"


def _render(part, features, values):
    """C from a template."""
    kept = []
    for line in (_TEMPLATES / part).read_text().splitlines(keepends=True):
        found = _FEATURE.match(line)
        words = found[1].split("+") if found else []
        if all((word.lstrip("!") in features) != word.startswith("!") for word in words):
            kept.append(line[found.end() :] if found else line)
    return string.Template("".join(kept)).substitute(values)


