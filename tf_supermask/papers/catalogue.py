"""One table of papers: the reported numbers, tables, figures and claims of each."""

from typing import Callable, NamedTuple

from tf_supermask.evidence.results import Evidence, Times, load
from tf_supermask.papers.koster import claims as koster_claims
from tf_supermask.papers.koster import figures as koster_figures
from tf_supermask.papers.koster import reported as koster_reported
from tf_supermask.papers.koster import tables as koster_tables
from tf_supermask.papers.rivals import figures as rivals_figures
from tf_supermask.papers.rivals import page as rivals_page
from tf_supermask.papers.rivals import rules as rivals_rules
from tf_supermask.papers.rivals import scaling as rivals_scaling
from tf_supermask.papers.zhou import claims as zhou_claims
from tf_supermask.papers.zhou import figures as zhou_figures
from tf_supermask.papers.zhou import reported as zhou_reported
from tf_supermask.papers.zhou import tables as zhou_tables


class Paper(NamedTuple):
    title: str
    printed: dict  # experiment -> measure -> (mean,) or (mean, 5 % quantile, 95 % quantile)
    tables: dict  # name -> tables.Table
    frames: dict  # name -> function of an Evidence: (title, data frame of text, notes); tables of other shapes
    headlines: dict  # table -> labels of the rows that the README shows once they have records
    figures: dict  # name -> figures.Drawing
    claims: Callable  # claims.Claims


PAPERS = {
    "koster": Paper(
        "Koster et al. 2022",
        koster_reported.PAPER,
        koster_tables.TABLES,
        koster_tables.FRAMES,
        koster_tables.HEADLINES,
        koster_figures.FIGURES,
        koster_claims.CLAIMS,
    ),
    "zhou": Paper(
        "Zhou et al. 2019",
        zhou_reported.PAPER,
        zhou_tables.TABLES,
        zhou_tables.FRAMES,
        zhou_tables.HEADLINES,
        zhou_figures.FIGURES,
        zhou_claims.CLAIMS,
    ),
}
FIGURES = {
    name: drawing for paper in PAPERS.values() for name, drawing in paper.figures.items()
} | rivals_figures.FIGURES
PAGES = {rivals_page.PAGE: rivals_page.page, rivals_rules.PAGE: rivals_rules.page}  # of no paper


def evidence(folder, scale, times=Times()):
    """Evidence of the records in a folder, including the experiments that are parts of other records."""
    experiments = load(folder, scale)
    return Evidence(experiments | zhou_tables.views(experiments), scale, folder, times)


def in_tables():
    """Names of all experiments that a table shows."""
    rows = [row for paper in PAPERS.values() for table in paper.tables.values() for row in table.rows]
    return {name for row in rows for name in row[1:] if name}


def shown():
    """Names of all experiments that a table, a figure or a page shows; a name with / is a part of another's records."""
    names = in_tables() | rivals_rules.shown() | rivals_scaling.shown()
    names |= {name for drawing in FIGURES.values() for name in drawing.experiments}
    return {name for name in names if "/" not in name}
