"""Parts of pages, on made-up data frames and made-up code; pages of records are in test_report.py."""

import pathlib
import re

import pandas as pd
import pytest
from conftest import ROOT

from tf_supermask.errors import InputError
from tf_supermask.evidence import deviations, markup, pages, reference, sizes, tables
from tf_supermask.experiments.criteria import CRITERIA
from tf_supermask.experiments.spec import Spec
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


@pytest.mark.parametrize(
    "name, expected",
    [
        ("koster_table12", "Table 12: x"),
        ("zhou_tableS1", "Table S1: x"),
        ("koster_fig3", "Figure 3: x"),
        ("koster_appendix_d", "Appendix D: x"),
        ("overview", "x"),
        ("zhou_learned", "x"),
    ],
)
def test_headings(name, expected):
    assert pages.heading(name, "x") == expected


WIDE = pd.DataFrame(
    [
        ["a", "3", "97.1", "97.2", "yes", "4.0", "-", "-", "0.01"],
        ["b", "3", "-", "96.0", "-", "-", "-", "-", "-"],
    ],
    columns=[
        "", "n", "test accuracy, %", "paper: test accuracy, %", "overlap: test accuracy, %",
        "remaining weights, %", "paper: remaining weights, %", "overlap: remaining weights, %", tables.WELCH,
    ],
)  # fmt: skip


def test_a_wide_table_has_a_part_for_each_measure():
    parts = markup.by_measure(WIDE)
    assert list(parts) == ["test accuracy, %", "remaining weights, %"]
    first, second = parts.values()
    assert first.columns.tolist() == ["", "n", "ours", "paper", "overlap", "Welch p"]
    assert first.to_numpy().tolist() == [["a", "3", "97.1", "97.2", "yes", "0.01"], ["b", "3", "-", "96.0", "-", "-"]]
    assert second.columns.tolist() == ["", "ours", "paper", "overlap"]
    assert second.to_numpy().tolist() == [["a", "4.0", "-", "-"]]  # nothing to say of b


def test_a_narrow_table_stays_whole():
    narrow = WIDE.iloc[:, :5]
    ((name, part),) = markup.by_measure(narrow).items()
    assert name == "" and part.equals(narrow)


def test_markdown_and_latex():
    frame = pd.DataFrame({"a_b": ["|x|", "< 1"], "%": ["1", "2"]})
    assert markup.markdown(frame) == "| a_b | % |\n| --- | --- |\n| \\|x\\| | 1 |\n| < 1 | 2 |"
    assert r"a\_b & \% \\" in markup.latex(frame) and r"$<$ 1 & 2 \\" in markup.latex(frame)


@pytest.mark.parametrize("experiment", ["koster_table1_fcn_signed_elus", "koster_table12_conv2_signed_elus"])
def test_sizes_are_what_this_code_measures(experiment):
    """The lines of other containers are not made anew as long as these two come out the same."""
    row = sizes.known(ROOT / pages.SIZES).set_index(["experiment", "seed"]).loc[(experiment, 0)]
    measured = sizes.measured(ROOT / "results" / experiment / "seed0.supermask")
    assert measured == {name: row[name] for name in measured}


CODE = '''
"""First.

%(mark)sthe file
does this. %(mark)sand that.
"""


def plain():
    return 1  # %(mark)sat the end of a line


# Before. %(mark)sover two
# lines.
TABLE = 1


class Outer:
    def method(self):
        """About. %(mark)sone line."""
        # not part of it
        return 2

    def other(self):
        """About.

        %(mark)sa paragraph
        of two lines.

        Something else.
        """
'''


def test_deviations_are_collected_whole_with_their_place(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "code.py").write_text(CODE % {"mark": deviations.MARK})
    (tmp_path / "none.py").write_text("x = 1\n")
    assert [tuple(its) for its in deviations.collect(tmp_path)] == [
        ("sub/code.py", "", "the file does this."),
        ("sub/code.py", "", "and that."),
        ("sub/code.py", "plain", "at the end of a line"),
        ("sub/code.py", "", "over two lines."),
        ("sub/code.py", "Outer.method", "one line."),
        ("sub/code.py", "Outer.other", "a paragraph of two lines."),
    ]


def test_every_mark_in_the_package_is_on_the_page():
    marks = sum(path.read_text().count(deviations.MARK) for path in (ROOT / "tf_supermask").rglob("*.py"))
    assert marks > 15 and len(reference.all_deviations().splitlines()) == marks + 2


def test_reference_pages_are_complete():
    flags = reference.all_flags()
    assert all(f"`--{name}`" in flags for name in Spec.__dataclass_fields__ if name != "seed")
    assert all(f"`--{name}`" in flags for name in ("seeds", "jobs", "status", "data_dir"))
    criteria, modules = reference.all_criteria(), reference.all_modules()
    assert all(f"| `{name}` |" in criteria for name in CRITERIA)
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tf_supermask").rglob("*.py")]
    assert all(f"| `{name}` |" in modules for name in files)
    assert not re.search(r"\| `[^|]*` \|  \|", modules)  # each says what it holds


def test_every_page_has_a_place_and_is_found_by_a_reader():
    index = (ROOT / "docs" / "index.md").read_text()
    for name in pages.makers(catalogue.PAPERS):
        assert pages.BEGIN in (ROOT / name).read_text()
        if name != "README.md":
            assert pathlib.Path(name).relative_to("docs").with_suffix("").as_posix() in index
