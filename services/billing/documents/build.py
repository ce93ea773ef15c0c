"""From what billing knows to what a document says: from snapshots, so it never changes again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from services.billing.documents.model import (
    Buyer,
    CancellationDocument,
    CreditNoteDocument,
    DocumentLine,
    DocumentPayment,
    InvoiceDocument,
    Seller,
    Stamp,
    VatSummaryRow,
)
from services.billing.domain.credit import CreditNote
from services.billing.domain.draft import Draft
from services.billing.domain.invoice import Bill, Invoice, InvoiceLine, InvoiceState, Payment
from services.billing.domain.texts import tax_note
from shared.periods import local_date

__all__ = [
    "cancellation_document",
    "copy_document",
    "credit_note_document",
    "draft_document",
    "invoice_document",
]


def invoice_document(invoice: Invoice) -> InvoiceDocument:
    """The invoice as it was opened."""
    return InvoiceDocument(
        **_common(invoice, invoice.number),
        **_content(invoice),
        invoice_date=invoice.invoice_date,
        due_date=invoice.due_date,
        open_minor=invoice.total_minor - invoice.credit_used_minor,
        credit_used_minor=invoice.credit_used_minor,
    )


def draft_document(draft: Draft) -> InvoiceDocument:
    """What a draft would look like; shown as such on every page."""
    return InvoiceDocument(
        **_common(draft, ""),
        **_content(draft),
        invoice_date=None,
        due_date=draft.due_date,
        open_minor=draft.total_minor,
    )


def _content(bill: Bill) -> dict[str, Any]:
    return {
        "title": bill.title,
        "lines": tuple(_line(line) for line in bill.lines),
        "subtotal_minor": bill.subtotal_minor,
        "vat": _vat(bill.vat),
        "total_minor": bill.total_minor,
        "rounding_minor": bill.rounding_minor,
        "billing_note": bill.buyer["billing_note"] or None,
    }


def copy_document(
    invoice: Invoice, payments: Iterable[Payment], notes: Sequence[CreditNote]
) -> InvoiceDocument:
    """The invoice as it is, with what has been paid and credited since it was opened."""
    original = replace(invoice_document(invoice), stamp=_stamp(invoice, notes), open_minor=0)
    if invoice.state is InvoiceState.VOID:
        return replace(original, credit_used_minor=0)  # it has gone back
    return replace(
        original,
        paid_minor=invoice.paid_minor,
        surplus_minor=invoice.surplus_minor,
        payments=tuple(
            DocumentPayment(
                received_on=payment.received_on,
                method=payment.method,
                amount_minor=payment.amount.minor,
            )
            for payment in payments
            if not payment.reversed_at
        ),
        credited=tuple((note.number, note.total_minor) for note in notes),
    )


def _stamp(invoice: Invoice, notes: Sequence[CreditNote]) -> Stamp:
    def day(at: Any) -> date:
        return local_date(at, invoice.seller["time_zone"])

    match invoice.state:
        case InvoiceState.PAID:
            return Stamp(state="paid", on=day(invoice.paid_at))
        case InvoiceState.VOID:
            return Stamp(state="void", on=day(invoice.voided_at))
        case InvoiceState.CREDITED:
            return Stamp(state="credited", on=notes[-1].issued_on)
    raise ValueError(f"there is no copy of an invoice that is {invoice.state}")


def credit_note_document(note: CreditNote, invoice: Invoice) -> CreditNoteDocument:
    lines = {line.position: line for line in invoice.lines}
    return CreditNoteDocument(
        **_common(invoice, invoice.number),
        credit_note_number=note.number,
        issued_on=note.issued_on,
        invoice_date=invoice.invoice_date,
        reason=note.reason or None,
        lines=tuple(
            replace(
                _line(lines[credited.position]),
                total_minor=credited.amount_minor,
                explanation=credited.explanation or None,
            )
            for credited in note.lines
        ),
        vat=_vat(note.vat),
        total_minor=note.total_minor,
        rounding_minor=note.rounding_minor,
        to_balance_minor=note.to_balance_minor,
    )


def cancellation_document(invoice: Invoice, replaced_by: str | None) -> CancellationDocument:
    """`replaced_by`: the number of the invoice that is to be paid instead."""
    if invoice.voided_at is None:
        raise ValueError(f"invoice {invoice.number} is not void")
    return CancellationDocument(
        **_common(invoice, invoice.number),
        cancelled_on=local_date(invoice.voided_at, invoice.seller["time_zone"]),
        invoice_date=invoice.invoice_date,
        replaced_by=replaced_by,
        lines=tuple(_line(line) for line in invoice.lines),
        subtotal_minor=invoice.subtotal_minor,
        vat=_vat(invoice.vat),
        total_minor=invoice.total_minor,
        rounding_minor=invoice.rounding_minor,
    )


def _common(bill: Bill, number: str) -> dict[str, Any]:
    seller, buyer = bill.seller, bill.buyer
    return {
        "number": number,
        "language": bill.language,
        "customer_number": buyer["number"],
        "currency": bill.currency,
        "tax_note": tax_note(bill.tax_treatment, bill.language),
        "seller": Seller(
            name=seller["company_name"],
            brand=seller["brand_name"],
            address=tuple(seller["address_lines"]),
            email=seller["email"],
            country=seller["country"],
            vat_id=seller["vat_id"] or None,
            iban=seller["iban"] or None,
            footer=seller["footer"] or None,
            brand_color=seller.get("brand_color") or None,
        ),
        "buyer": Buyer(
            name=_buyer_name(buyer),
            address=tuple(buyer["billing_address"])
            or (*buyer["address_lines"], f"{buyer['postcode']} {buyer['city']}".strip()),
            country=buyer["country"],
            vat_id=buyer["vat_id"] or None,
        ),
    }


def _buyer_name(buyer: Mapping[str, Any]) -> tuple[str, ...]:
    name = buyer["billing_name"] or buyer["company_name"]
    return tuple(part for part in (name, buyer["contact_name"]) if part)


def _vat(rows: Iterable[Mapping[str, Any]]) -> tuple[VatSummaryRow, ...]:
    return tuple(
        VatSummaryRow(
            percent=Decimal(row["percent"]),
            net_minor=row["net_minor"],
            vat_minor=row["vat_minor"],
            basis=row["basis"],
        )
        for row in rows
    )


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
