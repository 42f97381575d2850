"""Generated pages of docs/ on the code: flags, criteria, layers, modules, deviations. Each function returns Markdown."""

import ast
import json
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
    for group, members in values.flags_by_module_dict().items():
        rows = [{"flag": f"`--{flag.name}`", "meaning": flag.help} for flag in members]
        parts.append(f"## {group[0].upper()}{group[1:]}\n\n{markdown(pd.DataFrame(rows))}")
    return "\n\n".join(parts)


def all_criteria():
    """Each criterion with its formula."""
    rows = [{"criterion": f"`{name}`", "score of a weight": f"`{c.formula}`"} for name, c in CRITERIA.items()]
    return markdown(pd.DataFrame(rows))


def all_modules():
    """Each file of the package with the first paragraph of its docstring."""
    rows = []
    for path in sorted(PACKAGE.rglob("*.py")):
        about = ast.get_docstring(ast.parse(path.read_text())) or ""
        rows.append(
            {"file": f"`{path.relative_to(PACKAGE.parent).as_posix()}`", "what it holds": _first_paragraph(about)}
        )
    return markdown(pd.DataFrame(rows))


BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
LAYERS = "docs/reference/layers.json"  # backend -> layer -> column -> text, of tests/test_every_layer.py


def all_layers(file=LAYERS):
    """What works for each layer of Keras that has a kernel, and on which backends the same was seen."""
    if not pathlib.Path(file).exists():
        return "Not run yet."
    seen = json.loads(pathlib.Path(file).read_text())
    rows = [{"layer": f"`{name}`"} | row | _backends(name, seen) for name, row in seen["tensorflow"].items()]
    return markdown(pd.DataFrame(rows).fillna("-"))


def _backends(name, seen):
    """The backends on which a layer was seen to do what it does on TensorFlow, and how others differ."""
    differ = {title: _differs(seen.get(backend, {}).get(name), seen["tensorflow"][name]) for backend, title in BACKENDS.items()}
    if not any(differ.values()):
        return {"backends": f"all {len(differ)}"}
    same = ", ".join(title for title, how in differ.items() if not how)
    return {"backends": "; ".join([same, *(f"{title}: {how}" for title, how in differ.items() if how)])}


def _differs(row, expected):
    """How a backend's row differs from that of TensorFlow; "" where it does not."""
    if row is None:
        return "not run"
    return ", ".join(f"{column} {row.get(column)}" for column, value in expected.items() if row.get(column) != value)


def _first_paragraph(text):
    return " ".join(text.partition("\n\n")[0].split())


def all_deviations():
    """Each deviation with its file and function."""
    marks = deviations.collect(PACKAGE)
    rows = [{"file": f"`{m.file}`", "in": f"`{m.place}`" if m.place else "", "deviation": m.text} for m in marks]
    return markdown(pd.DataFrame(rows))
