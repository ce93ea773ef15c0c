"""Drawing PDFs: intent committed, drawn outside of any transaction, result committed."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import structlog

from services.billing import repository, tables
from services.billing.documents.build import (
    cancellation_document,
    copy_document,
    credit_note_document,
    draft_document,
    invoice_document,
)
from services.billing.documents.model import Document
from services.billing.documents.press import Press, Printed
from services.billing.domain.credit import CreditNote
from services.billing.domain.draft import Draft
from services.billing.domain.invoice import Bill, Invoice, InvoiceState
from services.billing.domain.paper import (
    Paper,
    cancellation_of,
    credit_note_paper,
    original_of,
    paper_of,
    present_paper,
)
from shared.clock import Clock, NewId
from shared.database import Database, Tx
from shared.due_work import claim_due, finish, held
from shared.errors import Conflict, NotFound
from shared.events.billing import InvoiceDocumentStored
from shared.messaging.outbox import publish
from shared.retries import retry_at
from shared.tracing import continued

__all__ = [
    "Pdf",
    "cancellation_pdf",
    "credit_note_pdf",
    "draw_due_documents",
    "invoice_pdf",
]

log = structlog.get_logger()

_LIMIT = 16
_ATTEMPTS_MAX = 12


@dataclass(frozen=True, slots=True)
class _Order:
    """A document to be drawn, and what it says."""

    paper: Paper
    document: Document
    logo_key: str


async def draw_due_documents(
    database: Database, press: Press, *, clock: Clock, new_id: NewId
) -> bool:
    """Draw and store a batch of documents; tells whether there were any."""
    async with database.transaction() as tx:
        claimed = await claim_due(tx, tables.documents, now=clock(), limit=_LIMIT)
        found = await repository.get_invoices(tx, {row.invoice_id for row in claimed})
        invoices = {invoice.id: invoice for invoice in found}
        orders = [await _order_of(tx, row, invoices[row.invoice_id]) for row in claimed]

    async def draw(row: Any, order: _Order) -> None:
        with continued("draw document", row.correlation):
            await _draw(database, press, row, order, clock=clock, new_id=new_id)

    async with held(database, tables.documents, claimed, clock=clock):
        await asyncio.gather(*map(draw, claimed, orders))
    return bool(claimed)


async def _order_of(tx: Tx, row: Any, invoice: Invoice) -> _Order:
    if row.kind == "credit_note":
        note = await repository.get_credit_note(tx, row.subject_id)
        if note is None:
            raise ValueError(f"there is no credit note {row.subject_id}")
        return _credit_note_order(note, invoice)
    return await _order(tx, paper_of(invoice, row.kind, row.edition), invoice)


def _credit_note_order(note: CreditNote, invoice: Invoice) -> _Order:
    document = credit_note_document(note, invoice)
    return _Order(credit_note_paper(note), document, _logo_key(invoice))


async def _order(tx: Tx, paper: Paper, invoice: Invoice) -> _Order:
    document: Document
    # One that was paid when its copy was asked for may be open again by now.
    if paper.kind == "copy" and invoice.state is not InvoiceState.OPEN:
        payments = await repository.get_payments(tx, invoice.id)
        notes = await repository.get_credit_notes(tx, invoice.id)
        document = copy_document(invoice, payments, notes)
    elif paper.kind == "cancellation":
        replaced_by = None
        if invoice.replaced_by:
            replaced_by = await repository.get_number(tx, invoice.replaced_by)
        document = cancellation_document(invoice, replaced_by)
    else:
        document = invoice_document(invoice)
    return _Order(paper, document, _logo_key(invoice))


def _logo_key(bill: Bill) -> str:
    key: str = bill.seller.get("logo_key", "")
    return key


async def _draw(
    database: Database,
    press: Press,
    claimed: Any,
    order: _Order,
    *,
    clock: Clock,
    new_id: NewId,
) -> None:
    paper = order.paper
    try:
        printed = await press.print(order.document, order.logo_key)
    except Exception as error:
        log.exception("document not drawn", kind=paper.kind, number=paper.number)
        now = clock()
        given_up = claimed.attempts >= _ATTEMPTS_MAX
        async with database.transaction() as tx:
            await finish(
                tx,
                tables.documents,
                claimed,
                state="failed" if given_up else "due",
                next_at=retry_at(now, claimed.attempts),
                last_error=repr(error)[:1000],
            )
        return
    now = clock()
    async with database.transaction() as tx:
        await repository.lock_customers(tx, [paper.customer_id])
        mine = await finish(
            tx,
            tables.documents,
            claimed,
            state="stored",
            storage_key=printed.key,
            sha256=printed.digest,
            size_bytes=len(printed.pdf),
            stored_at=now,
        )
        if mine:
            event = _stored_event(paper, claimed.id, printed)
            await publish(tx, [event], now=now, new_id=new_id)


def _stored_event(paper: Paper, document_id: UUID, printed: Printed) -> InvoiceDocumentStored:
    return InvoiceDocumentStored(
        customer_id=paper.customer_id,
        invoice_id=paper.invoice_id,
        version=1,
        number=paper.number,
        storage_key=printed.key,
        sha256=printed.digest,
        filename=paper.filename,
        size_bytes=len(printed.pdf),
        kind=paper.kind,
        document_id=document_id,
        credit_note_id=paper.subject_id if paper.kind == "credit_note" else None,
    )


# -- asked for by somebody -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pdf:
    content: bytes
    filename: str
    digest: str


async def invoice_pdf(
    tx: Tx, press: Press, invoice: Invoice | Draft, *, original: bool, now: datetime, new_id: NewId
) -> Pdf:
    """The invoice as it is, or as it was opened; a draft is drawn and not kept.

    Raises:
        Conflict: it is being drawn.
    """
    if isinstance(invoice, Draft):
        drawn = await press.draw(draft_document(invoice), _logo_key(invoice))
        return Pdf(drawn.pdf, "draft.pdf", sha256(drawn.pdf).hexdigest())
    paper = original_of(invoice) if original else present_paper(invoice)
    return await _pdf(tx, press, await _order(tx, paper, invoice), now=now, new_id=new_id)


async def credit_note_pdf(
    tx: Tx, press: Press, note: CreditNote, invoice: Invoice, *, now: datetime, new_id: NewId
) -> Pdf:
    """Raises Conflict as `invoice_pdf` does."""
    return await _pdf(tx, press, _credit_note_order(note, invoice), now=now, new_id=new_id)


async def cancellation_pdf(tx: Tx, press: Press, invoice: Invoice, *, now: datetime) -> Pdf:
    """The note that was issued when an invoice was voided that the customer had.

    Raises:
        NotFound: there is none.
        Conflict: as `invoice_pdf`.
    """
    paper = cancellation_of(invoice)
    row = await repository.get_document(tx, paper)
    if row is None:
        raise NotFound("cancellation_note", invoice.id)
    return await _stored(tx, press, paper, row, now=now)


async def _pdf(tx: Tx, press: Press, order: _Order, *, now: datetime, new_id: NewId) -> Pdf:
    """What is stored; what nobody has asked for yet is drawn now."""
    paper = order.paper
    if row := await repository.get_document(tx, paper):
        return await _stored(tx, press, paper, row, now=now)
    printed = await press.print(order.document, order.logo_key)
    async with tx.attempt():
        await repository.lock_customers(tx, [paper.customer_id])
        await repository.add_drawn(
            tx,
            new_id(),
            paper,
            key=printed.key,
            digest=printed.digest,
            size=len(printed.pdf),
            now=now,
        )
    return Pdf(printed.pdf, paper.filename, printed.digest)


async def _stored(tx: Tx, press: Press, paper: Paper, row: Any, *, now: datetime) -> Pdf:
    if row.state == "failed":  # whoever asks for it has it tried again
        await repository.redraw(tx, row.id, now=now)
    if row.storage_key is None:
        raise Conflict("document_pending", "The document is being drawn; try again in a moment.")
    try:
        content = await press.store.get(row.storage_key)
    except FileNotFoundError as error:
        raise NotFound("document", row.storage_key) from error
    return Pdf(content, paper.filename, row.sha256)
