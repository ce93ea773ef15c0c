"""Plan groups, plans, modules, features, prices."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from services.subscriptions import tables as t
from services.subscriptions.domain.catalogue import Catalogue, Offering, Price
from shared.database import Tx, insert_rows

__all__ = [
    "get_catalogue",
    "get_feature_keys",
    "get_group_ids",
    "get_price_versions",
    "lock_catalogue",
    "save_catalogue",
]


def _offering(row: Any) -> Offering:
    details = dict(row.details)
    details["included_modules"] = tuple(map(UUID, details.get("included_modules", ())))
    return Offering(id=row.id, kind=row.kind, name=row.name, archived=row.archived, **details)


async def get_catalogue(tx: Tx, *, with_prices: bool = True) -> Catalogue:
    """All offerings with their current prices. Small (tens of rows), so it is read whole."""
    offerings = {row.id: _offering(row) for row in await tx.fetch("SELECT * FROM offerings")}
    if not with_prices:
        return Catalogue(offerings)
    newest = (
        select(t.prices)
        .ext(distinct_on(t.prices.c.product_id, t.prices.c.currency, t.prices.c.cycle))
        .order_by(
            t.prices.c.product_id,
            t.prices.c.currency,
            t.prices.c.cycle,
            t.prices.c.version.desc(),
        )
    )
    prices = tuple(
        Price(
            row.id,
            row.product_id,
            row.currency,
            row.cycle,
            row.unit_price,
            row.basis,
            row.vat_category,
        )
        for row in await tx.execute(newest)
    )
    return Catalogue(offerings, prices)


async def lock_catalogue(tx: Tx) -> None:
    """Catalogue changes come from people, one at a time; before anything of it is read."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(hashtext('catalogue'))"))


async def save_catalogue(
    tx: Tx,
    *,
    groups: Sequence[dict[str, Any]],
    features: Sequence[dict[str, Any]],
    offerings: Sequence[dict[str, Any]],
    prices: Sequence[dict[str, Any]],
) -> None:
    """Add or change by id; nothing that is not named is touched. Prices become new versions."""
    await insert_rows(
        tx,
        t.plan_groups,
        groups,
        on_conflict="ON CONFLICT (id) DO UPDATE SET name = excluded.name, "
        "country = excluded.country, priority = excluded.priority",
    )
    await insert_rows(
        tx,
        t.features,
        features,
        on_conflict="ON CONFLICT (key) DO UPDATE SET label = excluded.label",
    )
    await insert_rows(
        tx,
        t.offerings,
        offerings,
        on_conflict="ON CONFLICT (id) DO UPDATE SET name = excluded.name, "
        "group_id = excluded.group_id, details = excluded.details, archived = excluded.archived",
    )
    await insert_rows(tx, t.prices, prices)


async def get_price_versions(tx: Tx) -> dict[tuple[UUID, str, str], int]:
    p = t.prices.c
    query = select(p.product_id, p.currency, p.cycle, func.max(p.version)).group_by(
        p.product_id, p.currency, p.cycle
    )
    return {(row[0], row[1], row[2]): row[3] for row in await tx.execute(query)}


async def get_feature_keys(tx: Tx) -> set[str]:
    return set((await tx.execute(select(t.features.c.key))).scalars())


async def get_group_ids(tx: Tx) -> set[UUID]:
    return set((await tx.execute(select(t.plan_groups.c.id))).scalars())
