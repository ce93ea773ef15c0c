"""The books of customers, and who has something due."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from services.subscriptions.domain.book import Book, Customer, Policy
from services.subscriptions.domain.catalogue import Catalogue
from services.subscriptions.domain.ledger import Offer
from services.subscriptions.domain.subscription import Subscription
from services.subscriptions.repository.catalogue import get_catalogue
from services.subscriptions.repository.copies import get_seller
from services.subscriptions.repository.offers import get_open_offers, get_running_periods
from services.subscriptions.repository.subscriptions import get_subscriptions_of, subscription_of
from shared.database import Tx

__all__ = ["DUE", "DueKind", "claim_due_customers", "get_books", "get_slim_books"]

_POLICY = Policy()

DueKind = Literal["trial", "reminder", "offer", "change", "cancellation"]


def customer_of(row: Any) -> Customer:
    return Customer(
        row.id,
        row.version,
        row.country,
        row.currency,
        row.language,
        row.time_zone,
        row.is_company,
        row.vat_id,
        row.status,
        row.frozen,
    )


async def get_books(
    tx: Tx, customers: Mapping[UUID, Any], *, policy: Policy = _POLICY, priced: bool = True
) -> dict[UUID, Book]:
    """Everything about these customers' rows, which a writer has locked before.

    `priced`: with prices and the seller's settings, without which nothing can be charged.
    """
    if not customers:
        return {}
    ids = list(customers)
    query = (
        "SELECT c.id, (SELECT count(*) FROM users u WHERE u.customer_id = c.id AND u.active) "
        "AS active_users, ARRAY(SELECT product_id FROM trials t WHERE t.customer_id = c.id) "
        "AS tried FROM customers c WHERE c.id = ANY($1)"
    )
    counted = {row.id: row for row in await tx.fetch(query, ids)}
    subscriptions = await get_subscriptions_of(tx, ids)
    offers = await get_open_offers(tx, ids)
    periods = await get_running_periods(tx, ids)
    catalogue = await get_catalogue(tx, with_prices=priced)
    seller = await get_seller(tx) if priced else None
    return {
        customer_id: Book(
            customer_of(row),
            catalogue,
            tuple(subscriptions.get(customer_id, ())),
            {offer.subscription_id: offer for offer in offers.get(customer_id, ())},
            {
                s.id: tuple(periods[s.id])
                for s in subscriptions.get(customer_id, ())
                if s.id in periods
            },
            frozenset(counted[customer_id].tried),
            counted[customer_id].active_users,
            seller,
            policy,
        )
        for customer_id, row in customers.items()
    }


_SLIM = (
    "SELECT s.*, c.version AS c_version, c.country, c.currency, c.language, c.time_zone "
    "FROM subscriptions s JOIN customers c ON c.id = s.customer_id "
    "WHERE s.customer_id = ANY($1) "
    "AND (s.state NOT IN ('expired', 'withdrawn') OR s.id = ANY($2) OR EXISTS (SELECT 1 "
    "FROM offers o WHERE o.subscription_id = s.id AND o.state = 'open'))"
)


async def get_slim_books(
    tx: Tx, customer_ids: Iterable[UUID], offers: Iterable[Offer], catalogue: Catalogue
) -> dict[UUID, Book]:
    """What runs or waits, in one statement: enough to settle bookings."""
    offers = list(offers)
    named = [offer.subscription_id for offer in offers]
    customers: dict[UUID, Customer] = {}
    subscriptions: dict[UUID, list[Subscription]] = {}
    for row in await tx.fetch(_SLIM, list(customer_ids), named):
        if row.customer_id not in customers:
            customers[row.customer_id] = Customer(
                row.customer_id,
                row.c_version,
                row.country,
                row.currency,
                row.language,
                row.time_zone,
            )
        subscriptions.setdefault(row.customer_id, []).append(subscription_of(row))
    waiting: dict[UUID, dict[UUID, Offer]] = {}
    for offer in offers:
        if offer.state == "open":
            waiting.setdefault(offer.customer_id, {})[offer.subscription_id] = offer
    return {
        customer_id: Book(
            customer,
            catalogue,
            tuple(subscriptions[customer_id]),
            waiting.get(customer_id, {}),
        )
        for customer_id, customer in customers.items()
    }


# Each reads an index exactly in its order. Nobody waits for a lock here, so nobody can wait for us.
_CLAIM = (
    "SELECT c.* FROM {table} d JOIN customers c ON c.id = d.customer_id "
    "WHERE d.{column} <= $1 AND {condition} AND NOT c.frozen "
    "ORDER BY d.{column}, d.{key} LIMIT $2 FOR UPDATE OF c SKIP LOCKED"
)
DUE: dict[DueKind, str] = {
    "trial": _CLAIM.format(
        table="subscriptions", column="due_at", key="id", condition="d.state = 'trialing'"
    ),
    "change": _CLAIM.format(
        table="subscriptions",
        column="due_at",
        key="id",
        condition="d.state = 'active' AND d.scheduled_on IS NOT NULL",
    ),
    "cancellation": _CLAIM.format(
        table="subscriptions",
        column="due_at",
        key="id",
        condition="d.state <> 'trialing' AND d.scheduled_on IS NULL",
    ),
    "reminder": _CLAIM.format(
        table="subscriptions", column="remind_at", key="id", condition="d.state = 'trialing'"
    ),
    "offer": _CLAIM.format(
        table="offers", column="lapses_at", key="request_id", condition="d.state = 'open'"
    ),
}


async def claim_due_customers(
    tx: Tx, kind: DueKind, *, now: datetime, limit: int
) -> dict[UUID, Any]:
    """Lock customers with something of this kind due; who is frozen is left alone."""
    return {row.id: row for row in await tx.fetch(DUE[kind], now, limit)}
