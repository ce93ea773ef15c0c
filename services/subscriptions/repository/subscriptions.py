"""Subscriptions and their history."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.subscriptions import tables as t
from services.subscriptions.domain.subscription import (
    ScheduledChange,
    State,
    Subscription,
    due_at,
)
from shared.database import Seen, Tx, insert_rows, only_seen, update_rows
from shared.paging import fetch_page
from shared.periods import Period

__all__ = [
    "add_history",
    "get_live_subscriptions",
    "get_subscription",
    "get_subscriptions_of",
    "list_history",
    "list_subscriptions",
    "save_subscriptions",
    "subscription_of",
]


_STATES: dict[str | None, State] = {str(state): state for state in State}  # enums are slow


_AS_THEY_ARE = (
    "id", "customer_id", "kind", "product_id", "version", "term", "origin", "cycle", "price_id",
    "anchor_day", "invoice_id", "invoice_version", "remind_at",
)  # fmt: skip


def subscription_of(row: Any) -> Subscription:
    # By name: as an attribute of a row, a column takes ten times as long.
    return Subscription(
        **{name: row[name] for name in _AS_THEY_ARE},
        state=_STATES[row["state"]],
        period=Period(row["period_start"], row["period_end"]) if row["period_start"] else None,
        canceled_from=_STATES.get(row["canceled_from"]),
        scheduled=ScheduledChange(
            row["scheduled_product_id"], row["scheduled_cycle"], row["scheduled_on"]
        )
        if row["scheduled_on"]
        else None,
    )


def _row(subscription: Subscription, time_zone: str, now: datetime) -> dict[str, Any]:
    period, scheduled = subscription.period, subscription.scheduled
    return {
        "id": subscription.id,
        "product_id": subscription.product_id,
        "state": str(subscription.state),
        "version": subscription.version,
        "term": subscription.term,
        "origin": subscription.origin,
        "cycle": subscription.cycle,
        "price_id": subscription.price_id,
        "period_start": period.start if period else None,
        "period_end": period.end if period else None,
        "anchor_day": subscription.anchor_day,
        "invoice_id": subscription.invoice_id,
        "invoice_version": subscription.invoice_version,
        "canceled_from": str(subscription.canceled_from) if subscription.canceled_from else None,
        "scheduled_product_id": scheduled.product_id if scheduled else None,
        "scheduled_cycle": scheduled.cycle if scheduled else None,
        "scheduled_on": scheduled.effective_on if scheduled else None,
        "due_at": due_at(subscription, time_zone),
        "remind_at": subscription.remind_at,
        "updated_at": now,
    }


async def save_subscriptions(
    tx: Tx, saved: Iterable[tuple[Subscription, str, bool]], *, now: datetime
) -> None:
    """Write subscriptions, each with the customer's time zone and whether it is new."""
    saved = list(saved)
    added = [
        {
            **_row(subscription, zone, now),
            "customer_id": subscription.customer_id,
            "kind": subscription.kind,
            "created_at": now,
        }
        for subscription, zone, new in saved
        if new
    ]
    await insert_rows(tx, t.subscriptions, added)
    await update_rows(
        tx, t.subscriptions, [_row(s, zone, now) for s, zone, new in saved if not new]
    )


async def add_history(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    await insert_rows(tx, t.subscription_history, rows)


async def list_history(
    tx: Tx, subscription_id: UUID, *, after: str | None, limit: int
) -> tuple[Sequence[Any], str | None]:
    """A page, newest first, and the cursor to the next one."""
    h = t.subscription_history
    query = select(h).where(h.c.subscription_id == subscription_id)
    return await fetch_page(tx, query, (h.c.id,), after, limit)


async def get_subscription(
    tx: Tx, subscription_id: UUID, *, seen: Seen = None
) -> Subscription | None:
    query = (
        "SELECT * FROM subscriptions "
        "WHERE id = $1 AND ($2::uuid[] IS NULL OR customer_id = ANY($2))"
    )
    found = await tx.fetch(query, subscription_id, seen)
    return subscription_of(found[0]) if found else None


async def list_subscriptions(
    tx: Tx, *, customer_id: UUID | None, seen: Seen, after: str | None, limit: int
) -> tuple[list[Subscription], str | None]:
    """A page, newest first, and the cursor to the next one."""
    columns = (t.subscriptions.c.created_at, t.subscriptions.c.id)
    query = only_seen(select(t.subscriptions), t.subscriptions.c.customer_id, seen)
    if customer_id:
        query = query.where(t.subscriptions.c.customer_id == customer_id)
    rows, following = await fetch_page(tx, query, columns, after, limit)
    found = [subscription_of(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's own name
    return found, following


_NEWEST = (
    "SELECT DISTINCT ON (s.customer_id, s.product_id) s.* FROM subscriptions s "
    "LEFT JOIN offers o ON o.subscription_id = s.id AND o.state = 'open' "
    "WHERE s.customer_id = ANY($1) "
    "ORDER BY s.customer_id, s.product_id, (s.state IN ('expired', 'withdrawn')), "
    "(o.request_id IS NULL), s.created_at DESC"
)


async def get_subscriptions_of(
    tx: Tx, customer_ids: Iterable[UUID]
) -> dict[UUID, list[Subscription]]:
    """Of each product the newest subscription, live or not."""
    return _by_customer(await tx.fetch(_NEWEST, list(customer_ids)))


async def get_live_subscriptions(
    tx: Tx, customer_ids: Iterable[UUID]
) -> dict[UUID, list[Subscription]]:
    query = (
        "SELECT * FROM subscriptions "
        "WHERE customer_id = ANY($1) AND state NOT IN ('expired', 'withdrawn')"
    )
    return _by_customer(await tx.fetch(query, list(customer_ids)))


def _by_customer(rows: Iterable[Any]) -> dict[UUID, list[Subscription]]:
    found: dict[UUID, list[Subscription]] = {}
    for row in rows:
        found.setdefault(row.customer_id, []).append(subscription_of(row))
    return found
