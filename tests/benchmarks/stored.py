"""Rows as the product would have written them, put straight into the databases."""

import json
from datetime import UTC, date, datetime
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

__all__ = ["NOW", "PLAN", "fill_bookings", "fill_invoices"]

PLAN = UUID("01900000-0000-7000-8000-000000000012")
_PRICE = uuid7()
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
_DAY = date(2026, 1, 1)

Waiting = list[tuple[UUID, UUID, UUID]]


# A first booking: nothing is credited for it.
_OFFER = {"is_change": False, "offer_days": 14, "used": "[]", "rest": "[]", "lines": "[]"}


async def fill_bookings(database: str, count: int, *, stored: int = 0) -> Waiting:
    """`count` customers with a plan that waits for payment: (customer, subscription, request).

    `stored` more customers have an active one already.
    """
    connection = await asyncpg.connect(database)
    waiting = [(uuid7(), uuid7(), uuid7()) for _ in range(count)]
    try:
        await connection.execute(
            "INSERT INTO offerings (id, kind, key, name, details, archived, is_default, version) "
            "VALUES ($1, 'plan', 'team', 'Team', "
            '\'{"max_users": 20, "features": {"api": true}}\', false, false, 1)',
            PLAN,
        )
        await connection.execute(
            "INSERT INTO prices (id, product_id, currency, cycle, version, unit_price, basis, "
            "vat_category) VALUES ($1, $2, 'CHF', 'monthly', 1, 49, 'net', 'standard')",
            _PRICE,
            PLAN,
        )
        await _add_subscriptions(connection, waiting, "pending")
        for start in range(0, stored, 100_000):
            old = [(uuid7(), uuid7(), uuid7()) for _ in range(min(100_000, stored - start))]
            await _add_subscriptions(connection, old, "active")
            await _add_history(connection, old)
        await connection.copy_records_to_table(
            "offers",
            columns=[
                "request_id", "subscription_id", "customer_id", "product_id", "cycle",
                "price_id", "state", "created_at", *_OFFER,
            ],
            records=[
                (r, s, c, PLAN, "monthly", _PRICE, "open", NOW, *_OFFER.values())
                for c, s, r in waiting
            ],
        )  # fmt: skip
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return waiting


async def _add_subscriptions(connection: asyncpg.Connection, rows: Waiting, state: str) -> None:
    await connection.copy_records_to_table(
        "customers",
        records=[
            (c, 1, True, "CH", "CHF", "de", "Europe/Zurich", "", "active", False)
            for c, _, _ in rows
        ],
    )
    await connection.copy_records_to_table(
        "subscriptions",
        columns=[
            "id", "customer_id", "kind", "product_id", "state", "version", "term",
            "created_at", "updated_at",
        ],
        records=[(s, c, "plan", PLAN, state, 1, int(state == "active"), NOW, NOW)
                 for c, s, _ in rows],
    )  # fmt: skip


async def _add_history(connection: asyncpg.Connection, rows: Waiting) -> None:
    """What a payment leaves behind: an inbox row, a settled offer, a period, entitlements."""
    await connection.copy_records_to_table(
        "inbox", records=[("subscriptions.billing.invoices.v1", r, NOW) for _, _, r in rows]
    )
    await connection.copy_records_to_table(
        "offers",
        columns=[
            "request_id", "subscription_id", "customer_id", "product_id", "cycle",
            "price_id", "state", "created_at", *_OFFER,
        ],
        records=[
            (r, s, c, PLAN, "monthly", _PRICE, "settled", NOW, *_OFFER.values())
            for c, s, r in rows
        ],
    )  # fmt: skip
    await connection.copy_records_to_table(
        "periods",
        columns=[
            "subscription_id", "term", "period_start", "period_end", "outcome", "invoice_id",
            "worth",
        ],
        records=[(s, 1, _DAY, date(2026, 2, 1), "billed", r, "[]") for _, s, r in rows],
    )  # fmt: skip
    await connection.copy_records_to_table(
        "entitlements", records=[(c, 1, '{"plan": null}') for c, _, _ in rows]
    )


async def fill_invoices(database: str, waiting: Waiting, *, times: int = 1) -> dict[UUID, UUID]:
    """An open invoice of `times` CHF 52.95 per booking; returns customer -> invoice."""
    connection = await asyncpg.connect(database)
    invoices = {customer: uuid7() for customer, _, _ in waiting}
    buyer = {
        "number": "K-10001", "company_name": "Muster", "contact_name": "", "address_lines": [],
        "postcode": "", "city": "", "country": "CH", "vat_id": "", "billing_name": "",
        "billing_address": [], "billing_note": "", "email": "muster@example.com",
    }  # fmt: skip
    seller = {"company_name": "Beispiel", "time_zone": "Europe/Zurich", "country": "CH"}
    net, tax, gross = 4900 * times, 395 * times, 5295 * times
    vat = [
        {"percent": "8.1", "basis": "net", "net_minor": net, "vat_minor": tax, "gross_minor": gross}
    ]
    try:
        await connection.copy_records_to_table(
            "customers", records=[(c, 1, json.dumps(buyer)) for c in invoices]
        )
        await connection.copy_records_to_table(
            "invoices",
            columns=[
                "id", "customer_id", "request_id", "number", "state", "version", "title",
                "currency", "language", "invoice_date", "due_date", "tax_treatment",
                "subtotal_minor", "vat_minor", "rounding_minor", "total_minor", "paid_minor",
                "credited_minor", "credit_used_minor", "surplus_minor", "settlement", "vat",
                "seller", "buyer", "created_at", "opened_at",
            ],
            records=[
                (
                    invoices[c], c, r, f"INV-{i:07}", "open", 1, "Plan Team", "CHF", "de",
                    _DAY, date(2026, 1, 31), "standard", net, tax, 0, gross, 0, 0, 0, 0, 0,
                    json.dumps(vat), json.dumps(seller), json.dumps(buyer), NOW, NOW,
                )
                for i, (c, _, r) in enumerate(waiting)
            ],
        )  # fmt: skip
        await connection.copy_records_to_table(
            "invoice_lines",
            columns=[
                "invoice_id", "position", "title", "description", "explanation", "quantity",
                "unit", "unit_price", "basis", "discount_percent", "vat_category", "vat_percent",
                "total_minor", "credited_minor", "subscription_id", "request_id",
            ],
            records=[
                (
                    invoices[c], 1, "Plan Team", "", "", 1, "", 49 * times, "net", 0, "standard", 8,
                    net, 0, s, r,
                )
                for c, s, r in waiting
            ],
        )  # fmt: skip
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return invoices
