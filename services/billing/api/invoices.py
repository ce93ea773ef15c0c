from typing import Annotated
from uuid import UUID

from fastapi import Response

from services.billing import schemas
from services.billing.api.shapes import answer, as_it_is_read, found_bill
from services.billing.use_cases import amending, payments
from shared.auth import Call, access
from shared.etags import ExpectedVersion
from shared.http import new_router

__all__ = ["router"]

router = new_router()


@router.get("/invoices/{invoice_id}", response_model=schemas.InvoiceOut)
async def get_invoice(
    invoice_id: UUID, call: Annotated[Call, access("invoices:read", per_customer=True)]
) -> Response:
    """Also a draft, but not for callers who are restricted to certain customers."""
    return answer(await found_bill(call, invoice_id), call.now)


@router.post("/invoices/{invoice_id}/void", response_model=schemas.InvoiceOut)
async def void_invoice(
    invoice_id: UUID,
    call: Annotated[Call, access("invoices:write", per_customer=True)],
    body: schemas.VoidIn | None = None,
) -> Response:
    """Void an unpaid invoice; a booking that waited for it is dropped."""
    voided = await payments.void_invoice(
        call.tx,
        invoice_id,
        actor=call.caller.subject,
        seen=call.caller.customer_ids,
        now=call.now,
        new_id=call.new_id,
        reason=body.reason or None if body else None,
    )
    return answer(voided, call.now)


@router.delete(
    "/invoices/{invoice_id}",
    response_model=schemas.InvoiceOut,
    responses={204: {"description": "It was a draft, and is gone."}},
)
async def delete_invoice(
    invoice_id: UUID, call: Annotated[Call, access("invoices:write")], expected: ExpectedVersion
) -> Response:
    """Throw a draft away. An unpaid invoice becomes void and leaves the lists, with its number."""
    with as_it_is_read(call.now):
        left = await amending.delete_invoice(
            call.tx,
            invoice_id,
            expected_version=expected,
            by=call.caller.subject,
            now=call.now,
            new_id=call.new_id,
        )
    return answer(left, call.now) if left else Response(status_code=204)


@router.post("/invoices/{invoice_id}/due-date", response_model=schemas.InvoiceOut)
async def change_due_date(
    invoice_id: UUID, body: schemas.DueDateIn, call: Annotated[Call, access("invoices:write")]
) -> Response:
    """Give more or less time to pay what is open: until today or later."""
    changed = await amending.extend_due_date(
        call.tx,
        invoice_id,
        body.due_date,
        reason=body.reason,
        by=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
    )
    return answer(changed, call.now)
