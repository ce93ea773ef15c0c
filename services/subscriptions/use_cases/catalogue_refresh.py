"""Entitlements follow the catalogue: customers of changed products, batch by batch."""

from datetime import datetime

from services.subscriptions import repository
from services.subscriptions.use_cases.entitlements import refresh_entitlements
from shared.clock import NewId
from shared.database import Tx

__all__ = ["refresh_changed"]


async def refresh_changed(tx: Tx, limit: int, *, now: datetime, new_id: NewId) -> bool:
    """Entitle the next customers of a changed product anew; tells whether there may be more.

    One call is one transaction: what it did not finish is found again. Who booked the product while
    it changed may have read it as it was, and is not seen before that transaction ends; so the
    first call only notes which transactions there are, and those after wait until they are gone.
    """
    refresh = await repository.next_refresh(tx)
    if refresh is None:
        return False
    if refresh.barrier is None:
        await repository.set_barrier(tx, refresh)
        return True
    if not refresh.settled:
        return False
    customer_ids = await repository.get_holders(tx, refresh, limit=limit)
    if customer_ids:
        await repository.lock_customers(tx, customer_ids)
        await refresh_entitlements(tx, customer_ids, now=now, new_id=new_id)
    if len(customer_ids) < limit:
        await repository.finish_refresh(tx, refresh)
    else:
        await repository.advance_refresh(tx, refresh, up_to=customer_ids[-1])
    return True
