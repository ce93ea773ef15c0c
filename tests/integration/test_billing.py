"""The billing service: opening, numbers, payments, documents."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from pypdf import PdfReader

from services.billing.use_cases.openings import open_requested_invoices
from services.billing.use_cases.payments import RecordPayment, pay_invoice
from shared.clock import new_id
from shared.database import Database, RolledBack
from shared.errors import InputInvalid
from shared.events import Event
from shared.events.billing import INVOICES, InvoicePaid
from shared.events.subscriptions import INVOICE_REQUESTS, InvoiceRequested
from shared.money import Money
from tests.integration.steps import (
    Sent,
    book_plan,
    customer_created,
    database_of,
    day,
    in_state,
    invoice_requested,
    new_customer,
    no_failure,
    paid,
    send_all,
    stored,
)
from tests.system import System, eventually


@pytest.fixture(autouse=True, scope="module")
async def seeded(system: System) -> None:
    await system.seeded()


@pytest.fixture(scope="module")
async def database(system: System) -> AsyncIterator[Database]:
    async with database_of(system, "billing") as database:
        yield database


async def opened(
    system: System, database: Database, request: InvoiceRequested, now: datetime
) -> Any:
    """Open an invoice at a time of one's own."""
    async with database.transaction() as tx:
        assert not await open_requested_invoices(tx, [request], now=now, new_id=new_id)
    return await system.invoice_of(str(request.request_id))


async def known_customer(system: System, **different: Any) -> UUID:
    return UUID((await new_customer(system, **different))["id"])


async def told(system: System, customer_id: UUID | str, last: str) -> list[Event]:
    """What billing told of a customer, once an event of type `last` is among it."""

    async def look() -> list[Event] | None:
        found = [
            e
            for e in await system.events(INVOICES)
            if e.key == str(customer_id) and e.TYPE != "invoice.document_stored"
        ]
        return found if any(last == e.TYPE for e in found) else None

    return await eventually(look, f"{last} of {customer_id}")


async def drawn(system: System, invoice_id: str) -> Any:
    async def look() -> Any:
        answer = await system.api.get(f"/invoices/{invoice_id}/pdf", params={"original": True})
        return answer if answer.status_code != 409 else None

    return await eventually(look, "the document")


# -- opening -----------------------------------------------------------------------------------


async def test_an_invoice_says_what_was_asked_for_and_adds_up(
    system: System, database: Database
) -> None:
    customer_id = await known_customer(system)
    line = {"quantity": "3", "unit_price": "12.3456", "discount_percent": "10", "unit": "Stück"}
    request = invoice_requested(customer_id, line=line, expected_total=Money(3605, "CHF"))
    now = datetime(2031, 3, 15, 12, tzinfo=UTC)
    invoice = await opened(system, database, request, now)
    # 3 x 12.3456 less 10 % = 33.33; 8.1 % of it = 2.70; 36.03 rounded to 5 Rappen
    assert (
        invoice.items()
        >= {
            "customer_id": str(customer_id),
            "request_id": str(request.request_id),
            "state": "open",
            "currency": "CHF",
            "language": "de",
            "invoice_date": "2031-03-15",
            "due_date": "2031-03-25",
            "tax_treatment": "standard",
            "paid_at": None,
            "voided_at": None,
        }.items()
    )
    money = {name: value["amount"] for name, value in invoice.items() if isinstance(value, dict)}
    assert money == {
        "subtotal": "33.33",
        "rounding": "0.02",
        "total": "36.05",
        "credited": "0.00",
        "credit_used": "0.00",
        "paid": "0.00",
        "surplus": "0.00",
        "open_amount": "36.05",
    }
    (vat,) = invoice["vat"]
    assert (vat["percent"], vat["basis"]) == ("8.1", "net")
    assert [vat[name]["amount"] for name in ("net", "vat", "gross")] == ["33.33", "2.70", "36.03"]
    (row,) = invoice["lines"]
    assert (row["total"]["amount"], row["unit"], row["position"]) == ("33.33", "Stück", 1)
    assert row["subscription_id"] == str(request.lines[0].subscription_id)
    assert row["request_id"] == str(request.request_id)


@pytest.mark.parametrize(
    ("instant", "invoice_date", "percent", "total"),
    [
        # The last minutes of 2023 in the seller's zone still have the old rate.
        ("2023-12-31T22:55", "2023-12-31", "7.7", 5275),
        ("2023-12-31T23:05", "2024-01-01", "8.1", 5295),
    ],
)
async def test_the_day_and_the_rate_are_those_of_the_sellers_zone(
    system: System,
    database: Database,
    instant: str,
    invoice_date: str,
    percent: str,
    total: int,
) -> None:
    customer_id = await known_customer(system, time_zone="America/New_York")
    request = invoice_requested(customer_id, expected_total=Money(total, "CHF"))
    now = datetime.fromisoformat(f"{instant}+00:00")
    invoice = await opened(system, database, request, now)
    assert invoice["invoice_date"] == invoice_date
    assert invoice["vat"][0]["percent"] == percent


async def test_an_invoice_keeps_the_customer_and_the_seller_it_was_opened_with(
    system: System,
) -> None:
    made = await new_customer(system, company_name="Vorher AG")
    booked = await book_plan(system, made["id"], "Team")
    invoice = await system.invoice_of(booked["request_id"])
    first = await drawn(system, invoice["id"])
    seller = await system.get("/settings/seller")
    version = seller.pop("version")
    del seller["logo_sha256"]
    changed = {**seller, "company_name": "Nachher Software AG", "due_days": 77, "vat_rates": []}
    try:
        assert (await system.api.put("/settings/seller", json=changed)).is_success
        edit = {"company_name": "Nachher AG", "country": "DE", "language": "fr"}
        assert (await system.api.patch(f"/customers/{made['id']}", json=edit)).is_success

        async def copied() -> bool | None:
            query = "SELECT 1 FROM customers WHERE id = $1 AND version = 2"
            return True if await stored(system, "billing", query, made["id"]) else None

        await eventually(copied)
        assert await system.get(f"/invoices/{invoice['id']}") == invoice
        snapshot = (
            "SELECT seller->>'company_name', buyer->>'company_name', buyer->>'language' "
            "FROM invoices WHERE id = $1"
        )
        rows = await stored(system, "billing", snapshot, invoice["id"])
        assert rows == [("Musterfirma Software AG", "Vorher AG", "de")]
        assert (await drawn(system, invoice["id"])).content == first.content
        payment = await paid(system, invoice)
        assert payment["invoice"]["state"] == "paid"
    finally:
        answer = await system.api.put("/settings/seller", json=seller)
    assert answer.json()["version"] == version + 2


async def test_requests_of_an_unknown_customer_wait_in_order_until_it_arrives(
    system: System,
) -> None:
    unknown, neighbour = customer_created(), customer_created()
    await system.send(neighbour)
    await system.known(neighbour.key)
    requests = [invoice_requested(unknown.customer_id, title=f"Nr. {n}") for n in range(4)]
    beside = invoice_requested(neighbour.customer_id)
    await send_all(system, INVOICE_REQUESTS, [Sent.of(r) for r in (*requests[:3], beside)])
    await system.invoice_of(str(beside.request_id))

    async def parked() -> bool | None:
        query = "SELECT count(*) FROM parked_messages WHERE key = $1"
        return True if await stored(system, "billing", query, unknown.key) == [(3,)] else None

    await eventually(parked, "three requests to be parked")
    query = "SELECT 1 FROM invoices WHERE customer_id = $1"
    assert await stored(system, "billing", query, unknown.customer_id) == []
    await system.send(unknown)
    await send_all(system, INVOICE_REQUESTS, [Sent.of(requests[3])])
    found = [await system.invoice_of(str(r.request_id)) for r in requests]
    numbers = [invoice["number"] for invoice in found]
    assert numbers == sorted(numbers)
    assert [invoice["title"] for invoice in found] == [r.title for r in requests]
    query = "SELECT 1 FROM parked_messages"
    assert await stored(system, "billing", query) == []


async def test_a_changed_amount_is_rejected_and_the_booking_dropped(system: System) -> None:
    made = await new_customer(system)
    # Billing knows better where the customer lives than subscriptions, which shows the amount.
    moved = "UPDATE customers SET state = jsonb_set(state, '{country}', '\"DE\"') WHERE id = $1"
    await stored(system, "billing", moved, made["id"])
    booked = await book_plan(system, made["id"], "Team")
    assert booked["amount"]["amount"] == "52.95"
    await in_state(system, booked["subscriptions"][0]["id"], "withdrawn")
    (event,) = await told(system, made["id"], "invoice.rejected")
    assert event.reason == "amount_changed"  # type: ignore[attr-defined]
    # A sentence for people.
    assert "CHF 49.00" in event.detail  # type: ignore[attr-defined]
    listed = await system.get("/invoices", customer_id=made["id"])
    assert listed == {"items": [], "next": None}


@pytest.mark.parametrize(
    "wrong",
    [
        {"line": {"vat_category": "unheard-of"}},
        {"line": {"unit_price": "1e30"}},
        {"line": {"unit_price": "1.00005"}},
        {"line": {"discount_percent": "101"}},
        {"line": {"unit_price": "-49.00"}},
        {"currency": "XXX"},
        {"lines": ()},
    ],
    ids=str,
)
async def test_a_request_that_cannot_be_priced_is_rejected(
    system: System, wrong: dict[str, Any]
) -> None:
    customer_id = await known_customer(system)
    numbers = "SELECT next_number FROM number_series ORDER BY year"
    before = await stored(system, "billing", numbers)
    request = invoice_requested(customer_id, **wrong)
    await system.send(request)
    (event,) = await told(system, customer_id, "invoice.rejected")
    assert event.reason == "input_invalid"  # type: ignore[attr-defined]
    assert event.request_id == request.request_id  # type: ignore[attr-defined]
    assert await stored(system, "billing", numbers) == before


async def test_nothing_to_pay_is_paid_at_once_and_once(system: System) -> None:
    customer_id = await known_customer(system)
    request = invoice_requested(
        customer_id, line={"unit_price": "0.00"}, expected_total=Money(0, "CHF")
    )
    await system.send(request)
    await system.send(request)
    invoice = await system.invoice_of(str(request.request_id))
    assert (invoice["state"], invoice["total"]["amount"]) == ("paid", "0.00")
    assert invoice["paid_at"] == invoice["opened_at"]
    found = await told(system, customer_id, "invoice.paid")
    assert [e.TYPE for e in found] == ["invoice.opened", "invoice.paid"]
    assert isinstance(found[1], InvoicePaid)
    assert (found[1].settlement, found[1].lines[0].request_id) == (1, request.request_id)
    versions = [e.sequence for e in found]
    assert versions == [1, 2]


async def test_the_same_request_is_one_invoice_however_often_it_comes(system: System) -> None:
    customer_id = await known_customer(system)
    request, other = invoice_requested(customer_id), invoice_requested(customer_id)
    again = [Sent.of(request) for _ in range(3)]  # each with an id of its own
    await send_all(system, INVOICE_REQUESTS, [*again, again[0], Sent.of(other), again[1]])
    await system.invoice_of(str(other.request_id))
    listed = await system.get("/invoices", customer_id=str(customer_id))
    assert [item["request_id"] for item in listed["items"]] == [
        str(other.request_id),
        str(request.request_id),
    ]
    found = await told(system, customer_id, "invoice.opened")
    assert [e.TYPE for e in found] == ["invoice.opened"] * 2
    await no_failure(system, "billing", str(customer_id))


# -- numbers -----------------------------------------------------------------------------------


async def test_numbers_have_no_gap_and_the_order_of_their_dates_when_the_clock_goes_back(
    system: System, database: Database
) -> None:
    customer_id = await known_customer(system)
    noon = datetime(2041, 12, 30, 12, tzinfo=UTC)
    made = [
        await opened(system, database, invoice_requested(customer_id), noon + timedelta(days=days))
        for days in (0, 1, -1, 1, 2, 0, 3)
    ]
    assert [(i["number"], i["invoice_date"]) for i in made] == [
        ("INV-2041-0001", "2041-12-30"),
        ("INV-2041-0002", "2041-12-31"),
        ("INV-2041-0003", "2041-12-31"),
        ("INV-2041-0004", "2041-12-31"),
        ("INV-2042-0001", "2042-01-01"),
        ("INV-2041-0005", "2041-12-31"),
        ("INV-2042-0002", "2042-01-02"),
    ]
    assert all(day(i["due_date"]) - day(i["invoice_date"]) == timedelta(days=10) for i in made)


async def test_who_fails_or_waits_leaves_no_gap(system: System, database: Database) -> None:
    customers = [await known_customer(system) for _ in range(8)]
    now = datetime(2043, 1, 1, 12, tzinfo=UTC)

    async def run(customer_id: UUID, stumbles: bool) -> None:
        async with database.transaction() as tx:
            request = invoice_requested(customer_id)
            await open_requested_invoices(tx, [request], now=now, new_id=new_id)
            if stumbles:
                raise RolledBack

    await asyncio.gather(*(run(c, stumbles=n % 2 == 0) for n, c in enumerate(customers * 2)))
    rows = await stored(
        system, "billing", "SELECT number FROM invoices WHERE invoice_date = $1", date(2043, 1, 1)
    )
    assert sorted(row[0] for row in rows) == [f"INV-2043-{n:04d}" for n in range(1, 9)]


# -- payments ----------------------------------------------------------------------------------


async def test_part_payments_add_up_and_the_last_one_settles(system: System) -> None:
    made = await new_customer(system)
    booked = await book_plan(system, made["id"], "Team")
    invoice = await system.invoice_of(booked["request_id"])
    path = f"/invoices/{invoice['id']}"
    first = {
        "amount": {"amount": "50.00", "currency": "CHF"},
        "method": "cash",
        "reference": "Kasse 7",
        "received_on": "2026-01-31",
    }
    answer = await system.post(f"{path}/payments", first)
    assert answer["payment"].items() >= first.items()
    part = answer["invoice"]
    assert (part["state"], part["paid"]["amount"], part["open_amount"]["amount"]) == (
        "open",
        "50.00",
        "2.95",
    )
    answer = await paid(system, part)
    whole = answer["invoice"]
    assert (whole["state"], whole["paid"]["amount"], whole["open_amount"]["amount"]) == (
        "paid",
        "52.95",
        "0.00",
    )
    assert whole["paid_at"] == answer["payment"]["recorded_at"]
    listed = await system.get(f"{path}/payments")
    assert [p["amount"]["amount"] for p in listed["items"]] == ["50.00", "2.95"]
    found = await told(system, made["id"], "invoice.paid")
    assert [(e.TYPE, e.sequence) for e in found] == [
        ("invoice.opened", 1),
        ("invoice.partially_paid", 2),
        ("invoice.paid", 3),
    ]


async def test_today_is_the_sellers_day_when_a_payment_is_recorded(
    system: System, database: Database
) -> None:
    customer_id = await known_customer(system)
    late = datetime(2031, 6, 30, 22, 30, tzinfo=UTC)  # 1 July in Zurich
    invoice = await opened(system, database, invoice_requested(customer_id), late)

    async def pay(received_on: date | None) -> date:
        command = RecordPayment(
            invoice_id=UUID(invoice["id"]),
            amount=Money(100, "CHF"),
            method="cash",
            reference="",
            received_on=received_on,
            recorded_by="test",
        )
        async with database.transaction() as tx:
            _, payment = await pay_invoice(tx, command, now=late, new_id=new_id)
        return payment.received_on

    assert await pay(None) == date(2031, 7, 1)
    assert await pay(date(2031, 7, 1)) == date(2031, 7, 1)
    with pytest.raises(InputInvalid, match="received_on"):
        await pay(date(2031, 7, 2))


async def test_a_partly_paid_invoice_is_not_voided_and_the_way_out_is_named(
    system: System,
) -> None:
    made = await new_customer(system)
    booked = await book_plan(system, made["id"], "Team")
    invoice = await system.invoice_of(booked["request_id"])
    path = f"/invoices/{invoice['id']}"
    await system.post(f"{path}/payments", {"amount": {"amount": "0.05", "currency": "CHF"}})
    refused = await system.post(f"{path}/void", expect=409)
    assert refused["type"].endswith("invoice_partly_paid")
    assert "credit note" in refused["detail"]
    assert (await system.get(path))["state"] == "open"


async def test_a_void_invoice_keeps_its_number_and_is_told_of_once(system: System) -> None:
    made = await new_customer(system)
    booked = await book_plan(system, made["id"], "Team")
    invoice = await system.invoice_of(booked["request_id"])
    path = f"/invoices/{invoice['id']}"
    answers = await asyncio.gather(*(system.api.post(f"{path}/void") for _ in range(3)))
    assert sorted(a.status_code for a in answers) == [200, 409, 409]
    void = await system.get(path)
    assert (void["state"], void["number"]) == ("void", invoice["number"])
    assert (void["open_amount"]["amount"], void["total"]) == ("0.00", invoice["total"])
    found = await told(system, made["id"], "invoice.voided")
    assert [e.TYPE for e in found] == ["invoice.opened", "invoice.voided"]


async def test_the_same_payment_with_one_key_is_recorded_once(system: System) -> None:
    made = await new_customer(system)
    booked = await book_plan(system, made["id"], "Team")
    invoice = await system.invoice_of(booked["request_id"])
    path = f"/invoices/{invoice['id']}/payments"
    body = {"amount": {"amount": "10.00", "currency": "CHF"}}
    key = {"idempotency-key": "a payment"}
    first = await system.api.post(path, json=body, headers=key)
    again = await system.api.post(path, json=body, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"

    key = {"idempotency-key": "at once"}
    answers = await asyncio.gather(
        *(system.api.post(path, json=body, headers=key) for _ in range(6))
    )
    assert {a.status_code for a in answers} <= {201, 409}
    assert len({a.content for a in answers if a.status_code == 201}) == 1
    assert len((await system.get(path))["items"]) == 2


# -- documents and lists -----------------------------------------------------------------------


async def test_a_document_is_pending_until_it_is_drawn(system: System, database: Database) -> None:
    customer_id = await known_customer(system)
    now = datetime(2045, 1, 1, tzinfo=UTC)  # nobody draws it before
    invoice = await opened(system, database, invoice_requested(customer_id), now)
    answer = await system.api.get(f"/invoices/{invoice['id']}/pdf")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].endswith("document_pending")


async def test_the_document_is_a_pdf_with_the_number_and_never_changes(system: System) -> None:
    made = await new_customer(system, company_name="Gästehaus Ümläut & Söhne")
    booked = await book_plan(system, made["id"], "Team")
    invoice = await system.invoice_of(booked["request_id"])
    answer = await drawn(system, invoice["id"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert f'filename="{invoice["number"]}.pdf"' in answer.headers["content-disposition"]
    text = "".join(page.extract_text() for page in PdfReader(BytesIO(answer.content)).pages)
    assert invoice["number"] in text
    assert "Gästehaus Ümläut & Söhne" in text
    assert "52.95" in text
    rows = await stored(
        system,
        "billing",
        "SELECT sha256, size_bytes FROM documents WHERE invoice_id = $1",
        invoice["id"],
    )
    assert rows == [(answer.headers["etag"].strip('"'), len(answer.content))]
    await paid(system, invoice)
    assert (await drawn(system, invoice["id"])).content == answer.content


async def test_invoices_of_a_customer_are_listed_in_pages_newest_first(
    system: System, database: Database
) -> None:
    customer_id = await known_customer(system)
    other = await known_customer(system)
    now = datetime(2031, 3, 15, 12, tzinfo=UTC)
    requests = [invoice_requested(customer_id) for _ in range(5)]
    # Two of them at the same instant.
    for request, minutes in zip(requests, (0, 1, 1, 2, 3), strict=True):
        await opened(system, database, request, now + timedelta(minutes=minutes))
    await opened(system, database, invoice_requested(other), now)
    seen: list[Any] = []
    after = None
    for _ in range(10):  # more than there can be
        query: dict[str, Any] = {"customer_id": str(customer_id), "limit": 2}
        page = await system.get("/invoices", **query, **({"after": after} if after else {}))
        seen += page["items"]
        after = page["next"]
        if after is None:
            break
    assert {item["request_id"] for item in seen} == {str(r.request_id) for r in requests}
    assert len(seen) == 5
    assert [i["opened_at"] for i in seen] == sorted((i["opened_at"] for i in seen), reverse=True)
