"""Plan groups, plans, modules, features, prices."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from services.subscriptions import tables as t
from services.subscriptions.domain.catalogue import (
    Catalogue,
    Feature,
    Offering,
    PlanGroup,
    Price,
)
from shared.database import Tx, insert_rows, update_rows

__all__ = [
    "delete_feature",
    "delete_group",
    "delete_offering",
    "get_catalogue",
    "get_price_versions",
    "get_whole_catalogue",
    "is_booked",
    "lock_catalogue",
    "save_catalogue",
]

_COLUMNS = ("id", "kind", "key", "group_id", "name", "archived", "is_default", "version")
_DETAILS = (
    *("description", "translations", "bookable", "is_free", "max_users", "trial_days"),
    *("recommended", "priority", "included_modules", "features"),
)


def _offering(row: Any) -> Offering:
    details = dict(row.details)
    details["included_modules"] = tuple(map(UUID, details.get("included_modules", ())))
    return Offering(
        id=row.id,
        kind=row.kind,
        name=row.name,
        archived=row.archived,
        key=row.key,
        group_id=row.group_id,
        country=row.country,
        is_default=row.is_default,
        version=row.version,
        **details,
    )


def _price(row: Any) -> Price:
    return Price(
        row.id,
        row.product_id,
        row.currency,
        row.cycle,
        row.unit_price,
        row.basis,
        row.vat_category,
        row.version,
    )


async def get_catalogue(tx: Tx, *, with_prices: bool = True) -> Catalogue:
    """All offerings with their current prices. Small (tens of rows), so it is read whole."""
    query = "SELECT o.*, g.country FROM offerings o LEFT JOIN plan_groups g ON g.id = o.group_id"
    offerings = {row.id: _offering(row) for row in await tx.fetch(query)}
    if not with_prices:
        return Catalogue(offerings)
    p = t.prices.c
    newest = (
        select(t.prices)
        .ext(distinct_on(p.product_id, p.currency, p.cycle))
        .order_by(p.product_id, p.currency, p.cycle, p.version.desc())
    )
    return Catalogue(offerings, tuple(_price(row) for row in await tx.execute(newest)))


async def get_whole_catalogue(tx: Tx) -> Catalogue:
    """The catalogue with its groups and features."""
    found = await get_catalogue(tx)
    groups = await tx.execute(select(t.plan_groups))
    features = await tx.execute(select(t.features))
    return Catalogue(
        found.offerings,
        found.prices,
        {row.id: PlanGroup(**row._mapping) for row in groups},  # noqa: SLF001 - SQLAlchemy's own name for it
        {row.key: Feature(**row._mapping) for row in features},  # noqa: SLF001
    )


async def get_price_versions(tx: Tx, product_id: UUID) -> list[Price]:
    """All prices of a product there have been, newest first."""
    p = t.prices.c
    query = (
        select(t.prices)
        .where(p.product_id == product_id)
        .order_by(p.currency, p.cycle, p.version.desc())
    )
    return [_price(row) for row in await tx.execute(query)]


async def lock_catalogue(tx: Tx) -> None:
    """Catalogue changes come from people, one at a time; before anything of it is read."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(hashtext('catalogue'))"))


async def save_catalogue(
    tx: Tx,
    *,
    groups: Sequence[PlanGroup] = (),
    features: Sequence[Feature] = (),
    offerings: Sequence[Offering] = (),
    renamed: Sequence[Offering] = (),
    prices: Sequence[Price] = (),
) -> None:
    """Add or change by id; nothing that is not named is touched. Prices become new versions.

    Keys are written only where they differ (`renamed`): to touch a unique column is to wait for
    every booking under way, and to hold up those that come.
    """
    await insert_rows(
        tx,
        t.plan_groups,
        [_row(group, t.plan_groups.c.keys()) for group in groups],
        on_conflict=_taking_over("id", t.plan_groups.c.keys()),
    )
    await insert_rows(
        tx,
        t.features,
        [_row(feature, t.features.c.keys()) for feature in features],
        on_conflict=_taking_over("key", t.features.c.keys()),
    )
    # A default plan comes last: the one before it in the group has given it up by then.
    await insert_rows(
        tx,
        t.offerings,
        [
            {**_row(o, _COLUMNS), "details": _details(o)}
            for o in sorted(offerings, key=lambda o: o.is_default and not o.archived)
        ],
        on_conflict=_taking_over("id", (*_COLUMNS, "details"), kept=("kind", "key")),
    )
    await update_rows(tx, t.offerings, [{"id": o.id, "key": o.key} for o in renamed])
    await insert_rows(tx, t.prices, [_row(price, t.prices.c.keys()) for price in prices])


def _row(part: object, columns: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(part, name) for name in columns}


def _details(offering: Offering) -> dict[str, Any]:
    details = _row(offering, _DETAILS)
    return {**details, "included_modules": [str(module) for module in offering.included_modules]}


def _taking_over(target: str, columns: Iterable[str], kept: Iterable[str] = ()) -> str:
    changed = [name for name in columns if name not in (target, *kept)]
    changes = ", ".join(f"{name} = excluded.{name}" for name in changed)
    return f"ON CONFLICT ({target}) DO UPDATE SET {changes}"


async def is_booked(tx: Tx, offering_id: UUID) -> bool:
    """Tell whether any customer has, had or was offered it. Nobody can book it meanwhile."""
    await tx.run("SELECT 1 FROM offerings WHERE id = $1 FOR UPDATE", offering_id)
    found = await tx.fetch(
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM subscriptions WHERE product_id = $1 "
        "OR scheduled_product_id = $1) OR EXISTS (SELECT 1 FROM offers WHERE product_id = $1) "
        "OR EXISTS (SELECT 1 FROM trials WHERE product_id = $1) "
        # What was free for a while has left its name only there.
        "OR EXISTS (SELECT 1 FROM subscription_history WHERE after->>'product_id' = $1::text)",
        offering_id,
    )
    return bool(found)


async def delete_offering(tx: Tx, offering_id: UUID) -> None:
    await tx.execute(delete(t.prices).where(t.prices.c.product_id == offering_id))
    await tx.execute(delete(t.offerings).where(t.offerings.c.id == offering_id))


async def delete_group(tx: Tx, group_id: UUID) -> None:
    await tx.execute(delete(t.plan_groups).where(t.plan_groups.c.id == group_id))


async def delete_feature(tx: Tx, key: str) -> None:
    await tx.execute(delete(t.features).where(t.features.c.key == key))
