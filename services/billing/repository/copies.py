"""Copies of customers; the seller's settings, which billing owns."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from services.billing import tables as t
from services.billing.domain.lists import customer_keys
from shared.database import Tx, insert_rows
from shared.events.billing import SettingsChanged
from shared.events.customers import CustomerErased, CustomerState

__all__ = [
    "erase_customers",
    "get_seller",
    "has_customer",
    "lock_customers",
    "lock_seller",
    "save_customers",
    "save_seller",
]

# Equal versions too: a copy that is rebuilt gets what it has once more.
_TAKE_OVER = (
    "ON CONFLICT (id) DO UPDATE SET version = excluded.version, "
    "state = excluded.state WHERE customers.version <= excluded.version"
)
_TAKE_OVER_KEYS = (
    "ON CONFLICT (customer_id) DO UPDATE SET version = excluded.version, "
    "keys = excluded.keys WHERE customer_search.version <= excluded.version"
)


async def lock_customers(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, Any]:
    """Lock the customers, ordered by id: the first statement of everything that writes."""
    query = "SELECT id, state FROM customers WHERE id = ANY($1) ORDER BY id FOR UPDATE"
    return {row.id: row.state for row in await tx.fetch(query, list(ids))}


async def has_customer(tx: Tx, customer_id: UUID) -> bool:
    return bool(await tx.fetch("SELECT 1 FROM customers WHERE id = $1", customer_id))


async def save_customers(tx: Tx, states: Sequence[CustomerState]) -> None:
    """Take over states; an older one than the copy is passed over."""
    await insert_rows(
        tx,
        t.customers,
        [
            {
                "id": state.customer_id,
                "version": state.version,
                "state": state.model_dump(mode="json"),
            }
            for state in states
        ],
        on_conflict=_TAKE_OVER,
    )
    await _save_keys(
        tx,
        {s.customer_id: (s.version, customer_keys(s.customer_id, s.model_dump())) for s in states},
    )


async def erase_customers(tx: Tx, erased: Sequence[CustomerErased]) -> None:
    """Keep that they were there; what is personal stays on invoices, as the law wants it."""
    await insert_rows(
        tx,
        t.customers,
        [
            {
                "id": event.customer_id,
                "version": event.version,
                "state": {"customer_id": str(event.customer_id), "status": "erased"},
            }
            for event in erased
        ],
        on_conflict=_TAKE_OVER,
    )
    await _save_keys(tx, {event.customer_id: (event.version, []) for event in erased})


async def _save_keys(tx: Tx, keys: Mapping[UUID, tuple[int, list[int]]]) -> None:
    rows = [
        {"customer_id": customer_id, "version": version, "keys": found}
        for customer_id, (version, found) in keys.items()
    ]
    await insert_rows(tx, t.customer_search, rows, on_conflict=_TAKE_OVER_KEYS)


async def get_seller(tx: Tx) -> SettingsChanged | None:
    data = await tx.scalar(select(t.seller_settings.c.data))
    return SettingsChanged.model_validate(data) if data else None


async def lock_seller(tx: Tx) -> SettingsChanged | None:
    """The settings, locked by name: at first there is no row that could be."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(hashtext('seller_settings'))"))
    data = await tx.scalar(select(t.seller_settings.c.data))
    return SettingsChanged.model_validate(data) if data else None


async def save_seller(tx: Tx, settings: SettingsChanged, *, now: datetime) -> None:
    await insert_rows(
        tx,
        t.seller_settings,
        [
            {
                "name": settings.name,
                "version": settings.version,
                "data": settings.model_dump(mode="json"),
                "updated_at": now,
            }
        ],
        on_conflict="ON CONFLICT (name) DO UPDATE SET version = excluded.version, "
        "data = excluded.data, updated_at = excluded.updated_at",
    )
