"""Offers that wait for payment, the period ledger, trials."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.subscriptions import tables as t
from services.subscriptions.domain.ledger import LedgerPeriod, Offer, Part, Taken
from shared.database import Tx, insert_rows, update_rows
from shared.periods import Period, start_of_day

__all__ = [
    "add_trials",
    "find_by_lines",
    "get_open_offers",
    "get_running_periods",
    "link_invoices",
    "save_offers",
    "save_periods",
]


def _part(data: Any) -> Part:
    return Part(
        UUID(data["invoice_id"]),
        data["position"],
        data["currency"],
        data["basis"],
        Decimal(data["vat_percent"]),
        data["minor"],
        data["credited"],
    )


def _part_data(part: Part) -> dict[str, Any]:
    return {
        "invoice_id": str(part.invoice_id),
        "position": part.position,
        "currency": part.currency,
        "basis": part.basis,
        "vat_percent": str(part.vat_percent),
        "minor": part.minor,
        "credited": part.credited,
    }


def _taken(data: Any) -> Taken:
    return Taken(
        UUID(data["subscription_id"]),
        _part(data["part"]),
        data["unused"],
        data["days"],
        data["minor"],
    )


def _taken_data(taken: Taken) -> dict[str, Any]:
    return {
        "subscription_id": str(taken.subscription_id),
        "part": _part_data(taken.part),
        "unused": taken.unused,
        "days": taken.days,
        "minor": taken.minor,
    }


_AS_THEY_ARE = (
    "request_id", "subscription_id", "customer_id", "product_id", "cycle", "price_id", "state",
    "invoice_id", "is_change", "offer_days", "lapses_on", "valid_until",
)  # fmt: skip


def _offer(row: Any) -> Offer:
    # By name: as an attribute of a row, a column takes ten times as long.
    return Offer(
        **{name: row[name] for name in _AS_THEY_ARE},
        used=tuple(map(_taken, row["used"])),
        rest=tuple(map(_taken, row["rest"])),
        lines=tuple(row["lines"]),
    )


def _period(row: Any) -> LedgerPeriod:
    return LedgerPeriod(
        row.subscription_id,
        row.term,
        Period(row.period_start, row.period_end),
        row.outcome,
        row.invoice_id,
        row.request_id,
        tuple(map(_part, row.worth)),
    )


async def save_offers(tx: Tx, saved: Iterable[tuple[Offer, str, bool]], *, now: datetime) -> None:
    """Write offers, each with the customer's time zone and whether it is new."""
    added, changed = [], []
    for offer, zone, new in saved:
        row = {
            "request_id": offer.request_id,
            "subscription_id": offer.subscription_id,
            "state": offer.state,
            "invoice_id": offer.invoice_id,
            "lapses_on": offer.lapses_on,
            "lapses_at": start_of_day(offer.lapses_on, zone) if offer.lapses_on else None,
        }
        if not new:
            changed.append(row)
            continue
        added.append(
            {
                **row,
                "customer_id": offer.customer_id,
                "product_id": offer.product_id,
                "cycle": offer.cycle,
                "price_id": offer.price_id,
                "is_change": offer.is_change,
                "offer_days": offer.offer_days,
                "valid_until": offer.valid_until,
                "used": list(map(_taken_data, offer.used)),
                "rest": list(map(_taken_data, offer.rest)),
                "lines": list(offer.lines),
                "created_at": now,
            }
        )
    # First what is let go of: only one may be open per subscription at any moment.
    await update_rows(tx, t.offers, changed, key=("request_id", "subscription_id"))
    await insert_rows(tx, t.offers, added)


async def get_open_offers(tx: Tx, customer_ids: Iterable[UUID]) -> dict[UUID, list[Offer]]:
    query = "SELECT * FROM offers WHERE customer_id = ANY($1) AND state = 'open'"
    found: dict[UUID, list[Offer]] = {}
    for row in await tx.fetch(query, list(customer_ids)):
        found.setdefault(row.customer_id, []).append(_offer(row))
    return found


_BY_LINES = (
    "SELECT o.*, k.request_id AS k_request, k.subscription_id AS k_subscription, "
    "p.term AS p_term, p.period_start AS p_start, p.period_end AS p_end, "
    "p.outcome AS p_outcome, p.invoice_id AS p_invoice, p.worth AS p_worth "
    "FROM unnest($1::uuid[], $2::uuid[]) AS k (request_id, subscription_id) "
    "LEFT JOIN offers o ON o.request_id = k.request_id AND o.subscription_id = k.subscription_id "
    "LEFT JOIN periods p ON p.request_id = k.request_id AND p.subscription_id = k.subscription_id "
    "WHERE o.request_id IS NOT NULL OR p.request_id IS NOT NULL ORDER BY p.term"
)


async def find_by_lines(
    tx: Tx, keys: Iterable[tuple[UUID, UUID]]
) -> tuple[dict[tuple[UUID, UUID], Offer], dict[tuple[UUID, UUID], LedgerPeriod]]:
    """Offers in any state, and requested periods, by (request, subscription) of invoice lines.

    Where a period was edited meanwhile, that of the newest term.
    """
    keys = list(keys)
    offers: dict[tuple[UUID, UUID], Offer] = {}
    periods: dict[tuple[UUID, UUID], LedgerPeriod] = {}
    for row in await tx.fetch(_BY_LINES, [key[0] for key in keys], [key[1] for key in keys]):
        key = row.k_request, row.k_subscription
        if row.request_id:
            offers[key] = _offer(row)
        if row.p_term:
            periods[key] = LedgerPeriod(
                row.k_subscription,
                row.p_term,
                Period(row.p_start, row.p_end),
                row.p_outcome,
                row.p_invoice,
                row.k_request,
                tuple(map(_part, row.p_worth)),
            )
    return offers, periods


_LINK = (
    "WITH k AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::date[]) "
    "AS k (request_id, subscription_id, invoice_id, due_date)), "
    "linked AS (UPDATE offers o SET invoice_id = k.invoice_id, lapses_on = l.lapses_on, "
    "lapses_at = l.lapses_on::timestamp AT TIME ZONE c.time_zone "
    "FROM k, customers c, LATERAL (SELECT least(k.due_date + o2.offer_days, o2.valid_until) "
    "AS lapses_on FROM offers o2 WHERE o2.request_id = k.request_id "
    "AND o2.subscription_id = k.subscription_id) l "
    "WHERE o.request_id = k.request_id AND o.subscription_id = k.subscription_id "
    "AND c.id = o.customer_id AND (o.state = 'open' OR o.invoice_id IS NULL)) "
    "SELECT o.* FROM offers o WHERE o.state = 'open' AND o.customer_id = ANY($5) "
    "AND o.invoice_id = ANY($6) AND NOT EXISTS (SELECT 1 FROM k "
    "WHERE k.request_id = o.request_id AND k.subscription_id = o.subscription_id)"
)


async def link_invoices(
    tx: Tx,
    links: Sequence[tuple[UUID, UUID, UUID, date]],
    invoices: Mapping[UUID, UUID],
) -> list[Offer]:
    """Note which invoice an offer waits for: (request, subscription, invoice, due date).

    Returns what waits for one of these invoices (invoice -> customer) and is not on it.
    """
    values = [list(column) for column in zip(*links, strict=True)] or [[], [], [], []]
    rows = await tx.fetch(_LINK, *values, list(invoices.values()), list(invoices))
    return [_offer(row) for row in rows]


_MOVE = (
    "UPDATE offers o SET lapses_on = least(k.due_date + o.offer_days, o.valid_until), "
    "lapses_at = least(k.due_date + o.offer_days, o.valid_until)::timestamp "
    "AT TIME ZONE c.time_zone "
    "FROM unnest($1::uuid[], $2::uuid[], $3::date[]) AS k (customer_id, invoice_id, due_date) "
    "JOIN customers c ON c.id = k.customer_id WHERE o.state = 'open' "
    "AND o.customer_id = k.customer_id AND o.invoice_id = k.invoice_id"
)


async def move_lapses(tx: Tx, dues: Sequence[tuple[UUID, UUID, date]]) -> None:
    """What waits for an invoice waits from its new due date on: (customer, invoice, due date)."""
    await tx.run(_MOVE, *(list(column) for column in zip(*dues, strict=True)))


async def get_running_periods(
    tx: Tx, customer_ids: Iterable[UUID]
) -> dict[UUID, list[LedgerPeriod]]:
    """The ledger of the terms that run, by subscription."""
    query = (
        "SELECT p.* FROM periods p JOIN subscriptions s ON s.id = p.subscription_id "
        "AND s.term = p.term WHERE s.customer_id = ANY($1) "
        "AND s.state NOT IN ('expired', 'withdrawn')"
    )
    found: dict[UUID, list[LedgerPeriod]] = {}
    for row in await tx.fetch(query, list(customer_ids)):
        found.setdefault(row.subscription_id, []).append(_period(row))
    return found


async def save_periods(tx: Tx, rows: Iterable[LedgerPeriod]) -> None:
    await insert_rows(
        tx,
        t.periods,
        [
            {
                "subscription_id": row.subscription_id,
                "term": row.term,
                "period_start": row.period.start,
                "period_end": row.period.end,
                "outcome": row.outcome,
                "invoice_id": row.invoice_id,
                "request_id": row.request_id,
                "worth": list(map(_part_data, row.worth)),
            }
            for row in rows
        ],
        on_conflict="ON CONFLICT (subscription_id, term, period_start) DO UPDATE SET "
        "outcome = excluded.outcome, invoice_id = excluded.invoice_id, worth = excluded.worth",
    )


async def add_trials(tx: Tx, trials: Iterable[tuple[UUID, UUID, UUID]], *, now: datetime) -> None:
    """Remember trials for ever: (customer, product, subscription)."""
    await insert_rows(
        tx,
        t.trials,
        [
            {
                "customer_id": customer,
                "product_id": product,
                "subscription_id": subscription,
                "started_at": now,
            }
            for customer, product, subscription in trials
        ],
    )
