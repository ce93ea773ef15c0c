"""From domain objects to what the API answers."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from services.billing import repository, schemas
from services.billing.domain.credit import CreditNote
from services.billing.domain.invoice import Invoice, InvoiceLine, Payment
from shared.auth import Call
from shared.errors import NotFound
from shared.money import Money

__all__ = ["credit_note_out", "found_invoice", "invoice_out", "payment_out"]


async def found_invoice(call: Call, invoice_id: UUID) -> Invoice:
    invoice = await repository.get_invoice(call.tx, invoice_id, seen=call.caller.customer_ids)
    if invoice is None:
        raise NotFound("invoice", invoice_id)
    return invoice


def payment_out(payment: Payment) -> schemas.PaymentOut:
    return schemas.PaymentOut(
        id=payment.id,
        amount=payment.amount,
        method=payment.method,
        reference=payment.reference,
        received_on=payment.received_on,
        recorded_at=payment.recorded_at,
        recorded_by=payment.recorded_by,
        reversed_at=payment.reversed_at,
        reversed_by=payment.reversed_by,
        reversal_reason=payment.reversal_reason,
    )


def invoice_out(invoice: Invoice) -> schemas.InvoiceOut:
    money = invoice.money
    return schemas.InvoiceOut(
        id=invoice.id,
        customer_id=invoice.customer_id,
        request_id=invoice.request_id,
        number=invoice.number,
        state=str(invoice.state),
        version=invoice.version,
        title=invoice.title,
        currency=invoice.currency,
        language=invoice.language,
        invoice_date=invoice.invoice_date,
        due_date=invoice.due_date,
        tax_treatment=invoice.tax_treatment,
        subtotal=money(invoice.subtotal_minor),
        vat=_vat(invoice.vat, money),
        rounding=money(invoice.rounding_minor),
        total=money(invoice.total_minor),
        credited=money(invoice.credited_minor),
        credit_used=money(invoice.credit_used_minor),
        paid=money(invoice.paid_minor),
        surplus=money(invoice.surplus_minor),
        open_amount=money(invoice.open_minor),
        lines=[_line(invoice, line) for line in invoice.lines],
        opened_at=invoice.opened_at,
        paid_at=invoice.paid_at,
        voided_at=invoice.voided_at,
        replaced_by=invoice.replaced_by,
    )


def _line(invoice: Invoice, line: InvoiceLine) -> schemas.LineOut:
    period = line.period
    return schemas.LineOut(
        position=line.position,
        title=line.title,
        description=line.description,
        explanation=line.explanation,
        quantity=line.quantity,
        unit=line.unit,
        unit_price=line.unit_price,
        basis=line.basis,
        discount_percent=line.discount_percent,
        vat_percent=line.vat_percent,
        total=invoice.money(line.total_minor),
        credited=invoice.money(line.credited_minor),
        subscription_id=line.subscription_id,
        request_id=line.request_id,
        period=schemas.PeriodOut(start=period.start, end=period.end) if period else None,
    )


def credit_note_out(note: CreditNote) -> schemas.CreditNoteOut:
    money = note.money
    return schemas.CreditNoteOut(
        id=note.id,
        invoice_id=note.invoice_id,
        number=note.number,
        issued_on=note.issued_on,
        reason=note.reason,
        lines=[
            schemas.CreditedLineOut(
                position=line.position,
                amount=money(line.amount_minor),
                explanation=line.explanation,
            )
            for line in note.lines
        ],
        vat=_vat(note.vat, money),
        rounding=money(note.rounding_minor),
        total=money(note.total_minor),
        to_balance=money(note.to_balance_minor),
        created_at=note.created_at,
        created_by=note.created_by,
    )


def _vat(
    rows: Iterable[Mapping[str, Any]], money: Callable[[int], Money]
) -> list[schemas.VatRowOut]:
    return [
        schemas.VatRowOut(
            percent=row["percent"],
            basis=row["basis"],
            net=money(row["net_minor"]),
            vat=money(row["vat_minor"]),
            gross=money(row["gross_minor"]),
        )
        for row in rows
    ]
