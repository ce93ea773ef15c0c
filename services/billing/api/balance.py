from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.billing import repository, schemas
from services.billing.use_cases import balances
from services.billing.use_cases.balances import RecordRefund
from shared.auth import Call, access
from shared.errors import NotFound
from shared.http import new_router
from shared.money import Money
from shared.paging import LIMIT_DEFAULT, LIMIT_MAX

__all__ = ["router"]

router = new_router()


@router.get("/customers/{customer_id}/balance")
async def get_balance(
    customer_id: UUID,
    call: Annotated[Call, access("payments:read")],
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> schemas.BalanceOut:
    """The credit in each currency, and how it came and went, newest first."""
    if not await repository.has_customer(call.tx, customer_id):
        raise NotFound("customer", customer_id)
    rows = await repository.get_balances(call.tx, customer_id)
    entries, following = await repository.list_balance_entries(
        call.tx, customer_id, after=after, limit=limit
    )
    return schemas.BalanceOut(
        balances=[Money(row.balance_minor, row.currency) for row in rows],
        items=[
            schemas.BalanceEntryOut(
                id=row.id,
                origin=row.origin,
                amount=Money(row.amount_minor, row.currency),
                balance=Money(row.balance_minor, row.currency),
                invoice_id=row.invoice_id,
                subscription_id=row.subscription_id,
                credit_note_id=row.credit_note_id,
                payment_id=row.payment_id,
                note=row.note,
                at=row.at,
                made_by=row.made_by,
            )
            for row in entries
        ],
        next=following,
    )


@router.post("/customers/{customer_id}/refunds", status_code=201)
async def record_refund(
    customer_id: UUID, body: schemas.RefundIn, call: Annotated[Call, access("payments:write")]
) -> schemas.RefundOut:
    """Record that credit was paid out to the customer."""
    entry = await balances.refund(
        call.tx,
        RecordRefund(customer_id, body.amount, body.note, call.caller.subject),
        now=call.now,
        new_id=call.new_id,
    )
    return schemas.RefundOut(
        id=entry.source.entry_id, amount=body.amount, balance=entry.money(entry.balance_minor)
    )
