from typing import Annotated, Literal
from uuid import UUID

from fastapi import Path, Query, Request

from services.billing import repository, schemas
from services.billing.api.shapes import invoice_out, payment_out, unallocated_out
from services.billing.use_cases import arrivals
from services.billing.use_cases.arrivals import AssignUnallocated
from shared.auth import Call, access, signed_by_sender
from shared.errors import NotFound
from shared.http import new_router
from shared.paging import LIMIT_DEFAULT, LIMIT_MAX

__all__ = ["router"]

router = new_router()

_MESSAGE = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


@router.post("/payment-events/{provider}", openapi_extra=_MESSAGE)
async def heed_provider(
    request: Request,
    provider: Annotated[str, Path(max_length=40)],
    call: Annotated[Call, signed_by_sender()],
) -> schemas.MessageOut:
    """A message of a payment provider, such as `stripe`; 404 when it has no secret here.

    The same message again changes nothing. What is not about money is ignored.
    """
    outcome = await arrivals.heed_provider(
        call.tx, provider, request.state.message, now=call.now, new_id=call.new_id
    )
    return schemas.MessageOut(outcome=outcome)


@router.get("/unallocated-payments")
async def list_unallocated_payments(
    call: Annotated[Call, access("payments:read")],
    state: Literal["open", "assigned", "refunded"] | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> schemas.UnallocatedPaymentsOut:
    """Money that came by bank or provider and could not be booked, newest first."""
    found, following = await repository.list_unallocated(
        call.tx, state=state, after=after, limit=limit
    )
    entries = await repository.get_arrival_entries(call.tx, [arrival.id for arrival in found])
    return schemas.UnallocatedPaymentsOut(
        items=[unallocated_out(arrival, entries) for arrival in found], next=following
    )


@router.get("/unallocated-payments/{payment_id}")
async def get_unallocated_payment(
    payment_id: UUID, call: Annotated[Call, access("payments:read")]
) -> schemas.UnallocatedPaymentOut:
    arrival = await repository.get_arrival(call.tx, payment_id)
    if arrival is None or arrival.why is None:
        raise NotFound("unallocated_payment", payment_id)
    return unallocated_out(arrival, await repository.get_arrival_entries(call.tx, [arrival.id]))


@router.post("/unallocated-payments/{payment_id}/assign")
async def assign_unallocated_payment(
    payment_id: UUID, body: schemas.AssignIn, call: Annotated[Call, access("payments:write")]
) -> schemas.AssignedOut:
    """Book what is left of it, or a part, on an invoice; on a paid one it becomes credit."""
    arrival, invoice, payment = await arrivals.assign_unallocated(
        call.tx,
        AssignUnallocated(payment_id, body.invoice_id, body.amount, call.caller.subject),
        now=call.now,
        new_id=call.new_id,
    )
    entries = await repository.get_arrival_entries(call.tx, [arrival.id])
    return schemas.AssignedOut(
        unallocated_payment=unallocated_out(arrival, entries),
        payment=payment_out(payment),
        invoice=invoice_out(invoice, call.now),
    )


@router.post("/unallocated-payments/{payment_id}/refund")
async def refund_unallocated_payment(
    payment_id: UUID,
    body: schemas.UnallocatedRefundIn,
    call: Annotated[Call, access("payments:write")],
) -> schemas.UnallocatedPaymentOut:
    """Record that what is left of it was given back."""
    arrival = await arrivals.refund_unallocated(
        call.tx,
        payment_id,
        note=body.note,
        by=call.caller.subject,
        now=call.now,
        new_id=call.new_id,
    )
    entries = await repository.get_arrival_entries(call.tx, [arrival.id])
    return unallocated_out(arrival, entries)
