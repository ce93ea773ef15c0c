from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from services.billing import repository, schemas
from services.billing.api.shapes import found_invoice, invoice_out
from services.billing.use_cases import payments
from shared.auth import Call, access
from shared.errors import Conflict, NotFound
from shared.http import new_router
from shared.paging import LIMIT_DEFAULT, LIMIT_MAX

__all__ = ["router"]

router = new_router()


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
    return schemas.InvoicesOut(items=[invoice_out(i) for i in invoices], next=following)


@router.get("/invoices/{invoice_id}")
async def get_invoice(
    invoice_id: UUID, call: Annotated[Call, access("invoices:read", per_customer=True)]
) -> schemas.InvoiceOut:
    return invoice_out(await found_invoice(call, invoice_id))


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
    invoice = await found_invoice(call, invoice_id)
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
    return invoice_out(voided)
