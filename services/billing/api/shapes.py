"""From domain objects to what the API answers."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from fastapi import Response

from services.billing import repository, schemas
from services.billing.domain.arrival import Arrival
from services.billing.domain.credit import CreditNote
from services.billing.domain.draft import Draft
from services.billing.domain.invoice import Invoice, InvoiceLine, InvoiceState, Payment
from shared.auth import Call
from shared.errors import Conflict, NotFound, PreconditionFailed
from shared.etags import etag
from shared.money import Money
from shared.periods import local_date

__all__ = [
    "answer",
    "as_it_is_read",
    "credit_note_out",
    "found_bill",
    "found_invoice",
    "invoice_out",
    "payment_out",
    "unallocated_out",
]


async def found_bill(call: Call, invoice_id: UUID) -> Invoice | Draft:
    """A draft, too; to callers for certain customers there are none."""
    bill = await repository.get_bill(call.tx, invoice_id, seen=call.caller.customer_ids)
    if bill is None:
        raise NotFound("invoice", invoice_id)
    return bill


async def found_invoice(call: Call, invoice_id: UUID) -> Invoice:
    bill = await found_bill(call, invoice_id)
    if isinstance(bill, Draft):
        raise Conflict("invoice_draft", "This is a draft; finalise it first.")
    return bill


def answer(bill: Invoice | Draft, now: datetime, status: int = 200) -> Response:
    """It, with its version as `ETag`."""
    body = invoice_out(bill, now).model_dump_json()
    headers = {"etag": etag(bill.version)}
    return Response(body, status, headers, media_type="application/json")


@contextmanager
def as_it_is_read(now: datetime) -> Iterator[None]:
    """Whoever was too slow is shown what there is now as reading it would."""
    try:
        yield
    except PreconditionFailed as error:
        current = invoice_out(error.extra["current"], now)
        raise PreconditionFailed(
            error.code, error.detail, version=error.version, current=current
        ) from error


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


def unallocated_out(arrival: Arrival, entries: Iterable[Any]) -> schemas.UnallocatedPaymentOut:
    """`entries`: rows, also of others."""
    return schemas.UnallocatedPaymentOut(
        id=arrival.id,
        state=arrival.state,
        why=arrival.why or "",
        amount=arrival.amount,
        left=arrival.left,
        source=arrival.source,
        reference=arrival.reference,
        method=arrival.method,
        named=arrival.named,
        invoice_id=arrival.invoice_id,
        customer_id=arrival.customer_id,
        received_on=arrival.received_on,
        arrived_at=arrival.arrived_at,
        entries=[
            schemas.UnallocatedEntryOut(
                kind=row.kind,
                amount=arrival.money(row.amount_minor),
                payment_id=row.payment_id,
                invoice_id=row.invoice_id,
                note=row.note,
                at=row.at,
                made_by=row.made_by,
            )
            for row in entries
            if row.arrival_id == arrival.id
        ],
    )


def invoice_out(bill: Invoice | Draft, now: datetime) -> schemas.InvoiceOut:
    money = bill.money
    return schemas.InvoiceOut(
        id=bill.id,
        customer_id=bill.customer_id,
        customer_name=bill.buyer["company_name"] or bill.buyer["contact_name"],
        state=str(bill.state),
        version=bill.version,
        title=bill.title,
        currency=bill.currency,
        language=bill.language,
        due_date=bill.due_date,
        overdue=_overdue(bill, now),
        addressee=_addressee(bill.addressee),
        tax_treatment=bill.tax_treatment,
        tax_treatment_reason=bill.tax_treatment_reason,
        subtotal=money(bill.subtotal_minor),
        vat=_vat(bill.vat, money),
        rounding=money(bill.rounding_minor),
        total=money(bill.total_minor),
        lines=[_line(bill, line) for line in bill.lines],
        corrects=bill.corrects,
        created_at=_created_at(bill, now),
        **(_nothing(money(0)) if isinstance(bill, Draft) else _life(bill)),
    )


def _overdue(bill: Invoice | Draft, now: datetime) -> bool:
    if bill.due_date is None or bill.state is not InvoiceState.OPEN:
        return False
    return bill.due_date < local_date(now, bill.seller["time_zone"])


def _created_at(bill: Invoice | Draft, now: datetime) -> datetime:
    """An invoice that was never a draft was made when it was opened; one of a dry run, now."""
    opened_at = bill.opened_at if isinstance(bill, Invoice) else now
    return bill.created_at or opened_at


def _life(invoice: Invoice) -> dict[str, Any]:
    """What only an invoice has that is finalised."""
    money = invoice.money
    return {
        "request_id": invoice.request_id,
        "number": invoice.number or None,
        "invoice_date": invoice.invoice_date,
        "credited": money(invoice.credited_minor),
        "credit_used": money(invoice.credit_used_minor),
        "paid": money(invoice.paid_minor),
        "surplus": money(invoice.surplus_minor),
        "open_amount": money(invoice.open_minor),
        "opened_at": invoice.opened_at,
        "paid_at": invoice.paid_at,
        "voided_at": invoice.voided_at,
        "void_reason": invoice.void_reason,
        "replaced_by": invoice.replaced_by,
        "hidden": invoice.hidden,
        "mails": [schemas.MailOut.model_validate(mail) for mail in invoice.mails],
        "downloaded_at": invoice.downloaded_at,
    }


def _nothing(zero: Money) -> dict[str, Any]:
    amounts = ("credited", "credit_used", "paid", "surplus", "open_amount")
    facts = ("request_id", "number", "invoice_date", "opened_at", "paid_at", "voided_at")
    return {
        **dict.fromkeys(amounts, zero),
        **dict.fromkeys((*facts, "void_reason", "replaced_by", "downloaded_at")),
        "hidden": False,
        "mails": [],
    }


def _addressee(fields: Mapping[str, Any] | None) -> schemas.AddresseeOut | None:
    if fields is None:
        return None
    return schemas.AddresseeOut(
        name=fields["billing_name"],
        contact_name=fields["contact_name"],
        address_lines=fields["billing_address"],
        billing_note=fields.get("billing_note"),
    )


def _line(bill: Invoice | Draft, line: InvoiceLine) -> schemas.LineOut:
    period = line.period
    return schemas.LineOut(
        position=line.position,
        title=line.title,
        description=line.description,
        explanation=line.explanation,
        quantity=_short(line.quantity),
        unit=line.unit,
        unit_price=_short(line.unit_price),
        basis=line.basis,
        discount_percent=_short(line.discount_percent),
        vat_category=line.vat_category,
        vat_percent=_short(line.vat_percent),
        total=bill.money(line.total_minor),
        credited=bill.money(line.credited_minor),
        subscription_id=line.subscription_id,
        request_id=line.request_id,
        period=schemas.PeriodOut(start=period.start, end=period.end) if period else None,
    )


def _short(value: Decimal) -> Decimal:
    """Without the zeros that the database has behind it, so that an answer is what is read later.

    What has more digits than a context holds is never here: see the limits of `Line`.
    """
    return value.normalize()


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
