"""Templates of C: lines for features, values for names."""

import numpy as np
import pytest

from tf_supermask.deploy import c_render


@pytest.mark.parametrize(
    "features, expected", [(set(), "a\nd 7\n"), ({"x"}, "a\nb\nd 7\n"), ({"x", "y"}, "a\nb\nc\n"), ({"y"}, "a\n")]
)
def test_lines_are_for_networks_with_their_features(features, expected, monkeypatch, tmp_path):
    (tmp_path / "part.c").write_text("a\n@x b\n@x+y c\n@!y d $number\n")
    monkeypatch.setattr(c_render, "_TEMPLATES", tmp_path)
    assert c_render._rendered("part.c", features, {"number": 7}) == expected


def test_numbers_and_comments_are_valid_c():
    assert c_render._number(np.float32(0.1)) == "0.1f" and c_render._number(np.int8(-3)) == "-3"
    assert "*/" not in c_render._comment('end */ "of" /* \\') and "é" not in c_render._comment("é")
    fields = {"units": 3, "zero": 0, "y": {"step": 2, "none": 0}, "unknown": 5}
    assert c_render._initializer(fields, {"units", "zero", "y", "step"}) == "{.units = 3, .y = {.step = 2}}"
