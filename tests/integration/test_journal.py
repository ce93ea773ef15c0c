"""The journal: one row per booking, and the sums are those of what there is."""

import csv
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.clock import new_id
from shared.events.subscriptions import EventPeriod, RequestedLine
from shared.money import Money
from tests.faults.facts import read_facts
from tests.faults.oracle import check_journal
from tests.integration.steps import invoice_requested, new_customer, paid
from tests.provider import PaymentProvider, chf
from tests.system import System

# Net; the supply decides about the rate: 7.7 % in Switzerland until 2023.
Price = tuple[str, date | None]


@pytest.fixture(scope="module")
async def provider(system: System) -> PaymentProvider:
    await system.seeded()
    return await PaymentProvider.of(system)


async def opened(system: System, customer_id: UUID, total: str, *prices: Price) -> Any:
    lines = tuple(
        RequestedLine(
            subscription_id=new_id(),
            title="=Team",
            unit_price=Decimal(price),
            basis="net",
            vat_category="standard",
            cycle="monthly",
            period=EventPeriod(start=start, end=start + timedelta(days=31)) if start else None,
        )
        for price, start in prices
    )
    request = invoice_requested(
        customer_id, lines=lines, expected_total=Money.parse(total, "CHF"), title="=Team"
    )
    await system.send(request)
    return await system.invoice_of(str(request.request_id))


async def rows(system: System, **different: str) -> list[dict[str, str]]:
    today = system.clock().date()
    period = {"from": str(today - timedelta(days=1)), "to": str(today + timedelta(days=1))}
    answer = await system.api.get("/journal", params={**period, **different})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(StringIO(answer.text)))


def sums(found: list[dict[str, str]]) -> dict[tuple[str, str], Decimal]:
    made: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in found:
        made[row["kind"], row["account"]] += Decimal(row["gross"])
    return {slot: total for slot, total in made.items() if total}


async def test_every_booking_is_there_once_with_its_vat(
    system: System, provider: PaymentProvider
) -> None:
    customer = await new_customer(system)
    invoice = await opened(
        system, UUID(customer["id"]), "63.75", ("49.00", None), ("10.00", date(2023, 5, 1))
    )
    await system.post(
        f"/invoices/{invoice['id']}/payments", {"amount": chf("70.00"), "reference": "@SUM(A1)"}
    )

    found = [row for row in await rows(system) if row["invoice_number"] == invoice["number"]]

    told = [
        (r["kind"], r["account"], r["vat_percent"], r["net"], r["vat"], r["gross"]) for r in found
    ]
    assert told[:3] == [
        ("invoice", "revenue", "7.7", "10.00", "0.77", "10.77"),
        ("invoice", "revenue", "8.1", "49.00", "3.97", "52.97"),
        ("invoice", "rounding", "", "", "", "0.01"),
    ]
    assert told[3:] == [
        ("payment", "money", "", "", "", "70.00"),
        ("balance", "balance", "", "", "", "6.25"),
    ]
    assert {row["customer_number"] for row in found} == {customer["number"]}
    assert {row["vat_code"] for row in found} == {"standard", ""}
    assert [row["text"] for row in found][:4] == ["'=Team", "'=Team", "'=Team", "'@SUM(A1)"]


async def test_a_story_of_everything_adds_up(system: System, provider: PaymentProvider) -> None:
    customer = UUID((await new_customer(system))["id"])
    before = sums(await rows(system))

    async def made(*prices: Price) -> Any:
        return await opened(system, customer, "52.95", *(prices or [("49.00", None)]))

    voided, credited, bounced, open_one = [await made() for _ in range(4)]
    await system.post(f"/invoices/{voided['id']}/void", expect=200)
    await paid(system, credited)
    await system.post(f"/invoices/{credited['id']}/credit-notes", {})
    payment = (await paid(system, bounced))["payment"]
    await system.post(f"/payments/{payment['id']}/reverse", {"reason": "bounced"}, expect=200)
    refund = {"amount": chf("2.95"), "note": "paid out"}
    await system.post(f"/customers/{customer}/refunds", refund)

    payment_id = f"pay_{uuid4().hex}"
    came = {"payment_id": payment_id, "amount": chf("100.00")}
    assert await provider.says("received", **came, invoice=voided["number"]) == "unallocated"
    (kept,) = (await system.get("/unallocated-payments", state="open"))["items"]
    path = f"/unallocated-payments/{kept['id']}"
    part = {"invoice_id": open_one["id"], "amount": chf("30.00")}
    await system.post(f"{path}/assign", part, expect=200)
    back = {"payment_id": payment_id, "reversal_id": "r1"}
    await provider.says("reversed", **back, amount=chf("80.00"))  # 70.00 that are left, and 10.00
    other = f"pay_{uuid4().hex}"
    await provider.says("received", payment_id=other, amount=chf("5.00"))

    after = sums(await rows(system))
    moved = {slot: after.get(slot, Decimal()) - before.get(slot, Decimal()) for slot in after}
    assert {slot: str(total) for slot, total in moved.items() if total} == {
        ("invoice", "revenue"): "211.88",
        ("invoice", "rounding"): "-0.08",
        ("cancellation", "revenue"): "-52.97",
        ("cancellation", "rounding"): "0.02",
        ("credit_note", "revenue"): "-52.97",
        ("credit_note", "rounding"): "0.02",
        ("payment", "money"): "125.90",
        ("reversal", "money"): "-152.95",
        ("reversal", "unallocated"): "-70.00",
        ("arrival", "money"): "105.00",
        ("arrival", "unallocated"): "105.00",
        ("assignment", "unallocated"): "-30.00",
        ("balance", "balance"): "50.00",
        ("balance", "money"): "-2.95",
    }
    facts = await read_facts(system)
    await check_journal(system, facts)
    assert facts.wrong == []


async def test_a_day_has_only_its_own_and_what_is_deleted_stays_in_the_books(
    system: System, provider: PaymentProvider
) -> None:
    customer = UUID((await new_customer(system))["id"])
    invoice = await opened(system, customer, "52.95", ("49.00", None))
    await system.api.delete(f"/invoices/{invoice['id']}")
    day = str(system.clock().date() - timedelta(days=100))
    assert await rows(system, **{"from": day, "to": day}) == []

    found = [row for row in await rows(system) if row["invoice_number"] == invoice["number"]]
    assert [row["kind"] for row in found] == ["invoice"] * 2 + ["cancellation"] * 2
    assert sum(Decimal(row["gross"]) for row in found) == 0


@pytest.mark.parametrize(
    ("period", "field"),
    [
        ({"from": "2026-01-01"}, "to"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "to"),
        ({"from": "2025-01-01", "to": "2026-06-01"}, "to"),
        ({"from": "x", "to": "2026-06-01"}, "from"),
    ],
)
async def test_what_is_no_period_is_refused(
    system: System, period: dict[str, str], field: str
) -> None:
    answer = await system.api.get("/journal", params=period)

    assert answer.status_code == 422
    assert field in answer.json()["errors"][0]["field"]


async def test_who_is_restricted_to_customers_has_no_journal(system: System) -> None:
    client = await system.client(customer_ids=[new_id()])
    answer = await client.get("/journal", params={"from": "2026-01-01", "to": "2026-01-01"})

    assert answer.status_code == 403
