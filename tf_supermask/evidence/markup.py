"""Data frames of text as Markdown and LaTeX, and wide ones in parts that fit on a page; headings of tables and figures."""

import re

from tf_supermask.evidence.tables import MEASURES, WELCH


def heading(name, text):
    """`koster_table12` -> `Table 12: text`; `text` alone for a name without a number."""
    match = re.search(r"_(table|fig|appendix)_?(\w+)$", name)
    kinds = {"table": "Table", "fig": "Figure", "appendix": "Appendix"}
    return f"{kinds[match[1]]} {match[2].upper()}: {text}" if match else text


def by_measure(frame, most_columns=7):
    """Splits a wide `frame` into parts that fit on a page, measure -> data frame; {"": frame} where it fits.

    Each part begins with the first column, the label. A column `kind: measure` belongs to the part of its measure, a column of no
    measure in MEASURES to the first part. A row without values in a part is left out of it.
    """
    frame = frame.rename(columns={WELCH: WELCH.partition(",")[0]})
    if len(frame.columns) <= most_columns:
        return {"": frame}
    label, *columns = frame.columns
    headings = [heading for heading, _ in MEASURES.values()]
    parts = {next(column for column in columns if column in headings): {}}
    for column in columns:
        kind, _, measure = column.rpartition(": ")
        if measure in headings:
            parts.setdefault(measure, {})[column] = kind or "ours"
        else:
            next(iter(parts.values()))[column] = column
    frames = {}
    for measure, names in parts.items():
        has_values = (frame[[name for name in names if name.rpartition(": ")[2] in headings]] != "-").any(axis=1)
        frames[measure] = frame.loc[has_values, [label, *names]].rename(columns=names)
    return frames


def markdown(frame):
    """A Markdown table."""
    lines = [frame.columns.tolist(), ["---"] * len(frame.columns), *frame.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def latex(frame):
    """A booktabs tabular."""
    special = {"%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#", "<": r"$<$", ">": r"$>$"}
    lines = [
        " & ".join("".join(special.get(letter, letter) for letter in str(cell)) for cell in line) + r" \\"
        for line in (frame.columns, *frame.to_numpy())
    ]
    head = [rf"\begin{{tabular}}{{l{'r' * (len(frame.columns) - 1)}}}", r"\toprule", lines[0], r"\midrule"]
    return "\n".join([*head, *lines[1:], r"\bottomrule", r"\end{tabular}", ""])
