"""What customers have had of an invoice: mailed, downloaded, and taken back in writing."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.billing import repository
from services.billing.domain.invoice import Invoice, InvoiceState
from services.billing.domain.paper import cancellation_of
from shared.clock import NewId
from shared.database import Tx
from shared.events.notifier import EmailSent

__all__ = ["issue_cancellations", "note_download", "note_sent"]


async def note_sent(tx: Tx, events: Sequence[EmailSent], *, now: datetime, new_id: NewId) -> None:
    """Remember which mails went out. One that was too late to be held back gets its note now."""
    about = [(event, event.invoice_id) for event in events if event.invoice_id]
    customers = await repository.lock_customers(tx, {event.customer_id for event in events})
    void = await repository.add_mails(
        tx,
        [
            (invoice_id, _mail(event, customers.get(event.customer_id), now))
            for event, invoice_id in about
        ],
    )
    if void:
        invoices = await repository.get_invoices(tx, void)
        await issue_cancellations(tx, invoices, now=now, new_id=new_id)


def _mail(event: EmailSent, customer: Any, now: datetime) -> dict[str, Any]:
    """Addresses are on no topic but the customer's: the copy tells it, unless it has moved on."""
    to = None
    if customer and customer.get("version") == event.customer_version:
        to = customer.get("billing_email") or customer.get("email")
    return {
        "kind": event.kind,
        "to": to,
        "at": (event.sent_at or now).isoformat(),
        "resend": event.resend,
    }


async def note_download(tx: Tx, invoice: Invoice, *, now: datetime, new_id: NewId) -> None:
    """Remember that the customer has it. Voided at the same moment, it gets its note now."""
    if invoice.downloaded_at or invoice.state in {InvoiceState.DRAFT, InvoiceState.VOID}:
        return
    async with tx.attempt():
        locked = await repository.lock_invoices(tx, [invoice.id])
        present = replace(locked[invoice.id], downloaded_at=now)
        await repository.save_download(tx, invoice.id, now=now)
        if present.state is InvoiceState.VOID:
            await issue_cancellations(tx, [present], now=now, new_id=new_id)


async def issue_cancellations(
    tx: Tx, voided: Iterable[Invoice], *, now: datetime, new_id: NewId
) -> None:
    """Have cancellation notes drawn for those that their customers have; each has one."""
    papers = [cancellation_of(invoice) for invoice in voided if invoice.went_out]
    await repository.add_papers(tx, papers, now=now, new_id=new_id)
