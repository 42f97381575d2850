"""Claims of papers, each a function of the records of one scale, and the ledger of their verdicts.

A claim's function takes a lenient `Evidence` and, where the claim has parts, such as networks, one of them. It returns
`(holds, numbers)`: whether the claim holds, or None where the numbers do not decide it, and the numbers as text. Its docstring
defines words such as 'similar' or 'clearly'. It raises `Missing` where there are no records to decide it by.

A claim holds where all its parts hold, and fails where one fails. With fewer runs than a verdict needs (LEAST of each
experiment, or as many as the function asks for), with shorter ones than it asks for, and at another scale than the paper's, the
verdict is only a lean. With few runs it is decided by means, without tests.
"""

from typing import Callable, NamedTuple

import pandas as pd

from tf_supermask.evidence.results import Missing

HOLDS, FAILS, NONE = "holds", "fails", "no evidence"
LEANS_HOLDS, LEANS_FAILS = f"leans to {HOLDS}", f"leans to {FAILS}"
VERDICTS = (HOLDS, FAILS, LEANS_HOLDS, LEANS_FAILS, NONE)
LEAST = 3  # runs of each experiment that a verdict rests on


class Claim(NamedTuple):
    subject: str
    number: int
    text: str
    decide: Callable  # (Evidence[, part]) -> (holds, numbers)
    parts: dict  # label -> argument of `decide`; {}: it takes none
    full_length: bool  # only records at the paper's scale can decide it: a tenth of the epochs is too short


class Part(NamedTuple):
    verdict: str
    numbers: str
    runs: dict  # experiment -> how many runs were read
    needs: str = ""  # what a verdict, or a lean, still needs

    @property
    def n(self):
        return span(self.runs)


class Finding(NamedTuple):
    subject: str
    number: int
    claim: str
    scale: str
    parts: dict  # label -> Part; of a claim without parts, the label is ""

    @property
    def verdict(self):
        return combined([part.verdict for part in self.parts.values()])

    def shown(self, columns=()):
        """The verdict, the parts beside `columns` that fail where not all do, and how many parts it rests on where some have no
        evidence."""
        failing = [label for label, part in self.parts.items() if part.verdict == self.verdict in (FAILS, LEANS_FAILS)]
        named = [label for label in failing if label not in columns and len(failing) < len(self.parts)]
        text = self.verdict + (f" ({', '.join(named)})" if named else "")
        known = sum(part.verdict != NONE for part in self.parts.values())
        return text if known in (0, len(self.parts)) else f"{text}, {known} of {len(self.parts)} parts"

    @property
    def runs(self):
        return {name: count for part in self.parts.values() for name, count in part.runs.items()}

    @property
    def n(self):
        return span(self.runs)

    @property
    def numbers(self):
        return self.numbers_without()

    def numbers_without(self, columns=()):
        """The numbers of all parts, with the verdicts of parts that are not `columns`, and what a verdict needs first."""
        verdicts = {
            label: "" if label in columns else f" ({part.verdict}, n {part.n})" for label, part in self.parts.items()
        }
        known = {label: part.numbers for label, part in self.parts.items() if part.numbers}
        text = [f"{label}{verdicts[label]}: {numbers}" if label else numbers for label, numbers in known.items()]
        return "; ".join(text + [f"needs {part.needs}" for part in self.parts.values() if part.needs][:1])


def span(runs):
    """The numbers of runs of several experiments: `10-13`, `5` where all have as many, `-` for no experiment."""
    return "-".join(map(str, dict.fromkeys((min(runs.values()), max(runs.values()))))) if runs else "-"


# ---------------------------------------------------------------------------------------------------------------------
# Verdicts


class Claims(dict):
    """number -> Claim."""

    def __init__(self, subject="", *others):
        """An empty collection for a subject, or all claims of `others`. Raises ValueError where two have one number."""
        self.subject = subject
        for claim in (claim for other in others for claim in other.values()):
            self._add(claim)

    def __call__(self, number, text, parts=(), full_length=False):
        """Decorator of the function that decides claim `number`. `parts`: label -> its argument."""

        def register(function):
            self._add(Claim(self.subject, number, text, function, dict(parts), full_length))
            return function

        return register

    def _add(self, claim):
        if claim.number in self:
            raise ValueError(f"two claims have number {claim.number}: {self[claim.number].text!r} and {claim.text!r}")
        self[claim.number] = claim

    def ledger(self, evidence):
        """One Finding per claim, in order."""
        return [finding(self[number], evidence) for number in sorted(self)]


def finding(claim, evidence):
    """The Finding of a Claim."""
    arguments = {label: (argument,) for label, argument in claim.parts.items()} or {"": ()}
    parts = {label: _part(claim, evidence, argument) for label, argument in arguments.items()}
    return Finding(claim.subject, claim.number, claim.text, evidence.scale, parts)


def _part(claim, evidence, argument):
    if claim.full_length and evidence.scale != "paper":
        return Part(NONE, "", {}, "runs of full length")
    e = evidence.lenient(LEAST)
    e.require(evidence.scale == "paper", "runs at the paper's scale")
    try:
        holds, numbers = claim.decide(e, *argument)
    except Missing as missing:
        return Part(NONE, "", {}, str(missing))
    if_holds, if_fails = (LEANS_HOLDS, LEANS_FAILS) if e.lacking else (HOLDS, FAILS)
    verdict = NONE if holds is None else if_holds if holds else if_fails
    return Part(verdict, numbers, e.used, next(iter(e.lacking), ""))


def combined(verdicts):
    """The verdict of a claim whose parts have the verdicts `verdicts`."""
    if all(verdict == HOLDS for verdict in verdicts):
        return HOLDS
    order = (FAILS, LEANS_FAILS, LEANS_HOLDS, HOLDS)
    strongest = next((verdict for verdict in order if verdict in verdicts), NONE)
    return LEANS_HOLDS if strongest == HOLDS else strongest  # not all parts are known


# ---------------------------------------------------------------------------------------------------------------------
# The ledger


def best(full, less):
    """The findings of the ledger `full`, with those of `less` where `full` has no evidence and `less` has."""
    return [b if a.verdict == NONE != b.verdict else a for a, b in zip(full, less, strict=True)]


def ledgers(papers, scales):
    """Title of a paper -> its findings, by runs of full length where there are any; `scales`: scale -> Evidence."""
    return {
        paper.title: best(*(paper.claims.ledger(scales[scale]) for scale in ("paper", "reduced")))
        for paper in papers.values()
    }


def counts(ledgers):
    """Data frame: how many claims have each verdict, a row for each of `ledgers`, title -> findings, and one for all."""
    rows = {title: [finding.verdict for finding in ledger] for title, ledger in ledgers.items()}
    rows |= {"all": sum(rows.values(), [])} if len(rows) > 1 else {}
    lines = [
        {"": title, "claims": len(verdicts)} | {verdict: verdicts.count(verdict) for verdict in VERDICTS}
        for title, verdicts in rows.items()
    ]
    return pd.DataFrame(lines).astype(str)


def tables(ledger):
    """Subject -> data frame of text, a row per claim. A part that several claims of a subject have is a column."""
    subjects = {}
    for row in ledger:
        subjects.setdefault(row.subject, []).append(row)
    return {subject: table(findings) for subject, findings in subjects.items()}


def table(ledger):
    """Data frame of text, a row per claim. A part that several claims have is a column: its verdict, and of how many runs."""
    most_parts_first = sorted(ledger, key=lambda row: -len(row.parts))
    labels = [label for row in most_parts_first for label in row.parts if label]
    columns = [label for label in dict.fromkeys(labels) if labels.count(label) > 1]
    lines = [
        {"#": str(row.number), "claim": row.claim, "scale": row.scale, "verdict": row.shown(columns)}
        | {label: _cell(row.parts.get(label)) for label in columns}
        | {"numbers": row.numbers_without(columns), "n": row.n}
        for row in ledger
    ]
    return pd.DataFrame(lines)


def _cell(part):
    return "-" if part is None else part.verdict + (f" (n {part.n})" if part.runs else "")
