"""Bytes of the structures that a text in C declares, by the rules of compilers: fields begin at multiples of their own size."""

import re

_SIZES = {"int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2, "int32_t": 4, "uint32_t": 4, "float": 4}
_STRUCTURE = re.compile(r"typedef struct \{(.*?)\} (\w+);", re.DOTALL)
_FIELD = re.compile(r"^\s*(?:const FLASH )?(\w+) ([^;]+);", re.MULTILINE)


def structures(text, pointer=4):
    """Name -> bytes of each `typedef struct` in `text`. `pointer`: bytes of a pointer, 4 on microcontrollers of 32 bits."""
    types = {name: (size, size) for name, size in _SIZES.items()}  # -> (bytes, alignment)
    found = {}
    for body, name in _STRUCTURE.findall(text):
        end, widest = 0, 1
        for kind, names in _FIELD.findall(body):
            for field in names.split(","):
                size, step = (pointer, pointer) if field.strip().startswith("*") else types[kind]
                end, widest = -(-end // step) * step + size, max(widest, step)
        found[name] = -(-end // widest) * widest
        types[name] = (found[name], widest)
    return found
