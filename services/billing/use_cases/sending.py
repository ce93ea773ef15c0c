"""Sending an invoice by hand: mailed as it is now, and a draft opened first where that is meant."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.billing import repository
from services.billing.domain.draft import Draft
from services.billing.domain.invoice import Invoice, InvoiceState
from services.billing.domain.paper import present_paper
from services.billing.use_cases.finalizing import FinalizeDraft, finalize_draft
from services.billing.use_cases.locking import lock_invoice
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Seen, Tx
from shared.errors import Conflict
from shared.events.billing import InvoiceSendRequested

__all__ = ["SendInvoice", "send_invoice"]


@dataclass(frozen=True, slots=True)
class SendInvoice:
    """`finalize`: a draft is opened first. `seen`: the caller's customers."""

    invoice_id: UUID
    finalize: bool
    by: str
    seen: Seen = None


async def send_invoice(
    tx: Tx, command: SendInvoice, *, now: datetime, new_id: NewId
) -> tuple[UUID, Invoice]:
    """Have an invoice mailed, as it is now; returns the id of this sending.

    Raises:
        NotFound: no such invoice.
        Conflict: it is void, or a draft that is not to be finalised, or cannot be.
    """
    bill = await repository.get_bill(tx, command.invoice_id, seen=command.seen)
    if isinstance(bill, Draft):
        if not command.finalize:
            raise Conflict(
                "invoice_draft", "A draft is sent with finalize=true only, which opens it."
            )
        opening = FinalizeDraft(bill.id, bill.version, None, command.by)
        await finalize_draft(tx, opening, now=now, new_id=new_id)
    invoice = await lock_invoice(tx, command.invoice_id, seen=command.seen)
    if invoice.state is InvoiceState.VOID:
        raise Conflict("invoice_void", f"Invoice {invoice.number} is void; it is not sent.")
    document = await _document(tx, invoice, now=now, new_id=new_id)
    event = InvoiceSendRequested(
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        version=invoice.version,
        number=invoice.number,
        send_id=new_id(),
        document_id=document.id,
        due_date=invoice.due_date,
        open_amount=invoice.money(invoice.open_minor),
        storage_key=document.storage_key or "",
        filename=present_paper(invoice).filename,
    )
    act = Act(
        "invoice.send",
        "invoice",
        invoice.id,
        invoice.customer_id,
        after={"send": str(event.send_id), "state": str(invoice.state)},
    )
    await record(tx, command.by, [act], [event], now=now, new_id=new_id)
    return event.send_id, invoice


async def _document(tx: Tx, invoice: Invoice, *, now: datetime, new_id: NewId) -> Any:
    """The row of the document that says what the invoice is now; drawn soon if it is not yet."""
    paper = present_paper(invoice)
    row = await repository.get_document(tx, paper)
    if row is None:
        await repository.add_papers(tx, [paper], now=now, new_id=new_id)
        row = await repository.get_document(tx, paper)
    elif row.state == "failed":
        await repository.redraw(tx, row.id, now=now)
    return row
