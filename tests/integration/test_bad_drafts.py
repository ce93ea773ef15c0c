# ruff: noqa: E501 - tables with one case per line
"""Bad input for invoices by hand names the field and the rule, and changes nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.steps import Watch, new_customer
from tests.system import System, eventually

UNKNOWN = "01900000-0000-7000-8000-00000000dead"
TODAY = datetime.now(UTC).date()
LONG_AGO, FAR = "2020-01-31", str(TODAY + timedelta(days=90))


@dataclass(frozen=True)
class World:
    """A draft with two lines, one of EUR without any, an open invoice and its correction."""

    ids: dict[str, str]
    watch: Watch


@pytest.fixture(scope="module")
async def world(system: System) -> AsyncIterator[World]:
    await system.seeded()
    customer, other = [(await new_customer(system))["id"] for _ in range(2)]
    drafts: dict[str, Any] = {
        "draft": {"lines": [line(), line()]},
        "empty": {"currency": "EUR"},
        "open": {"lines": [line()]},
        "negative": {"lines": [line(quantity="-1")]},
    }
    ids = {
        name: (await system.post("/invoices", {"customer_id": customer, **body}))["id"]
        for name, body in drafts.items()
    }
    await system.post(f"/invoices/{ids['open']}/finalize", expect=200)
    await eventually(lambda: drawn(system, ids["open"]), "the document, which changes rows")
    ids |= {"customer": customer, "other": other, "unknown": UNKNOWN}
    async with Watch(system) as watch:
        yield World(ids, watch)


async def drawn(system: System, invoice_id: str) -> bool | None:
    return (await system.api.get(f"/invoices/{invoice_id}/pdf")).is_success or None


def line(**different: Any) -> dict[str, Any]:
    return {"title": "Beratung", "unit_price": "100.00", **different}


def new(*lines: dict[str, Any], **different: Any) -> dict[str, Any]:
    return {"customer_id": "{customer}", "lines": lines or [line()], **different}


def period(start: Any, end: Any) -> dict[str, Any]:
    return line(period={"start": start, "end": end})


def override(**different: Any) -> dict[str, Any]:
    return {**new(tax_treatment="exempt", tax_treatment_reason="Ausbildung"), **different}


def addressee(**different: Any) -> dict[str, Any]:
    return new(addressee={"name": "Treuhand AG", "address_lines": ["Bern"], **different})


@dataclass(frozen=True)
class Case:
    name: str
    body: Any
    field: str = ""
    rule: str = ""
    path: str = "/invoices"
    method: str = "POST"
    status: int = 422
    code: str = "input_invalid"
    if_match: str = ""


DRAFT, EMPTY, OPEN = "/invoices/{draft}", "/invoices/{empty}", "/invoices/{open}"
GONE = "/invoices/{unknown}"
LINES, DUE = f"{DRAFT}/lines", f"{OPEN}/due-date"

CASES = [
    Case("no customer", {"lines": []}, "customer_id", "required"),
    Case("unknown customer", new(customer_id=UNKNOWN), "customer_id", "must be a customer"),
    Case("customer that is no id", new(customer_id="K-1"), "customer_id"),
    Case("unknown currency", new(currency="CHX"), "currency", "ISO 4217"),
    Case("currency without money", new(currency="XAU"), "currency", "ISO 4217"),
    Case("unknown language", new(language="xx"), "language", "ISO 639-1"),
    Case("long title", new(title="x" * 201), "title", "200"),
    Case("unknown field", new(number="INV-2026-9999"), "number", "not permitted"),
    Case("a state of one's own", new(state="paid"), "state", "not permitted"),
    Case("NUL in the title", new(title="a\0b"), "title", "NUL"),
    Case("due before today", new(due_date=LONG_AGO), "due_date", "must not be before"),
    Case("due on no day", new(due_date="2027-02-29"), "due_date"),
    Case("unknown treatment", new(tax_treatment="none", tax_treatment_reason="x"), "tax_treatment"),
    Case("treatment without a reason", new(tax_treatment="exempt"), "tax_treatment_reason", "must say why"),
    Case("empty reason", override(tax_treatment_reason=""), "tax_treatment_reason", "must say why"),
    Case("reason without a treatment", override(tax_treatment=None), "tax_treatment", "given with a reason"),
    Case("addressee without a name", addressee(name=""), "addressee.name"),
    Case("addressee without an address", addressee(address_lines=[]), "addressee.address_lines"),
    Case("addressee in another country", addressee(country="DE"), "addressee.country", "not permitted"),
    Case("10,000 lines", new(*[{"title": "a", "unit_price": "1"}] * 10_000), "lines", "at most 1000"),
    Case("text of 100 KB", new(line(description="x" * 100_000)), "lines[0].description", "2000"),
    Case("long line title", new(line(title="x" * 201)), "lines[0].title", "200"),
    Case("no line title", new(line(), line(title="")), "lines[1].title"),
    Case("no price", new({"title": "A"}), "lines[0].unit_price", "required"),
    Case("price as a number", new(line(unit_price=1.5)), "lines[0].unit_price", "decimal string"),
    Case("price that is none", new(line(unit_price="NaN")), "lines[0].unit_price"),
    Case("price without end", new(line(unit_price="1e999999999")), "lines[0].unit_price"),
    Case("price of five decimals", new(line(unit_price="0.00001")), "lines[0].unit_price", "at most 4 decimals"),
    Case("quantity 0", new(line(quantity="0")), "lines[0].quantity", "must not be 0"),
    Case("quantity -0.000", new(line(quantity="-0.000")), "lines[0].quantity", "must not be 0"),
    Case("quantity of seven decimals", new(line(quantity="0.0000001")), "lines[0].quantity", "at most 6 decimals"),
    Case("quantity above the limit", new(line(quantity="1000000001")), "lines[0].quantity", "must be -1000000000"),
    Case("discount above 100 %", new(line(discount_percent="100.01")), "lines[0].discount_percent", "must be 0 to 100"),
    Case("negative discount", new(line(discount_percent="-1")), "lines[0].discount_percent", "must be 0 to 100"),
    Case("neither net nor gross", new(line(basis="brutto")), "lines[0].basis"),
    Case("a rate of one's own, VAT 100 %", new(line(vat_percent="100")), "lines[0].vat_percent", "not permitted"),
    Case("category without rate", new(line(), line(vat_category="books")), "lines[1].vat_category", "no rate for books in CH"),
    Case("rate of a day before the table", new(period("1999-01-01", "1999-02-01")), "lines[0].vat_category", "1999-01-01"),
    Case("period out of order", new(period("2026-04-01", "2026-03-01")), "lines[0].period", "end must be after start"),
    Case("empty period", new(period("2026-03-01", "2026-03-01")), "lines[0].period", "end must be after start"),
    Case("period without end", new(line(period={"start": "2026-03-01"})), "lines[0].period.end"),
    Case("a subscription of one's own", new(line(subscription_id=UNKNOWN)), "lines[0].subscription_id", "not permitted"),
    Case("line above the limit", new(line(unit_price="1000000000000", quantity="10")), "lines[0].total", "10^15"),
    Case("total above the limit", new(*[line(unit_price="900000000000", quantity="9")] * 2), "total", "10^15"),
    Case("total below the limit", new(*[line(unit_price="-900000000000", quantity="9")] * 2), "total", "10^15"),
    Case("bad when tried, too", new(line(quantity="0")), "lines[0].quantity", path="/invoices?dry_run=true"),
    # -- edits
    Case("another customer", {"customer_id": "{other}"}, "customer_id", "cannot change", DRAFT, "PUT"),
    Case("another currency after lines", {"currency": "EUR"}, "currency", "must be CHF", DRAFT, "PUT"),
    Case("another currency, tried", {"currency": "EUR"}, "currency", "must be CHF", f"{DRAFT}?dry_run=true", "PUT"),
    Case("unknown currency before lines", {"currency": "EUX"}, "currency", "ISO 4217", EMPTY, "PUT"),
    Case("place of no line", {"lines": [line(position=3)]}, "lines[0].position", "must be a line of the draft", DRAFT, "PUT"),
    Case("place of one line twice", {"lines": [line(position=1)] * 2}, "lines[1].position", "once", DRAFT, "PUT"),
    Case("line 0", {"lines": [line(position=0)]}, "lines[0].position", "greater", DRAFT, "PUT"),
    Case("1,001 lines", {"lines": [line()] * 1001}, "lines", "at most 1000", DRAFT, "PUT"),
    Case("due before today, edited", {"due_date": LONG_AGO}, "due_date", "must not be before", DRAFT, "PUT"),
    Case("stale", {}, path=DRAFT, method="PUT", status=412, code="version_changed", if_match='"7"'),
    Case("no version", {}, "If-Match", "ETag", DRAFT, "PUT", if_match="seven"),
    Case("edit of nothing", {}, path=GONE, method="PUT", status=404, code="invoice_not_found"),
    Case("edit of an invoice", {}, path=OPEN, method="PUT", status=409, code="invoice_open"),
    Case("bad line added", line(quantity="0"), "quantity", "must not be 0", LINES),
    Case("line with a position added", line(position=1), "position", "not permitted", LINES),
    Case("line added to an invoice", line(), path=f"{OPEN}/lines", status=409, code="invoice_open"),
    Case("nothing to change", {}, "body", "at least one field", f"{LINES}/1", "PATCH"),
    Case("no quantity", {"quantity": None}, "quantity", "", f"{LINES}/1", "PATCH"),
    Case("quantity 0, changed", {"quantity": "0"}, "quantity", "must not be 0", f"{LINES}/1", "PATCH"),
    Case("no rate, changed", {"vat_category": "books"}, "lines[0].vat_category", "no rate", f"{LINES}/1", "PATCH"),
    Case("change of no line", {"title": "A"}, path=f"{LINES}/3", method="PATCH", status=404, code="line_not_found"),
    Case("removal of no line", None, path=f"{LINES}/0", method="DELETE", status=404, code="line_not_found"),
    Case("order without a line", {"positions": [1]}, "positions", "each of the 2 lines once", f"{LINES}/order"),
    Case("order with a line twice", {"positions": [1, 1]}, "positions", "once", f"{LINES}/order"),
    Case("order of others", {"positions": [2, 3]}, "positions", "once", f"{LINES}/order"),
    # -- and what becomes of them
    Case("another total", {"expected_total": {"amount": "1.00", "currency": "CHF"}}, path=f"{DRAFT}/finalize", status=409, code="amount_changed"),
    Case("another currency's total", {"expected_total": {"amount": "216.20", "currency": "EUR"}}, path=f"{DRAFT}/finalize", status=409, code="amount_changed"),
    Case("no lines", None, path=f"{EMPTY}/finalize", status=409, code="draft_empty"),
    Case("negative total", None, path="/invoices/{negative}/finalize", status=409, code="total_negative"),
    Case("negative total, tried", None, path="/invoices/{negative}/finalize?dry_run=true", status=409, code="total_negative"),
    Case("finalise an invoice", None, path=f"{OPEN}/finalize", status=409, code="invoice_open"),
    Case("finalise nothing", None, path=f"{GONE}/finalize", status=404, code="invoice_not_found"),
    Case("correct nothing", None, path=f"{GONE}/correct", status=404, code="invoice_not_found"),
    Case("correct a draft", None, path=f"{DRAFT}/correct", status=409, code="invoice_draft"),
    Case("delete nothing", None, path=GONE, method="DELETE", status=404, code="invoice_not_found"),
    Case("void a draft", None, path=f"{DRAFT}/void", status=409, code="invoice_draft"),
    Case("long reason", {"reason": "x" * 301}, "reason", "300", f"{OPEN}/void"),
    Case("due in the past", {"due_date": LONG_AGO}, "due_date", "must not be before", DUE),
    Case("due never", {}, "due_date", "required", DUE),
    Case("due on no day at all", {"due_date": "tomorrow"}, "due_date", "", DUE),
    Case("long reason for more time", {"due_date": FAR, "reason": "x" * 301}, "reason", "300", DUE),
    Case("more time for a draft", {"due_date": FAR}, path=f"{DRAFT}/due-date", status=409, code="invoice_draft"),
    Case("more time for nothing", {"due_date": FAR}, path=f"{GONE}/due-date", status=404, code="invoice_not_found"),
]  # fmt: skip


def filled(value: Any, ids: dict[str, str]) -> Any:
    """With the ids of the world in the places of their names."""
    if isinstance(value, str):
        return ids.get(value[1:-1], value) if value.startswith("{") else value
    return {**value, **{k: filled(v, ids) for k, v in value.items() if isinstance(v, str)}}


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
async def test_a_bad_draft_is_refused(system: System, world: World, case: Case) -> None:
    headers = {"If-Match": case.if_match} if case.if_match else {}
    body = None if case.body is None else filled(case.body, world.ids)
    path = case.path.format(**world.ids)
    async with world.watch.nothing_changes():
        answer = await system.api.request(case.method, path, json=body, headers=headers)

    assert answer.status_code == case.status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["status"], told["type"]) == (case.status, f"urn:kontor:problem:{case.code}")
    assert told["detail"]
    if case.field:
        errors = {error["field"]: error["rule"] for error in told["errors"]}
        assert case.field in errors, errors
        assert case.rule in errors[case.field]


async def test_what_is_unusual_is_taken(system: System, world: World) -> None:
    """The other side of the limits above."""
    customer = world.ids["customer"]
    seller = await system.get("/settings/seller")
    for told_only in ("version", "logo_sha256"):
        seller.pop(told_only)
    whole = {"country": "CH", "category": "luxury", "percent": "100", "valid_from": "2024-01-01"}
    changed = {**seller, "vat_rates": [*seller["vat_rates"], whole]}
    assert (await system.api.put("/settings/seller", json=changed)).is_success
    for lines, total in (
        ([line(vat_category="luxury")], "200.00"),
        ([line(vat_category="luxury", basis="gross")], "100.00"),
        ([line(), line(quantity="-2")], "-108.10"),
        ([line(discount_percent="100")], "0.00"),
        ([line(unit_price="1")] * 1000, "1081.00"),
        ([line(title="=SUM(A1)", description="<b>x</b>\n{{7*7}}")], "108.10"),
    ):
        made = await system.post("/invoices", {"customer_id": customer, "lines": lines})
        assert made["total"]["amount"] == total
    euros = {"currency": "EUR", "lines": []}
    empty = await system.api.put(
        f"/invoices/{world.ids['empty']}", json={**euros, "currency": "JPY"}
    )
    assert empty.json()["currency"] == "JPY"
