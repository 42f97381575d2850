"""The sections of pages on exported and compact networks, from the committed measurements."""

import pytest
from conftest import ROOT

from tf_supermask.evidence import measured_sizes
from tf_supermask.evidence.benchmarks import measurements


@pytest.mark.parametrize(
    "make", (*measured_sizes.SIZES, measured_sizes.microcontroller), ids=lambda make: make.__name__
)
def test_committed_measurements_make_a_section(make):
    heading, tables, notes = make(ROOT / "benchmarks")
    assert heading and notes and tables
    for table in tables.values():
        assert len(table) and all(isinstance(value, (str, int)) for value in table.to_numpy().ravel())


def test_each_run_has_a_line_for_each_kind_of_code():
    runs = set(measurements(ROOT / "benchmarks", "microcontroller")) - {"environment"}
    _, tables, _ = measured_sizes.microcontroller(ROOT / "benchmarks")
    sizes = tables["text + rodata + bss, bytes"]
    assert sorted(sizes["for"]) == sorted(["size", "speed"] * len(runs)) and sizes["network"].nunique() == len(runs)
