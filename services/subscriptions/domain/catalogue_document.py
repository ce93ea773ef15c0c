"""A catalogue as somebody wrote it down, laid over the one that is there.

Parts are known by `id`, else by `key`; what a document names becomes as it says, and what it does
not name stays. References are keys or ids.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from services.subscriptions.domain.catalogue import (
    Catalogue,
    Cycle,
    Feature,
    Offering,
    PlanGroup,
    Price,
)
from shared.errors import InputInvalid

__all__ = ["KEY_MAX", "Entry", "NewPrice", "Part", "VatTable", "overlay"]

Part = Literal["group", "feature", "plan", "module"]
KEY_MAX = 64


@dataclass(frozen=True, slots=True)
class NewPrice:
    """`unit_price` None: on request."""

    currency: str
    cycle: Cycle
    unit_price: Decimal | None
    basis: Literal["net", "gross"]
    vat_category: str


@dataclass(frozen=True, slots=True)
class VatTable:
    """The VAT categories that have a rate, now or later, in the seller's home country."""

    country: str
    categories: frozenset[str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One part of a document.

    Attributes:
        path: where it stands in the document, such as `plans[2]`; empty when it is all of it.
        values: its plain fields by name.
        group, included_modules: keys or ids.
        prices: those of other currencies and cycles stay.
    """

    part: Part
    path: str
    values: Mapping[str, Any]
    id: UUID | None = None
    key: str | None = None
    group: str | None = None
    included_modules: Sequence[str] = ()
    prices: Sequence[NewPrice] = ()

    def refuse(self, field: str, rule: str) -> InputInvalid:
        return InputInvalid(f"{self.path}.{field}" if self.path else field, rule)


def overlay(
    known: Catalogue,
    entries: Sequence[Entry],
    *,
    new_id: Callable[[], UUID],
    vat: VatTable | None = None,
    archive_missing: bool = False,
) -> tuple[Catalogue, list[Offering]]:
    """The catalogue as it would be, and the products in use that no entry names.

    Those are archived when `archive_missing` says so. Without a `vat` table, before the seller has
    saved one, prices may have any category.

    Raises:
        InputInvalid: an entry breaks a rule; names its field by the path in the document.
    """
    named = _identified(known, entries, new_id)
    groups, features, offerings = dict(known.groups), dict(known.features), dict(known.offerings)
    for entry, ident, key in named:
        if entry.part == "group":
            group = groups.get(ident) or PlanGroup(ident, key, "")
            groups[ident] = replace(group, key=key, **entry.values)
        elif entry.part == "feature":
            feature = features.get(key) or Feature(key, "")
            features[key] = replace(feature, **entry.values)
        else:
            offering = offerings.get(ident) or Offering(entry.part, ident, "")
            offerings[ident] = replace(offering, key=key, **entry.values)
    idents = {ident for _, ident, _ in named}
    missing = [o for o in known.offerings.values() if o.id not in idents and not o.archived]
    if archive_missing:
        offerings |= {o.id: replace(o, archived=True) for o in missing}
    after = Catalogue(offerings, known.prices, groups, features)
    _check_keys(after, named)
    linked = {ident: _linked(entry, ident, after) for entry, ident, _ in named}
    after = replace(
        after,
        offerings=offerings | {ident: o for ident, o in linked.items() if o},
        prices=_prices(known, named, new_id, vat),
    )
    _check_defaults(after, named)
    return after, missing


_Named = Sequence[tuple[Entry, UUID, str]]
_NO_ID = UUID(int=0)  # features are known by their keys alone


def _identified(
    known: Catalogue, entries: Iterable[Entry], new_id: Callable[[], UUID]
) -> list[tuple[Entry, UUID, str]]:
    """Each entry with its id and key, kept, found or made."""
    parts: dict[UUID, tuple[Part, str]] = {
        **{g.id: ("group", g.key) for g in known.groups.values()},
        **{o.id: (o.kind, o.key) for o in known.offerings.values()},
    }
    ids = {(part, key): ident for ident, (part, key) in parts.items()}
    taken = {*ids, *((entry.part, entry.key) for entry in entries if entry.key)}
    seen: set[tuple[Part, object]] = set()
    named = []
    for entry in entries:
        ident = entry.id or ids.get((entry.part, entry.key or ""))
        part, key = parts.get(ident, (entry.part, "")) if ident else (entry.part, "")
        if part != entry.part:
            raise entry.refuse("id", f"{ident} is a {part}")
        key = entry.key or key or _free_key(entry, taken)
        names: set[tuple[Part, object]] = {(part, key), (part, ident or key)}
        if names & seen:
            field = "id" if entry.id else "key"
            raise entry.refuse(field, f"names the same {part} as an entry before")
        seen |= names
        taken.add((part, key))
        named.append((entry, _NO_ID if part == "feature" else ident or new_id(), key))
    return named


def _free_key(entry: Entry, taken: set[Any]) -> str:
    name = unicodedata.normalize("NFKD", str(entry.values["name"])).encode("ascii", "ignore")
    slug = re.sub("[^a-z0-9]+", "-", name.decode().lower()).strip("-")[: KEY_MAX - 8].strip("-")
    slug = slug or entry.part
    key, count = slug, 1
    while (entry.part, key) in taken:
        count += 1
        key = f"{slug}-{count}"
    return key


def _check_keys(after: Catalogue, named: _Named) -> None:
    owners: dict[tuple[Part, str], set[UUID]] = {}
    for group in after.groups.values():
        owners.setdefault(("group", group.key), set()).add(group.id)
    for offering in after.offerings.values():
        owners.setdefault((offering.kind, offering.key), set()).add(offering.id)
    for entry, _, key in named:
        if len(owners.get((entry.part, key), ())) > 1:
            raise entry.refuse("key", f"{key} is another {entry.part}")


def _linked(entry: Entry, ident: UUID, after: Catalogue) -> Offering | None:
    """The product with its references resolved; None for a group or feature."""
    if entry.part in ("group", "feature"):
        return None
    offering = after.offerings[ident]
    unknown = next((key for key in offering.features if key not in after.features), None)
    if unknown is not None:
        raise entry.refuse(f"features.{unknown}", f"there is no feature {unknown}")
    if entry.part == "module":
        return offering
    groups = {name: g for g in after.groups.values() for name in (g.key, str(g.id))}
    group = groups.get(str(entry.group).lower())
    if group is None:
        raise entry.refuse("group", f"there is no plan group {entry.group}")
    return replace(
        offering,
        group_id=group.id,
        country=group.country,
        included_modules=tuple(_modules(entry, after)),
    )


def _modules(entry: Entry, after: Catalogue) -> Iterable[UUID]:
    # A key names the module of that name first: a plan may be called the same.
    products = sorted(after.offerings.values(), key=lambda o: o.kind == "module")
    by_name = {name: o for o in products for name in (o.key, str(o.id))}
    seen = set()
    for index, name in enumerate(entry.included_modules):
        found, field = by_name.get(name.lower()), f"included_modules[{index}]"
        if found is None:
            raise entry.refuse(field, f"there is no module {name}")
        if found.kind != "module":
            raise entry.refuse(field, f"{name} is a plan: only modules can be included")
        if found.id in seen:
            raise entry.refuse(field, f"{name} is included already")
        seen.add(found.id)
        yield found.id


def _prices(
    known: Catalogue, named: _Named, new_id: Callable[[], UUID], vat: VatTable | None
) -> tuple[Price, ...]:
    """The current prices; one with other terms than before is a new version."""
    current = {price.slot: price for price in known.prices}
    for entry, ident, _ in named:
        for index, given in enumerate(entry.prices):
            old = current.get((ident, given.currency, given.cycle))
            new = Price(
                new_id(),
                ident,
                given.currency,
                given.cycle,
                given.unit_price,
                given.basis,
                given.vat_category,
                old.version + 1 if old else 1,
            )
            if old and old.terms == new.terms:
                continue
            if vat and given.vat_category not in vat.categories:
                rule = f"there is no VAT rate for {given.vat_category} in {vat.country}"
                raise entry.refuse(f"prices[{index}].vat_category", rule)
            current[new.slot] = new
    return tuple(current.values())


def _check_defaults(after: Catalogue, named: _Named) -> None:
    defaults: dict[UUID | None, list[Offering]] = {}
    for offering in after.offerings.values():
        if offering.is_default and not offering.archived:
            defaults.setdefault(offering.group_id, []).append(offering)
    for entry, ident, _ in named:
        if entry.part != "plan":
            continue
        others = [o for o in defaults.get(after.offerings[ident].group_id, ()) if o.id != ident]
        if others and after.offerings[ident] in defaults[after.offerings[ident].group_id]:
            rule = f"{others[0].key} is the default plan of this group already"
            raise entry.refuse("is_default", rule)
