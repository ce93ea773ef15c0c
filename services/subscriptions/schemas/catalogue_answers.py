"""The catalogue as the API gives it, and as files have it."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.subscriptions.domain.catalogue import (
    Catalogue,
    Cycle,
    Feature,
    Kind,
    Offering,
    PlanGroup,
    Price,
)
from services.subscriptions.domain.catalogue_changes import Change, FieldChange, Verb, price_terms
from services.subscriptions.domain.catalogue_document import Part
from services.subscriptions.schemas.catalogue import (
    FeatureIn,
    ModuleIn,
    PlanGroupIn,
    PlanIn,
    PriceIn,
)
from shared.fields import DecimalString

__all__ = [
    "CatalogueOut",
    "ChangesOut",
    "FeatureOut",
    "FeaturesOut",
    "OfferingOut",
    "OfferingsOut",
    "PlanGroupOut",
    "PlanGroupsOut",
    "PriceOut",
    "as_given",
    "catalogue_version",
    "changes_out",
    "document_of",
    "feature_out",
    "group_out",
    "in_order",
    "offering_out",
    "price_out",
]

_CYCLES = ("monthly", "yearly", "once")


class PriceOut(BaseModel):
    """`version` counts the prices of this currency and cycle; the highest is for new bookings."""

    id: UUID
    currency: str
    cycle: Cycle
    unit_price: DecimalString | None
    basis: Literal["net", "gross"]
    vat_category: str
    version: int


class OfferingOut(BaseModel):
    """A plan or a module. `country`: the only one it is offered in, from its group.

    `prices`: the current ones, or with `versions=all` all there have been.
    """

    id: UUID
    version: int
    kind: Kind
    key: str
    name: str
    description: str
    translations: dict[str, dict[str, str]]
    group_id: UUID | None
    country: str | None
    max_users: int
    trial_days: int
    is_free: bool
    is_default: bool
    bookable: bool
    recommended: bool
    priority: int
    archived: bool
    included_modules: list[UUID]
    features: dict[str, bool | str]
    prices: list[PriceOut]


class PlanGroupOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: int
    key: str
    name: str
    translations: dict[str, dict[str, str]]
    country: str | None
    priority: int


class FeatureOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    key: str
    version: int
    label: str
    translations: dict[str, dict[str, str]]


class OfferingsOut(BaseModel):
    items: list[OfferingOut]


class PlanGroupsOut(BaseModel):
    items: list[PlanGroupOut]


class FeaturesOut(BaseModel):
    items: list[FeatureOut]


class CatalogueOut(BaseModel):
    groups: list[PlanGroupOut]
    features: list[FeatureOut]
    plans: list[OfferingOut]
    modules: list[OfferingOut]


class FieldChangeOut(BaseModel):
    field: str
    before: Any
    after: Any


class PriceChangeOut(BaseModel):
    """`before` null: there was none for this currency and cycle."""

    currency: str
    cycle: Cycle
    before: dict[str, str | None] | None
    after: dict[str, str | None]


class ChangeOut(BaseModel):
    change: Verb
    part: Part
    key: str
    name: str
    fields: list[FieldChangeOut]
    prices: list[PriceChangeOut]


class NamedOut(BaseModel):
    part: Kind
    key: str
    name: str


class ChangesOut(BaseModel):
    """What a document changes; nothing when `changes` is empty.

    `missing`: products in use that it does not name. They stay, unless `archive_missing` was said.
    """

    dry_run: bool
    changes: list[ChangeOut]
    missing: list[NamedOut]


def in_order(offerings: Iterable[Offering]) -> list[Offering]:
    return sorted(offerings, key=lambda o: (-o.priority, o.name, o.key))


def offering_out(offering: Offering, prices: Iterable[Price]) -> OfferingOut:
    """`prices` may be those of others too."""
    own = [price for price in prices if price.product_id == offering.id]
    return OfferingOut(
        id=offering.id,
        version=offering.version,
        kind=offering.kind,
        key=offering.key,
        name=offering.name,
        description=offering.description,
        translations={language: dict(texts) for language, texts in offering.translations.items()},
        group_id=offering.group_id,
        country=offering.country,
        max_users=offering.max_users,
        trial_days=offering.trial_days,
        is_free=offering.is_free,
        is_default=offering.is_default,
        bookable=offering.bookable,
        recommended=offering.recommended,
        priority=offering.priority,
        archived=offering.archived,
        included_modules=list(offering.included_modules),
        features=dict(offering.features),
        prices=[price_out(price) for price in own],
    )


def price_out(price: Price) -> PriceOut:
    amount = price_terms(price)["unit_price"]
    return PriceOut(
        id=price.id,
        currency=price.currency,
        cycle=price.cycle,
        unit_price=None if amount is None else Decimal(amount),
        basis=price.basis,
        vat_category=price.vat_category,
        version=price.version,
    )


def group_out(group: PlanGroup) -> PlanGroupOut:
    return PlanGroupOut.model_validate(group)


def feature_out(feature: Feature) -> FeatureOut:
    return FeatureOut.model_validate(feature)


def changes_out(
    changes: Iterable[Change], missing: Iterable[Offering], *, dry_run: bool
) -> ChangesOut:
    return ChangesOut(
        dry_run=dry_run,
        changes=[
            ChangeOut(
                change=change.verb,
                part=change.part,
                key=change.key,
                name=change.name,
                fields=[_field_out(field) for field in change.fields],
                prices=[
                    PriceChangeOut(
                        currency=price.after.currency,
                        cycle=price.after.cycle,
                        before=price_terms(price.before) if price.before else None,
                        after=price_terms(price.after),
                    )
                    for price in change.prices
                ],
            )
            for change in changes
        ],
        missing=[NamedOut(part=o.kind, key=o.key, name=o.name) for o in in_order(missing)],
    )


def _field_out(change: FieldChange) -> FieldChangeOut:
    return FieldChangeOut(field=change.field, before=change.before, after=change.after)


# -- as a file ---------------------------------------------------------------------------------


def document_of(catalogue: Catalogue) -> dict[str, list[dict[str, Any]]]:
    """The whole catalogue in the form it is taken in, always in the same order.

    What has its default is left out.
    """
    groups = sorted(catalogue.groups.values(), key=lambda g: (-g.priority, g.key))
    features = sorted(catalogue.features.values(), key=lambda f: f.key)
    products = sorted(catalogue.offerings.values(), key=lambda o: (-o.priority, o.key))
    prices: dict[UUID, list[Price]] = {}
    for price in sorted(catalogue.prices, key=lambda p: (p.currency, _CYCLES.index(p.cycle))):
        prices.setdefault(price.product_id, []).append(price)

    def product(offering: Offering) -> dict[str, Any]:
        given = as_given(offering, catalogue)
        own = [
            _given(PriceIn, {"currency": p.currency, "cycle": p.cycle, **price_terms(p)})
            for p in prices.get(offering.id, ())
        ]
        return {**given, "prices": own} if own else given

    return {
        "groups": [as_given(group, catalogue) for group in groups],
        "features": [as_given(feature, catalogue) for feature in features],
        "modules": [product(offering) for offering in products if offering.kind == "module"],
        "plans": [product(offering) for offering in products if offering.kind == "plan"],
    }


def as_given(item: PlanGroup | Feature | Offering, catalogue: Catalogue) -> dict[str, Any]:
    """A part in the form it is taken in, but for its prices."""
    match item:
        case PlanGroup():
            return _given(PlanGroupIn, group_out(item).model_dump(mode="json"))
        case Feature():
            return _given(FeatureIn, feature_out(item).model_dump(mode="json"))
    values = {
        **offering_out(item, ()).model_dump(mode="json"),
        "group": catalogue.groups[item.group_id].key if item.group_id else None,
        "included_modules": [catalogue.offerings[m].key for m in item.included_modules],
    }
    return _given(PlanIn if item.kind == "plan" else ModuleIn, values)


def catalogue_version(catalogue: Catalogue) -> int:
    """A number that differs whenever the document does."""
    text = json.dumps(document_of(catalogue), sort_keys=True).encode()
    return int.from_bytes(sha256(text).digest()[:16], "big")


def _given(
    model: type[PlanGroupIn | FeatureIn | PlanIn | ModuleIn | PriceIn], values: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields of a model, in its order, whose values are not its defaults."""
    empty: tuple[Any, ...] = ([], {})
    return {
        name: values[name]
        for name, field in model.model_fields.items()
        if field.is_required() or values[name] not in (field.default, *empty)
    }
