"""A draft of an invoice as a form: a head and rows of lines that are added, moved and taken out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from services.console.desk import Form
from services.console.editing import plain_number
from services.console.gateways import Refused
from services.console.words import number

__all__ = [
    "TREATMENTS",
    "Sheet",
    "blank_sheet",
    "body_of",
    "errors_of",
    "label_of",
    "line_totals",
    "read_sheet",
    "rearranged",
    "sheet_of",
]

_ADDRESSEE = ("name", "contact_name", "address_lines", "billing_note")
HEAD = (
    "title",
    "currency",
    "language",
    "due_date",
    "tax_treatment",
    "tax_treatment_reason",
    *(f"addressee.{name}" for name in _ADDRESSEE),
)
LINE = (
    "position",
    "title",
    "description",
    "quantity",
    "unit",
    "unit_price",
    "basis",
    "discount_percent",
    "vat_category",
    "start",
    "last_day",
)
TREATMENTS = {
    "standard": "Standard",
    "reverse_charge": "Reverse charge",
    "export": "Export or out of scope",
    "exempt": "Exempt",
}
_BLANK_LINE = dict.fromkeys(LINE, "") | {
    "quantity": "1",
    "basis": "net",
    "vat_category": "standard",
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """What stands in the editor, as texts.

    Attributes:
        head: field of `HEAD` -> text.
        rows: of lines: field of `LINE` -> text; `position` where a line of the draft has its
            place, whose booking it stays.
        version: of the draft when it was opened; empty for one that is still to be made.
        focus: the field where typing goes on after a row has been added or moved.
    """

    head: Mapping[str, str]
    rows: Sequence[Mapping[str, str]]
    version: str = ""
    focus: str = ""


def blank_sheet(currency: str, language: str) -> Sheet:
    head = dict.fromkeys(HEAD, "") | {"currency": currency, "language": language}
    return Sheet(head, (_BLANK_LINE,))


def sheet_of(invoice: Mapping[str, Any]) -> Sheet:
    """A draft as it is stored; the treatment only where somebody has chosen it."""
    head = {name: str(invoice.get(name) or "") for name in HEAD}
    if not head["tax_treatment_reason"]:
        head["tax_treatment"] = ""
    for name, value in (invoice["addressee"] or {}).items():
        text = "\n".join(value) if isinstance(value, list) else str(value or "")
        head[f"addressee.{name}"] = text
    return Sheet(head, tuple(map(_row, invoice["lines"])), str(invoice["version"]))


def _row(line: Mapping[str, Any]) -> dict[str, str]:
    row = {name: str(line.get(name) or "") for name in LINE}
    row |= {name: number(row[name]) for name in ("quantity", "discount_percent")}
    row["unit_price"] = number(row["unit_price"], 2 if "." in number(row["unit_price"]) else 0)
    if row["discount_percent"] == "0":
        row["discount_percent"] = ""
    if period := line["period"]:
        last = date.fromisoformat(period["end"]) - timedelta(days=1)
        row |= {"start": period["start"], "last_day": last.isoformat()}
    return row


def read_sheet(form: Form) -> Sheet:
    rows = tuple({name: form[f"line.{n}.{name}"] for name in LINE} for n in form.all("row"))
    version = form["version"] if form["version"].isdecimal() else ""
    return Sheet({name: form[name] for name in HEAD}, rows, version)


def rearranged(sheet: Sheet, act: str) -> Sheet:
    """After a button that only changes the form: `add`, or `remove`, `up`, `down` and a row."""
    verb, _, number = act.partition(":")
    rows, at = list(sheet.rows), int(number) if number.isdecimal() else -1
    if verb == "add":
        like = {name: rows[-1][name] for name in ("basis", "vat_category")} if rows else {}
        rows.append({**_BLANK_LINE, **like})
        return replace(sheet, rows=tuple(rows), focus=f"line.{len(rows) - 1}.title")
    if not 0 <= at < len(rows):
        return sheet
    if verb == "remove":
        del rows[at]
        return replace(sheet, rows=tuple(rows), focus="add")
    to = at + {"up": -1, "down": 1}.get(verb, 0)
    if 0 <= to < len(rows):
        rows[at], rows[to] = rows[to], rows[at]
        return replace(sheet, rows=tuple(rows), focus=f"{verb}.{to}")
    return sheet


def body_of(sheet: Sheet) -> dict[str, Any]:
    """As the API takes it; a row with neither title nor price is not meant.

    Raises:
        Refused: a day is none.
    """
    head = sheet.head
    body: dict[str, Any] = {
        "title": head["title"],
        "due_date": head["due_date"] or None,
        "lines": [_line(n, row) for n, row in _meant(sheet)],
    }
    body |= {name: head[name] for name in _AS_USUAL if head[name]}
    if addressee := _addressee(head):
        body["addressee"] = addressee
    return body


_AS_USUAL = ("language", "tax_treatment", "tax_treatment_reason")
"""Empty: as it follows from the customer."""


def _addressee(head: Mapping[str, str]) -> dict[str, Any]:
    """Nothing where nothing was typed: then the customer's own is printed."""
    typed: dict[str, Any] = {name: head[f"addressee.{name}"] for name in _ADDRESSEE}
    if not any(typed.values()):
        return {}
    lines = [line.strip() for line in typed["address_lines"].splitlines() if line.strip()]
    return {**typed, "address_lines": lines, "billing_note": typed["billing_note"] or None}


def _meant(sheet: Sheet) -> Iterable[tuple[int, Mapping[str, str]]]:
    return ((n, row) for n, row in enumerate(sheet.rows) if row["title"] or row["unit_price"])


def _line(number: int, row: Mapping[str, str]) -> dict[str, Any]:
    line: dict[str, Any] = {
        **{name: row[name] for name in ("title", "description", "unit", "basis", "vat_category")},
        "quantity": plain_number(row["quantity"]) or "1",
        "unit_price": plain_number(row["unit_price"]),
        "discount_percent": plain_number(row["discount_percent"]) or "0",
    }
    if row["position"].isdecimal():
        line["position"] = int(row["position"])
    if row["start"] or row["last_day"]:
        end = _day(row["last_day"])
        if end is None:
            rule = {"field": f"line.{number}.last_day", "rule": "must be a day"}
            raise Refused(422, {"detail": "", "errors": [rule]})
        line["period"] = {"start": row["start"], "end": (end + timedelta(days=1)).isoformat()}
    return line


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found < date.max else None


_PERIOD = {"period.start": "start", "period.end": "last_day", "period": "last_day"}


def errors_of(refused: Refused, sheet: Sheet) -> dict[str, str]:
    """Rules by field of the form: the API counts only the lines that it was given."""
    meant = [n for n, _ in _meant(sheet)]
    found = {}
    for error in refused.problem.get("errors", ()):
        name, rule = str(error["field"]), str(error["rule"])
        if name.startswith("lines["):
            index, _, field = name.removeprefix("lines[").partition("]")
            if index.isdecimal() and int(index) < len(meant):
                field = field.removeprefix(".")
                name = f"line.{meant[int(index)]}.{_PERIOD.get(field, field) or 'title'}"
        found[name] = rule
    return found


def label_of(field: str) -> str:
    """A field of the form in words: `line.0.unit_price` -> `Line 1, unit price`."""
    parts = field.removeprefix("line.").partition(".")
    words = (parts[2] if field.startswith("line.") else field).replace("_", " ")
    return f"Line {int(parts[0]) + 1}, {words}" if field.startswith("line.") else words.capitalize()


def line_totals(sheet: Sheet, lines: Sequence[Mapping[str, Any]]) -> dict[int, Any]:
    """Row -> what billing says that its line comes to."""
    return {n: line["total"] for (n, _), line in zip(_meant(sheet), lines, strict=False)}
