"""Print and send: which document an invoice has, who gets it, and what takes it back in writing."""

from collections.abc import AsyncIterator
from email.message import EmailMessage
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from pypdf import PdfReader

from services.billing.use_cases.openings import open_requested_invoices
from shared.clock import new_id
from shared.database import Database
from shared.events.billing import INVOICES, InvoiceDocumentStored, InvoiceSendRequested
from shared.events.notifier import EmailSent
from tests.integration.steps import (
    FAR,
    book_plan,
    database_of,
    invoice_requested,
    new_customer,
    paid,
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


def text_of(pdf: bytes) -> str:
    pages = PdfReader(BytesIO(pdf)).pages
    return "\n".join(page.extract_text() for page in pages).replace("\N{NO-BREAK SPACE}", " ")


async def pdf_at(system: System, path: str, **query: Any) -> bytes:
    async def look() -> bytes | None:
        answer = await system.api.get(path, params=query)
        if answer.status_code == 409:
            assert answer.json()["type"].endswith("document_pending")
            return None
        assert answer.status_code == 200, answer.text
        return answer.content

    return await eventually(look, path)


async def booked_invoice(system: System, **different: Any) -> Any:
    """An invoice that a subscription asked for, whose mail has arrived and been told of."""
    made = await new_customer(system, **{"language": "en", **different})
    booked = await book_plan(system, made["id"], "Team")
    return await with_mails(system, (await system.invoice_of(booked["request_id"]))["id"], 1)


async def with_mails(system: System, invoice_id: str, count: int) -> Any:
    async def look() -> Any:
        found = await system.get(f"/invoices/{invoice_id}")
        return found if len(found["mails"]) >= count else None

    return await eventually(look, f"{count} mails of {invoice_id}")


async def deliveries_of(system: System, invoice: Any) -> list[Any]:
    found = await system.get("/deliveries", customer_id=invoice["customer_id"])
    return [item for item in found["items"] if item["invoice_id"] == invoice["id"]]


async def own_mails(system: System, invoice: Any) -> list[EmailMessage]:
    """Those of one invoice, oldest first: found by Message-ID."""
    ids = {item["message_id"] for item in await deliveries_of(system, invoice)}
    found = [mail for message_id in ids for mail in system.mails(message_id)]
    return [mail.message for mail in sorted(found, key=lambda mail: mail.received_at)]


def words_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\N{NO-BREAK SPACE}", " ")


def attached_to(mail: EmailMessage) -> bytes:
    (attachment,) = mail.iter_attachments()
    content = attachment.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


async def unseen_invoice(system: System, database: Database) -> Any:
    """An invoice whose document nobody draws while the test runs, so that it is not mailed."""
    made = await new_customer(system, language="en")
    request = invoice_requested(UUID(made["id"]))
    async with database.transaction() as tx:
        await open_requested_invoices(tx, [request], now=FAR, new_id=new_id)
    return await system.invoice_of(str(request.request_id))


async def cancellations_of(system: System, invoice: Any) -> int:
    query = "SELECT 1 FROM documents WHERE invoice_id = $1 AND kind = 'cancellation'"
    return len(await stored(system, "billing", query, invoice["id"]))


# -- print -----------------------------------------------------------------------------------------


async def test_a_paid_invoice_prints_as_a_copy_and_the_original_stays_what_it_was(
    system: System,
) -> None:
    invoice = await booked_invoice(system)
    path = f"/invoices/{invoice['id']}/pdf"
    original = await pdf_at(system, path)
    await paid(system, invoice)

    copy = await pdf_at(system, path)

    assert "Paid ·" in text_of(copy)
    assert "Bank transfer · CHF 52.95" in text_of(copy)
    assert "Paid ·" not in text_of(original)
    assert await pdf_at(system, path, original=True) == original
    assert await pdf_at(system, path) == copy
    query = "SELECT kind, state FROM documents WHERE invoice_id = $1 ORDER BY kind"
    kept = [("copy", "stored"), ("invoice", "stored")]
    assert await stored(system, "billing", query, invoice["id"]) == kept


async def test_each_state_has_a_copy_of_its_own(system: System) -> None:
    invoice = await booked_invoice(system)
    path = f"/invoices/{invoice['id']}/pdf"
    payment = (await paid(system, invoice))["payment"]
    first = await pdf_at(system, path)
    await system.post(f"/payments/{payment['id']}/reverse", {"reason": "bounced"}, expect=200)
    assert "Paid ·" not in text_of(await pdf_at(system, path))
    await system.post(
        f"/invoices/{invoice['id']}/payments",
        {"amount": invoice["open_amount"], "method": "card"},
    )

    second = await pdf_at(system, path)

    assert "Card · CHF 52.95" in text_of(second)
    assert "Bank transfer" not in text_of(second)
    assert first != second


async def test_a_credit_note_has_a_document_and_is_mailed_with_it(system: System) -> None:
    invoice = await booked_invoice(system)
    result = await system.post(
        f"/invoices/{invoice['id']}/credit-notes",
        {
            "lines": [{"position": 1, "amount": {"amount": "10.00", "currency": "CHF"}}],
            "reason": "Charged too much",
        },
    )
    note = result["credit_note"]
    pdf = await pdf_at(system, f"/credit-notes/{note['id']}/pdf")
    for words in (note["number"], invoice["number"], "Charged too much", "CHF 10.80"):
        assert words in text_of(pdf)

    after = await with_mails(system, invoice["id"], 2)

    assert [mail["kind"] for mail in after["mails"]] == ["invoice", "credit_note"]
    _, mail = await own_mails(system, invoice)
    assert mail["Subject"] == f"Credit note {note['number']} for invoice {invoice['number']}"
    assert attached_to(mail) == pdf
    assert "Set off against the invoice: CHF 10.80" in words_of(mail)
    for path in (
        f"/credit-notes/{new_id()}/pdf",
        f"/invoices/{invoice['id']}/cancellation-note/pdf",
    ):
        await system.get(path, expect=404)


async def test_what_could_not_be_drawn_is_tried_again_when_somebody_asks(
    system: System, database: Database
) -> None:
    invoice = await unseen_invoice(system, database)
    query = "UPDATE documents SET state = 'failed', attempts = 12 WHERE invoice_id = $1"
    await stored(system, "billing", query, invoice["id"])

    assert (await pdf_at(system, f"/invoices/{invoice['id']}/pdf")).startswith(b"%PDF")


async def test_a_fully_credited_invoice_prints_as_such(system: System) -> None:
    invoice = await booked_invoice(system)
    await system.post(f"/invoices/{invoice['id']}/credit-notes", {})

    text = text_of(await pdf_at(system, f"/invoices/{invoice['id']}/pdf"))

    assert "Credited ·" in text
    assert "Credit note CN-" in text


# -- send ------------------------------------------------------------------------------------------


async def test_a_second_mail_says_so_and_is_one_whatever_is_repeated(system: System) -> None:
    invoice = await booked_invoice(system)
    key = {"idempotency-key": f"send {invoice['id']}"}
    path = f"/invoices/{invoice['id']}/send"
    first = await system.post(path, {"finalize": False}, expect=202, **key)
    again = await system.post(path, {"finalize": False}, expect=202, **key)
    assert first == again

    after = await with_mails(system, invoice["id"], 2)

    assert [mail["resend"] for mail in after["mails"]] == [False, True]
    assert {mail["to"] for mail in after["mails"]} == {"vera@musterhotel.example"}
    mails = await own_mails(system, invoice)
    assert [str(mail["Subject"]).startswith("Sent again: ") for mail in mails] == [False, True]
    assert "once more" in words_of(mails[1])
    assert attached_to(mails[0]) == attached_to(mails[1])
    events = [e for e in await system.events(INVOICES) if isinstance(e, InvoiceSendRequested)]
    assert [str(e.send_id) for e in events if str(e.invoice_id) == invoice["id"]] == [first["id"]]
    acts = await system.get("/billing/audit", target_id=invoice["id"])
    assert "invoice.send" in {act["action"] for act in acts["items"]}


async def test_a_paid_invoice_is_sent_as_a_copy_that_asks_for_nothing(system: System) -> None:
    invoice = await booked_invoice(system)
    await paid(system, invoice)
    await system.post(f"/invoices/{invoice['id']}/send", expect=202)
    await with_mails(system, invoice["id"], 2)

    _, mail = await own_mails(system, invoice)

    assert "Paid ·" in text_of(attached_to(mail))
    assert attached_to(mail) == await pdf_at(system, f"/invoices/{invoice['id']}/pdf")
    assert "already settled" in words_of(mail)
    assert "How to pay" not in words_of(mail)


async def test_a_draft_is_drawn_as_one_and_opened_before_it_is_sent(system: System) -> None:
    made = await new_customer(system)
    lines = [{"title": "Beratung", "unit_price": "100.00"}]
    draft = await system.post("/invoices", {"customer_id": made["id"], "lines": lines})
    path = f"/invoices/{draft['id']}"
    assert "Entwurf" in text_of(await pdf_at(system, f"{path}/pdf"))

    refused = await system.post(f"{path}/send", expect=409)
    assert refused["type"].endswith("invoice_draft")
    assert (await system.get(path))["state"] == "draft"

    sent = await system.post(f"{path}/send", {"finalize": True}, expect=202)
    assert sent["invoice"]["state"] == "open"
    invoice = await with_mails(system, draft["id"], 1)
    assert [mail["resend"] for mail in invoice["mails"]] == [False]
    (mail,) = await own_mails(system, invoice)
    assert invoice["number"] in str(mail["Subject"])
    assert "Entwurf" not in text_of(attached_to(mail))


async def test_a_void_invoice_is_not_sent(system: System, database: Database) -> None:
    invoice = await unseen_invoice(system, database)
    await system.post(f"/invoices/{invoice['id']}/void", expect=200)

    refused = await system.post(f"/invoices/{invoice['id']}/send", expect=409)

    assert refused["type"].endswith("invoice_void")
    await system.post(f"/invoices/{new_id()}/send", expect=404)
    assert await deliveries_of(system, invoice) == []


async def test_what_is_sent_before_its_document_is_there_waits_for_it(
    system: System, database: Database
) -> None:
    invoice = await unseen_invoice(system, database)
    await system.post(f"/invoices/{invoice['id']}/send", expect=202)

    async def waiting() -> Any:
        found = await deliveries_of(system, invoice)
        return found[0] if found else None

    assert (await eventually(waiting))["state"] == "waiting"
    query = "UPDATE documents SET next_at = now() WHERE invoice_id = $1"
    await stored(system, "billing", query, invoice["id"])
    # Its own mail and the one that was asked for.
    after = await with_mails(system, invoice["id"], 2)
    assert sorted(mail["resend"] for mail in after["mails"]) == [False, True]


# -- void ------------------------------------------------------------------------------------------


async def test_an_invoice_that_was_mailed_gets_a_cancellation_note_when_it_is_void(
    system: System,
) -> None:
    invoice = await booked_invoice(system)
    await system.post(f"/invoices/{invoice['id']}/void", expect=200)
    pdf = await pdf_at(system, f"/invoices/{invoice['id']}/cancellation-note/pdf")
    assert f"Cancellation of invoice {invoice['number']}" in text_of(pdf)

    after = await with_mails(system, invoice["id"], 2)

    assert [mail["kind"] for mail in after["mails"]] == ["invoice", "cancellation"]
    _, mail = await own_mails(system, invoice)
    assert mail["Subject"] == f"Invoice {invoice['number']} is cancelled"
    assert attached_to(mail) == pdf
    copy = text_of(await pdf_at(system, f"/invoices/{invoice['id']}/pdf"))
    assert "Cancelled ·" in copy
    assert "CANCELLED" in copy


async def test_what_nobody_has_had_is_voided_without_a_word(
    system: System, database: Database
) -> None:
    invoice = await unseen_invoice(system, database)
    # An operator has looked at it, and so has a program that sees all customers.
    query = "UPDATE documents SET next_at = now() WHERE invoice_id = $1"
    assert (await system.api.get(f"/invoices/{invoice['id']}/pdf")).status_code == 409
    await system.post(f"/invoices/{invoice['id']}/void", expect=200)
    assert await cancellations_of(system, invoice) == 0
    await stored(system, "billing", query, invoice["id"])

    async def held_back() -> bool | None:
        states = [item["state"] for item in await deliveries_of(system, invoice)]
        return states == ["withdrawn"] or None

    await eventually(held_back, "the mail to be held back")
    assert (await system.get(f"/invoices/{invoice['id']}"))["mails"] == []
    assert await cancellations_of(system, invoice) == 0


async def test_what_the_customer_has_downloaded_gets_its_note_too(
    system: System, database: Database
) -> None:
    invoice = await unseen_invoice(system, database)
    kept = (
        "UPDATE documents SET state = 'stored', storage_key = $2, sha256 = 'x' "
        "WHERE invoice_id = $1"
    )
    other = await booked_invoice(system)
    ((key,),) = await stored(
        system, "billing", "SELECT storage_key FROM documents WHERE invoice_id = $1", other["id"]
    )
    await stored(system, "billing", kept, invoice["id"], key)
    path = f"/invoices/{invoice['id']}/pdf"
    assert (await system.api.get(path)).status_code == 200
    assert (await system.get(f"/invoices/{invoice['id']}"))["downloaded_at"] is None
    customer = await system.client(customer_ids=[invoice["customer_id"]])
    assert (await customer.get(path)).status_code == 200
    first = (await system.get(f"/invoices/{invoice['id']}"))["downloaded_at"]
    assert first is not None
    assert (await customer.get(path)).status_code == 200
    assert (await system.get(f"/invoices/{invoice['id']}"))["downloaded_at"] == first

    await system.post(f"/invoices/{invoice['id']}/void", expect=200)

    assert await cancellations_of(system, invoice) == 1


async def test_a_mail_that_went_out_while_its_invoice_was_voided_gets_its_note_once(
    system: System, database: Database
) -> None:
    invoice = await unseen_invoice(system, database)
    await system.post(f"/invoices/{invoice['id']}/void", expect=200)
    assert await cancellations_of(system, invoice) == 0

    for _ in range(2):
        await system.send(
            EmailSent(
                customer_id=UUID(invoice["customer_id"]),
                delivery_id=new_id(),
                kind="invoice",
                invoice_id=UUID(invoice["id"]),
                message_id="<late@example.com>",
                attempts=1,
            )
        )

    after = await with_mails(system, invoice["id"], 3)
    assert [mail["kind"] for mail in after["mails"]].count("cancellation") == 1
    assert after["mails"][0]["to"] is None, "the copy of the customer does not say for sure"
    assert await cancellations_of(system, invoice) == 1
    drawn = [
        event
        for event in await system.events(INVOICES)
        if isinstance(event, InvoiceDocumentStored)
        and (str(event.invoice_id), event.kind) == (invoice["id"], "cancellation")
    ]
    assert len(drawn) == 1


async def test_a_customer_that_is_erased_is_not_named_by_its_mails(system: System) -> None:
    invoice = await booked_invoice(system)
    customer = f"/customers/{invoice['customer_id']}"
    await system.post(f"/invoices/{invoice['id']}/void", expect=200)
    await with_mails(system, invoice["id"], 2)
    await system.post(f"{customer}/deactivate", expect=200)

    async def erased() -> bool | None:
        answer = await system.api.post(f"{customer}/erase")
        return answer.is_success or None

    await eventually(erased, "the customer to be erased")

    async def forgotten() -> bool | None:
        found = await system.get(f"/invoices/{invoice['id']}")
        return {mail["to"] for mail in found["mails"]} == {None} or None

    await eventually(forgotten, "the addresses to be forgotten")


# -- switches --------------------------------------------------------------------------------------


async def test_a_kind_that_is_switched_off_goes_out_by_hand_only(system: System) -> None:
    on = {"invoice": True, "credit_note": True, "cancellation": True}
    assert await system.get("/settings/mails") == on
    answer = await system.api.put("/settings/mails", json={**on, "invoice": False})
    assert answer.json() == {**on, "invoice": False}
    try:
        made = await new_customer(system, language="en")
        booked = await book_plan(system, made["id"], "Team")
        invoice = await system.invoice_of(booked["request_id"])
        await pdf_at(system, f"/invoices/{invoice['id']}/pdf")
        await system.post(f"/invoices/{invoice['id']}/send", expect=202)
        after = await with_mails(system, invoice["id"], 1)
        assert [mail["resend"] for mail in after["mails"]] == [False]
        assert len(await deliveries_of(system, invoice)) == 1
    finally:
        await system.api.put("/settings/mails", json=on)
    for bad, field in (({**on, "sms": True}, "sms"), ({"invoice": True}, "credit_note")):
        refused = await system.api.put("/settings/mails", json=bad)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == field
