"""Which mails are to go out: one delivery per event and kind, written before any is sent."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.notifier import repository
from services.notifier.domain.delivery import MailKind
from shared.clock import NewId
from shared.database import Tx
from shared.events.billing import (
    CreditNoteIssued,
    InvoiceDocumentStored,
    InvoiceOpened,
    InvoiceSendRequested,
    InvoiceVoided,
    SettingsChanged,
)
from shared.events.customers import CustomerErased, CustomerState
from shared.messaging.batch import Waiting

__all__ = [
    "Domain",
    "copy_customers",
    "copy_seller",
    "erase_customers",
    "note_opened_invoices",
    "note_voided_invoices",
    "plan_credit_notes",
    "plan_documents",
    "plan_sendings",
]

_LIVE = {"waiting", "due", "sent"}

Domain = str
"""The right side of Message-IDs."""


async def copy_customers(tx: Tx, states: Sequence[CustomerState]) -> None:
    await repository.save_customers(tx, states)


async def erase_customers(tx: Tx, erased: Sequence[CustomerErased]) -> None:
    await repository.erase_customers(tx, erased)


async def copy_seller(tx: Tx, settings: Sequence[SettingsChanged]) -> None:
    for changed in settings:
        await repository.save_seller(tx, changed)


async def note_opened_invoices(tx: Tx, opened: Sequence[InvoiceOpened]) -> None:
    await repository.add_invoices(tx, opened)


async def note_voided_invoices(tx: Tx, voided: Sequence[InvoiceVoided], *, now: datetime) -> None:
    """Remember it: a mail of such an invoice that is still to go out is held back."""
    await repository.save_voided(tx, voided, now=now)


async def plan_documents(
    tx: Tx,
    stored: Sequence[InvoiceDocumentStored],
    *,
    domain: Domain,
    now: datetime,
    new_id: NewId,
) -> Waiting:
    """Plan the mails of documents that go out by themselves; let go what has waited for others.

    Invoices nobody's subscription asked for go out only when an operator sends them.
    """
    invoices = await repository.get_invoices(tx, [event.invoice_id for event in stored])
    off = await repository.get_switched_off(tx)
    rows = []
    for event in stored:
        invoice = invoices.get(event.invoice_id)
        if invoice is None or event.kind in off:
            continue
        if event.kind == "cancellation" or (
            event.kind == "invoice" and invoice.opened.request_id is not None
        ):
            rows.append(_row(event, event.kind, event.invoice_id, domain, new_id) | _file(event))
    await repository.add_deliveries(tx, rows, now=now)
    await repository.release_deliveries(
        tx,
        [
            (awaited, event.storage_key, event.filename)
            for event in stored
            if (awaited := event.credit_note_id or event.document_id)
        ],
        now=now,
    )
    return {event.customer_id for event in stored if event.invoice_id not in invoices}


async def plan_credit_notes(
    tx: Tx,
    issued: Sequence[CreditNoteIssued],
    *,
    domain: Domain,
    now: datetime,
    new_id: NewId,
) -> Waiting:
    """Plan the mail of each credit note; it waits for the document."""
    invoices = await repository.get_invoices(tx, [event.invoice_id for event in issued])
    off = await repository.get_switched_off(tx)
    rows = [
        _row(event, "credit_note", event.credit_note_id, domain, new_id)
        | {
            "state": "waiting",
            "awaits": event.credit_note_id,
            "content": event.model_dump(mode="json"),
        }
        for event in issued
        if "credit_note" not in off and event.invoice_id in invoices
    ]
    await repository.add_deliveries(tx, rows, now=now)
    return {event.customer_id for event in issued if event.invoice_id not in invoices}


async def plan_sendings(
    tx: Tx,
    asked: Sequence[InvoiceSendRequested],
    *,
    domain: Domain,
    now: datetime,
    new_id: NewId,
) -> Waiting:
    """Plan the mails that somebody asked for, whatever is switched off; a second one says so."""
    ids = [event.invoice_id for event in asked]
    invoices = await repository.get_invoices(tx, ids)
    off = await repository.get_switched_off(tx)
    mailed = await repository.get_mailed(tx, ids)
    rows = []
    for event in asked:
        if (invoice := invoices.get(event.invoice_id)) is None:
            continue
        states = mailed.get(event.invoice_id, set())
        # Its own mail may still wait to be planned: the document is not stored yet.
        to_come = invoice.opened.request_id is not None and not states and "invoice" not in off
        row = _row(event, "invoice", event.send_id, domain, new_id)
        row |= {"resend": to_come or bool(states & _LIVE), "content": event.model_dump(mode="json")}
        if event.storage_key:
            row |= _file(event)
        else:
            row |= {"state": "waiting", "awaits": event.document_id}
        rows.append(row)
    await repository.add_deliveries(tx, rows, now=now)
    return {event.customer_id for event in asked if event.invoice_id not in invoices}


def _row(
    event: InvoiceDocumentStored | CreditNoteIssued | InvoiceSendRequested,
    kind: MailKind,
    source_id: UUID,
    domain: Domain,
    new_id: NewId,
) -> dict[str, Any]:
    delivery_id = new_id()
    return {
        "id": delivery_id,
        "customer_id": event.customer_id,
        "kind": kind,
        "source_id": source_id,
        "invoice_id": event.invoice_id,
        "message_id": f"<{delivery_id}@{domain}>",
        "state": "due",
        "awaits": None,
        "resend": False,
        "content": None,
        "storage_key": None,
        "filename": None,
    }


def _file(event: InvoiceDocumentStored | InvoiceSendRequested) -> dict[str, str]:
    return {"storage_key": event.storage_key, "filename": event.filename}
