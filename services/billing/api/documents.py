"""PDFs, and sending them."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Request, Response

from services.billing import repository, schemas
from services.billing.api.shapes import found_bill, found_invoice, invoice_out
from services.billing.domain.invoice import Invoice
from services.billing.use_cases import dispatch, documents, sending
from services.billing.use_cases.documents import Pdf
from shared.auth import Call, access
from shared.errors import NotFound
from shared.http import new_router

__all__ = ["router"]

router = new_router()

_PDF: dict[str, Any] = {
    "response_class": Response,
    "responses": {200: {"content": {"application/pdf": {}}}},
}


@router.get("/invoices/{invoice_id}/pdf", **_PDF)
async def get_pdf(
    invoice_id: UUID,
    request: Request,
    call: Annotated[Call, access("invoices:read", per_customer=True)],
    original: bool = False,
) -> Response:
    """The invoice as it is: drawn at opening, later a copy with what became of it.

    With `original` always as it was opened. A draft is drawn with a watermark and not kept. 409 for
    the moment until it is drawn. A caller who is restricted to customers is taken for the
    customer: the invoice is marked as downloaded.
    """
    invoice = await found_bill(call, invoice_id)
    pdf = await documents.invoice_pdf(
        call.tx,
        request.app.state.press,
        invoice,
        original=original,
        now=call.now,
        new_id=call.new_id,
    )
    if call.caller.customer_ids is not None and isinstance(invoice, Invoice):
        await dispatch.note_download(call.tx, invoice, now=call.now, new_id=call.new_id)
    return _answer(pdf)


@router.get("/invoices/{invoice_id}/cancellation-note/pdf", **_PDF)
async def get_cancellation_pdf(
    invoice_id: UUID,
    request: Request,
    call: Annotated[Call, access("invoices:read", per_customer=True)],
) -> Response:
    """The note of a void invoice that the customer had; 404 where there is none."""
    invoice = await found_invoice(call, invoice_id)
    pdf = await documents.cancellation_pdf(call.tx, request.app.state.press, invoice, now=call.now)
    return _answer(pdf)


@router.get("/credit-notes/{credit_note_id}/pdf", **_PDF)
async def get_credit_note_pdf(
    credit_note_id: UUID,
    request: Request,
    call: Annotated[Call, access("invoices:read", per_customer=True)],
) -> Response:
    """409 for the moment until it is drawn."""
    note = await repository.get_credit_note(call.tx, credit_note_id, seen=call.caller.customer_ids)
    if note is None:
        raise NotFound("credit_note", credit_note_id)
    pdf = await documents.credit_note_pdf(
        call.tx,
        request.app.state.press,
        note,
        await found_invoice(call, note.invoice_id),
        now=call.now,
        new_id=call.new_id,
    )
    return _answer(pdf)


def _answer(pdf: Pdf) -> Response:
    return Response(
        pdf.content,
        media_type="application/pdf",
        headers={
            "content-disposition": f'inline; filename="{pdf.filename}"',
            "etag": f'"{pdf.digest}"',
        },
    )


@router.post("/invoices/{invoice_id}/send", status_code=202)
async def send_invoice(
    invoice_id: UUID,
    call: Annotated[Call, access("invoices:write", per_customer=True)],
    body: schemas.SendIn | None = None,
) -> schemas.SendOut:
    """Have the invoice mailed with its PDF; one that was mailed before goes out marked as such."""
    send_id, invoice = await sending.send_invoice(
        call.tx,
        sending.SendInvoice(
            invoice_id=invoice_id,
            finalize=body.finalize if body else False,
            by=call.caller.subject,
            seen=call.caller.customer_ids,
        ),
        now=call.now,
        new_id=call.new_id,
    )
    return schemas.SendOut(id=send_id, invoice=invoice_out(invoice, call.now))
