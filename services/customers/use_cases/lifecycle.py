"""Deactivating, freezing and erasing customers."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from services.customers import repository
from services.customers.domain.customer import Customer, ErasedCustomer, Verb, erase, take
from services.customers.use_cases.announcing import announce
from services.customers.use_cases.one_customer import customer_state, lock_customer
from shared.clock import NewId
from shared.database import Tx
from shared.events import Event
from shared.events.customers import (
    CustomerDeactivated,
    CustomerErased,
    CustomerFrozen,
    CustomerReactivated,
    CustomerState,
    CustomerUnfrozen,
    UserErased,
)
from shared.money import Money

__all__ = ["EVENTS", "change_lifecycle", "erase_customer"]

EVENTS: Mapping[Verb, type[CustomerState]] = {
    Verb.DEACTIVATE: CustomerDeactivated,
    Verb.REACTIVATE: CustomerReactivated,
    Verb.FREEZE: CustomerFrozen,
    Verb.UNFREEZE: CustomerUnfrozen,
}


async def change_lifecycle(
    tx: Tx, customer_id: UUID, verb: Verb, *, actor: str, now: datetime, new_id: NewId
) -> Customer:
    """Do it once: when it is so already, nothing changes and nothing is published.

    Raises:
        NotFound: no such customer.
        Gone: it was erased.
    """
    customer = await lock_customer(tx, customer_id)
    changed = take(customer, verb)
    if changed is not customer:
        await repository.save_customers(tx, [changed], now=now)
        await announce(tx, actor, [EVENTS[verb](**customer_state(changed))], now=now, new_id=new_id)
    return changed


async def erase_customer(
    tx: Tx, customer_id: UUID, *, actor: str, now: datetime, new_id: NewId
) -> ErasedCustomer:
    """Erase a customer with its users; a second time it is gone already.

    Raises:
        NotFound: no such customer.
        Gone: it was erased.
        Conflict: it is active, has something booked, or owes something.
    """
    customer = await lock_customer(tx, customer_id)
    entitled = (await repository.get_entitlements(tx, [customer_id])).get(customer_id)
    owed = [
        f"{row.number} ({row.currency} {Money(row.open_minor, row.currency).amount})"
        for row in await repository.get_open_invoices(tx, customer_id)
    ]
    record = erase(
        customer, subscribed=bool(entitled and entitled.subscribed), open_amounts=owed, now=now
    )
    events: list[Event] = [
        CustomerErased(customer_id=record.id, version=record.version, erased_at=now)
    ]
    events += [
        UserErased(customer_id=record.id, user_id=user.id, version=user.version + 1, erased_at=now)
        for user in await repository.get_users(tx, customer_id)
    ]
    await repository.delete_users(tx, customer_id)
    await repository.delete_customer(tx, customer_id)
    await repository.forget_copies(tx, customer_id)
    await repository.add_erased(tx, record)
    await announce(tx, actor, events, now=now, new_id=new_id)
    return record
