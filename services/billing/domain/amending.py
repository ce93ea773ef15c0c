"""What may still be done to an invoice that nobody has paid: take it back, or give more time."""

from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from services.billing.domain.invoice import Invoice, InvoiceState
from shared.errors import Conflict, InputInvalid

__all__ = ["change_due_date", "refuse_unless_untouched", "void"]


def refuse_unless_untouched(invoice: Invoice) -> None:
    """Refuse to take back what is not open, or what has moved money already.

    Raises:
        Conflict: with `way_out` where a credit note does what was wanted.
    """
    if invoice.untouched:
        return
    if invoice.state not in {InvoiceState.OPEN, InvoiceState.PAID}:
        raise Conflict(
            f"invoice_{invoice.state}", f"Invoice {invoice.number} is {invoice.state} already."
        )
    if invoice.state is InvoiceState.PAID:
        code, has = "invoice_paid", "is paid"
    elif invoice.paid_minor or not invoice.credited_minor:
        code, has = "invoice_partly_paid", "has payments"
    else:
        code, has = "invoice_partly_credited", "has credit notes"
    raise Conflict(
        code,
        f"Invoice {invoice.number} {has}; it needs a credit note instead.",
        way_out="credit_note",
    )


def void(
    invoice: Invoice,
    *,
    now: datetime,
    replaced_by: UUID | None = None,
    reason: str | None = None,
    hidden: bool = False,
) -> Invoice:
    """Take an unpaid invoice out of the books; its number stays accounted for.

    What it had used of the balance goes back there. `hidden` takes it out of the lists, too.

    Raises:
        Conflict: it is not open, or money has arrived for it, or a part is credited.
    """
    refuse_unless_untouched(invoice)
    return replace(
        invoice,
        state=InvoiceState.VOID,
        version=invoice.version + 1,
        surplus_minor=invoice.credit_used_minor,
        voided_at=now,
        void_reason=reason,
        replaced_by=replaced_by,
        hidden=hidden,
    )


def change_due_date(invoice: Invoice, due_date: date, *, today: date) -> Invoice:
    """Give more time, or less, to pay what is open.

    Raises:
        InputInvalid: the day has passed, or lies before the invoice's own.
        Conflict: nothing is open.
    """
    if invoice.state is not InvoiceState.OPEN:
        raise Conflict(
            f"invoice_{invoice.state}",
            f"Invoice {invoice.number} is {invoice.state}; nothing of it is due.",
        )
    earliest = max(today, invoice.invoice_date)
    if due_date < earliest:
        raise InputInvalid("due_date", f"must not be before {earliest}")
    return replace(invoice, version=invoice.version + 1, due_date=due_date)
