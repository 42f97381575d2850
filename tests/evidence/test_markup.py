"""Tables as Markdown and LaTeX, and in parts."""

import pandas as pd
import pytest

from tf_supermask.evidence import markup, tables

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
    assert markup.heading(name, "x") == expected
