from made_up import MadeUp

from tf_supermask.evidence import figures, table_files
from tf_supermask.evidence.results import Missing
from tf_supermask.papers import catalogue


def test_files_whose_records_are_gone_are_stale_and_removed(tmp_path):
    nothing = catalogue.evidence(tmp_path / "no records", "paper")
    gone = [tmp_path / name for name in ("koster_table2.csv", "koster_table2.tex")]
    others = tmp_path / "of_somebody.csv"
    for path in (*gone, others):
        path.write_text("text")
    assert table_files.stale(catalogue.PAPERS, nothing, tmp_path) == gone
    table_files.write(catalogue.PAPERS, nothing, tmp_path)
    assert table_files.stale(catalogue.PAPERS, nothing, tmp_path) == [] and list(tmp_path.iterdir()) == [others]


def test_figures_whose_records_are_gone_are_stale_and_removed(tmp_path):
    nothing = catalogue.evidence(tmp_path / "no records", "paper")
    drawings = {"koster_fig5": catalogue.FIGURES["koster_fig5"]}
    path = tmp_path / "koster_fig5.svg"
    path.write_text("text")
    assert list(figures.stale(drawings, nothing, tmp_path)) == [path]
    (line,) = figures.update(drawings, nothing, tmp_path)
    assert line.startswith(f"{path}: removed, needs ") and not path.exists()
    assert list(figures.stale(drawings, nothing, tmp_path)) == []


def test_a_figure_that_lacks_a_data_set_stays(tmp_path):
    def draw(evidence):
        raise Missing("an image of an 8: no MNIST here")

    name, path = "koster_table1_fcn_signed_elus", tmp_path / "one.svg"
    drawing = figures.Drawing("title", (name,), draw, "tf_supermask.papers.koster.figures")
    path.write_text("<svg/>")
    (line,) = figures.update({"one": drawing}, MadeUp({name: {"test_accuracy": (97, 1)}}, runs=1), tmp_path)
    assert line == f"{path}: left as it was, needs an image of an 8: no MNIST here" and path.read_text() == "<svg/>"
