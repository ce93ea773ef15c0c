"""Copies of entitlements and of what is open on invoices."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from services.customers import tables as t
from shared.database import Tx, among, insert_rows

__all__ = [
    "forget_copies",
    "get_entitlements",
    "get_open_invoices",
    "save_entitlements",
    "save_open_invoices",
]


async def get_entitlements(tx: Tx, customer_ids: Iterable[UUID]) -> dict[UUID, Any]:
    query = select(t.entitlements).where(among(t.entitlements.c.customer_id, customer_ids))
    return {row.customer_id: row for row in await tx.execute(query)}


async def save_entitlements(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    """Take over what is not older than the copy."""
    await insert_rows(
        tx,
        t.entitlements,
        rows,
        on_conflict="ON CONFLICT (customer_id) DO UPDATE SET version = excluded.version, "
        "subscribed = excluded.subscribed, max_users = excluded.max_users "
        "WHERE entitlements.version <= excluded.version",
    )


async def get_open_invoices(tx: Tx, customer_id: UUID) -> Sequence[Any]:
    o = t.open_invoices.c
    query = select(t.open_invoices).where(o.customer_id == customer_id, o.open_minor > 0)
    return (await tx.execute(query.order_by(o.number))).all()


async def save_open_invoices(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    """Take over what is not older than the copy."""
    await insert_rows(
        tx,
        t.open_invoices,
        rows,
        on_conflict="ON CONFLICT (invoice_id) DO UPDATE SET version = excluded.version, "
        "open_minor = excluded.open_minor WHERE open_invoices.version <= excluded.version",
    )


async def forget_copies(tx: Tx, customer_id: UUID) -> None:
    for table in (t.entitlements, t.open_invoices):
        await tx.execute(delete(table).where(table.c.customer_id == customer_id))
