"""Credit balances: the ledger, and its projections."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.billing import tables as t
from services.billing.domain.balance import Balance, Entry, Lot
from shared.database import Tx, insert_rows
from shared.events.subscriptions import SubscriptionWithdrawn
from shared.paging import fetch_page

__all__ = [
    "add_withdrawn_subscriptions",
    "get_balances",
    "get_credit_of",
    "get_credit_used",
    "get_withdrawn_subscriptions",
    "list_balance_entries",
    "lock_balances",
    "save_balances",
]

# (customer, currency): one balance.
_Slot = tuple[UUID, str]

_LOCK = """
SELECT * FROM credit_balances
WHERE (customer_id, currency) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
ORDER BY customer_id, currency FOR UPDATE
"""
# Also lots that are used up, when what an invoice took of them may have to go back.
_LOTS = """
SELECT * FROM balance_lots
WHERE (customer_id, currency) IN (SELECT * FROM unnest($1::uuid[], $2::text[])) AND (left_minor > 0
    OR id IN (SELECT p.lot_id FROM balance_postings p JOIN balance_entries e ON e.id = p.entry_id
              WHERE e.invoice_id = ANY($3) AND e.origin = 'invoice'))
ORDER BY created_at, id
"""
_USED = """
SELECT e.invoice_id, p.lot_id, p.amount_minor
FROM balance_postings p JOIN balance_entries e ON e.id = p.entry_id
WHERE e.invoice_id = ANY($1) AND e.origin = 'invoice' AND p.lot_id IS NOT NULL
"""
_CONTRA = {"refund": "refund", "forfeit": "forfeit"}


async def lock_balances(
    tx: Tx, slots: Collection[_Slot], *, used_by: Collection[UUID] = ()
) -> dict[_Slot, Balance]:
    """Lock balances, with the lots that have something left or were `used_by` these invoices.

    Whoever has none yet gets an empty one; the lock of the customer, which the caller holds, keeps
    another from making it meanwhile.
    """
    asked = [customer_id for customer_id, _ in slots], [currency for _, currency in slots]
    locked = await tx.fetch(_LOCK, *asked)
    versions = {(row.customer_id, row.currency): row.version for row in locked}
    lots = defaultdict(list)
    for row in await tx.fetch(_LOTS, *asked, list(used_by)):
        lots[row.customer_id, row.currency].append(_lot(row))
    return {
        slot: Balance(*slot, version=versions.get(slot, 0), lots=tuple(lots[slot]))
        for slot in slots
    }


def _lot(row: Any) -> Lot:
    return Lot(
        id=row.id,
        subscription_id=row.subscription_id,
        invoice_id=row.invoice_id,
        created_at=row.created_at,
        amount_minor=row.amount_minor,
        left_minor=row.left_minor,
    )


async def get_credit_of(tx: Tx, subscription_ids: Sequence[UUID]) -> list[tuple[UUID, str, UUID]]:
    """(customer, currency, subscription) of credit that came from these and is left."""
    query = (
        "SELECT DISTINCT customer_id, currency, subscription_id FROM balance_lots "
        "WHERE subscription_id = ANY($1) AND left_minor > 0 ORDER BY 1, 2, 3"
    )
    return [tuple(row) for row in await tx.fetch(query, subscription_ids)]


async def get_credit_used(tx: Tx, invoice_ids: Sequence[UUID]) -> dict[UUID, dict[UUID, int]]:
    """What invoices took of which lot, negative."""
    used: dict[UUID, dict[UUID, int]] = defaultdict(dict)
    for row in await tx.fetch(_USED, invoice_ids):
        used[row.invoice_id][row.lot_id] = row.amount_minor
    return used


async def save_balances(tx: Tx, balances: Iterable[Balance], entries: Sequence[Entry]) -> None:
    """Write entries, and the balances and lots as they are after them."""
    if not entries:
        return
    await insert_rows(tx, t.balance_entries, [_entry_row(entry) for entry in entries])
    await insert_rows(
        tx, t.balance_postings, [row for entry in entries for row in _posting_rows(entry)]
    )
    balances = list(balances)
    await insert_rows(
        tx,
        t.credit_balances,
        [
            {
                "customer_id": balance.customer_id,
                "currency": balance.currency,
                "version": balance.version,
                "balance_minor": balance.minor,
            }
            for balance in balances
        ],
        on_conflict="ON CONFLICT (customer_id, currency) DO UPDATE SET "
        "version = excluded.version, balance_minor = excluded.balance_minor",
    )
    await insert_rows(
        tx,
        t.balance_lots,
        [_lot_row(balance, lot) for balance in balances for lot in balance.lots],
        on_conflict="ON CONFLICT (id) DO UPDATE SET left_minor = excluded.left_minor",
    )


def _entry_row(entry: Entry) -> dict[str, Any]:
    source = entry.source
    return {
        "id": source.entry_id,
        "customer_id": entry.customer_id,
        "currency": entry.currency,
        "version": entry.version,
        "origin": source.origin,
        "amount_minor": entry.amount_minor,
        "balance_minor": entry.balance_minor,
        "invoice_id": source.invoice_id,
        "subscription_id": source.subscription_id,
        "credit_note_id": source.credit_note_id,
        "payment_id": source.payment_id,
        "note": source.note,
        "at": source.at,
        "made_by": source.by,
    }


def _posting_rows(entry: Entry) -> Iterable[dict[str, Any]]:
    contra = _CONTRA.get(entry.source.origin, "invoice")
    parts = [("balance", lot_id, minor) for lot_id, minor in entry.parts.items()]
    for position, (account, lot_id, minor) in enumerate(
        [*parts, (contra, None, -entry.amount_minor)], 1
    ):
        yield {
            "entry_id": entry.source.entry_id,
            "position": position,
            "account": account,
            "lot_id": lot_id,
            "amount_minor": minor,
        }


def _lot_row(balance: Balance, lot: Lot) -> dict[str, Any]:
    return {
        "id": lot.id,
        "customer_id": balance.customer_id,
        "currency": balance.currency,
        "subscription_id": lot.subscription_id,
        "invoice_id": lot.invoice_id,
        "created_at": lot.created_at,
        "amount_minor": lot.amount_minor,
        "left_minor": lot.left_minor,
    }


async def get_balances(tx: Tx, customer_id: UUID) -> Sequence[Any]:
    query = "SELECT * FROM credit_balances WHERE customer_id = $1 ORDER BY currency"
    return await tx.fetch(query, customer_id)


async def list_balance_entries(
    tx: Tx, customer_id: UUID, *, after: str | None, limit: int
) -> tuple[Sequence[Any], str | None]:
    """A page, newest first, and the cursor to the next one."""
    columns = t.balance_entries.c
    query = select(t.balance_entries).where(columns.customer_id == customer_id)
    return await fetch_page(tx, query, (columns.at, columns.id), after, limit)


async def add_withdrawn_subscriptions(
    tx: Tx, events: Sequence[SubscriptionWithdrawn], *, now: datetime
) -> None:
    await insert_rows(
        tx,
        t.withdrawn_subscriptions,
        [
            {
                "subscription_id": event.subscription_id,
                "customer_id": event.customer_id,
                "withdrawn_at": now,
            }
            for event in events
        ],
        on_conflict="ON CONFLICT DO NOTHING",
    )


async def get_withdrawn_subscriptions(tx: Tx, subscription_ids: Sequence[UUID]) -> set[UUID]:
    query = "SELECT subscription_id FROM withdrawn_subscriptions WHERE subscription_id = ANY($1)"
    return {row.subscription_id for row in await tx.fetch(query, subscription_ids)}
