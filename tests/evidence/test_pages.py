"""Parts of pages, on made-up data frames and made-up code; pages of records are in test_report.py."""

import pathlib

import pytest
from conftest import ROOT

from tf_supermask.errors import InputError
from tf_supermask.evidence import pages
from tf_supermask.papers import catalogue


def test_the_generated_part_is_replaced_and_the_rest_stays():
    text = f"# Title\n\nBy hand.\n\n{pages.BEGIN}\n\nold\n\n{pages.END}\n\nLater.\n"
    new = pages.with_generated(text, "| new |")
    assert new == text.replace("old", "| new |") and pages.with_generated(new, "| new |") == new


@pytest.mark.parametrize(
    "text", ["", "no markers", f"{pages.BEGIN} without an end", f"{pages.END} before {pages.BEGIN}"]
)
def test_a_file_without_a_place_for_it_is_named(text, tmp_path):
    with pytest.raises(InputError, match="koster.md needs the lines"):
        pages.with_generated(text, "new", "koster.md")


def test_every_page_has_a_place_and_is_found_by_a_reader():
    index = (ROOT / "docs" / "index.md").read_text()
    for name in pages.makers(catalogue.PAPERS):
        assert pages.BEGIN in (ROOT / name).read_text()
        if name != "README.md":
            assert pathlib.Path(name).relative_to("docs").with_suffix("").as_posix() in index
