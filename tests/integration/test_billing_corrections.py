"""What was written by hand becomes an invoice; an unpaid one is corrected, voided, deleted."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.events import Event
from shared.events.billing import (
    INVOICES,
    CreditBalanceChanged,
    InvoiceDueDateChanged,
    InvoiceOpened,
    InvoicePaid,
    InvoiceVoided,
)
from tests.builders import PLANS
from tests.integration.steps import (
    book_modules,
    book_plan,
    in_state,
    new_customer,
    no_failure,
    paid,
    stored,
)
from tests.system import System, eventually

TODAY = datetime.now(UTC).date()


@pytest.fixture(autouse=True, scope="module")
async def seeded(system: System) -> None:
    await system.seeded()


@pytest.fixture
async def customer(system: System) -> str:
    return str((await new_customer(system))["id"])


def line(price: str = "100.00", **different: Any) -> dict[str, Any]:
    return {"title": "Beratung", "unit_price": price, **different}


async def drafted(system: System, customer_id: str, *lines: dict[str, Any], **more: Any) -> Any:
    body = {"customer_id": customer_id, "lines": lines or [line()], **more}
    return await system.post("/invoices", body)


async def finalized(system: System, draft: Any, body: Any = None) -> Any:
    return await system.post(f"/invoices/{draft['id']}/finalize", body, expect=200)


async def by_hand(system: System, customer_id: str, *lines: dict[str, Any], **more: Any) -> Any:
    return await finalized(system, await drafted(system, customer_id, *lines, **more))


async def corrected(system: System, invoice: Any) -> Any:
    return await system.post(f"/invoices/{invoice['id']}/correct")


async def replaced(system: System, draft: Any, lines: list[dict[str, Any]], **more: Any) -> Any:
    answer = await system.api.put(f"/invoices/{draft['id']}", json={"lines": lines, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refused(system: System, path: str, body: Any = None, method: str = "POST") -> Any:
    answer = await system.api.request(method, path, json=body)
    assert answer.status_code == 409, answer.text
    return answer.json()


async def told(system: System, customer_id: str, count: int = 0) -> list[Event]:
    """What billing told of a customer, once it is so much; documents aside."""

    async def look() -> list[Event] | None:
        found = [
            e
            for e in await system.events(INVOICES)
            if e.key == customer_id and e.TYPE != "invoice.document_stored"
        ]
        return found if len(found) >= count else None

    return await eventually(look, f"{count} events of {customer_id}")


def kept(row: Any, **different: Any) -> dict[str, Any]:
    """A line as an editor sends it back."""
    names = ("title", "description", "quantity", "unit", "unit_price", "basis", "position")
    more = ("discount_percent", "vat_category", "period")
    return {**{name: row[name] for name in (*names, *more)}, **different}


# -- finalising --------------------------------------------------------------------------------


async def test_a_finalised_draft_is_numbered_dated_told_and_drawn(
    system: System, customer: str
) -> None:
    draft = await drafted(system, customer, line(), line("1.00", title="Spesen"))
    invoice = await finalized(system, draft)

    assert (invoice["id"], invoice["state"], invoice["request_id"]) == (draft["id"], "open", None)
    assert (invoice["version"], invoice["title"]) == (2, "Beratung")
    assert invoice["number"].startswith(f"INV-{TODAY.year}-")
    day = datetime.fromisoformat(invoice["invoice_date"]).date()
    assert invoice["due_date"] == str(day + timedelta(days=10))
    assert (invoice["total"], invoice["lines"]) == (draft["total"], draft["lines"])
    (event,) = await told(system, customer, 1)
    assert isinstance(event, InvoiceOpened)
    assert (str(event.invoice_id), event.number) == (invoice["id"], invoice["number"])
    assert (event.request_id, event.version, event.sequence) == (None, 2, 2)

    async def drawn() -> Any:
        answer = await system.api.get(f"/invoices/{invoice['id']}/pdf")
        return answer if answer.status_code == 200 else None

    assert (await eventually(drawn, "the document")).content.startswith(b"%PDF")


async def test_one_made_by_hand_is_not_mailed_when_it_is_opened(
    system: System, customer: str
) -> None:
    invoice = await by_hand(system, customer)

    async def known() -> bool | None:
        query = "SELECT 1 FROM invoices WHERE id = $1"
        return bool(await stored(system, "notifier", query, invoice["id"])) or None

    await eventually(known, "notifier to know it")
    # Planned when its document comes, as that of a booking that comes after it is.
    booked = await book_plan(system, customer, "Team")
    later = await system.invoice_of(booked["request_id"])

    async def sent() -> Any:
        items = (await system.get("/deliveries", customer_id=customer))["items"]
        return items or None

    async def stored_both() -> bool | None:
        query = "SELECT 1 FROM documents WHERE state = 'stored' AND invoice_id = ANY($1)"
        ids = [UUID(invoice["id"]), UUID(later["id"])]
        return len(await stored(system, "billing", query, ids)) == 2 or None

    await eventually(stored_both, "both documents")
    found = await eventually(sent, "a mail")
    assert [delivery["invoice_id"] for delivery in found] == [later["id"]]


async def test_of_a_finalised_draft_the_balance_pays_what_it_can(
    system: System, customer: str
) -> None:
    first = await by_hand(system, customer)
    await system.post(
        f"/invoices/{first['id']}/payments", {"amount": {"amount": "128.10", "currency": "CHF"}}
    )
    part = await by_hand(system, customer)
    assert (part["state"], part["credit_used"]["amount"]) == ("open", "20.00")
    await system.post(
        f"/invoices/{part['id']}/payments", {"amount": {"amount": "98.10", "currency": "CHF"}}
    )
    whole = await by_hand(system, customer, line("5.00"))
    assert (whole["state"], whole["credit_used"]["amount"]) == ("paid", "5.40")
    events = [(e.TYPE, e.sequence) for e in await told(system, customer, 10)]
    assert events[-3:] == [
        ("invoice.opened", 2),
        ("credit_balance.changed", 4),
        ("invoice.paid", 3),
    ]


async def test_a_total_of_nothing_is_paid_at_once(system: System, customer: str) -> None:
    invoice = await by_hand(system, customer, line("5.00"), line("5.00", quantity="-1"))

    assert (invoice["state"], invoice["version"]) == ("paid", 3)
    opened, settled = await told(system, customer, 2)
    assert (opened.sequence, settled.sequence) == (2, 3)
    assert isinstance(settled, InvoicePaid)


async def test_the_facts_of_the_day_of_finalising_count(system: System, customer: str) -> None:
    draft = await drafted(system, customer, title="Alt")
    edit = {"company_name": "Umbenannt AG", "country": "DE"}
    assert (await system.api.patch(f"/customers/{customer}", json=edit)).is_success

    async def copied() -> bool | None:
        query = "SELECT 1 FROM customers WHERE id = $1 AND version = 2"
        return bool(await stored(system, "billing", query, customer)) or None

    await eventually(copied)
    shown = {"expected_total": draft["total"]}
    problem = await refused(system, f"/invoices/{draft['id']}/finalize", shown)
    assert problem["type"] == "urn:kontor:problem:amount_changed"
    assert problem["total"] == {"amount": "100.00", "currency": "CHF"}
    invoice = await finalized(system, draft, {"expected_total": problem["total"]})
    assert (invoice["customer_name"], invoice["tax_treatment"]) == ("Umbenannt AG", "export")


async def test_what_cannot_be_an_invoice_stays_a_draft(system: System, customer: str) -> None:
    empty = await system.post("/invoices", {"customer_id": customer})
    negative = await drafted(system, customer, line("-10.00"))
    assert negative["total"]["amount"] == "-10.80"  # rounded to 5 Rappen
    for draft, code in ((empty, "draft_empty"), (negative, "total_negative")):
        path = f"/invoices/{draft['id']}"
        problem = await refused(system, f"{path}/finalize")
        assert problem["type"] == f"urn:kontor:problem:{code}"
        assert await system.get(path) == draft
    assert await told(system, customer) == []


async def test_two_at_once_finalise_a_draft_once(system: System, customer: str) -> None:
    draft = await drafted(system, customer)
    answers = await asyncio.gather(
        *(system.api.post(f"/invoices/{draft['id']}/finalize") for _ in range(5))
    )

    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409, 409]
    problem = next(a.json() for a in answers if a.status_code == 409)
    assert problem["type"] == "urn:kontor:problem:invoice_open"
    assert len(await told(system, customer, 1)) == 1


async def test_the_same_key_finalises_once(system: System, customer: str) -> None:
    draft = await drafted(system, customer)
    path = f"/invoices/{draft['id']}/finalize"
    first, again = [
        await system.api.post(path, headers={"Idempotency-Key": "f-1"}) for _ in range(2)
    ]

    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["etag"] == first.headers["etag"]


# -- correcting --------------------------------------------------------------------------------


async def test_the_old_one_is_owed_until_the_corrected_one_is_finalised(
    system: System, customer: str
) -> None:
    old = await by_hand(system, customer, line("100.00"), addressee=None)
    draft = await corrected(system, old)
    assert (draft["state"], draft["corrects"], draft["total"]) == ("draft", old["id"], old["total"])
    assert await system.get(f"/invoices/{old['id']}") == old

    await replaced(system, draft, [kept(draft["lines"][0], unit_price="80.00")])
    new = await finalized(system, draft)

    gone = await system.get(f"/invoices/{old['id']}")
    assert (gone["state"], gone["replaced_by"]) == ("void", new["id"])
    assert (new["state"], new["total"]["amount"], new["corrects"]) == ("open", "86.50", old["id"])
    _, voided, opened = await told(system, customer, 3)
    assert isinstance(voided, InvoiceVoided)
    assert isinstance(opened, InvoiceOpened)
    assert (str(voided.invoice_id), voided.replaced_by) == (old["id"], opened.invoice_id)
    problem = await refused(system, f"/invoices/{old['id']}/payments", {"amount": new["total"]})
    assert new["number"] in problem["detail"]


async def test_a_booking_waits_for_the_corrected_invoice(system: System, customer: str) -> None:
    booked = await book_plan(system, customer, "Team")
    old = await system.invoice_of(booked["request_id"])
    draft = await corrected(system, old)
    row = draft["lines"][0]
    assert row["subscription_id"] == old["lines"][0]["subscription_id"]
    assert (row["request_id"], draft["request_id"]) == (old["request_id"], None)

    await replaced(system, draft, [line("10.00"), kept(row, unit_price="40.00")])
    new = await finalized(system, draft)

    assert new["request_id"] == old["request_id"]
    assert [li["subscription_id"] for li in new["lines"]] == [None, row["subscription_id"]]
    await paid(system, new)
    await in_state(system, row["subscription_id"], "active")
    query = "SELECT invoice_id FROM subscriptions WHERE id = $1"
    found = await stored(system, "subscriptions", query, row["subscription_id"])
    assert found == [(UUID(new["id"]),)]
    await no_failure(system, "subscriptions", customer)


async def test_a_booking_whose_line_is_removed_is_dropped(system: System, customer: str) -> None:
    booked = await book_modules(system, customer, Analytics="monthly", Archive="monthly")
    old = await system.invoice_of(booked["request_id"])
    draft = await corrected(system, old)
    stays, goes = draft["lines"]

    answer = await system.api.delete(f"/invoices/{draft['id']}/lines/{goes['position']}")
    assert answer.status_code == 200
    new = await finalized(system, draft)

    await in_state(system, goes["subscription_id"], "withdrawn")
    await paid(system, new)
    await in_state(system, stays["subscription_id"], "active")


async def test_a_corrected_booking_is_mailed_as_its_invoice_was(
    system: System, customer: str
) -> None:
    booked = await book_plan(system, customer, "Team")
    old = await system.invoice_of(booked["request_id"])
    new = await finalized(system, await corrected(system, old))

    async def mailed() -> Any:
        items = (await system.get("/deliveries", customer_id=customer))["items"]
        return True if {d["invoice_id"] for d in items} >= {new["id"]} else None

    await eventually(mailed, "the mail of the corrected invoice")


async def test_of_two_corrections_the_first_wins(system: System, customer: str) -> None:
    old = await by_hand(system, customer)
    one, two = await corrected(system, old), await corrected(system, old)
    new = await finalized(system, one)

    for path in (f"/invoices/{two['id']}/finalize", f"/invoices/{old['id']}/correct"):
        problem = await refused(system, path)
        assert new["number"] in problem["detail"]
        assert problem["replaced_by"] == new["id"]
    assert await system.get(f"/invoices/{two['id']}") == two
    # It can be corrected again, by and by.
    third = await finalized(system, await corrected(system, new))
    assert third["corrects"] == new["id"]


@pytest.mark.parametrize("meanwhile", ["part", "whole", "credit"])
async def test_with_money_in_between_a_credit_note_is_the_way(
    system: System, customer: str, meanwhile: str
) -> None:
    old = await by_hand(system, customer)
    draft = await corrected(system, old)
    if meanwhile == "credit":
        body: Any = {"lines": [{"position": 1, "amount": {"amount": "1.00", "currency": "CHF"}}]}
        await system.post(f"/invoices/{old['id']}/credit-notes", body)
    else:
        amount = old["total"] if meanwhile == "whole" else {"amount": "1.00", "currency": "CHF"}
        await system.post(f"/invoices/{old['id']}/payments", {"amount": amount})
    before = await system.get(f"/invoices/{old['id']}")

    for path in (f"/invoices/{draft['id']}/finalize", f"/invoices/{old['id']}/correct"):
        problem = await refused(system, path)
        assert problem["way_out"] == "credit_note"
        assert "credit note" in problem["detail"]
    assert await system.get(f"/invoices/{old['id']}") == before
    assert await system.get(f"/invoices/{draft['id']}") == draft


async def test_a_payment_and_a_correction_at_once_exclude_each_other(
    system: System, customer: str
) -> None:
    for _ in range(8):
        old = await by_hand(system, customer)
        drafts = [await corrected(system, old) for _ in range(2)]
        answers = await asyncio.gather(
            system.api.post(f"/invoices/{drafts[0]['id']}/finalize"),
            system.api.post(f"/invoices/{old['id']}/payments", json={"amount": old["total"]}),
            system.api.post(f"/invoices/{drafts[1]['id']}/finalize"),
        )
        assert sorted(a.is_success for a in answers) == [False, False, True]
        assert {a.status_code for a in answers if not a.is_success} == {409}
        bills = [await system.get(f"/invoices/{b['id']}") for b in (old, *drafts)]
        paid_for = answers[1].is_success
        assert bills[0]["state"] == ("paid" if paid_for else "void")
        states = sorted(bill["state"] for bill in bills[1:])
        assert states == (["draft", "draft"] if paid_for else ["draft", "open"])


async def test_what_the_old_one_used_of_the_balance_pays_the_new_one(
    system: System, customer: str
) -> None:
    first = await by_hand(system, customer)
    await system.post(
        f"/invoices/{first['id']}/payments", {"amount": {"amount": "158.10", "currency": "CHF"}}
    )
    old = await by_hand(system, customer)
    assert old["credit_used"]["amount"] == "50.00"
    draft = await corrected(system, old)
    await replaced(system, draft, [line("20.00")])
    new = await finalized(system, draft)

    assert (new["state"], new["credit_used"]["amount"]) == ("paid", "21.60")
    balance = await system.get(f"/customers/{customer}/balance")
    assert balance["balances"] == [{"amount": "28.40", "currency": "CHF"}]
    kinds = [type(e) for e in await told(system, customer, 10)][-5:]
    assert kinds == [
        InvoiceVoided,
        CreditBalanceChanged,
        InvoiceOpened,
        CreditBalanceChanged,
        InvoicePaid,
    ]


async def test_a_request_withdrawn_meanwhile_is_not_brought_back(
    system: System, customer: str
) -> None:
    booked = await book_plan(system, customer, "Team")
    old = await system.invoice_of(booked["request_id"])
    draft = await corrected(system, old)
    await system.post(
        f"/customers/{customer}/plan-actions", {"action": "withdraw", "plan_id": PLANS["Team"]}
    )

    async def voided() -> bool | None:
        return (await system.get(f"/invoices/{old['id']}"))["state"] == "void" or None

    await eventually(voided, "the invoice to be void")
    problem = await refused(system, f"/invoices/{draft['id']}/finalize")
    assert problem["type"] == "urn:kontor:problem:invoice_void"
    assert (await system.api.delete(f"/invoices/{draft['id']}")).status_code == 204


# -- voiding, deleting, more time --------------------------------------------------------------


async def test_a_void_says_why(system: System, customer: str) -> None:
    invoice = await by_hand(system, customer)
    voided = await system.post(f"/invoices/{invoice['id']}/void", {"reason": "Irrtum"}, expect=200)

    assert (voided["state"], voided["void_reason"], voided["hidden"]) == ("void", "Irrtum", False)
    listed = (await system.get("/invoices", customer_id=customer))["items"]
    assert [item["id"] for item in listed] == [invoice["id"]]


async def test_what_is_deleted_is_void_and_leaves_the_lists(system: System, customer: str) -> None:
    invoice, other = await by_hand(system, customer), await by_hand(system, customer)
    answer = await system.api.delete(f"/invoices/{invoice['id']}")

    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["hidden"]) == ("void", True)
    listed = (await system.get("/invoices", customer_id=customer))["items"]
    assert [item["id"] for item in listed] == [other["id"]]
    assert await system.get(f"/invoices/{invoice['id']}") == answer.json()
    assert [e.TYPE for e in await told(system, customer, 3)][2:] == ["invoice.voided"]
    again = await refused(system, f"/invoices/{invoice['id']}", method="DELETE")
    assert again["type"] == "urn:kontor:problem:invoice_void"


async def test_with_payments_nothing_is_deleted(system: System, customer: str) -> None:
    part, whole = await by_hand(system, customer), await by_hand(system, customer)
    await system.post(
        f"/invoices/{part['id']}/payments", {"amount": {"amount": "1.00", "currency": "CHF"}}
    )
    await paid(system, whole)
    for invoice, code in ((part, "invoice_partly_paid"), (whole, "invoice_paid")):
        before = await system.get(f"/invoices/{invoice['id']}")
        problem = await refused(system, f"/invoices/{invoice['id']}", method="DELETE")
        assert problem["type"] == f"urn:kontor:problem:{code}"
        assert problem["way_out"] == "credit_note"
        assert await system.get(f"/invoices/{invoice['id']}") == before


async def test_there_is_more_time_to_pay(system: System, customer: str) -> None:
    invoice = await by_hand(system, customer)
    later = str(TODAY + timedelta(days=60))
    path = f"/invoices/{invoice['id']}/due-date"
    changed = await system.post(path, {"due_date": later, "reason": "Ferien"}, expect=200)
    assert (changed["due_date"], changed["version"]) == (later, invoice["version"] + 1)
    same = await system.post(path, {"due_date": later}, expect=200)
    assert same == changed
    opened, event = await told(system, customer, 2)
    assert isinstance(opened, InvoiceOpened)
    assert isinstance(event, InvoiceDueDateChanged)
    assert (str(event.due_date), event.previous_due_date) == (later, opened.due_date)
    assert event.open_amount == opened.total
    assert event.lines == opened.lines

    await paid(system, changed)
    problem = await refused(system, path, {"due_date": later})
    assert problem["type"] == "urn:kontor:problem:invoice_paid"


async def test_what_was_done_is_noted_without_what_was_written(
    system: System, customer: str
) -> None:
    draft = await drafted(system, customer, line(title="Für Vera Canary"))
    path = f"/invoices/{draft['id']}"
    await system.post(f"{path}/lines", line("1.00", title="Vera Canary"))
    old = await finalized(system, draft)
    later = str(TODAY + timedelta(days=60))
    await system.post(f"{path}/due-date", {"due_date": later, "reason": "Ferien"}, expect=200)
    new = await finalized(system, await corrected(system, old))
    thrown = await corrected(system, new)
    key = {"Idempotency-Key": "thrown away"}
    gone = [await system.api.delete(f"/invoices/{thrown['id']}", headers=key) for _ in range(2)]
    assert [answer.status_code for answer in gone] == [204, 204]
    await system.api.delete(f"/invoices/{new['id']}")

    acts = (await system.get("/billing/audit", customer_id=customer))["items"]
    assert [(act["action"], act["target_id"]) for act in reversed(acts)] == [
        ("invoice.draft", old["id"]),
        ("invoice.edit", old["id"]),
        ("invoice.finalize", old["id"]),
        ("invoice.change_due_date", old["id"]),
        ("invoice.correct", new["id"]),
        ("invoice.finalize", new["id"]),
        ("invoice.correct", thrown["id"]),
        ("invoice.delete", thrown["id"]),
        ("invoice.delete", new["id"]),
    ]
    assert "Canary" not in str(acts)
    edit = acts[-2]
    assert edit["before"]["total"]["amount"] == "108.10"
    assert (edit["after"]["total"]["amount"], edit["after"]["lines"]) == ("109.20", 2)
