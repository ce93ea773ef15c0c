"""Changed products whose customers are still to be entitled anew."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.subscriptions import tables as t
from shared.database import Tx, insert_rows

__all__ = [
    "add_refreshes",
    "advance_refresh",
    "finish_refresh",
    "get_holders",
    "next_refresh",
    "set_barrier",
]

_BEFORE_ALL = UUID(int=0)


async def add_refreshes(tx: Tx, offering_ids: Iterable[UUID], *, now: datetime) -> None:
    """Ask for all customers of these products; one under way begins anew."""
    await insert_rows(
        tx,
        t.catalogue_refreshes,
        [
            {
                "offering_id": offering_id,
                "requested_at": now,
                "generation": 1,
                "after_customer_id": _BEFORE_ALL,
                "barrier": None,
            }
            for offering_id in sorted(offering_ids)
        ],
        on_conflict="ON CONFLICT (offering_id) DO UPDATE SET "
        "generation = catalogue_refreshes.generation + 1, "
        "after_customer_id = excluded.after_customer_id, barrier = excluded.barrier",
    )


async def next_refresh(tx: Tx) -> Any:
    """The oldest one, or None.

    `settled`: no transaction that may have read the product as it was before is still running.
    """
    found = await tx.fetch(
        "SELECT *, pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= barrier AS settled "
        "FROM catalogue_refreshes ORDER BY requested_at, offering_id LIMIT 1"
    )
    return found[0] if found else None


async def set_barrier(tx: Tx, refresh: Any) -> None:
    await tx.run(
        "UPDATE catalogue_refreshes "
        "SET barrier = pg_snapshot_xmax(pg_current_snapshot())::text::bigint "
        "WHERE offering_id = $1 AND generation = $2 AND barrier IS NULL",
        refresh.offering_id,
        refresh.generation,
    )


async def get_holders(tx: Tx, refresh: Any, *, limit: int) -> Sequence[UUID]:
    """The next customers with a live subscription of the product, by id."""
    rows = await tx.fetch(
        "SELECT DISTINCT customer_id FROM subscriptions "
        "WHERE product_id = $1 AND customer_id > $2 AND state NOT IN ('expired', 'withdrawn') "
        "ORDER BY customer_id LIMIT $3",
        refresh.offering_id,
        refresh.after_customer_id,
        limit,
    )
    return [row.customer_id for row in rows]


async def advance_refresh(tx: Tx, refresh: Any, *, up_to: UUID) -> None:
    """Note how far it is, unless the product has changed again or another was faster."""
    await tx.run(
        "UPDATE catalogue_refreshes SET after_customer_id = $1 "
        "WHERE offering_id = $2 AND generation = $3 AND after_customer_id < $1",
        up_to,
        refresh.offering_id,
        refresh.generation,
    )


async def finish_refresh(tx: Tx, refresh: Any) -> None:
    """Forget it, unless the product has changed again."""
    await tx.run(
        "DELETE FROM catalogue_refreshes WHERE offering_id = $1 AND generation = $2",
        refresh.offering_id,
        refresh.generation,
    )
