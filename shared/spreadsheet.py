"""Rows of a CSV file (RFC 4180) that a spreadsheet may open without running what is in it."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from io import StringIO
from typing import Any

from shared.errors import InputInvalid

__all__ = ["BadRow", "Cell", "Row", "csv_text", "neutralised", "read_csv", "restored"]

# What spreadsheets take for a formula (OWASP, "CSV Injection"). Apostrophes before it count too,
# or a cell that has one of its own would lose it on the way back.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")

Cell = str | Decimal


@dataclass(frozen=True, slots=True)
class Row:
    """`line` is where it begins, the header being line 1."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BadRow:
    line: int
    field: str
    rule: str


def neutralised(cell: str) -> str:
    """The cell with an apostrophe before it where a spreadsheet would take it for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def restored(cell: str) -> str:
    """What `neutralised` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def csv_text(rows: Iterable[Sequence[Cell]]) -> str:
    text = StringIO(newline="")
    csv.writer(text).writerows(map(_cell, row) for row in rows)
    return text.getvalue()


def _cell(cell: Cell) -> str:
    # A number of ours is no formula, even where it begins with a minus.
    return neutralised(cell) if isinstance(cell, str) else format(cell, "f")


def read_csv(content: bytes, columns: Sequence[str]) -> Iterator[Row | BadRow]:
    """The rows of a file with any of these columns; empty lines are passed over.

    The separator is a comma, or a semicolon where the header has one.

    Raises:
        InputInvalid: it is no UTF-8, no CSV, or has an unknown or repeated column.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputInvalid("body", f"must be UTF-8 (byte {error.start} is not)") from error
    semicolons = ";" in text.partition("\n")[0]
    reader = csv.reader(
        StringIO(text, newline=""), strict=True, delimiter=";" if semicolons else ","
    )
    header = [name.strip() for name in next(_lines(reader), (1, []))[1]]
    _check_header(header, columns)
    for line, cells in _lines(reader):
        if len(cells) != len(header):
            rule = f"has {len(cells)} cells where the header has {len(header)}"
            yield BadRow(line, "", rule)
        else:
            yield Row(line, dict(zip(header, map(restored, cells), strict=True)))


def _lines(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, each with the line it begins in."""
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputInvalid("body", f"must be CSV (line {line}: {error})") from error
        if any(cells):
            yield line, cells


def _check_header(header: Sequence[str], columns: Sequence[str]) -> None:
    if not header:
        raise InputInvalid("header", f"must name columns out of {', '.join(columns)}")
    if unknown := [name for name in header if name not in columns]:
        raise InputInvalid("header", f"has the unknown column {unknown[0][:50]!a}")
    if len(set(header)) < len(header):
        raise InputInvalid("header", "must name each column once")
