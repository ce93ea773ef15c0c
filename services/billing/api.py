from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from services.billing import repository, schemas
from services.billing.domain.invoice import Invoice, InvoiceLine
from services.billing.use_cases import payments, settings
from services.billing.use_cases.payments import RecordPayment
from shared.auth import Call, access
from shared.errors import Conflict, NotFound
from shared.http import new_router
from shared.paging import LIMIT_DEFAULT, LIMIT_MAX

__all__ = ["router"]

router = new_router()


@router.put("/settings/seller")
async def put_seller(
    body: schemas.SellerIn, call: Annotated[Call, access("settings:write")]
) -> schemas.SellerOut:
    """Replace the seller's settings. Invoices keep the ones they were opened with."""
    saved = await settings.save_seller(
        call.tx,
        body.model_dump(),
        actor=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
    )
    return schemas.SellerOut(**saved.model_dump(exclude={"customer_id", "name"}))


@router.get("/settings/seller")
async def get_seller(call: Annotated[Call, access("settings:read")]) -> schemas.SellerOut:
    saved = await repository.get_seller(call.tx)
    if saved is None:
        raise NotFound("settings", "seller")
    return schemas.SellerOut(**saved.model_dump(exclude={"customer_id", "name"}))


@router.get("/invoices")
async def list_invoices(
    call: Annotated[Call, access("invoices:read", per_customer=True)],
    customer_id: UUID | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> schemas.InvoicesOut:
    """Newest first."""
    invoices, following = await repository.list_invoices(
        call.tx,
        customer_id=customer_id,
        seen=call.caller.customer_ids,
        after=after,
        limit=limit,
    )
    return schemas.InvoicesOut(items=[_invoice(i) for i in invoices], next=following)


@router.get("/invoices/{invoice_id}")
async def get_invoice(
    invoice_id: UUID, call: Annotated[Call, access("invoices:read", per_customer=True)]
) -> schemas.InvoiceOut:
    return _invoice(await _found(call, invoice_id))


@router.get(
    "/invoices/{invoice_id}/pdf",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}}},
)
async def get_pdf(
    invoice_id: UUID,
    request: Request,
    call: Annotated[Call, access("invoices:read", per_customer=True)],
) -> Response:
    """The document drawn at opening; 409 for the moment until it is drawn."""
    invoice = await _found(call, invoice_id)
    document = await repository.get_document(call.tx, invoice_id)
    if document is None or document.storage_key is None:
        raise Conflict("document_pending", "The document is being drawn; try again in a moment.")
    try:
        content = await request.app.state.store.get(document.storage_key)
    except FileNotFoundError as error:
        raise NotFound("document", document.storage_key) from error
    return Response(
        content,
        media_type="application/pdf",
        headers={
            "content-disposition": f'inline; filename="{invoice.number}.pdf"',
            "etag": f'"{document.sha256}"',
        },
    )


@router.get("/invoices/{invoice_id}/payments")
async def list_payments(
    invoice_id: UUID, call: Annotated[Call, access("payments:read", per_customer=True)]
) -> schemas.PaymentsOut:
    invoice = await _found(call, invoice_id)
    rows = await repository.get_payments(call.tx, invoice_id)
    return schemas.PaymentsOut(
        items=[_payment(row, invoice.money(row.amount_minor)) for row in rows]
    )


@router.post("/invoices/{invoice_id}/payments", status_code=201)
async def pay_invoice(
    invoice_id: UUID,
    body: schemas.PaymentIn,
    call: Annotated[Call, access("payments:write", per_customer=True)],
) -> schemas.PaymentResultOut:
    """Record a payment, whole or in part; the one that settles the invoice activates it."""
    invoice, payment = await payments.pay_invoice(
        call.tx,
        RecordPayment(
            invoice_id=invoice_id,
            amount=body.amount,
            method=body.method,
            reference=body.reference,
            received_on=body.received_on,
            recorded_by=call.caller.subject,
            seen=call.caller.customer_ids,
        ),
        now=call.now,
        new_id=call.new_id,
    )
    return schemas.PaymentResultOut(
        payment=_payment(payment, payment.amount), invoice=_invoice(invoice)
    )


@router.post("/invoices/{invoice_id}/void")
async def void_invoice(
    invoice_id: UUID, call: Annotated[Call, access("invoices:write", per_customer=True)]
) -> schemas.InvoiceOut:
    """Void an unpaid invoice; a booking that waited for it is dropped."""
    voided = await payments.void_invoice(
        call.tx,
        invoice_id,
        actor=call.caller.subject,
        seen=call.caller.customer_ids,
        now=call.now,
        new_id=call.new_id,
    )
    return _invoice(voided)


async def _found(call: Call, invoice_id: UUID) -> Invoice:
    invoice = await repository.get_invoice(call.tx, invoice_id, seen=call.caller.customer_ids)
    if invoice is None:
        raise NotFound("invoice", invoice_id)
    return invoice


def _payment(row: Any, amount: Any) -> schemas.PaymentOut:
    return schemas.PaymentOut(
        id=row.id,
        amount=amount,
        method=row.method,
        reference=row.reference,
        received_on=row.received_on,
        recorded_at=row.recorded_at,
        recorded_by=row.recorded_by,
    )


def _invoice(invoice: Invoice) -> schemas.InvoiceOut:
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
        vat=[
            schemas.VatRowOut(
                percent=row["percent"],
                basis=row["basis"],
                net=money(row["net_minor"]),
                vat=money(row["vat_minor"]),
                gross=money(row["gross_minor"]),
            )
            for row in invoice.vat
        ],
        rounding=money(invoice.rounding_minor),
        total=money(invoice.total_minor),
        paid=money(invoice.paid_minor),
        open_amount=money(invoice.open_minor),
        lines=[_line(invoice, line) for line in invoice.lines],
        opened_at=invoice.opened_at,
        paid_at=invoice.paid_at,
        voided_at=invoice.voided_at,
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
        subscription_id=line.subscription_id,
        request_id=line.request_id,
        period=schemas.PeriodOut(start=period.start, end=period.end) if period else None,
    )
