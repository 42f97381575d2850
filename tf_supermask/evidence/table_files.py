"""The CSV and LaTeX files of the tables of all papers."""

import pathlib

from tf_supermask import files
from tf_supermask.evidence import markup, tables


def contents(papers, evidence, folder):
    """Path -> bytes of the files of all tables that have records."""
    made = {}
    for name, frame in _frames(papers, evidence).items():
        made[pathlib.Path(folder, f"{name}.csv")] = frame.to_csv(index=False).encode()
        made[pathlib.Path(folder, f"{name}.tex")] = markup.latex(frame).encode()
    return made


def _frames(papers, evidence):
    frames = {}
    for paper in papers.values():
        shown = {
            name: table for name, table in paper.tables.items() if any(row.experiment in evidence for row in table.rows)
        }
        frames |= {name: tables.frame(table, evidence.experiments, evidence.times.steps) for name, table in shown.items()}
        made = {name: make(evidence)[1] for name, make in paper.frames.items() if shown}
        frames |= {name: frame for name, frame in made.items() if len(frame)}
    return frames


def stale(papers, evidence, folder):
    """Paths of the files that are not those of these records, and of those whose records are gone."""
    made = contents(papers, evidence, folder)
    return [
        *(path for path, content in made.items() if not path.exists() or path.read_bytes() != content),
        *_without_records(papers, made, folder),
    ]


def write(papers, evidence, folder):
    """Writes all files; removes those whose records are gone."""
    made = contents(papers, evidence, folder)
    for path, content in made.items():
        files.write(path, lambda file, content=content: file.write(content))
    for path in _without_records(papers, made, folder):
        path.unlink()


def _without_records(papers, made, folder):
    names = {name for paper in papers.values() for name in (*paper.tables, *paper.frames)}
    paths = sorted(pathlib.Path(folder, name + ending) for name in names for ending in (".csv", ".tex"))
    return [path for path in paths if path.exists() and path not in made]
