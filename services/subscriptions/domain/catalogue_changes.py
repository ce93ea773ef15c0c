"""What differs between two states of the catalogue, part by part."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal
from uuid import UUID

from services.subscriptions.domain.catalogue import (
    Catalogue,
    Feature,
    Offering,
    PlanGroup,
    Price,
)
from services.subscriptions.domain.catalogue_document import Part
from shared.money import exponent

__all__ = ["Change", "FieldChange", "PriceChange", "Verb", "diff", "price_terms", "to_refresh"]

Verb = Literal["create", "change", "archive", "unarchive"]
_Any = PlanGroup | Feature | Offering
_GRANTING = frozenset({"name", "features", "max_users", "included_modules", "priority"})
"""What of a product shows in entitlements; by priority modules decide between their values."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """`before` None in what is new. Values as documents have them: keys, not ids."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class PriceChange:
    before: Price | None
    after: Price


@dataclass(frozen=True, slots=True)
class Change:
    """`ident`: the id, or the key of a feature."""

    verb: Verb
    part: Part
    ident: UUID | str
    key: str
    name: str
    fields: tuple[FieldChange, ...]
    prices: tuple[PriceChange, ...] = ()


def diff(before: Catalogue, after: Catalogue) -> list[Change]:
    """What leads from one state to the other, groups first and products last.

    Nothing is ever taken away: what `after` lacks is left alone. A price that differs is a new
    version of it.
    """
    prices_before = {price.slot: price for price in before.prices}
    prices: dict[UUID, list[PriceChange]] = {}
    for price in after.prices:
        old = prices_before.get(price.slot)
        if old is None or old.terms != price.terms:
            prices.setdefault(price.product_id, []).append(PriceChange(old, price))
    changes = [
        *(_group(before.groups.get(g.id), g) for g in after.groups.values()),
        *(_feature(before.features.get(f.key), f) for f in after.features.values()),
        *(
            _offering(before, after, offering, prices.get(offering.id, ()))
            for offering in sorted(after.offerings.values(), key=lambda o: (o.kind, o.key))
        ),
    ]
    return [change for change in changes if change]


def _group(old: PlanGroup | None, new: PlanGroup) -> Change | None:
    found = tuple(_fields(old, new))
    verb: Verb = "change" if old else "create"
    return Change(verb, "group", new.id, new.key, new.name, found) if found or not old else None


def _feature(old: Feature | None, new: Feature) -> Change | None:
    found = tuple(_fields(old, new))
    verb: Verb = "change" if old else "create"
    return Change(verb, "feature", new.key, new.key, new.label, found) if found or not old else None


def _offering(
    before: Catalogue, after: Catalogue, new: Offering, prices: Iterable[PriceChange]
) -> Change | None:
    old = before.offerings.get(new.id)
    found = tuple(_readable(change, before, after) for change in _fields(old, new))
    prices = tuple(sorted(prices, key=lambda p: (p.after.currency, p.after.cycle)))
    if old and not found and not prices:
        return None
    verb: Verb = "change" if old else "create"
    if old and old.archived != new.archived:
        verb = "archive" if new.archived else "unarchive"
    return Change(verb, new.kind, new.id, new.key, new.name, found, prices)


def _fields(old: _Any | None, new: _Any) -> Iterable[FieldChange]:
    blank: Mapping[str, Any] = {f.name: f.default for f in fields(new)}
    for field in fields(new):
        name = field.name
        if name in ("id", "kind", "version") or (name == "country" and isinstance(new, Offering)):
            continue
        after = getattr(new, name)
        if old is None:
            if after not in (blank[name], (), {}, None, ""):
                yield FieldChange(name, None, after)
        elif getattr(old, name) != after:
            yield FieldChange(name, getattr(old, name), after)


def _readable(change: FieldChange, before: Catalogue, after: Catalogue) -> FieldChange:
    if change.field == "group_id":

        def key(catalogue: Catalogue, ident: UUID | None) -> str | None:
            return catalogue.groups[ident].key if ident else None

        return FieldChange("group", key(before, change.before), key(after, change.after))
    if change.field == "included_modules":

        def keys(catalogue: Catalogue, idents: Sequence[UUID] | None) -> list[str] | None:
            return None if idents is None else [catalogue.offerings[i].key for i in idents]

        return FieldChange(change.field, keys(before, change.before), keys(after, change.after))
    return change


def price_terms(price: Price) -> dict[str, str | None]:
    """The price in words: 19 is "19.00", and 0.0350 "0.035"."""
    amount = None
    if price.unit_price is not None:
        amount = format(price.unit_price.normalize(), "f")
        places = exponent(price.currency)
        whole, _, fraction = amount.partition(".")
        amount = f"{whole}.{fraction.ljust(places, '0')}" if places or fraction else whole
    return {"unit_price": amount, "basis": price.basis, "vat_category": price.vat_category}


def to_refresh(before: Catalogue, after: Catalogue, changes: Iterable[Change]) -> set[UUID]:
    """The products whose customers may be entitled to something else now.

    A plan passes on what its modules bring, so it counts when one of those has changed.
    """
    changed = {
        change.ident
        for change in changes
        if isinstance(change.ident, UUID)
        and change.ident in before.offerings
        and any(f.field in _GRANTING for f in change.fields)
    }
    including = {
        o.id for o in after.offerings.values() if any(m in changed for m in o.included_modules)
    }
    return {ident for ident in changed | including if isinstance(ident, UUID)}
