"""Subscriptions, the offers that wait beside them, the period ledger."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from services.subscriptions import tables as t
from services.subscriptions.domain.subscription import LIVE, Offer, State, Subscription
from shared.database import Seen, Tx, among, insert_rows, only_seen, update_rows
from shared.paging import fetch_page
from shared.periods import Period

__all__ = [
    "add_offers",
    "add_periods",
    "add_subscriptions",
    "get_live_subscriptions",
    "get_offers",
    "get_subscription",
    "get_subscriptions_of",
    "link_invoices",
    "list_subscriptions",
    "lock_offers",
    "save_offers",
    "save_subscriptions",
]


_STATES = {str(state): state for state in State}  # calling the enum is ten times slower


def _subscription(row: Any) -> Subscription:
    return Subscription(
        id=row.id,
        customer_id=row.customer_id,
        kind=row.kind,
        product_id=row.product_id,
        state=_STATES[row.state],
        version=row.version,
        term=row.term,
        origin=row.origin,
        cycle=row.cycle,
        price_id=row.price_id,
        period=Period(row.period_start, row.period_end) if row.period_start else None,
        anchor_day=row.anchor_day,
    )


def _subscription_row(subscription: Subscription, now: datetime) -> dict[str, Any]:
    period = subscription.period
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
        "updated_at": now,
    }


async def add_subscriptions(tx: Tx, added: Iterable[Subscription], *, now: datetime) -> None:
    await insert_rows(
        tx,
        t.subscriptions,
        [
            {
                **_subscription_row(subscription, now),
                "customer_id": subscription.customer_id,
                "kind": subscription.kind,
                "created_at": now,
            }
            for subscription in added
        ],
    )


async def save_subscriptions(tx: Tx, changed: Iterable[Subscription], *, now: datetime) -> None:
    await update_rows(tx, t.subscriptions, [_subscription_row(s, now) for s in changed])


async def get_subscription(
    tx: Tx, subscription_id: UUID, *, seen: Seen = None
) -> Subscription | None:
    query = (
        "SELECT * FROM subscriptions "
        "WHERE id = $1 AND ($2::uuid[] IS NULL OR customer_id = ANY($2))"
    )
    found = await tx.fetch(query, subscription_id, seen)
    return _subscription(found[0]) if found else None


async def list_subscriptions(
    tx: Tx, *, customer_id: UUID | None, seen: Seen, after: str | None, limit: int
) -> tuple[list[Subscription], str | None]:
    """A page, newest first, and the cursor to the next one."""
    columns = (t.subscriptions.c.created_at, t.subscriptions.c.id)
    query = only_seen(select(t.subscriptions), t.subscriptions.c.customer_id, seen)
    if customer_id:
        query = query.where(t.subscriptions.c.customer_id == customer_id)
    rows, following = await fetch_page(tx, query, columns, after, limit)
    return [_subscription(row) for row in rows], following


async def get_subscriptions_of(tx: Tx, customer_ids: Iterable[UUID]) -> list[Subscription]:
    """Of each product the newest subscription, live or not."""
    s = t.subscriptions
    query = (
        select(s)
        .ext(distinct_on(s.c.customer_id, s.c.product_id))
        .where(among(s.c.customer_id, customer_ids))
        .order_by(
            s.c.customer_id,
            s.c.product_id,
            s.c.state.in_([str(state) for state in LIVE]).desc(),
            s.c.created_at.desc(),
        )
    )
    return [_subscription(row) for row in await tx.execute(query)]


async def get_live_subscriptions(
    tx: Tx, customer_ids: Iterable[UUID]
) -> dict[UUID, list[Subscription]]:
    query = (
        "SELECT * FROM subscriptions "
        "WHERE customer_id = ANY($1) AND state NOT IN ('expired', 'withdrawn')"
    )
    found: dict[UUID, list[Subscription]] = {}
    for row in await tx.fetch(query, list(customer_ids)):
        found.setdefault(row.customer_id, []).append(_subscription(row))
    return found


async def lock_offers(
    tx: Tx, keys: Iterable[tuple[UUID, UUID]]
) -> list[tuple[Offer, Subscription, str]]:
    """The open offers by (request, subscription), with what they would change and the time zone."""
    keys = list(keys)
    wanted = (
        "SELECT s.*, o.request_id, o.subscription_id, o.product_id AS offered_product_id, "
        "o.cycle AS offered_cycle, o.price_id AS offered_price_id, o.state AS offer_state, "
        "o.previous_state, o.invoice_id, c.time_zone "
        "FROM unnest($1::uuid[], $2::uuid[]) "
        "AS k (request_id, subscription_id) "
        "JOIN offers o ON o.request_id = k.request_id AND o.subscription_id = k.subscription_id "
        "JOIN subscriptions s ON s.id = o.subscription_id "
        "JOIN customers c ON c.id = o.customer_id "
        "WHERE o.state = 'open' ORDER BY s.id FOR UPDATE OF o, s"
    )
    rows = await tx.fetch(wanted, [key[0] for key in keys], [key[1] for key in keys])
    return [
        (
            Offer(
                request_id=row.request_id,
                subscription_id=row.subscription_id,
                customer_id=row.customer_id,
                product_id=row.offered_product_id,
                cycle=row.offered_cycle,
                price_id=row.offered_price_id,
                state=row.offer_state,
                previous_state=State(row.previous_state) if row.previous_state else None,
                invoice_id=row.invoice_id,
            ),
            _subscription(row),
            row.time_zone,
        )
        for row in rows
    ]


async def add_offers(tx: Tx, offers: Iterable[Offer], *, now: datetime) -> None:
    await insert_rows(
        tx,
        t.offers,
        [
            {
                "request_id": offer.request_id,
                "subscription_id": offer.subscription_id,
                "customer_id": offer.customer_id,
                "product_id": offer.product_id,
                "cycle": offer.cycle,
                "price_id": offer.price_id,
                "state": offer.state,
                "previous_state": str(offer.previous_state) if offer.previous_state else None,
                "created_at": now,
            }
            for offer in offers
        ],
    )


async def save_offers(tx: Tx, offers: Iterable[Offer]) -> None:
    await update_rows(
        tx,
        t.offers,
        [
            {
                "request_id": offer.request_id,
                "subscription_id": offer.subscription_id,
                "state": offer.state,
                "invoice_id": offer.invoice_id,
            }
            for offer in offers
        ],
        key=("request_id", "subscription_id"),
    )


async def link_invoices(tx: Tx, links: Sequence[tuple[UUID, UUID, UUID]]) -> None:
    """Note which invoice an offer waits for: (request, subscription, invoice)."""
    await update_rows(
        tx,
        t.offers,
        [
            {"request_id": request, "subscription_id": subscription, "invoice_id": invoice}
            for request, subscription, invoice in links
        ],
        key=("request_id", "subscription_id"),
    )


async def get_offers(tx: Tx, subscription_ids: Iterable[UUID]) -> dict[UUID, Any]:
    """The open offer of each subscription that has one."""
    query = select(t.offers).where(
        among(t.offers.c.subscription_id, subscription_ids), t.offers.c.state == "open"
    )
    return {row.subscription_id: row for row in await tx.execute(query)}


async def add_periods(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    await insert_rows(tx, t.periods, rows)
