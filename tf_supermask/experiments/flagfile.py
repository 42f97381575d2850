"""Reads files of flags. A line is a flag, --name=value, or a comment, # or //, or blank. Anything else is an error.

A file may include others, --flagfile=OTHER. A relative path is relative to the file's folder, to a folder above it, or to the
checkout of this package; it does not depend on the working directory.
"""

import codecs
import os
import pathlib
import re
from typing import NamedTuple

from absl import app, flags

from tf_supermask import files

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
_HELP = (app.HelpFlag, app.HelpfullFlag, app.HelpXMLFlag)  # flags that print a text and end the command


class Line(NamedTuple):
    """A flag of a file: its name, and the argument of a command line that sets it."""

    path: pathlib.Path
    number: int
    name: str
    argument: str

    def wrong(self, what):
        """The flags.Error of this line; `what` says what is wrong."""
        return flags.Error(f"{self.path}: {what} (line {self.number})")


def expanded(argv, values):
    """The command line `argv` with the flags of files in place of --flagfile=FILE; `values` defines the flags.

    Raises flags.Error, with file and line, for a line that is not such a flag.
    """
    arguments = []
    for argument, path in _parts(argv):
        arguments += [argument] if path is None else [line.argument for line in read(path, values)]
    return arguments


def paths(argv):
    """The paths of the files that the command line `argv` names by --flagfile=FILE."""
    return [path for _, path in _parts(argv) if path is not None]


def _parts(argv):
    """Yields `(argument, None)` for each argument, but `(None, path)` for --flagfile=PATH."""
    rest = iter(argv)
    for argument in rest:
        match = re.fullmatch(r"--?flagfile(=.*)?", argument, re.DOTALL)
        if match:
            yield None, os.path.expanduser(match[1][1:] if match[1] else next(rest, ""))
        else:
            yield argument, None
        if argument == "--":  # no flags after it
            yield from ((other, None) for other in rest)


def read(path, values, parents=()):
    """The Lines of a file and of those that it includes, in their order. Raises flags.Error."""
    if not os.fspath(path):
        raise flags.Error("--flagfile= is empty; name a file")
    path = pathlib.Path(path)
    if files.real(path) in parents:
        raise flags.Error(f"{path} includes itself")
    lines, seen = [], {}
    for number, text in enumerate(texts(path), 1):
        if not text or text.startswith(("#", "//")):
            continue
        name, equals, value = text.lstrip("-").partition("=")
        line = Line(path, number, name, text)
        if re.search(r"\s(--[a-z]|-[a-z]\w*=)", text) and not re.search(r"\s(#|//)", text):
            raise line.wrong(f"{text!r} has two flags; write each in a line of its own")
        if not re.fullmatch(r"--?\w+(=.*)?", text):
            raise line.wrong(f"{text!r} is neither a flag, --name=value, nor a comment, # ...")
        if name == "flagfile":
            lines += read(_included(line, value), values, (*parents, files.real(path)))
            continue
        line = _checked(line, values, value if equals else None)
        if seen.setdefault(line.name, number) != number:
            raise line.wrong(f"--{line.name} is set twice, also in line {seen[line.name]}")
        lines.append(line)
    return lines


def texts(path):
    """The lines of a file, without the space around them. Raises flags.Error."""
    try:
        content = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise flags.Error(f"cannot read the flag file {path} ({error.strerror})") from error
    lines = []
    for number, line in enumerate(re.split(rb"\r\n?|\n", content.removeprefix(codecs.BOM_UTF8)), 1):
        try:
            lines.append(line.decode().strip())
        except UnicodeDecodeError as error:
            what = f"byte {line[error.start]:#04x} is not UTF-8; save the file as UTF-8"
            raise flags.Error(f"{path}: {what} (line {number})") from error
    return lines


def _checked(line, values, value):
    """`line` with the name of the flag that it sets, without `no`; `value` is None without =. Raises flags.Error."""
    name = line.name
    if value is None and name not in values:
        name = name.removeprefix("no")
    if name in values and isinstance(values[name], _HELP):
        raise line.wrong(f"--{name} is for the command line; take it out of the file")
    if name not in values or name != line.name and not values[name].boolean:
        raise line.wrong(f"Unknown command line flag {line.name!r}")
    if value is None and not values[name].boolean:
        raise line.wrong(f"--{name} has no value: --{name}=...")
    if value and re.search(r"\s(#|//)", value):
        raise line.wrong(f"a comment needs a line of its own, not the end of {line.argument!r}")
    try:
        values[name].parser.parse("true" if value is None else value)
    except (ValueError, TypeError) as error:
        what = ": ".join(map(str, error.args))  # absl's have several
        raise line.wrong(f"flag {line.argument}: {what}") from error
    return line._replace(name=name)


def _included(line, name):
    """Path of the file `name` that `line` includes."""
    if not name:
        raise line.wrong("--flagfile= is empty; name a file")
    name, folder = os.path.expanduser(name), files.real(line.path).parent
    for above in (folder, *folder.parents, CHECKOUT):
        if (above / name).is_file():
            return above / name
    raise line.wrong(f"there is no {name} beside the file or below a folder above it")
