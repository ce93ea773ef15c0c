"""Credit notes, the credit balance, withdrawn requests, and payments that bounce."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.billing.use_cases.credit_notes import CreditInvoice, credit_invoice
from shared.clock import new_id
from shared.database import Database, RolledBack
from shared.events import Event
from shared.events.billing import (
    INVOICES,
    CreditBalanceChanged,
    CreditNoteIssued,
    InvoiceCredited,
    InvoiceOpened,
    InvoicePaid,
    InvoicePaymentReversed,
    InvoiceVoided,
)
from shared.events.subscriptions import (
    INVOICE_REQUESTS,
    CreditRequested,
    InvoiceRequested,
    InvoiceRequestWithdrawn,
    LineToCredit,
    Product,
    RequestedLine,
    SubscriptionWithdrawn,
)
from shared.money import Money
from tests.integration.steps import (
    Sent,
    customer_created,
    database_of,
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


def chf(text: str) -> dict[str, str]:
    return {"amount": text, "currency": "CHF"}


async def known_customer(system: System) -> UUID:
    return UUID((await new_customer(system))["id"])


def line(price: str, **different: Any) -> RequestedLine:
    values: dict[str, Any] = {
        "subscription_id": new_id(),
        "title": "Team",
        "unit_price": Decimal(price),
        "basis": "net",
        "vat_category": "standard",
        "cycle": "monthly",
        **different,
    }
    return RequestedLine(**values)


async def opened(
    system: System, customer_id: UUID, total: str = "52.95", *lines: RequestedLine
) -> Any:
    """An invoice over lines, or over 1 x 49.00 net."""
    request = requested(customer_id, total, *lines)
    await system.send(request)
    return await system.invoice_of(str(request.request_id))


def requested(customer_id: UUID, total: str, *lines: RequestedLine) -> InvoiceRequested:
    return invoice_requested(
        customer_id, lines=lines or (line("49.00"),), expected_total=Money.parse(total, "CHF")
    )


def withdrawn(request_id: str | UUID, customer_id: UUID, *ids: Any) -> InvoiceRequestWithdrawn:
    return InvoiceRequestWithdrawn(
        customer_id=customer_id,
        request_id=UUID(str(request_id)),
        subscription_ids=tuple(UUID(str(i)) for i in ids),
        reason="dropped",
    )


def subscriptions_of(invoice: Any) -> list[str]:
    return [row["subscription_id"] for row in invoice["lines"]]


async def told(system: System, customer_id: UUID, count: int = 0) -> list[Event]:
    """What billing told of a customer, once it is so much; documents aside."""

    async def look() -> list[Event] | None:
        found = [
            e
            for e in await system.events(INVOICES)
            if e.key == str(customer_id) and e.TYPE != "invoice.document_stored"
        ]
        return found if len(found) >= count else None

    return await eventually(look, f"{count} events of {customer_id}")


async def in_invoice_state(system: System, invoice: Any, state: str) -> Any:
    async def look() -> Any:
        found = await system.get(f"/invoices/{invoice['id']}")
        return found if found["state"] == state else None

    return await eventually(look, f"invoice {invoice['number']} to be {state}")


async def balance_of(system: System, customer_id: UUID) -> tuple[str, list[tuple[str, str]]]:
    """The amount, and the entries from the first to the last."""
    found = await system.get(f"/customers/{customer_id}/balance")
    (amount,) = [b["amount"] for b in found["balances"]] or ["0.00"]
    return amount, [(e["origin"], e["amount"]["amount"]) for e in reversed(found["items"])]


async def with_balance(system: System, customer_id: UUID, amount: str) -> Any:
    """Credit by paying too much for an invoice of 52.95; returns the payment."""
    invoice = await opened(system, customer_id)
    total = Money.parse("52.95", "CHF") + Money.parse(amount, "CHF")
    return await system.post(f"/invoices/{invoice['id']}/payments", {"amount": total.to_dict()})


def amounts(invoice: Any, *names: str) -> list[str]:
    return [invoice[name]["amount"] for name in names]


# -- credit notes --------------------------------------------------------------------------------


async def test_credit_notes_over_all_of_an_invoice_have_its_vat_and_total(system: System) -> None:
    customer_id = await known_customer(system)
    three = [line("33.33"), line("33.33", basis="gross"), line("0.07")]
    # 33.33 + 0.07 = 33.40, 8.1 % of it 2.71; with 33.33 gross 69.44, rounded 69.45
    invoice = await paid(system, await opened(system, customer_id, "69.45", *three))
    path = f"/invoices/{invoice['invoice']['id']}/credit-notes"
    for lines in (
        [{"position": 1, "amount": chf("11.11")}],
        [{"position": 1, "amount": chf("11.11")}, {"position": 2, "amount": chf("0.05")}],
        [{"position": 3}],
        None,
    ):
        made = await system.post(path, {"lines": lines, "reason": "Kulanz"})
    listed = (await system.get(path))["items"]
    assert listed[-1] == made["credit_note"]
    vat = sum((Decimal(row["vat"]["amount"]) for n in listed for row in n["vat"]), Decimal(0))
    whole = made["invoice"]
    assert vat == sum(Decimal(row["vat"]["amount"]) for row in whole["vat"])
    assert sum(Decimal(n["total"]["amount"]) for n in listed) == Decimal("69.45")
    assert whole["state"] == "credited"
    assert amounts(whole, "credited", "surplus", "open_amount") == ["69.45", "69.45", "0.00"]
    assert [row["credited"] for row in whole["lines"]] == [r["total"] for r in whole["lines"]]
    assert (await balance_of(system, customer_id))[0] == "69.45"
    numbers = [n["number"].split("-") for n in listed]
    assert {series for series, _, _ in numbers} == {"CN"}
    first = int(numbers[0][2])
    assert [int(number) for *_, number in numbers] == list(range(first, first + 4))
    credited = [e for e in await told(system, customer_id, 14) if isinstance(e, InvoiceCredited)]
    assert [e.fully for e in credited] == [False, False, False, True]
    assert [(li.position, li.basis) for li in credited[1].lines] == [(1, "net"), (2, "gross")]
    assert {li.vat_percent for e in credited for li in e.lines} == {Decimal("8.1")}


async def test_a_credit_note_lowers_what_is_owed_and_settles_what_it_leaves_at_nothing(
    system: System,
) -> None:
    customer_id = await known_customer(system)
    invoice = await opened(system, customer_id)
    path = f"/invoices/{invoice['id']}"
    part = await system.post(
        f"{path}/credit-notes", {"lines": [{"position": 1, "amount": chf("9.00")}]}
    )
    # 9.00 and 8.1 % are 9.729, and 9.75 rounded for cash
    assert amounts(part["invoice"], "credited", "open_amount") == ["9.75", "43.20"]
    assert part["credit_note"]["to_balance"] == chf("0.00")
    await system.post(f"{path}/payments", {"amount": chf("20.00")})
    rest = await system.post(
        f"{path}/credit-notes", {"lines": [{"position": 1, "amount": chf("30.00")}]}
    )
    settled = rest["invoice"]
    assert (settled["state"], settled["open_amount"]["amount"]) == ("paid", "0.00")
    # 39.00 and 8.1 % are 42.159, rounded 42.15; of these 32.40 only 23.20 was owed
    assert rest["credit_note"]["to_balance"] == settled["surplus"] == chf("9.20")
    found = await told(system, customer_id, 8)
    assert [e.TYPE for e in found] == [
        "invoice.opened",
        "invoice.credited",
        "credit_note.issued",
        "invoice.partially_paid",
        "invoice.credited",
        "credit_note.issued",
        "credit_balance.changed",
        "invoice.paid",
    ]
    settling = found[-1]
    assert isinstance(settling, InvoicePaid)
    assert settling.settlement == 1
    assert settling.version == settled["version"]


async def test_an_unpaid_invoice_that_is_credited_wholly_is_not_paid(system: System) -> None:
    customer_id = await known_customer(system)
    invoice = await opened(system, customer_id)
    made = await system.post(f"/invoices/{invoice['id']}/credit-notes", {})
    assert made["invoice"]["state"] == "credited"
    assert await balance_of(system, customer_id) == ("0.00", [])
    refused = await system.post(
        f"/invoices/{invoice['id']}/payments", {"amount": chf("1.00")}, expect=409
    )
    assert refused["type"].endswith("invoice_credited")
    found = await told(system, customer_id, 3)
    assert [e.TYPE for e in found] == ["invoice.opened", "invoice.credited", "credit_note.issued"]
    note = found[-1]
    assert isinstance(note, CreditNoteIssued)
    assert (note.total, note.invoice_number) == (Money(5295, "CHF"), invoice["number"])


async def test_a_dry_run_says_what_would_be_credited_and_changes_nothing(system: System) -> None:
    customer_id = await known_customer(system)
    invoice = await opened(system, customer_id)
    path = f"/invoices/{invoice['id']}"
    preview = await system.post(f"{path}/credit-notes?dry_run=true", {})
    assert preview["credit_note"]["total"] == chf("52.95")
    assert await system.get(path) == invoice
    made = await system.post(f"{path}/credit-notes", {})
    assert made["credit_note"]["number"] == preview["credit_note"]["number"]


@pytest.mark.parametrize(
    ("lines", "status", "named"),
    [
        ([{"position": 2}], 422, "lines[0].position"),
        ([{"position": 1}, {"position": 1}], 422, "lines[1].position"),
        ([{"position": 1, "amount": chf("49.01")}], 422, "lines[0].amount.amount"),
        ([{"position": 1, "amount": chf("-1.00")}], 422, "lines[0].amount.amount"),
        ([{"position": 1, "amount": chf("0.00")}], 422, "lines[0].amount.amount"),
        (
            [{"position": 1, "amount": {"amount": "1.00", "currency": "EUR"}}],
            422,
            "lines[0].amount.currency",
        ),
        ([], 422, "lines"),
    ],
)
async def test_a_credit_that_breaks_a_rule_is_refused(
    system: System, lines: list[Any], status: int, named: str
) -> None:
    customer_id = await known_customer(system)
    invoice = await opened(system, customer_id)
    path = f"/invoices/{invoice['id']}"
    refused = await system.post(f"{path}/credit-notes", {"lines": lines}, expect=status)
    assert named in str(refused)
    assert await system.get(path) == invoice


async def test_a_credit_that_was_requested_is_given_once_and_never_twice_the_line(
    system: System,
) -> None:
    customer_id = await known_customer(system)
    invoice = (await paid(system, await opened(system, customer_id)))["invoice"]
    subscription_id = UUID(subscriptions_of(invoice)[0])

    def asking(amount: str) -> CreditRequested:
        asked = LineToCredit(position=1, amount=Money.parse(amount, "CHF"), explanation="20 of 30")
        return CreditRequested(
            customer_id=customer_id,
            request_id=new_id(),
            invoice_id=UUID(invoice["id"]),
            subscription_id=subscription_id,
            lines=(asked,),
        )

    first, second = asking("30.00"), asking("30.00")
    await send_all(system, INVOICE_REQUESTS, [Sent.of(e) for e in (first, first, second)])
    whole = await in_invoice_state(system, invoice, "credited")
    notes = (await system.get(f"/invoices/{invoice['id']}/credit-notes"))["items"]
    assert [n["lines"][0]["amount"]["amount"] for n in notes] == ["30.00", "19.00"]
    assert notes[0]["lines"][0]["explanation"] == "20 of 30"
    assert whole["credited"] == whole["total"]
    balance, entries = await balance_of(system, customer_id)
    assert (balance, [origin for origin, _ in entries]) == ("52.95", ["credit_note"] * 2)
    events = [e for e in await told(system, customer_id, 8) if isinstance(e, CreditBalanceChanged)]
    assert [e.version for e in events] == [1, 2]
    assert {e.subscription_id for e in events} == {subscription_id}
    credited = [e for e in await told(system, customer_id) if isinstance(e, InvoiceCredited)]
    assert [e.request_id for e in credited] == [first.request_id, second.request_id]
    await no_failure(system, "billing", str(customer_id))


async def test_numbers_of_credit_notes_have_no_gap_whoever_fails_or_waits(
    system: System, database: Database
) -> None:
    invoices = [await opened(system, await known_customer(system)) for _ in range(8)]
    now = datetime(2047, 1, 1, 12, tzinfo=UTC)

    async def run(invoice: Any, stumbles: bool) -> None:
        async with database.transaction() as tx:
            part = [(1, Money(100, "CHF"))]
            command = CreditInvoice(UUID(invoice["id"]), part, "", "test")
            await credit_invoice(tx, command, now=now, new_id=new_id)
            if stumbles:
                raise RolledBack

    await asyncio.gather(*(run(i, stumbles=n % 3 == 0) for n, i in enumerate(invoices * 3)))
    rows = await stored(
        system,
        "billing",
        "SELECT number, issued_on FROM credit_notes WHERE issued_on >= $1",
        now.date(),
    )
    assert sorted(rows) == [(f"CN-2047-{n:04d}", now.date()) for n in range(1, 17)]


# -- the balance ---------------------------------------------------------------------------------


async def test_too_much_paid_is_credit_and_the_next_invoice_uses_it(system: System) -> None:
    customer_id = await known_customer(system)
    await with_balance(system, customer_id, "20.00")
    invoice = await opened(system, customer_id)
    assert amounts(invoice, "total", "credit_used", "open_amount") == ["52.95", "20.00", "32.95"]
    assert await balance_of(system, customer_id) == (
        "0.00",
        [("overpayment", "20.00"), ("invoice", "-20.00")],
    )
    answer = await paid(system, invoice)
    assert amounts(answer["invoice"], "paid", "open_amount") == ["32.95", "0.00"]
    found = await told(system, customer_id, 6)
    event = found[3]
    assert isinstance(event, InvoiceOpened)
    assert event.open_amount == Money(3295, "CHF")
    assert found[4].TYPE == "credit_balance.changed"


async def test_credit_for_all_of_an_invoice_pays_it_as_it_is_opened(system: System) -> None:
    customer_id = await known_customer(system)
    await with_balance(system, customer_id, "60.00")
    invoice = await opened(system, customer_id)
    assert invoice["state"] == "paid"
    assert amounts(invoice, "paid", "credit_used", "open_amount") == ["0.00", "52.95", "0.00"]
    assert (await balance_of(system, customer_id))[0] == "7.05"
    found = await told(system, customer_id, 6)
    assert [e.TYPE for e in found[3:]] == [
        "invoice.opened",
        "credit_balance.changed",
        "invoice.paid",
    ]


async def test_a_void_invoice_gives_back_what_it_used_of_the_balance(system: System) -> None:
    customer_id = await known_customer(system)
    await with_balance(system, customer_id, "20.00")
    invoice = await opened(system, customer_id)
    await system.post(f"/invoices/{invoice['id']}/void", expect=200)
    balance, entries = await balance_of(system, customer_id)
    assert (balance, entries[-1]) == ("20.00", ("invoice_voided", "20.00"))
    assert (await opened(system, customer_id))["credit_used"] == chf("20.00")


async def test_a_refund_lowers_the_balance_and_never_below_zero(system: System) -> None:
    customer_id = await known_customer(system)
    await with_balance(system, customer_id, "20.00")
    path = f"/customers/{customer_id}/refunds"
    made = await system.post(path, {"amount": chf("15.00"), "note": "Bank"})
    assert (made["amount"], made["balance"]) == (chf("15.00"), chf("5.00"))
    answers = await asyncio.gather(
        *(system.api.post(path, json={"amount": chf("3.00")}) for _ in range(3))
    )
    assert sorted(a.status_code for a in answers) == [201, 409, 409]
    for wrong in (chf("0.00"), chf("-1.00")):
        await system.post(path, {"amount": wrong}, expect=422)
    other = {"amount": "1.00", "currency": "EUR"}
    await system.post(path, {"amount": other}, expect=409)
    await system.post(f"/customers/{new_id()}/refunds", {"amount": chf("1.00")}, expect=404)
    assert (await balance_of(system, customer_id))[0] == "2.00"


async def test_what_came_from_a_withdrawn_subscription_is_forfeited_and_no_more(
    system: System,
) -> None:
    customer_id = await known_customer(system)
    other = await opened(system, customer_id)
    invoice = (await paid(system, await opened(system, customer_id)))["invoice"]
    subscription_id = UUID(subscriptions_of(invoice)[0])

    def asking(amount: str) -> CreditRequested:
        return CreditRequested(
            customer_id=customer_id,
            request_id=new_id(),
            invoice_id=UUID(invoice["id"]),
            subscription_id=subscription_id,
            lines=(LineToCredit(position=1, amount=Money.parse(amount, "CHF")),),
        )

    await system.send(asking("30.00"))
    await eventually(lambda: _has(system, customer_id, 1), "the credit")
    await system.post(f"/invoices/{other['id']}/payments", {"amount": chf("72.95")})
    # 32.45 from the subscription, which is older and spent first, and 20.00 of another
    await opened(system, customer_id, "10.80", line("10.00"))
    gone = SubscriptionWithdrawn(
        customer_id=customer_id,
        subscription_id=subscription_id,
        version=9,
        product=Product(kind="plan", id=new_id(), name="Team"),
        forfeited=Money(1000, "CHF"),
    )
    await system.send(gone)
    await system.send(gone)
    await eventually(lambda: _has(system, customer_id, 4), "what is left to be forfeited")
    await system.send(asking("19.00"))
    await eventually(lambda: _has(system, customer_id, 6), "the late credit")
    assert await balance_of(system, customer_id) == (
        "20.00",
        [
            ("credit_note", "32.45"),
            ("overpayment", "20.00"),
            ("invoice", "-10.80"),
            ("forfeit", "-21.65"),
            ("credit_note", "20.50"),
            ("forfeit", "-20.50"),
        ],
    )


async def _has(system: System, customer_id: UUID, entries: int) -> bool | None:
    return len((await balance_of(system, customer_id))[1]) >= entries or None


async def test_the_database_refuses_postings_that_do_not_sum_to_zero(
    system: System, database: Database
) -> None:
    customer_id = await known_customer(system)
    await with_balance(system, customer_id, "20.00")
    unbalance = (
        "UPDATE balance_postings p SET amount_minor = p.amount_minor + 1 FROM balance_entries e "
        "WHERE e.id = p.entry_id AND e.customer_id = $1 AND p.account = 'balance'"
    )
    with pytest.raises(asyncpg.CheckViolationError, match="do not sum to zero"):
        async with database.transaction() as tx:
            await tx.run(unbalance, customer_id)


# -- withdrawn requests --------------------------------------------------------------------------


async def test_a_withdrawn_request_voids_its_unpaid_invoice_once(system: System) -> None:
    customer_id = await known_customer(system)
    invoice = await opened(system, customer_id)
    gone = withdrawn(invoice["request_id"], customer_id, *subscriptions_of(invoice))
    await system.send(gone)
    await system.send(gone)
    void = await in_invoice_state(system, invoice, "void")
    assert void["replaced_by"] is None
    after = await opened(system, customer_id)
    assert after["state"] == "open"
    found = await told(system, customer_id, 3)
    assert [e.TYPE for e in found] == ["invoice.opened", "invoice.voided", "invoice.opened"]


async def test_a_part_of_a_request_withdrawn_replaces_the_unpaid_invoice(system: System) -> None:
    customer_id = await known_customer(system)
    await with_balance(system, customer_id, "20.00")
    keeps, goes = line("49.00"), line("10.00")
    # 59.00 and 8.1 % are 63.779
    invoice = await opened(system, customer_id, "63.80", goes, keeps)
    await system.send(withdrawn(invoice["request_id"], customer_id, goes.subscription_id))
    void = await in_invoice_state(system, invoice, "void")
    new = await system.get(f"/invoices/{void['replaced_by']}")
    assert (new["state"], new["request_id"]) == ("open", invoice["request_id"])
    assert subscriptions_of(new) == [str(keeps.subscription_id)]
    assert {row["request_id"] for row in new["lines"]} == {invoice["request_id"]}
    assert amounts(new, "total", "credit_used", "open_amount") == ["52.95", "20.00", "32.95"]
    assert new["number"] != invoice["number"]
    refused = await system.post(
        f"/invoices/{invoice['id']}/payments", {"amount": chf("1.00")}, expect=409
    )
    assert new["number"] in refused["detail"]
    found = (await told(system, customer_id, 9))[5:]
    assert [e.TYPE for e in found] == [
        "invoice.voided",
        "credit_balance.changed",
        "invoice.opened",
        "credit_balance.changed",
    ]
    voided = found[0]
    assert isinstance(voided, InvoiceVoided)
    assert str(voided.replaced_by) == new["id"]
    await system.send(withdrawn(invoice["request_id"], customer_id, keeps.subscription_id))
    await in_invoice_state(system, new, "void")
    assert (await balance_of(system, customer_id))[0] == "20.00"


@pytest.mark.parametrize(("payment", "state"), [("10.00", "open"), ("63.80", "paid")])
async def test_withdrawn_lines_of_an_invoice_with_payments_are_credited(
    system: System, payment: str, state: str
) -> None:
    customer_id = await known_customer(system)
    keeps, goes = line("49.00"), line("10.00")
    invoice = await opened(system, customer_id, "63.80", goes, keeps)
    await system.post(f"/invoices/{invoice['id']}/payments", {"amount": chf(payment)})
    gone = withdrawn(invoice["request_id"], customer_id, goes.subscription_id)
    await system.send(gone)
    await system.send(gone)

    async def look() -> Any:
        found = await system.get(f"/invoices/{invoice['id']}")
        return found if found["credited"]["amount"] != "0.00" else None

    credited = await eventually(look, "the credit note")
    # 8.1 % of 10.00 is 0.81, rounded 10.80; what is left owed is 53.00, as 63.80 was rounded up
    assert amounts(credited, "credited") == ["10.80"]
    assert credited["state"] == state
    surplus = "10.80" if state == "paid" else "0.00"
    assert amounts(credited, "surplus") == [surplus]
    after = await opened(system, customer_id)
    assert amounts(after, "credit_used") == [surplus]
    notes = (await system.get(f"/invoices/{invoice['id']}/credit-notes"))["items"]
    assert [n["reason"] for n in notes] == ["dropped"]


async def test_a_request_withdrawn_before_it_comes_is_not_opened(system: System) -> None:
    unknown = customer_created()
    all_gone = requested(unknown.customer_id, "52.95")
    keeps, goes = line("49.00"), line("10.00")
    some_gone = requested(unknown.customer_id, "63.80", goes, keeps)
    after = requested(unknown.customer_id, "52.95")
    await system.send(unknown)
    await system.known(unknown.key)
    first = all_gone.lines[0].subscription_id
    messages: list[Event] = [
        withdrawn(all_gone.request_id, unknown.customer_id, first),
        withdrawn(some_gone.request_id, unknown.customer_id, goes.subscription_id),
        all_gone,
        some_gone,
        after,
    ]
    await send_all(system, INVOICE_REQUESTS, [Sent.of(e) for e in messages])
    await system.invoice_of(str(after.request_id))
    part = await system.invoice_of(str(some_gone.request_id))
    assert subscriptions_of(part) == [str(keeps.subscription_id)]
    assert part["total"] == chf("52.95")
    listed = await system.get("/invoices", customer_id=unknown.key)
    assert len(listed["items"]) == 2
    found = await told(system, unknown.customer_id, 2)
    assert [e.TYPE for e in found] == ["invoice.opened"] * 2


async def test_a_request_that_waits_for_its_customer_can_be_withdrawn_meanwhile(
    system: System,
) -> None:
    unknown = customer_created()
    gone, stays = (requested(unknown.customer_id, "52.95") for _ in range(2))
    messages: list[Event] = [
        gone,
        stays,
        withdrawn(gone.request_id, unknown.customer_id, gone.lines[0].subscription_id),
    ]
    await send_all(system, INVOICE_REQUESTS, [Sent.of(e) for e in messages])

    async def parked() -> bool | None:
        query = "SELECT count(*) FROM parked_messages WHERE key = $1"
        return True if await stored(system, "billing", query, unknown.key) == [(3,)] else None

    await eventually(parked, "three messages to be parked")
    await system.send(unknown)
    await in_invoice_state(system, await system.invoice_of(str(gone.request_id)), "void")
    assert (await system.invoice_of(str(stays.request_id)))["state"] == "open"


# -- payments that bounce ------------------------------------------------------------------------


async def test_a_reversed_payment_is_owed_again_and_the_next_settlement_counts_on(
    system: System,
) -> None:
    customer_id = await known_customer(system)
    invoice = await opened(system, customer_id)
    payment = (await paid(system, invoice))["payment"]
    path = f"/payments/{payment['id']}/reverse"
    answers = await asyncio.gather(
        *(system.api.post(path, json={"reason": "Rücklastschrift"}) for _ in range(3))
    )
    assert sorted(a.status_code for a in answers) == [200, 409, 409]
    again = await system.get(f"/invoices/{invoice['id']}")
    assert (again["state"], again["paid_at"]) == ("open", None)
    assert amounts(again, "paid", "open_amount") == ["0.00", "52.95"]
    listed = (await system.get(f"/invoices/{invoice['id']}/payments"))["items"]
    assert [p["reversal_reason"] for p in listed] == ["Rücklastschrift"]
    await paid(system, again)
    found = await told(system, customer_id, 4)
    assert [e.TYPE for e in found] == [
        "invoice.opened",
        "invoice.paid",
        "invoice.payment_reversed",
        "invoice.paid",
    ]
    reversal, settling = found[2:]
    assert isinstance(reversal, InvoicePaymentReversed)
    assert isinstance(settling, InvoicePaid)
    assert (reversal.settlement, reversal.open_amount) == (1, Money(5295, "CHF"))
    assert str(reversal.due_date) == again["due_date"]
    assert settling.settlement == 2


async def test_a_reversal_takes_back_the_surplus_that_is_there(system: System) -> None:
    customer_id = await known_customer(system)
    made = await with_balance(system, customer_id, "20.00")
    path = f"/payments/{made['payment']['id']}/reverse"
    invoice = (await system.post(path, {"reason": "bounced"}, expect=200))["invoice"]
    assert amounts(invoice, "paid", "surplus", "open_amount") == ["0.00", "0.00", "52.95"]
    assert await balance_of(system, customer_id) == (
        "0.00",
        [("overpayment", "20.00"), ("overpayment", "-20.00")],
    )


async def test_surplus_that_is_spent_is_owed_on_the_invoice_it_came_from(system: System) -> None:
    customer_id = await known_customer(system)
    made = await with_balance(system, customer_id, "20.00")
    await opened(system, customer_id, "16.20", line("15.00"))
    path = f"/payments/{made['payment']['id']}/reverse"
    invoice = (await system.post(path, {"reason": "bounced"}, expect=200))["invoice"]
    assert amounts(invoice, "paid", "surplus", "open_amount") == ["0.00", "16.20", "69.15"]
    assert (await balance_of(system, customer_id))[0] == "0.00"
    settled = await paid(system, invoice)
    assert (settled["invoice"]["state"], settled["invoice"]["paid"]["amount"]) == ("paid", "69.15")


async def test_of_two_payments_the_one_that_stays_pays_what_it_can(system: System) -> None:
    customer_id = await known_customer(system)
    invoice = await opened(system, customer_id)
    path = f"/invoices/{invoice['id']}/payments"
    first = await system.post(path, {"amount": chf("40.00")})
    await system.post(path, {"amount": chf("40.00")})
    reversal = f"/payments/{first['payment']['id']}/reverse"
    left = (await system.post(reversal, {"reason": "bounced"}, expect=200))["invoice"]
    assert amounts(left, "paid", "surplus", "open_amount") == ["40.00", "0.00", "12.95"]
    assert (await balance_of(system, customer_id))[0] == "0.00"
