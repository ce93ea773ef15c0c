"""The events an invoice becomes. Without names or addresses: those stay on customers' topics."""

from services.billing.domain.invoice import Invoice, InvoiceLine
from shared.events.billing import (
    InvoicedLine,
    InvoiceOpened,
    InvoicePaid,
    InvoicePartiallyPaid,
    InvoiceVoided,
)
from shared.events.subscriptions import EventPeriod

__all__ = ["opened_event", "paid_event", "partially_paid_event", "voided_event"]


def _line(invoice: Invoice, line: InvoiceLine) -> InvoicedLine:
    period = line.period
    return InvoicedLine(
        position=line.position,
        title=line.title,
        total=invoice.money(line.total_minor),
        subscription_id=line.subscription_id,
        request_id=line.request_id,
        period=EventPeriod(start=period.start, end=period.end) if period else None,
    )


def _lines(invoice: Invoice) -> tuple[InvoicedLine, ...]:
    return tuple(_line(invoice, line) for line in invoice.lines)


def opened_event(invoice: Invoice) -> InvoiceOpened:
    return InvoiceOpened(
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        version=1,
        number=invoice.number,
        lines=_lines(invoice),
        request_id=invoice.request_id,
        title=invoice.title,
        language=invoice.language,
        invoice_date=invoice.invoice_date,
        due_date=invoice.due_date,
        total=invoice.money(invoice.total_minor),
        open_amount=invoice.money(invoice.open_minor),
    )


def partially_paid_event(invoice: Invoice) -> InvoicePartiallyPaid:
    return InvoicePartiallyPaid(
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        version=invoice.version,
        number=invoice.number,
        paid=invoice.money(invoice.paid_minor),
        open_amount=invoice.money(invoice.open_minor),
    )


def paid_event(invoice: Invoice) -> InvoicePaid:
    if invoice.paid_at is None:
        raise ValueError(f"invoice {invoice.number} is not paid")
    return InvoicePaid(
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        version=invoice.version,
        number=invoice.number,
        lines=_lines(invoice),
        settlement=invoice.settlement,
        paid_at=invoice.paid_at,
        total=invoice.money(invoice.total_minor),
    )


def voided_event(invoice: Invoice) -> InvoiceVoided:
    return InvoiceVoided(
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        version=invoice.version,
        number=invoice.number,
        lines=_lines(invoice),
    )
