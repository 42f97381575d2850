"""The numbers in the headers of files."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_supermask.deploy import header_bits
from tf_supermask.deploy.header_bits import Reader, Writer, read, write

BYTE = st.integers(0, 255)
LIST = st.lists(st.integers(0, 2**33), max_size=20)
HEADERS = st.builds(
    lambda view, scale, levels, histograms, passes: {"view": view, "scale": scale, "codes": [*histograms, *passes]}
    | ({"levels": levels} if levels else {}),
    st.lists(st.integers(1, 2**28), min_size=4, max_size=4),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    LIST,
    st.lists(LIST, min_size=3, max_size=3),
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 2**33), max_size=8),
            st.lists(BYTE, min_size=3, max_size=3),
            BYTE,
            st.integers(0, 2**28),
        ).map(list),
        max_size=9,
    ),
)


@given(st.lists(HEADERS, max_size=3), st.binary(max_size=9))
def test_headers_come_back_and_tell_where_they_end(headers, rest):
    writer = Writer()
    for header in headers:
        write(header, writer)
    reader = Reader(writer.content() + rest)
    assert [read(reader) for _ in headers] == headers and reader.rest() == rest


def test_numbers_are_exponential_golomb_codes():
    """The first codes of order 0 and 2 (H.264, section 9.1), by hand."""
    writer = Writer()
    for value in range(5):
        writer.number(value)
    writer.fixed(0, 3)
    assert f"{int.from_bytes(writer.content(), 'big'):024b}" == "1" "010" "011" "00100" "00101" "000" "0000"
    writer = Writer()
    for value in (0, 3, 4, 12):
        writer.number(value, 2)
    assert f"{int.from_bytes(writer.content(), 'big'):024b}" == "100" "111" "01000" "0010000" "000000"


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content):
    reader = Reader(content)
    try:
        header = read(reader)
        assert len(header["view"]) == 4 and len(content) >= 4
    except ValueError as error:
        assert "too" in str(error)


def test_lists_and_numbers_without_end_are_refused():
    with pytest.raises(ValueError, match="a number that is too long"):
        Reader(bytes(20)).number()
    writer = Writer()
    writer.numbers(np.zeros(2000, int).tolist())
    with pytest.raises(ValueError, match="a list that is too long"):
        Reader(writer.content()).numbers(1999)


def test_the_numbers_of_a_file_are_bounded(monkeypatch):
    monkeypatch.setattr(header_bits, "MOST_NUMBERS", 10)
    reader = Reader(b"\xff" * 9)
    assert [reader.number() for _ in range(10)] == [0] * 10
    with pytest.raises(ValueError, match="more than 10 numbers"):
        reader.number()
