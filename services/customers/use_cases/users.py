"""Users of customers: adding, editing, switching off and on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from services.customers import repository
from services.customers.domain.user import User, edit, set_active, take_seats
from services.customers.use_cases.announcing import announce, differing
from services.customers.use_cases.one_customer import (
    check_version,
    lock_customer,
    read_customer,
    user_state,
)
from shared.clock import NewId
from shared.database import Tx
from shared.errors import NotFound
from shared.events.customers import UserAdded, UserDeactivated, UserReactivated, UserUpdated

__all__ = ["add_user", "edit_user", "list_users", "read_user", "reserve_seats", "switch_user"]


async def read_user(tx: Tx, user_id: UUID) -> User:
    """The user.

    Raises:
        NotFound: no such user; the users of an erased customer are erased too.
    """
    user = await repository.get_user(tx, user_id)
    if user is None:
        raise NotFound("user", user_id)
    return user


async def list_users(
    tx: Tx, customer_id: UUID, *, after: str | None, limit: int
) -> tuple[list[User], str | None]:
    """A page of a customer's users, newest first; raises as `read_customer` does."""
    await read_customer(tx, customer_id)
    return await repository.list_users(tx, customer_id, after=after, limit=limit)


async def add_user(
    tx: Tx,
    customer_id: UUID,
    values: Mapping[str, Any],
    *,
    actor: str,
    now: datetime,
    new_id: NewId,
) -> User:
    """Add an active user.

    Raises:
        NotFound: no such customer.
        Gone: the customer was erased.
        Conflict: no seat is left, or somebody has this e-mail address.
    """
    await lock_customer(tx, customer_id)
    await reserve_seats(tx, {customer_id: 1})
    user = User(id=new_id(), customer_id=customer_id, version=1, **values)
    await repository.add_users(tx, [user], now=now)
    await announce(tx, actor, [UserAdded(**user_state(user))], now=now, new_id=new_id)
    return user


async def reserve_seats(tx: Tx, wanted: Mapping[UUID, int]) -> None:
    """Check that so many more users may be active. The customers are locked already.

    Raises:
        Conflict: there are not so many seats left.
    """
    entitled = await repository.get_entitlements(tx, wanted)
    taken = await repository.count_active_users(tx, wanted)
    for customer_id, count in wanted.items():
        limits = entitled.get(customer_id)
        take_seats(
            count, taken=taken.get(customer_id, 0), max_users=limits.max_users if limits else 0
        )


async def edit_user(
    tx: Tx,
    user_id: UUID,
    changes: Mapping[str, Any],
    *,
    expected_version: int | None,
    actor: str,
    now: datetime,
    new_id: NewId,
) -> User:
    """Change what may be changed of a user. Nobody is told about a new e-mail address.

    Raises:
        NotFound: no such user.
        PreconditionFailed: the user is not at `expected_version` any more.
        Conflict: somebody has this e-mail address.
    """
    user = await _lock_user(tx, user_id)
    check_version(user, expected_version)
    changed = edit(user, changes)
    if changed is not user:
        await repository.save_users(tx, [changed], now=now)
        await announce(
            tx,
            actor,
            [UserUpdated(**user_state(changed))],
            fields=differing(user, changed),
            now=now,
            new_id=new_id,
        )
    return changed


async def switch_user(
    tx: Tx, user_id: UUID, *, active: bool, actor: str, now: datetime, new_id: NewId
) -> User:
    """Deactivate or reactivate a user; when it is so already, nothing happens.

    Raises:
        NotFound: no such user.
        Conflict: no seat is left to reactivate it.
    """
    user = await _lock_user(tx, user_id)
    changed = set_active(user, active)
    if changed is not user:
        if active:
            await reserve_seats(tx, {user.customer_id: 1})
        await repository.save_users(tx, [changed], now=now)
        event = UserReactivated if active else UserDeactivated
        await announce(tx, actor, [event(**user_state(changed))], now=now, new_id=new_id)
    return changed


async def _lock_user(tx: Tx, user_id: UUID) -> User:
    """The user, after the lock of its customer, which never changes."""
    seen = await read_user(tx, user_id)
    await lock_customer(tx, seen.customer_id)
    locked = await repository.lock_users(tx, [user_id])
    if user_id not in locked:
        raise NotFound("user", user_id)
    return locked[user_id]
