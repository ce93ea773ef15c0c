"""The seller's settings as a form: texts, and rows of the VAT table."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from services.console.desk import Form
from services.console.editing import plain_number
from services.console.gateways import Refused

__all__ = [
    "BLANK_SELLER",
    "SellerSheet",
    "body_of",
    "errors_of",
    "read_seller",
    "rearranged",
    "seller_sheet",
]

_TEXTS = (
    "company_name",
    "brand_name",
    "country",
    "time_zone",
    "email",
    "vat_id",
    "iban",
    "footer",
    "brand_color",
)
_SERIES = ("invoice_numbers", "credit_note_numbers")
_OTHERS = (
    "address_lines",
    "registrations",
    "due_days",
    "rounding",
    *(f"{series}.{part}" for series in _SERIES for part in ("prefix", "start", "yearly")),
)
_ONLY_SHOWN = {"version", "logo_sha256"}
RATE = ("country", "category", "percent", "valid_from", "last_day")
_ROUNDING = re.compile(r"\s*([A-Za-z]{3})\s*[:=]?\s*(\d{1,6})\s*")
BLANK_SELLER: Mapping[str, Any] = {
    **dict.fromkeys(_TEXTS, ""),
    "country": "CH",
    "address_lines": [],
    "registrations": [],
    "due_days": 10,
    "rounding_minor": {},
    "vat_rates": [],
    "invoice_numbers": {"prefix": "INV", "start": 1, "yearly": True},
    "credit_note_numbers": {"prefix": "CN", "start": 1, "yearly": True},
    "logo_sha256": None,
    "version": 0,
}
"""Before anybody has saved settings."""


@dataclass(frozen=True, slots=True)
class SellerSheet:
    """What stands in the form; of a rate people say the last day, the API the day after it."""

    texts: Mapping[str, str]
    rates: Sequence[Mapping[str, str]]
    version: str = ""
    focus: str = ""


def seller_sheet(seller: Mapping[str, Any]) -> SellerSheet:
    """The settings as they are stored."""
    texts = {name: str(seller[name]) for name in _TEXTS}
    texts |= {
        "address_lines": "\n".join(seller["address_lines"]),
        "registrations": ", ".join(seller["registrations"]),
        "due_days": str(seller["due_days"]),
        "rounding": ", ".join(f"{code} {step}" for code, step in seller["rounding_minor"].items()),
    }
    for name in _SERIES:
        series = seller[name]
        texts |= {f"{name}.{part}": str(series[part]) for part in ("prefix", "start")}
        texts[f"{name}.yearly"] = "on" if series["yearly"] else ""
    return SellerSheet(texts, tuple(map(_row, seller["vat_rates"])), str(seller["version"]))


def _row(rate: Mapping[str, Any]) -> dict[str, str]:
    percent = str(rate["percent"])
    percent = percent.rstrip("0").rstrip(".") if "." in percent else percent
    ends = rate["valid_to"]
    last = date.fromisoformat(ends) - timedelta(days=1) if ends else ""
    kept = {name: str(rate[name]) for name in ("country", "category", "valid_from")}
    return {**kept, "percent": percent, "last_day": str(last)}


def read_seller(form: Form) -> SellerSheet:
    rates = tuple({name: form[f"rate.{n}.{name}"] for name in RATE} for n in form.all("row"))
    version = form["version"] if form["version"].isdecimal() else ""
    return SellerSheet({name: form[name] for name in (*_TEXTS, *_OTHERS)}, rates, version)


def rearranged(sheet: SellerSheet, act: str) -> SellerSheet:
    """After a button that only changes the form: `add`, or `remove` and a row."""
    verb, _, number = act.partition(":")
    rates, at = list(sheet.rates), int(number) if number.isdecimal() else -1
    if verb == "add":
        blank = dict.fromkeys(RATE, "") | {"country": sheet.texts["country"]}
        focus = f"rate.{len(rates)}.country"
        return replace(sheet, rates=(*rates, {**blank, "category": "standard"}), focus=focus)
    if verb == "remove" and 0 <= at < len(rates):
        del rates[at]
        return replace(sheet, rates=tuple(rates), focus="add")
    return sheet


def body_of(sheet: SellerSheet, current: Mapping[str, Any]) -> dict[str, Any]:
    """As the API takes it; what the form does not show stays as it is.

    Raises:
        Refused: what stands under rounding or a last day means nothing.
    """
    texts = sheet.texts
    body = {name: value for name, value in current.items() if name not in _ONLY_SHOWN}
    body |= {name: texts[name] for name in _TEXTS}
    body |= {
        "address_lines": [line.strip() for line in texts["address_lines"].splitlines() if line],
        "registrations": texts["registrations"].upper().replace(",", " ").split(),
        "due_days": int(texts["due_days"]) if texts["due_days"].isdecimal() else texts["due_days"],
        "rounding_minor": _rounding(texts["rounding"]),
        "vat_rates": [_rate(n, row) for n, row in enumerate(sheet.rates)],
    }
    for name in _SERIES:
        body.pop(name, None)
        if texts[f"{name}.prefix"]:
            body[name] = _series(texts, name)
    return body


def _rounding(text: str) -> dict[str, int]:
    steps = [_ROUNDING.fullmatch(part) for part in text.split(",") if part.strip()]
    if not all(steps):
        raise _broken("rounding", "must be currencies and steps such as CHF 5")
    return {step[1].upper(): int(step[2]) for step in steps if step}


def _rate(number: int, row: Mapping[str, str]) -> dict[str, Any]:
    try:
        last = date.fromisoformat(row["last_day"]) if row["last_day"] else None
        ends = (last + timedelta(days=1)).isoformat() if last else None
    except (ValueError, OverflowError):
        raise _broken(f"rate.{number}.last_day", "must be a day") from None
    return {
        "country": row["country"].upper(),
        "category": row["category"],
        "percent": plain_number(row["percent"]),
        "valid_from": row["valid_from"],
        "valid_to": ends,
    }


def _series(texts: Mapping[str, str], name: str) -> dict[str, Any]:
    prefix, start = texts[f"{name}.prefix"].upper(), texts[f"{name}.start"]
    first = int(start) if start.isdecimal() else start or 1
    return {"prefix": prefix, "start": first, "yearly": texts[f"{name}.yearly"] == "on"}


def _broken(field: str, rule: str) -> Refused:
    return Refused(422, {"detail": "", "errors": [{"field": field, "rule": rule}]})


_OTHER_NAMES = {"rounding_minor": "rounding", "vat_rates": "rates"}


def errors_of(refused: Refused) -> dict[str, str]:
    """Rules by field of the form."""
    found = {}
    for error in refused.problem.get("errors", ()):
        name, rule = str(error["field"]), str(error["rule"])
        if match := re.fullmatch(r"vat_rates\[(\d+)\]\.?(\w*)", name):
            field = {"valid_to": "last_day", "": "country"}.get(match[2], match[2])
            name = f"rate.{match[1]}.{field}"
        elif not name.startswith(_SERIES):
            name = re.split(r"[.\[]", name)[0]
        found[_OTHER_NAMES.get(name, name)] = rule
    return found
