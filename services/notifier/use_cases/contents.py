"""What the mail of a delivery says, from what is known when it is sent."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.notifier.mails.kinds import (
    CancellationMail,
    CreditNoteMail,
    InvoiceMail,
    MailContent,
)
from services.notifier.repository import KnownInvoice
from shared.events.billing import CreditNoteIssued, InvoiceSendRequested, SettingsChanged

__all__ = ["content_of", "name_of"]


def content_of(
    row: Any, customer: Any, invoices: Mapping[UUID, KnownInvoice], seller: SettingsChanged
) -> MailContent:
    """Raises ValueError for a kind that nobody writes."""
    invoice = invoices[row.invoice_id]
    common: dict[str, Any] = {
        "language": invoice.opened.language,
        "countries": (customer["country"], seller.country),
        "seller_name": seller.brand_name or seller.company_name,
        "brand_color": seller.brand_color or None,
        "reply_contact": seller.email,
        "buyer_name": name_of(customer),
        "sent_again": row.resend,
    }
    match row.kind:
        case "invoice":
            return _invoice(row, invoice, seller, common)
        case "credit_note":
            return _credit_note(row, common)
        case "cancellation":
            return _cancellation(invoice, invoices, common)
    raise ValueError(f"there is no mail of kind {row.kind}")


def name_of(customer: Any) -> str:
    return str(customer["billing_name"] or customer["company_name"] or customer["contact_name"])


def _invoice(
    row: Any, invoice: KnownInvoice, seller: SettingsChanged, common: dict[str, Any]
) -> InvoiceMail:
    opened = invoice.opened
    # Sent by hand it says what is owed by then.
    sending = InvoiceSendRequested.model_validate(row.content) if row.content else None
    return InvoiceMail(
        **common,
        number=opened.number,
        title=opened.title,
        lines=tuple((line.title, None) for line in opened.lines),
        total=opened.total,
        open=sending.open_amount if sending else opened.open_amount,
        invoice_date=opened.invoice_date,
        due_date=sending.due_date if sending else opened.due_date,
        payee=seller.company_name,
        iban=seller.iban or None,
    )


def _credit_note(row: Any, common: dict[str, Any]) -> CreditNoteMail:
    note = CreditNoteIssued.model_validate(row.content)
    return CreditNoteMail(
        **common,
        number=note.number,
        invoice_number=note.invoice_number,
        issued_on=note.issued_on,
        total=note.total,
        to_balance=note.to_balance,
    )


def _cancellation(
    invoice: KnownInvoice, invoices: Mapping[UUID, KnownInvoice], common: dict[str, Any]
) -> CancellationMail:
    replacement = invoices.get(invoice.replaced_by) if invoice.replaced_by else None
    return CancellationMail(
        **common,
        number=invoice.opened.number,
        title=invoice.opened.title,
        invoice_date=invoice.opened.invoice_date,
        total=invoice.opened.total,
        replaced_by=replacement.opened.number if replacement else None,
    )
