"""Every query of the notifier."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from services.notifier import tables as t
from shared.database import Seen, Tx, among, insert_rows, only_seen
from shared.due_work import due_now
from shared.events.billing import InvoiceOpened, SettingsChanged
from shared.events.customers import CustomerErased, CustomerState
from shared.paging import fetch_page

__all__ = [
    "add_deliveries",
    "add_invoices",
    "erase_customers",
    "get_customers",
    "get_invoices",
    "get_seller",
    "list_deliveries",
    "lock_customers",
    "save_customers",
    "save_seller",
]

# Equal versions too: a copy that is rebuilt gets what it has once more.
_TAKE_OVER = (
    "ON CONFLICT (id) DO UPDATE SET version = excluded.version, "
    "state = excluded.state WHERE customers.version <= excluded.version"
)


async def lock_customers(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, Any]:
    """Lock the customers, ordered by id: the first statement of everything that writes."""
    query = (
        select(t.customers)
        .where(among(t.customers.c.id, ids))
        .order_by(t.customers.c.id)
        .with_for_update()
    )
    return {row.id: row.state for row in await tx.execute(query)}


async def get_customers(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, Any]:
    query = select(t.customers).where(among(t.customers.c.id, ids))
    return {row.id: row.state for row in await tx.execute(query)}


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


async def erase_customers(tx: Tx, erased: Sequence[CustomerErased]) -> None:
    """Keep that they were there, and nothing personal of them, nor to whom mails went."""
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
    await tx.execute(
        update(t.deliveries)
        .where(t.deliveries.c.customer_id.in_([event.customer_id for event in erased]))
        .values(recipient=None, subject=None, last_error=None)
    )


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


async def add_invoices(tx: Tx, opened: Sequence[InvoiceOpened]) -> None:
    await insert_rows(
        tx,
        t.invoices,
        [
            {
                "id": event.invoice_id,
                "customer_id": event.customer_id,
                "data": event.model_dump(mode="json"),
            }
            for event in opened
        ],
        on_conflict="ON CONFLICT (id) DO NOTHING",
    )


async def get_invoices(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, InvoiceOpened]:
    query = select(t.invoices).where(among(t.invoices.c.id, ids))
    return {row.id: InvoiceOpened.model_validate(row.data) for row in await tx.execute(query)}


async def add_deliveries(tx: Tx, rows: Sequence[dict[str, Any]], *, now: datetime) -> None:
    """Write deliveries that are due at once; one that exists already stays as it is."""
    await insert_rows(
        tx,
        t.deliveries,
        [{**row, **due_now(str(row["customer_id"]), now), "created_at": now} for row in rows],
        on_conflict="ON CONFLICT (source_id, kind) DO NOTHING",
    )


async def list_deliveries(
    tx: Tx, *, customer_id: UUID | None, seen: Seen, after: str | None, limit: int
) -> tuple[Sequence[Any], str | None]:
    """A page, newest first, and the cursor to the next one."""
    columns = (t.deliveries.c.created_at, t.deliveries.c.id)
    query = only_seen(select(t.deliveries), t.deliveries.c.customer_id, seen)
    if customer_id:
        query = query.where(t.deliveries.c.customer_id == customer_id)
    return await fetch_page(tx, query, columns, after, limit)
