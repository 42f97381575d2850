"""The table of papers is complete and agrees with itself and with the flag files."""

import pytest
from conftest import ROOT

from tf_supermask.papers import catalogue
from tf_supermask.papers.rivals import figures


@pytest.mark.parametrize("name", catalogue.PAPERS)
def test_parts_of_a_paper_are_named_after_it(name):
    paper = catalogue.PAPERS[name]
    for part in (paper.tables, paper.frames, paper.figures, paper.printed):
        assert part and all(key.startswith(f"{name}_") or key == "overview" for key in part)
    assert set(paper.headlines) <= set(paper.tables)


def test_what_is_reported_is_shown():
    printed = {name for paper in catalogue.PAPERS.values() for name in paper.printed}
    assert {name for name in printed if "/" not in name} <= catalogue.shown()


def test_every_row_of_a_table_can_be_trained():
    rows = {row.stem for row in (ROOT / "flags").glob("*.flags")}
    assert {name for name in catalogue.in_tables() if "/" not in name} <= rows


def test_figures_have_one_name_each():
    of_papers = sum(len(paper.figures) for paper in catalogue.PAPERS.values())
    assert len(catalogue.FIGURES) == of_papers + len(figures.FIGURES)
