"""Every query of the notifier."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from services.notifier import tables as t
from shared.database import Seen, Tx, among, insert_rows, only_seen, update_rows
from shared.due_work import due_now
from shared.events.billing import InvoiceOpened, InvoiceVoided, SettingsChanged
from shared.events.customers import CustomerErased, CustomerState
from shared.paging import fetch_page

__all__ = [
    "KnownInvoice",
    "add_deliveries",
    "add_invoices",
    "erase_customers",
    "get_customers",
    "get_invoices",
    "get_mailed",
    "get_seller",
    "get_switched_off",
    "list_deliveries",
    "lock_customers",
    "release_deliveries",
    "save_customers",
    "save_seller",
    "save_switches",
    "save_voided",
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


@dataclass(frozen=True, slots=True)
class KnownInvoice:
    opened: InvoiceOpened
    void: bool
    replaced_by: UUID | None


async def get_invoices(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, KnownInvoice]:
    query = select(t.invoices).where(among(t.invoices.c.id, ids))
    return {
        row.id: KnownInvoice(
            InvoiceOpened.model_validate(row.data), row.voided_at is not None, row.replaced_by
        )
        for row in await tx.execute(query)
    }


async def save_voided(tx: Tx, voided: Sequence[InvoiceVoided], *, now: datetime) -> None:
    await update_rows(
        tx,
        t.invoices,
        [
            {"id": event.invoice_id, "voided_at": now, "replaced_by": event.replaced_by}
            for event in voided
        ],
    )


async def add_deliveries(tx: Tx, rows: Sequence[dict[str, Any]], *, now: datetime) -> None:
    """Write deliveries, due at once or waiting; one that exists already stays as it is."""
    await insert_rows(
        tx,
        t.deliveries,
        [{**due_now(str(row["customer_id"]), now), "created_at": now, **row} for row in rows],
        on_conflict="ON CONFLICT (source_id, kind) DO NOTHING",
    )


async def release_deliveries(
    tx: Tx, stored: Sequence[tuple[UUID, str, str]], *, now: datetime
) -> None:
    """Let go what has waited for these: (awaited, storage key, filename)."""
    if not stored:
        return
    query = (
        "UPDATE deliveries d SET state = 'due', next_at = $4, storage_key = s.key, "
        "filename = s.name FROM unnest($1::uuid[], $2::text[], $3::text[]) AS s (id, key, name) "
        "WHERE d.awaits = s.id AND d.state = 'waiting'"
    )
    ids, keys, names = zip(*stored, strict=True)
    await tx.run(query, ids, keys, names, now)


async def get_mailed(tx: Tx, invoice_ids: Sequence[UUID]) -> dict[UUID, set[str]]:
    """Invoices whose mail was planned, with the states of those mails."""
    query = "SELECT invoice_id, state FROM deliveries WHERE invoice_id = ANY($1) AND kind = $2"
    found: dict[UUID, set[str]] = defaultdict(set)
    for row in await tx.fetch(query, invoice_ids, "invoice"):
        found[row.invoice_id].add(row.state)
    return found


async def get_switched_off(tx: Tx) -> set[str]:
    """The kinds of mail that do not go out by themselves."""
    query = "SELECT kind FROM mail_switches WHERE NOT enabled"
    return {row.kind for row in await tx.fetch(query)}


async def save_switches(tx: Tx, switches: Mapping[str, bool]) -> None:
    await insert_rows(
        tx,
        t.mail_switches,
        [{"kind": kind, "enabled": enabled} for kind, enabled in switches.items()],
        on_conflict="ON CONFLICT (kind) DO UPDATE SET enabled = excluded.enabled",
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
