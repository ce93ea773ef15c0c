"""The events an invoice becomes. Without names or addresses: those stay on customers' topics."""

from datetime import datetime

from services.billing.domain.arrival import Arrival
from services.billing.domain.balance import Entry
from services.billing.domain.credit import CreditNote
from services.billing.domain.invoice import Invoice, InvoiceLine
from shared.events.billing import (
    CreditBalanceChanged,
    CreditNoteIssued,
    InvoiceCredited,
    InvoicedLine,
    InvoiceDueDateChanged,
    InvoiceOpened,
    InvoicePaid,
    InvoicePartiallyPaid,
    InvoicePaymentReversed,
    InvoiceVoided,
    PaymentUnallocated,
)
from shared.events.subscriptions import EventPeriod

__all__ = [
    "balance_event",
    "credit_note_event",
    "credited_event",
    "due_date_changed_event",
    "opened_event",
    "paid_event",
    "partially_paid_event",
    "reversed_event",
    "unallocated_event",
    "voided_event",
]


def _line(invoice: Invoice, line: InvoiceLine, minor: int) -> InvoicedLine:
    period = line.period
    return InvoicedLine(
        position=line.position,
        title=line.title,
        total=invoice.money(minor),
        subscription_id=line.subscription_id,
        request_id=line.request_id,
        period=EventPeriod(start=period.start, end=period.end) if period else None,
        basis=line.basis,
        vat_percent=line.vat_percent,
    )


def _lines(invoice: Invoice) -> tuple[InvoicedLine, ...]:
    return tuple(_line(invoice, line, line.total_minor) for line in invoice.lines)


def opened_event(invoice: Invoice, *, version: int = 1) -> InvoiceOpened:
    """`version`: of the opening; when the balance pays it all, being paid has the next one."""
    return InvoiceOpened(
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        version=version,
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
        replaced_by=invoice.replaced_by,
    )


def due_date_changed_event(before: Invoice, invoice: Invoice) -> InvoiceDueDateChanged:
    return InvoiceDueDateChanged(
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        version=invoice.version,
        number=invoice.number,
        lines=_lines(invoice),
        due_date=invoice.due_date,
        previous_due_date=before.due_date,
        open_amount=invoice.money(invoice.open_minor),
    )


def credited_event(invoice: Invoice, note: CreditNote, *, version: int) -> InvoiceCredited:
    """`version`: of the credit; when that settles the invoice, being paid has the next one."""
    lines = {line.position: line for line in invoice.lines}
    return InvoiceCredited(
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        version=version,
        number=invoice.number,
        lines=tuple(
            _line(invoice, lines[credited.position], credited.amount_minor)
            for credited in note.lines
        ),
        credit_note_id=note.id,
        credit_note_number=note.number,
        credited=note.money(note.total_minor),
        to_balance=note.money(note.to_balance_minor),
        open_amount=invoice.money(invoice.open_minor),
        request_id=note.request_id,
        fully=invoice.fully_credited,
    )


def credit_note_event(invoice: Invoice, note: CreditNote, *, version: int) -> CreditNoteIssued:
    return CreditNoteIssued(
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        version=version,
        credit_note_id=note.id,
        number=note.number,
        invoice_number=invoice.number,
        issued_on=note.issued_on,
        total=note.money(note.total_minor),
        to_balance=note.money(note.to_balance_minor),
    )


def reversed_event(
    before: Invoice, invoice: Invoice, reversed_at: datetime
) -> InvoicePaymentReversed:
    return InvoicePaymentReversed(
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        version=invoice.version,
        number=invoice.number,
        lines=_lines(invoice),
        settlement=before.settlement,
        reversed_at=reversed_at,
        due_date=invoice.due_date,
        open_amount=invoice.money(invoice.open_minor),
    )


def unallocated_event(arrival: Arrival) -> PaymentUnallocated:
    if arrival.why is None:
        raise ValueError(f"{arrival.source} {arrival.reference} is booked")
    return PaymentUnallocated(
        customer_id=arrival.customer_id,
        unallocated_payment_id=arrival.id,
        amount=arrival.amount,
        source=arrival.source,
        reference=arrival.reference,
        why=arrival.why,
        received_on=arrival.received_on,
        invoice_id=arrival.invoice_id,
    )


def balance_event(entry: Entry) -> CreditBalanceChanged:
    source = entry.source
    return CreditBalanceChanged(
        customer_id=entry.customer_id,
        version=entry.version,
        currency=entry.currency,
        amount=entry.money(entry.amount_minor),
        balance=entry.money(entry.balance_minor),
        origin=source.origin,
        invoice_id=source.invoice_id,
        subscription_id=source.subscription_id,
    )
