"""Saving a catalogue: groups, plans, modules, features and prices as one document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.subscriptions import repository
from services.subscriptions.domain.catalogue import Catalogue, Cycle, Kind
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Tx
from shared.errors import InputInvalid

__all__ = ["CatalogueDocument", "NewOffering", "NewPrice", "save_catalogue"]


@dataclass(frozen=True, slots=True)
class NewPrice:
    """`unit_price` None: on request."""

    currency: str
    cycle: Cycle
    unit_price: Decimal | None
    basis: str
    vat_category: str


@dataclass(frozen=True, slots=True)
class NewOffering:
    id: UUID
    kind: Kind
    group_id: UUID | None
    name: str
    archived: bool
    details: Mapping[str, Any]
    prices: Sequence[NewPrice]


@dataclass(frozen=True, slots=True)
class CatalogueDocument:
    groups: Sequence[Mapping[str, Any]]
    features: Sequence[Mapping[str, Any]]
    offerings: Sequence[NewOffering]


async def save_catalogue(
    tx: Tx, document: CatalogueDocument, *, actor: str, now: datetime, new_id: NewId
) -> None:
    """Add or change what the document names; what it does not name stays.

    A price that differs from the current one becomes a new version; what runs keeps the old.

    Raises:
        InputInvalid: a plan names a group, module or feature that does not exist.
    """
    await repository.lock_catalogue(tx)
    known = await repository.get_catalogue(tx)
    await _check(tx, document, known)
    versions = await repository.get_price_versions(tx)
    current = {(p.product_id, p.currency, p.cycle): p for p in known.prices}
    prices = []
    for offering in document.offerings:
        for price in offering.prices:
            slot = (offering.id, price.currency, price.cycle)
            old = current.get(slot)
            if old and (old.unit_price, old.basis, old.vat_category) == (
                price.unit_price,
                price.basis,
                price.vat_category,
            ):
                continue
            prices.append(
                {
                    "id": new_id(),
                    "product_id": offering.id,
                    "currency": price.currency,
                    "cycle": price.cycle,
                    "version": versions.get(slot, 0) + 1,
                    "unit_price": price.unit_price,
                    "basis": price.basis,
                    "vat_category": price.vat_category,
                }
            )
    await repository.save_catalogue(
        tx,
        groups=[dict(group) for group in document.groups],
        features=[dict(feature) for feature in document.features],
        offerings=[
            {
                "id": offering.id,
                "kind": offering.kind,
                "group_id": offering.group_id,
                "name": offering.name,
                "details": dict(offering.details),
                "archived": offering.archived,
            }
            for offering in document.offerings
        ],
        prices=prices,
    )
    act = Act("catalogue.save", "catalogue", "catalogue", after=_told(document, prices))
    await record(tx, actor, [act], now=now, new_id=new_id)


def _told(document: CatalogueDocument, prices: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was named, and each new price: all versions of a price are kept beside it."""
    return {
        "offerings": [{"id": str(o.id), "name": o.name} for o in document.offerings],
        "new_prices": [{name: str(value) for name, value in price.items()} for price in prices],
    }


async def _check(tx: Tx, document: CatalogueDocument, known: Catalogue) -> None:
    """What the document refers to must exist, and a plan stays a plan."""
    for offering in document.offerings:
        before = known.offerings.get(offering.id)
        if before and before.kind != offering.kind:
            raise InputInvalid(f"{offering.kind}s.id", f"{offering.id} is a {before.kind}")
    kinds = {o.id: o.kind for o in known.offerings.values()}
    kinds |= {o.id: o.kind for o in document.offerings}
    features = {f["key"] for f in document.features} | await repository.get_feature_keys(tx)
    groups = {g["id"] for g in document.groups} | await repository.get_group_ids(tx)
    for offering in document.offerings:
        if offering.group_id is not None and offering.group_id not in groups:
            raise InputInvalid("plans.group_id", f"there is no plan group {offering.group_id}")
        for module in map(UUID, offering.details.get("included_modules", ())):
            if kinds.get(module) != "module":
                raise InputInvalid("plans.included_modules", f"there is no module {module}")
        for key in offering.details["features"]:
            if key not in features:
                raise InputInvalid("features", f"there is no feature {key}")
