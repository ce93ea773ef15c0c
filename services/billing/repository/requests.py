"""Requests for invoices: what has become of them, and which lines nobody waits for any more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.billing import tables as t
from shared.database import Tx, insert_rows
from shared.events.subscriptions import InvoiceRequested, InvoiceRequestWithdrawn

__all__ = ["Standing", "add_withdrawn", "get_standings", "get_withdrawn"]

# One statement: it is on the way of every opening.
_STANDINGS = """
SELECT r.id,
    EXISTS (SELECT 1 FROM invoices i WHERE i.request_id = r.id) AS opened,
    ARRAY(SELECT subscription_id FROM withdrawn_requests w WHERE w.request_id = r.id) AS withdrawn,
    coalesce(b.balance_minor > 0, false) AS has_credit
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS r (id, customer_id, currency)
LEFT JOIN credit_balances b ON b.customer_id = r.customer_id AND b.currency = r.currency
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """`withdrawn`: the subscriptions whose lines are; `has_credit`: the customer, in the currency.

    `opened` stays true for ever, whatever becomes of the invoice.
    """

    opened: bool
    withdrawn: frozenset[UUID]
    has_credit: bool


async def get_standings(tx: Tx, requests: Sequence[InvoiceRequested]) -> dict[UUID, Standing]:
    rows = await tx.fetch(
        _STANDINGS,
        [r.request_id for r in requests],
        [r.customer_id for r in requests],
        [r.currency for r in requests],
    )
    return {row.id: Standing(row.opened, frozenset(row.withdrawn), row.has_credit) for row in rows}


async def get_withdrawn(tx: Tx, request_ids: Sequence[UUID]) -> set[tuple[UUID, UUID]]:
    """(request, subscription) of what is withdrawn already."""
    query = "SELECT request_id, subscription_id FROM withdrawn_requests WHERE request_id = ANY($1)"
    return {(row.request_id, row.subscription_id) for row in await tx.fetch(query, request_ids)}


async def add_withdrawn(
    tx: Tx, events: Sequence[InvoiceRequestWithdrawn], *, now: datetime
) -> None:
    await insert_rows(
        tx,
        t.withdrawn_requests,
        [
            {
                "request_id": event.request_id,
                "subscription_id": subscription_id,
                "customer_id": event.customer_id,
                "reason": event.reason,
                "withdrawn_at": now,
            }
            for event in events
            for subscription_id in dict.fromkeys(event.subscription_ids)
        ],
        on_conflict="ON CONFLICT DO NOTHING",
    )
