"""Copies of customers and of the seller."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.subscriptions import tables as t
from shared.database import Tx, among, insert_rows
from shared.events.billing import SettingsChanged
from shared.events.customers import CustomerErased, CustomerState, UserState

__all__ = [
    "delete_users",
    "erase_customers",
    "get_customers",
    "get_seller",
    "lock_customers",
    "move_due_dates",
    "save_customers",
    "save_seller",
    "save_users",
]


_TAKE_OVER = (
    "ON CONFLICT (id) DO UPDATE SET version = excluded.version, "
    "is_company = excluded.is_company, country = excluded.country, "
    "currency = excluded.currency, language = excluded.language, "
    "time_zone = excluded.time_zone, vat_id = excluded.vat_id, status = excluded.status, "
    "frozen = excluded.frozen WHERE customers.version <= excluded.version"
)


async def lock_customers(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, Any]:
    """Lock the customers, ordered by id: the first statement of everything that writes."""
    query = "SELECT * FROM customers WHERE id = ANY($1) ORDER BY id FOR UPDATE"
    return {row.id: row for row in await tx.fetch(query, list(ids))}


async def get_customers(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, Any]:
    query = select(t.customers).where(among(t.customers.c.id, ids))
    return {row.id: row for row in (await tx.execute(query)).all()}


async def save_customers(tx: Tx, states: Sequence[CustomerState]) -> None:
    """Take over states; an older one than the copy is passed over."""
    await insert_rows(
        tx,
        t.customers,
        [
            {
                "id": state.customer_id,
                "version": state.version,
                "is_company": bool(state.company_name),
                "country": state.country,
                "currency": state.currency,
                "language": state.language,
                "time_zone": state.time_zone,
                "vat_id": state.vat_id,
                "status": state.status,
                "frozen": state.frozen,
            }
            for state in states
        ],
        on_conflict=_TAKE_OVER,
    )


# What is due on a day is due from 00:00 where the customer is. How many days before its end a trial
# is told about was settled when it began.
_MOVE_SUBSCRIPTIONS = (
    "UPDATE subscriptions s SET due_at = d.due_at, remind_at = (d.due_day "
    "- make_interval(days => round(extract(epoch FROM s.due_at - s.remind_at) / 86400)::int)) "
    "AT TIME ZONE d.zone FROM (SELECT x.id, x.due_day, c.zone, x.due_day AT TIME ZONE c.zone "
    "AS due_at FROM (SELECT id, NULLIF(time_zone, '') AS zone FROM customers) c "
    "JOIN (SELECT id, customer_id, coalesce(scheduled_on, period_end)::timestamp AS due_day "
    "FROM subscriptions WHERE customer_id = ANY($1) AND due_at IS NOT NULL) x "
    "ON x.customer_id = c.id) d WHERE d.id = s.id AND s.due_at <> d.due_at"
)
_MOVE_OFFERS = (
    "UPDATE offers o SET lapses_at = o.lapses_on::timestamp AT TIME ZONE c.zone "
    "FROM (SELECT id, NULLIF(time_zone, '') AS zone FROM customers) c "
    "WHERE c.id = o.customer_id AND o.customer_id = ANY($1) AND o.state = 'open' "
    "AND o.lapses_at <> o.lapses_on::timestamp AT TIME ZONE c.zone"
)


async def move_due_dates(tx: Tx, customer_ids: Iterable[UUID]) -> None:
    """Let everything that is due on a day be due on that day where the customer is now."""
    ids = list(customer_ids)
    await tx.run(_MOVE_SUBSCRIPTIONS, ids)
    await tx.run(_MOVE_OFFERS, ids)


async def erase_customers(tx: Tx, erased: Sequence[CustomerErased]) -> None:
    """Keep that they were there, and nothing personal of them."""
    await insert_rows(
        tx,
        t.customers,
        [
            {
                "id": event.customer_id,
                "version": event.version,
                "is_company": False,
                **dict.fromkeys(("country", "currency", "language", "time_zone", "vat_id"), ""),
                "status": "erased",
                "frozen": False,
            }
            for event in erased
        ],
        on_conflict=_TAKE_OVER,
    )


async def save_users(tx: Tx, states: Sequence[UserState]) -> None:
    """Take over who counts as a seat; an older state than the copy is passed over."""
    await insert_rows(
        tx,
        t.users,
        [
            {
                "id": state.user_id,
                "customer_id": state.customer_id,
                "version": state.version,
                "active": state.active,
            }
            for state in states
        ],
        on_conflict="ON CONFLICT (id) DO UPDATE SET version = excluded.version, "
        "active = excluded.active WHERE users.version <= excluded.version",
    )


async def delete_users(tx: Tx, ids: Iterable[UUID]) -> None:
    await tx.run("DELETE FROM users WHERE id = ANY($1)", list(ids))


async def get_seller(tx: Tx) -> SettingsChanged | None:
    data = await tx.scalar(select(t.seller_settings.c.data))
    return SettingsChanged.model_validate(data) if data else None


async def save_seller(tx: Tx, settings: SettingsChanged) -> None:
    await insert_rows(
        tx,
        t.seller_settings,
        [
            {
                "name": settings.name,
                "version": settings.version,
                "data": settings.model_dump(mode="json"),
            }
        ],
        on_conflict="ON CONFLICT (name) DO UPDATE SET version = excluded.version, "
        "data = excluded.data WHERE seller_settings.version <= excluded.version",
    )
