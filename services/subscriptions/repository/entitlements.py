"""Stored entitlements, for reading and for telling what has changed."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from services.subscriptions import tables as t
from shared.database import Tx, insert_rows

__all__ = [
    "get_entitlements",
    "save_entitlements",
]


async def get_entitlements(tx: Tx, customer_ids: Iterable[UUID]) -> dict[UUID, Any]:
    """By customer, with the number of its active users; version 0 where there are none yet."""
    query = (
        "SELECT c.id AS customer_id, coalesce(e.version, 0) AS version, e.data, "
        "(SELECT count(*) FROM users u WHERE u.customer_id = c.id AND u.active) AS active_users "
        "FROM customers c LEFT JOIN entitlements e ON e.customer_id = c.id WHERE c.id = ANY($1)"
    )
    return {row.customer_id: row for row in await tx.fetch(query, list(customer_ids))}


async def save_entitlements(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    await insert_rows(
        tx,
        t.entitlements,
        rows,
        on_conflict="ON CONFLICT (customer_id) DO UPDATE SET version = excluded.version, "
        "data = excluded.data",
    )
