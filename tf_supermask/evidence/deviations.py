"""Collects where the code deviates from the papers: the marks in its comments and docstrings.

A mark is the word `Deviation`, a colon, and text up to the end of the paragraph or up to the next mark.
"""

import ast
import pathlib
from typing import NamedTuple

MARK = "Deviation" + ": "  # in two parts, so that this line is not a mark


class Deviation(NamedTuple):
    file: str  # below the folder of the package
    place: str  # qualified name of the function or class around it, '' at module level
    text: str


def collect(folder):
    """All Deviations marked in the Python files below `folder`, by file and line."""
    deviations = []
    for path in sorted(pathlib.Path(folder).rglob("*.py")):
        text = path.read_text()
        if MARK in text:
            name = path.relative_to(folder).as_posix()
            deviations += [Deviation(name, place, words) for place, words in _marks(text)]
    return deviations


def _marks(text):
    """`(place, words)` of each mark in the text of a file."""
    lines, scopes = text.splitlines(), list(_scopes(ast.parse(text).body))
    for number, line in enumerate(lines):
        before, *marked = line.split(MARK)
        for position, first in enumerate(marked):
            last = position == len(marked) - 1
            rest = _rest_of_paragraph(lines, number, before) if last else []
            words = " ".join([first, *rest]).partition(MARK)[0].partition('"""')[0]
            yield _place(scopes, number + 1), " ".join(words.split())


def _rest_of_paragraph(lines, number, before):
    """The lines after `number` that belong to its comment or to its paragraph of a docstring."""
    comment = before.lstrip().startswith("#")
    after_code, docstring_ends = "#" in before and not comment, '"""' in lines[number].partition(MARK)[2]
    if after_code or docstring_ends:
        return
    for line in lines[number + 1 :]:
        stripped = line.strip()
        if not stripped or comment and not stripped.startswith("#"):
            return
        yield stripped.removeprefix("#")
        if not comment and '"""' in line:
            return


def _scopes(body, prefix=""):
    """`(first line, last line, qualified name)` of all functions and classes, outer ones first."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            name = f"{prefix}{node.name}"
            yield node.lineno, node.end_lineno, name
            yield from _scopes(node.body, f"{name}.")


def _place(scopes, line):
    return next((name for first, last, name in reversed(scopes) if first <= line <= last), "")
