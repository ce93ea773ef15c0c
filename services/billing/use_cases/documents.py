"""Drawing PDFs: intent committed, drawn outside of any transaction, result committed."""

import asyncio
from datetime import date
from decimal import Decimal
from typing import Any

import structlog

from services.billing import repository, tables
from services.billing.documents.model import (
    Buyer,
    DocumentLine,
    InvoiceDocument,
    Seller,
    VatSummaryRow,
)
from services.billing.documents.pool import RenderPool
from services.billing.domain.invoice import Invoice, InvoiceLine
from services.billing.domain.texts import tax_note
from shared.clock import Clock, NewId
from shared.database import Database
from shared.due_work import claim_due, finish, held
from shared.events.billing import InvoiceDocumentStored
from shared.messaging.outbox import publish
from shared.retries import retry_at
from shared.storage import DocumentStore
from shared.tracing import continued

__all__ = ["draw_due_documents", "invoice_document"]

log = structlog.get_logger()

_LIMIT = 16
_ATTEMPTS_MAX = 12


async def draw_due_documents(
    database: Database, store: DocumentStore, pool: RenderPool, *, clock: Clock, new_id: NewId
) -> bool:
    """Draw and store a batch of documents; tells whether there were any."""
    async with database.transaction() as tx:
        claimed = await claim_due(tx, tables.documents, now=clock(), limit=_LIMIT)
        invoices = {
            invoice.id: invoice
            for invoice in await repository.get_invoices(tx, [row.invoice_id for row in claimed])
        }

    async def draw(row: Any) -> None:
        with continued("draw document", row.correlation):
            invoice = invoices[row.invoice_id]
            await _draw(database, store, pool, row, invoice, clock=clock, new_id=new_id)

    async with held(database, tables.documents, claimed, clock=clock):
        await asyncio.gather(*(draw(row) for row in claimed))
    return bool(claimed)


async def _draw(
    database: Database,
    store: DocumentStore,
    pool: RenderPool,
    claimed: Any,
    invoice: Invoice,
    *,
    clock: Clock,
    new_id: NewId,
) -> None:
    try:
        drawn = await pool.render(invoice_document(invoice))
        key, digest = await store.put(drawn.pdf, "pdf")
    except Exception as error:
        log.exception("document not drawn", invoice=invoice.number)
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
    if drawn.replaced:
        log.warning("characters replaced", invoice=invoice.number, count=len(drawn.replaced))
    now = clock()
    async with database.transaction() as tx:
        await repository.lock_customers(tx, [invoice.customer_id])
        mine = await finish(
            tx,
            tables.documents,
            claimed,
            state="stored",
            storage_key=key,
            sha256=digest,
            size_bytes=len(drawn.pdf),
            stored_at=now,
        )
        if not mine:
            return
        event = InvoiceDocumentStored(
            customer_id=invoice.customer_id,
            invoice_id=invoice.id,
            version=1,
            number=invoice.number,
            storage_key=key,
            sha256=digest,
            filename=f"{invoice.number}.pdf",
            size_bytes=len(drawn.pdf),
        )
        await publish(tx, [event], now=now, new_id=new_id)


def invoice_document(invoice: Invoice) -> InvoiceDocument:
    """What the invoice says, from the snapshots taken at opening: never changes again."""
    seller, buyer = invoice.seller, invoice.buyer
    return InvoiceDocument(
        number=invoice.number,
        title=invoice.title,
        language=invoice.language,
        invoice_date=invoice.invoice_date,
        due_date=invoice.due_date,
        customer_number=buyer["number"],
        currency=invoice.currency,
        seller=Seller(
            name=seller["company_name"],
            brand=seller["brand_name"],
            address=tuple(seller["address_lines"]),
            email=seller["email"],
            country=seller["country"],
            vat_id=seller["vat_id"] or None,
            iban=seller["iban"] or None,
            footer=seller["footer"] or None,
        ),
        buyer=Buyer(
            name=_buyer_name(buyer),
            address=tuple(buyer["billing_address"])
            or (*buyer["address_lines"], f"{buyer['postcode']} {buyer['city']}".strip()),
            country=buyer["country"],
            vat_id=buyer["vat_id"] or None,
        ),
        lines=tuple(_line(line) for line in invoice.lines),
        subtotal_minor=invoice.subtotal_minor,
        vat=tuple(
            VatSummaryRow(
                percent=Decimal(row["percent"]),
                net_minor=row["net_minor"],
                vat_minor=row["vat_minor"],
                basis=row["basis"],
            )
            for row in invoice.vat
        ),
        total_minor=invoice.total_minor,
        open_minor=invoice.total_minor - invoice.credit_used_minor,
        credit_used_minor=invoice.credit_used_minor,
        rounding_minor=invoice.rounding_minor,
        billing_note=buyer["billing_note"] or None,
        tax_note=tax_note(invoice.tax_treatment, invoice.language),
    )


def _buyer_name(buyer: Any) -> tuple[str, ...]:
    name = buyer["billing_name"] or buyer["company_name"]
    return tuple(part for part in (name, buyer["contact_name"]) if part)


def _line(line: InvoiceLine) -> DocumentLine:
    period: tuple[date, date] | None = None
    if line.period:
        period = line.period.start, line.period.last_day
    return DocumentLine(
        title=line.title,
        quantity=line.quantity,
        unit_price=line.unit_price,
        vat_percent=line.vat_percent,
        total_minor=line.total_minor,
        basis=line.basis,
        description=line.description or None,
        explanation=line.explanation or None,
        unit=line.unit or None,
        discount_percent=line.discount_percent,
        period=period,
    )
