"""What the tests and the package run on: locked or newest versions, and no private name of another package."""

import ast
import configparser
import os
import re
import subprocess

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# A Python that installs nothing: it tells the release beside it, and writes down what else it is asked for.
PYTHON = """#!/usr/bin/env bash
[ "$1" != -c ] || exec cat "$(dirname "$0")/release"
[ "$2" != venv ] || { mkdir -p "$3/bin"; cp "$0" release "$3/bin/"; }
echo "$@" >>asked
"""


@pytest.fixture
def environment(tmp_path):
    """environment(**variables) -> (exit code, Python that was chosen or the error, what Pythons were asked for)."""
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    (tmp_path / "release").write_text("3.12")
    for name in ("setup.cfg", "requirements.lock"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    script = f'set -euo pipefail; source {ROOT}/tests/environment.sh; echo "$python"'

    def run(**variables):
        (tmp_path / "asked").write_text("")
        clean = {k: v for k, v in os.environ.items() if k not in ("PYTHON", "LATEST")}
        clean |= {"PYTHON": "./python"} | variables
        done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=clean, capture_output=True, text=True)
        asked = (tmp_path / "asked").read_text().splitlines()
        return done.returncode, (done.stderr or done.stdout).splitlines()[-1], asked

    return run


def test_locked_versions_are_installed_once_and_again_when_they_change(environment, tmp_path):
    code, python, asked = environment()
    assert (code, python) == (0, ".venv/bin/python") and asked[0] == "-m venv .venv"
    assert [line.partition("check ")[2] for line in asked[1:]] == ["-r requirements.lock", "--no-deps -e ."]
    assert environment() == (0, ".venv/bin/python", [])
    for name in ("setup.cfg", "requirements.lock"):
        with open(tmp_path / name, "a") as file:
            file.write("# changed\n")
        assert environment()[2] == asked[1:] and environment()[2] == []


def test_newest_versions_are_looked_for_each_time_and_leave_the_locked_ones_alone(environment, tmp_path):
    for expected in (["-m venv .venv-latest"], []):
        code, python, asked = environment(LATEST="1")
        assert (code, python) == (0, ".venv-latest/bin/python") and asked[:-1] == expected
        assert "--upgrade --upgrade-strategy eager -e .[dev,docs]" in asked[-1] and not (tmp_path / ".venv").exists()
    assert environment(LATEST="0")[1] == ".venv/bin/python"


def test_another_python_is_one_line(environment, tmp_path):
    for release in ("3.10", "3.14", ""):
        (tmp_path / "release").write_text(release)
        error = "error: ./python is not Python 3.11, 3.12 or 3.13; set PYTHON=/path/to/one"
        assert environment() == (2, error, []) and not (tmp_path / ".venv").exists()
    assert environment(PYTHON="./nosuch") == (2, error.replace("./python", "./nosuch"), [])
    (tmp_path / "release").write_text("3.11")
    environment()
    (tmp_path / "release").write_text("3.13")
    error = "error: .venv is not of Python 3.13, as PYTHON=./python is; remove .venv, or leave PYTHON out"
    assert environment() == (2, error, [])
    assert environment(PYTHON="")[0] == 0 and environment(LATEST="1")[0] == 0


def test_the_lock_has_a_permitted_version_of_each_package_that_setup_cfg_names():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    named = "\n".join((setup["options"]["install_requires"], extras["dev"], extras["docs"])).splitlines()
    named = [Requirement(line) for line in named if line and not line.startswith("#")]
    locked = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    locked = [Requirement(line) for line in locked]
    assert len(named) > 20 and all(re.fullmatch(r"==[\w.]+", str(its.specifier)) for its in locked)
    for wanted in named:
        versions = [
            str(its.specifier)[2:] for its in locked if canonicalize_name(its.name) == canonicalize_name(wanted.name)
        ]
        assert versions and all(wanted.specifier.contains(version) for version in versions), wanted
    assert all("/" not in str(its) and not its.name.startswith("torch") for its in locked)


# ---------------------------------------------------------------------------------------------------------------------
# Private names

NAMEDTUPLE = {"_replace", "_asdict", "_fields", "_make"}  # documented, with an underscore that keeps them from fields


def _own(tree):
    """Names that a file of ours defines: functions, classes, variables, attributes of its own objects."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
            if node.value.id in ("self", "cls"):
                yield node.attr


def _foreign(tree, own):
    """`line: name` of each private name in a file that is not one of `own`."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.ImportFrom):
            names = [*(node.module or "").split("."), *(its.name for its in node.names)]
        elif isinstance(node, ast.Import):
            names = [part for its in node.names for part in its.name.split(".")]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("attr", "patch", "object")):
            given = [its.value for its in node.args if isinstance(its, ast.Constant) and isinstance(its.value, str)]
            names = [part for its in given for part in its.split(".")]
        for name in names:
            private = re.match("_[^_]", name) and name not in own
            if private or name == "src":
                yield f"{node.lineno}: {name}"


def test_no_private_name_of_another_package_is_touched():
    paths = [path for folder in ("tf_supermask", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    trees = {path: ast.parse(path.read_text()) for path in paths}
    own = {name for tree in trees.values() for name in _own(tree)} | NAMEDTUPLE
    found = {str(path): names for path, tree in trees.items() if (names := list(_foreign(tree, own)))}
    assert len(trees) > 60 and not found


@pytest.mark.parametrize(
    "line",
    [
        "filelock._soft.exchange_names",
        "from keras.src import ops",
        "from ray import _private",
        "import keras.src.ops",
        "getattr(model, '_tracker')",
        "monkeypatch.setattr('filelock._soft.exchange_names', None)",
        "monkeypatch.setattr(keras.Layer, '_call', None)",
    ],
)
def test_a_private_name_is_found(line):
    assert list(_foreign(ast.parse(line), set()))
