"""What is written by hand in README.md and docs/: code runs, links lead somewhere, public names are documented."""

import configparser
import re
import shutil

import keras
import numpy as np
import pytest
from conftest import ROOT

import tf_supermask
from tf_supermask import masks
from tf_supermask.evidence import pages

README = ROOT / "README.md"
WRITTEN = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
WRITTEN = [path for path in WRITTEN if "_build" not in path.parts]


def blocks(path):
    return re.findall(r"^```python\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """run(path) -> the names that its Python blocks leave, one after the other in one namespace."""
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)  # or what tests before this one drew would decide the accuracy

    def run(path):
        names = {}
        for number, block in enumerate(blocks(path), 1):
            exec(compile(block, f"{path.name}, block {number}", "exec"), names)
        return names

    return run


def test_the_example_of_the_readme(run, tmp_path, capsys):
    (block,) = blocks(README)
    assert len([line for line in block.splitlines() if line]) <= 12
    its = run(README)
    images, model = its["images"] / 16, its["model"]
    assert model.evaluate(images, its["labels"], verbose=0)[1] > 0.9
    np.testing.assert_allclose(its["small"](images), model(images), rtol=1e-3, atol=1e-3)
    assert (tmp_path / "digits.supermask").stat().st_size < 4 * its["network"].count_params() / 10
    printed = re.search(r"weights remain \(([\d.]+) %\)", capsys.readouterr().out)
    assert float(printed[1]) < 30


def test_the_readme_is_one_screen():
    text = README.read_text()
    assert len(text.splitlines()) <= 120 and len(text.split()) <= 1100
    assert "bash run_all.sh" in text and "bash tests/run.sh" in text and "kernel = weight * mask(score)" in text


GUIDES = {  # name -> what holds of the names that its blocks leave
    "getting_started": bool,
    "own_model": lambda its: its["shrunk"].model.get_layer("hidden").units < 80,
    "small_models": bool,
    "lottery_tickets": bool,
    "mask_rules": bool,
}


@pytest.mark.parametrize("name", GUIDES)
def test_the_code_of_a_guide_runs(run, name):
    before = dict(masks.RULES)
    try:
        assert GUIDES[name](run(ROOT / "docs" / "guides" / f"{name}.md"))
    finally:
        masks.RULES.clear()
        masks.RULES.update(before)


@pytest.mark.skipif(not (shutil.which("make") and shutil.which("cc")), reason="no make or C compiler")
def test_the_c_program_of_the_guide_is_right(run, capsys):
    (block,) = blocks(ROOT / "docs" / "guides" / "microcontroller.md")
    assert len([line for line in block.splitlines() if line]) <= 20
    names = run(ROOT / "docs" / "guides" / "microcontroller.md")
    accuracy = names["model"].evaluate(names["images"], names["labels"], verbose=0)[1]
    right = float(re.search(r"([\d.]+) right", capsys.readouterr().out)[1])
    assert accuracy > 0.9 and right == pytest.approx(accuracy, abs=0.02)


def test_no_guide_with_code_is_left_out():
    (mark,) = (its for its in test_the_code_of_a_guide_runs.pytestmark if its.name == "parametrize")
    tested = {*mark.args[1], "microcontroller"}  # which needs a C compiler
    assert {path.stem for path in WRITTEN if blocks(path) and path != README} == tested


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text()):
        assert not target.startswith(("http", "/")) and (path.parent / target).exists(), target


def test_every_public_name_is_in_the_api_reference():
    text = (ROOT / "docs" / "reference" / "api.md").read_text()
    assert set(
        re.findall(r"^\.\. auto(?:class|function|exception):: (?:tf_supermask\.)?(\w+)", text, re.MULTILINE)
    ) == set(tf_supermask.__all__)
    for name in tf_supermask.__all__:
        assert getattr(tf_supermask, name).__doc__, name


def test_words_that_were_given_up():
    """Prose is in the field's words; generated parts say what the code says."""
    for path in WRITTEN:
        text = re.sub(f"{re.escape(pages.BEGIN)}.*{re.escape(pages.END)}", "", path.read_text(), flags=re.DOTALL)
        assert not re.search(r"\b(walks?|squeezed|dialect|hushed)\b", text), path


def test_versions_agree():
    package = configparser.ConfigParser()
    package.read(ROOT / "setup.cfg")
    assert f"\nversion: {package['metadata']['version']}\n" in (ROOT / "CITATION.cff").read_text()
    assert "http" not in (ROOT / "CITATION.cff").read_text()
