"""CSV out and in again: nothing is lost, and no cell is a formula."""

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InputInvalid
from shared.spreadsheet import (
    BadRow,
    Row,
    csv_text,
    neutralised,
    read_csv,
    restored,
)

COLUMNS = ("a", "b", "c")
cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def read(text: str) -> list[Row | BadRow]:
    return list(read_csv(text.encode(), COLUMNS))


@pytest.mark.parametrize("cell", ["=1+1", "+41335550123", "-5", "@SUM(A1)", "\tx", "\rx", "\nx"])
def test_a_formula_gets_an_apostrophe_and_loses_it_again(cell: str) -> None:
    assert neutralised(cell) == f"'{cell}"
    assert restored(neutralised(cell)) == cell


@pytest.mark.parametrize("cell", ["", "Bern", "O'Neil", "'s Gravenhage", "a=b", "''", "'"])
def test_what_is_no_formula_stays(cell: str) -> None:
    assert neutralised(cell) == restored(cell) == cell


def test_an_apostrophe_of_its_own_is_not_lost() -> None:
    assert restored(neutralised("'=1+1")) == "'=1+1"


@given(st.lists(st.tuples(cells, cells, cells).filter(any), max_size=10))
def test_what_was_written_is_read(rows: list[tuple[str, str, str]]) -> None:
    found = list(read_csv(csv_text([COLUMNS, *rows]).encode(), COLUMNS))

    assert [tuple(row.cells.values()) for row in found if isinstance(row, Row)] == rows
    assert len(found) == len(rows)


@given(st.lists(st.tuples(cells, cells, cells), max_size=10))
def test_no_cell_begins_like_a_formula(rows: list[tuple[str, str, str]]) -> None:
    for row in csv.reader(StringIO(csv_text(rows), newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in row)


def test_a_row_has_the_line_it_begins_in() -> None:
    found = read('a,b\n1,"x\ny"\n\n2,z\n3\n')

    assert found[0] == Row(2, {"a": "1", "b": "x\ny"})
    assert found[1] == Row(5, {"a": "2", "b": "z"})
    assert found[2] == BadRow(6, "", "has 1 cells where the header has 2")


@pytest.mark.parametrize("text", ["\ufeffb,a\r\n1,2\r\n", "b;a\n1;2\n", ' b , a \n"1","2"'])
def test_spreadsheets_have_their_ways(text: str) -> None:
    assert read(text) == [Row(2, {"b": "1", "a": "2"})]


@pytest.mark.parametrize(
    ("content", "field", "rule"),
    [
        (b"", "header", "must name columns"),
        (b"\n\n", "header", "must name columns"),
        (b"a,d\n", "header", "unknown column 'd'"),
        (b"a,\n", "header", "unknown column ''"),
        (b"a,b,a\n", "header", "once"),
        (b"a\n\xff\n", "body", "UTF-8"),
        (b'a\n"x', "body", "line 2"),
        (b'a\n"x"y\n', "body", "line 2"),
        (b"a\n" + b"x" * 200_000, "body", "field larger"),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, field: str, rule: str) -> None:
    with pytest.raises(InputInvalid) as refusal:
        list(read_csv(content, COLUMNS))

    (error,) = refusal.value.errors
    assert error.field == field
    assert rule in error.rule
