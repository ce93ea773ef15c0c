"""Money that has come by itself, and what became of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.billing import tables as t
from services.billing.domain.arrival import Arrival, ArrivalEntry, ArrivalState, MoneyTakenBack
from shared.database import Tx, insert_new, insert_rows, update_rows
from shared.money import Money
from shared.paging import fetch_page

__all__ = [
    "add_arrival",
    "add_arrival_entry",
    "add_arrival_reversed",
    "add_provider_event",
    "add_provider_reversal",
    "find_invoice",
    "get_arrival",
    "get_arrival_entries",
    "get_arrival_id",
    "get_provider_reversals",
    "list_unallocated",
    "lock_arrival",
    "save_arrival",
]


async def add_provider_event(tx: Tx, source: str, event_id: str, *, now: datetime) -> bool:
    """Remember a message; False when it is known. Whoever has it at the same time waits."""
    row = {"source": source, "event_id": event_id, "seen_at": now}
    return bool(await insert_new(tx, t.provider_events, [row], unless="(source, event_id)"))


async def add_provider_reversal(
    tx: Tx, source: str, event: MoneyTakenBack, *, now: datetime
) -> None:
    """Remember what was taken back in all: an older message says less."""
    row = {
        "source": source,
        "reference": event.reference,
        "reversal": event.reversal,
        "currency": event.amount.currency if event.amount else None,
        "amount_minor": event.amount.minor if event.amount else None,
        "reason": event.reason,
        "seen_at": now,
    }
    more = (
        "ON CONFLICT (source, reference, reversal) DO UPDATE SET "
        "amount_minor = CASE WHEN excluded.amount_minor IS NOT NULL "
        "THEN greatest(provider_reversals.amount_minor, excluded.amount_minor) END"
    )
    await insert_rows(tx, t.provider_reversals, [row], on_conflict=more)


async def get_provider_reversals(tx: Tx, arrival: Arrival) -> tuple[int, str]:
    """How much of an arrival its source has taken back, and why at last."""
    rows = await tx.fetch(
        "SELECT coalesce(amount_minor, $3) AS amount_minor, reason FROM provider_reversals "
        "WHERE source = $1 AND reference = $2 AND (currency IS NULL OR currency = $4) "
        "ORDER BY seen_at",
        arrival.source,
        arrival.reference,
        arrival.amount.minor,
        arrival.amount.currency,
    )
    return sum(row.amount_minor for row in rows), rows[-1].reason if rows else ""


async def find_invoice(tx: Tx, named: str) -> UUID | None:
    """The finalised invoice with this id or number."""
    rows = await tx.fetch(
        "SELECT id FROM invoices WHERE (id::text = lower($1) OR number = $1) AND state <> 'draft'",
        named,
    )
    return rows[0].id if rows else None


async def add_arrival(tx: Tx, arrival: Arrival) -> bool:
    """Write it; False when its source has told of this payment before."""
    return bool(await insert_new(tx, t.arrivals, [_row(arrival)], unless="(source, reference)"))


async def save_arrival(tx: Tx, arrival: Arrival) -> None:
    names = ("id", "state", "left_minor", "refunded_minor", "reversed_minor")
    row = _row(arrival)
    await update_rows(tx, t.arrivals, [{name: row[name] for name in names}])


async def add_arrival_reversed(tx: Tx, arrival_id: UUID, minor: int) -> None:
    """So much of it has gone back; less than 0: has come again after all."""
    await tx.run(
        "UPDATE arrivals SET reversed_minor = reversed_minor + $2 WHERE id = $1", arrival_id, minor
    )


async def add_arrival_entry(tx: Tx, entry: ArrivalEntry) -> None:
    await insert_rows(
        tx,
        t.arrival_entries,
        [
            {
                "id": entry.id,
                "arrival_id": entry.arrival_id,
                "kind": entry.kind,
                "amount_minor": entry.amount_minor,
                "payment_id": entry.payment_id,
                "note": entry.note,
                "at": entry.at,
                "made_by": entry.made_by,
            }
        ],
    )


async def get_arrival_id(tx: Tx, source: str, reference: str) -> UUID | None:
    query = "SELECT id FROM arrivals WHERE source = $1 AND reference = $2"
    rows = await tx.fetch(query, source, reference)
    return rows[0].id if rows else None


async def get_arrival(tx: Tx, arrival_id: UUID) -> Arrival | None:
    rows = await tx.fetch("SELECT * FROM arrivals WHERE id = $1", arrival_id)
    return _arrival(rows[0]) if rows else None


async def lock_arrival(tx: Tx, arrival_id: UUID) -> Arrival | None:
    """Its customers are locked already."""
    rows = await tx.fetch("SELECT * FROM arrivals WHERE id = $1 FOR UPDATE", arrival_id)
    return _arrival(rows[0]) if rows else None


async def get_arrival_entries(tx: Tx, ids: Sequence[UUID]) -> Sequence[Any]:
    query = (
        "SELECT e.*, p.invoice_id FROM arrival_entries e LEFT JOIN payments p "
        "ON p.id = e.payment_id WHERE e.arrival_id = ANY($1) ORDER BY e.at, e.id"
    )
    return await tx.fetch(query, ids)


async def list_unallocated(
    tx: Tx, *, state: ArrivalState | None, after: str | None, limit: int
) -> tuple[list[Arrival], str | None]:
    """A page of what could not be booked at once, newest first, and the cursor to the next one."""
    columns = t.arrivals.c
    query = select(t.arrivals).where(columns.why.is_not(None))
    if state:
        query = query.where(columns.state == state)
    rows, following = await fetch_page(tx, query, (columns.arrived_at, columns.id), after, limit)
    return [_arrival(row) for row in rows], following


def _row(arrival: Arrival) -> dict[str, Any]:
    return {
        "id": arrival.id,
        "source": arrival.source,
        "reference": arrival.reference,
        "customer_id": arrival.customer_id,
        "invoice_id": arrival.invoice_id,
        "named": arrival.named,
        "currency": arrival.amount.currency,
        "amount_minor": arrival.amount.minor,
        "method": arrival.method,
        "received_on": arrival.received_on,
        "arrived_at": arrival.arrived_at,
        "state": arrival.state,
        "why": arrival.why,
        "left_minor": arrival.left_minor,
        "refunded_minor": arrival.refunded_minor,
        "reversed_minor": arrival.reversed_minor,
    }


def _arrival(row: Any) -> Arrival:
    return Arrival(
        id=row.id,
        source=row.source,
        reference=row.reference,
        customer_id=row.customer_id,
        invoice_id=row.invoice_id,
        named=row.named,
        amount=Money(row.amount_minor, row.currency),
        method=row.method,
        received_on=row.received_on,
        arrived_at=row.arrived_at,
        state=row.state,
        why=row.why,
        left_minor=row.left_minor,
        refunded_minor=row.refunded_minor,
        reversed_minor=row.reversed_minor,
    )
