"""The users of customers."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import delete, func, select

from services.customers import tables as t
from services.customers.domain.user import User, email_key
from shared.database import Tx, among, insert_new, update_rows
from shared.errors import Conflict
from shared.paging import fetch_page

__all__ = [
    "add_users",
    "count_active_users",
    "delete_users",
    "get_user",
    "get_user_owners",
    "get_users",
    "get_users_by_email",
    "list_users",
    "lock_users",
    "page_of_users",
    "save_users",
]

_FIELDS = tuple(f.name for f in fields(User))


def _user(row: Any) -> User:
    return User(**{name: getattr(row, name) for name in _FIELDS})


def _row(user: User) -> dict[str, Any]:
    return {**asdict(user), "email_key": email_key(user.email)}


async def get_user(tx: Tx, user_id: UUID) -> User | None:
    row = (await tx.execute(select(t.users).where(t.users.c.id == user_id))).one_or_none()
    return _user(row) if row else None


async def lock_users(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, User]:
    """The users as they are now; their customers are locked already."""
    query = select(t.users).where(among(t.users.c.id, ids))
    return {row.id: _user(row) for row in await tx.execute(query.with_for_update())}


async def get_users(tx: Tx, customer_id: UUID) -> Sequence[Any]:
    """All users of a customer, with the times of their rows."""
    query = select(t.users).where(t.users.c.customer_id == customer_id)
    return (await tx.execute(query.order_by(t.users.c.created_at, t.users.c.id))).all()


async def get_user_owners(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Whose users these are; that never changes."""
    query = select(t.users.c.id, t.users.c.customer_id).where(among(t.users.c.id, ids))
    return {row.id: row.customer_id for row in await tx.execute(query)}


async def get_users_by_email(tx: Tx, emails: Iterable[str]) -> dict[str, UUID]:
    """Who has these addresses, in whatever case: `email_key` -> id."""
    keys = [email_key(email) for email in emails]
    query = select(t.users.c.email_key, t.users.c.id).where(among(t.users.c.email_key, keys))
    return {row.email_key: row.id for row in await tx.execute(query)}


async def list_users(
    tx: Tx, customer_id: UUID, *, after: str | None, limit: int
) -> tuple[list[User], str | None]:
    """A page, newest first, and the cursor to the next one."""
    query = select(t.users).where(t.users.c.customer_id == customer_id)
    rows, following = await fetch_page(
        tx, query, (t.users.c.created_at, t.users.c.id), after, limit
    )
    return [_user(row) for row in rows], following


async def page_of_users(
    tx: Tx, *, after: str | None, limit: int
) -> tuple[Sequence[Any], str | None]:
    """Users of all customers, oldest first, each with the number of its customer."""
    query = select(t.users, t.customers.c.number.label("customer_number")).join(
        t.customers, t.customers.c.id == t.users.c.customer_id
    )
    columns = (t.users.c.created_at, t.users.c.id)
    return await fetch_page(tx, query, columns, after, limit, descending=False)


async def count_active_users(tx: Tx, customer_ids: Iterable[UUID]) -> dict[UUID, int]:
    u = t.users.c
    query = (
        select(u.customer_id, func.count())
        .where(among(u.customer_id, customer_ids), u.active)
        .group_by(u.customer_id)
    )
    return {row[0]: row[1] for row in await tx.execute(query)}


async def add_users(tx: Tx, added: Sequence[User], *, now: datetime) -> None:
    """Write new users.

    Raises:
        Conflict: somebody has one of the addresses.
    """
    rows = [{**_row(user), "created_at": now, "updated_at": now} for user in added]
    if await insert_new(tx, t.users, rows, unless="(email_key)") < len(rows):
        raise _email_taken()


async def save_users(tx: Tx, changed: Sequence[User], *, now: datetime) -> None:
    """Write changed users.

    Raises:
        Conflict: somebody else has one of the addresses.
    """
    try:
        await update_rows(tx, t.users, [{**_row(user), "updated_at": now} for user in changed])
        await tx.flush()
    except asyncpg.UniqueViolationError as error:
        raise _email_taken() from error


def _email_taken() -> Conflict:
    return Conflict("email_taken", "There is a user with this e-mail address already.")


async def delete_users(tx: Tx, customer_id: UUID) -> None:
    await tx.execute(delete(t.users).where(t.users.c.customer_id == customer_id))
