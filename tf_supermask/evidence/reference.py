"""Pages of docs/ that are made of the code alone: flags, criteria, modules, deviations. Each function returns Markdown."""

import ast
import pathlib

import pandas as pd
from absl import flags

from tf_supermask.evidence import deviations
from tf_supermask.evidence.markup import markdown
from tf_supermask.experiments import flag_files
from tf_supermask.experiments.criteria import CRITERIA

PACKAGE = pathlib.Path(__file__).parents[1]


def all_flags():
    """The flags of tf_supermask.main, by group."""
    values, parts = flags.FlagValues(), []
    flag_files.define_flags(values)
    for group, its in values.flags_by_module_dict().items():
        rows = [{"flag": f"`--{flag.name}`", "meaning": flag.help} for flag in its]
        parts.append(f"## {group[0].upper()}{group[1:]}\n\n{markdown(pd.DataFrame(rows))}")
    return "\n\n".join(parts)


def all_criteria():
    rows = [{"criterion": f"`{name}`", "score of a weight": f"`{its.formula}`"} for name, its in CRITERIA.items()]
    return markdown(pd.DataFrame(rows))


def all_modules():
    """The first sentence of each file: one idea, one file."""
    rows = []
    for path in sorted(PACKAGE.rglob("*.py")):
        about = ast.get_docstring(ast.parse(path.read_text())) or ""
        rows.append(
            {"file": f"`{path.relative_to(PACKAGE.parent).as_posix()}`", "what it holds": _first_paragraph(about)}
        )
    return markdown(pd.DataFrame(rows))


def _first_paragraph(text):
    return " ".join(text.partition("\n\n")[0].split())


def all_deviations():
    marks = deviations.collect(PACKAGE)
    rows = [{"file": f"`{m.file}`", "in": f"`{m.place}`" if m.place else "", "deviation": m.text} for m in marks]
    return markdown(pd.DataFrame(rows))
