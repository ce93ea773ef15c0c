from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.subscriptions import repository
from services.subscriptions.api.shapes import subscription_out
from services.subscriptions.schemas import subscriptions as schemas
from shared.auth import Call, access
from shared.errors import NotFound
from shared.http import new_router
from shared.paging import LIMIT_DEFAULT, LIMIT_MAX

__all__ = ["router"]

router = new_router()


@router.get("/subscriptions")
async def list_subscriptions(
    call: Annotated[Call, access("subscriptions:read", per_customer=True)],
    customer_id: UUID | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> schemas.SubscriptionsOut:
    """Newest first."""
    found, following = await repository.list_subscriptions(
        call.tx,
        customer_id=customer_id,
        seen=call.caller.customer_ids,
        after=after,
        limit=limit,
    )
    return schemas.SubscriptionsOut(items=[subscription_out(s) for s in found], next=following)


@router.get("/subscriptions/{subscription_id}")
async def get_subscription(
    subscription_id: UUID, call: Annotated[Call, access("subscriptions:read", per_customer=True)]
) -> schemas.SubscriptionOut:
    row = await repository.get_subscription(call.tx, subscription_id, seen=call.caller.customer_ids)
    if row is None:
        raise NotFound("subscription", subscription_id)
    return subscription_out(row)


@router.get("/subscriptions/{subscription_id}/history")
async def get_history(
    subscription_id: UUID,
    call: Annotated[Call, access("subscriptions:read", per_customer=True)],
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> schemas.HistoryOut:
    """Everything that has happened to a subscription, newest first."""
    seen = call.caller.customer_ids
    if await repository.get_subscription(call.tx, subscription_id, seen=seen) is None:
        raise NotFound("subscription", subscription_id)
    found, following = await repository.list_history(
        call.tx, subscription_id, after=after, limit=limit
    )
    items = [
        schemas.HistoryEntryOut(
            version=row.version,
            at=row.at,
            actor=row.actor,
            reason=row.reason,
            event=row.event,
            before=row.before,
            after=row.after,
        )
        for row in found
    ]
    return schemas.HistoryOut(items=items, next=following)


@router.get("/customers/{customer_id}/entitlements")
async def get_entitlements(
    customer_id: UUID, call: Annotated[Call, access("entitlements:read")]
) -> schemas.EntitlementsOut:
    """What this customer may use right now; nothing at all before the first activation."""
    stored = (await repository.get_entitlements(call.tx, [customer_id])).get(customer_id)
    if stored is None:
        raise NotFound("customer", customer_id)
    if stored.data:
        return schemas.EntitlementsOut(version=stored.version, **stored.data)
    return schemas.EntitlementsOut(
        customer_id=customer_id,
        version=0,
        plan=None,
        modules=[],
        features={},
        max_users=0,
        over_limit=False,
        paid_until=None,
        access_until=None,
    )
