"""Generated reference pages."""

import json
import re

from conftest import ROOT

from tf_supermask.evidence import deviations, reference
from tf_supermask.experiments.criteria import CRITERIA
from tf_supermask.experiments.spec import Spec


def test_every_mark_in_the_package_is_on_the_page():
    marks = sum(path.read_text().count(deviations.MARK) for path in (ROOT / "tf_supermask").rglob("*.py"))
    assert marks > 15 and len(reference.all_deviations().splitlines()) == marks + 2


def test_a_layer_that_another_backend_treats_otherwise_says_how(tmp_path):
    file, row = tmp_path / "layers.json", {"masked": "Masked: kernel", "compact": "kept whole"}
    seen = {"tensorflow": {"LSTM": row}, "torch": {"LSTM": row | {"compact": "3 of 9 weights"}}}
    file.write_text(json.dumps(seen))
    (line,) = reference.all_layers(file).splitlines()[2:]
    assert line == "| `LSTM` | Masked: kernel | kept whole | TensorFlow; JAX: not run; PyTorch: compact 3 of 9 weights |"


def test_reference_pages_are_complete():
    flags = reference.all_flags()
    assert all(f"`--{name}`" in flags for name in Spec.__dataclass_fields__ if name != "seed")
    assert all(f"`--{name}`" in flags for name in ("seeds", "jobs", "status", "data_dir"))
    criteria, modules = reference.all_criteria(), reference.all_modules()
    assert all(f"| `{name}` |" in criteria for name in CRITERIA)
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tf_supermask").rglob("*.py")]
    assert all(f"| `{name}` |" in modules for name in files)
    assert not re.search(r"\| `[^|]*` \|  \|", modules)  # each says what it holds
