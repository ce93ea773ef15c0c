"""Saving a catalogue, or parts of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.subscriptions import repository
from services.subscriptions.domain.catalogue import Catalogue, Offering
from services.subscriptions.domain.catalogue_changes import (
    Change,
    diff,
    price_terms,
    to_refresh,
)
from services.subscriptions.domain.catalogue_document import Entry, Part, VatTable, overlay
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Tx
from shared.errors import Conflict, NotFound
from shared.events.billing import SettingsChanged
from shared.periods import local_date

__all__ = ["Saved", "delete_part", "lock_whole_catalogue", "save_catalogue"]


@dataclass(frozen=True, slots=True)
class Saved:
    """The catalogue as it is now, what led to it, and the products in use that were not named."""

    catalogue: Catalogue
    changes: Sequence[Change]
    missing: Sequence[Offering]


async def lock_whole_catalogue(tx: Tx) -> Catalogue:
    """The catalogue, which nobody else changes until the transaction ends."""
    await repository.lock_catalogue(tx)
    return await repository.get_whole_catalogue(tx)


async def save_catalogue(
    tx: Tx,
    entries: Sequence[Entry],
    *,
    actor: str,
    now: datetime,
    new_id: NewId,
    archive_missing: bool = False,
    dry_run: bool = False,
    precondition: Callable[[Catalogue], None] = lambda _: None,
) -> Saved:
    """Add or change what the entries name; a document that changes nothing writes nothing.

    A price that differs from the current one becomes a new version; what runs keeps the old. What
    customers are entitled to by changed products follows in the background.

    Args:
        archive_missing: archive the products that are not named.
        dry_run: only tell what would change.
        precondition: raises when the catalogue is not what the caller expects.

    Raises:
        InputInvalid: an entry breaks a rule.
    """
    before = await lock_whole_catalogue(tx)
    precondition(before)
    vat = _vat_table(await repository.get_seller(tx), now)
    wanted, missing = overlay(
        before, entries, new_id=new_id, vat=vat, archive_missing=archive_missing
    )
    changes = diff(before, wanted)
    after = _counted(wanted, changes)
    if changes and not dry_run:
        changed = {change.ident for change in changes}
        await repository.save_catalogue(
            tx,
            groups=[group for group in after.groups.values() if group.id in changed],
            features=[feature for feature in after.features.values() if feature.key in changed],
            offerings=[offering for offering in after.offerings.values() if offering.id in changed],
            renamed=[
                after.offerings[change.ident]
                for change in changes
                if isinstance(change.ident, UUID)
                and change.ident in before.offerings
                and any(field.field == "key" for field in change.fields)
            ],
            prices=[price.after for change in changes for price in change.prices],
        )
        refreshed = to_refresh(before, after, changes)
        await repository.add_refreshes(tx, refreshed, now=now)
        await record(tx, actor, [_act(change) for change in changes], now=now, new_id=new_id)
    return Saved(after, changes, missing)


def _vat_table(seller: SettingsChanged | None, now: datetime) -> VatTable | None:
    """None where the seller has not saved any settings, or they have not arrived here yet."""
    if seller is None:
        return None
    home, today = seller.registrations[0], local_date(now, seller.time_zone)
    rates = (r for r in seller.vat_rates if r.country == home)
    lasting = (r.category for r in rates if r.valid_to is None or today < r.valid_to)
    return VatTable(home, frozenset(lasting))


def _counted(wanted: Catalogue, changes: Sequence[Change]) -> Catalogue:
    """The catalogue with the versions of its changed parts counted up."""
    changed = {change.ident for change in changes}

    def counted(parts: Mapping[Any, Any]) -> dict[Any, Any]:
        return {
            ident: replace(part, version=part.version + 1) if ident in changed else part
            for ident, part in parts.items()
        }

    return replace(
        wanted,
        offerings=counted(wanted.offerings),
        groups=counted(wanted.groups),
        features=counted(wanted.features),
    )


def _act(change: Change) -> Act:
    before = {field.field: field.before for field in change.fields if change.verb != "create"}
    after = {field.field: field.after for field in change.fields}
    prices = [
        {
            "currency": price.after.currency,
            "cycle": price.after.cycle,
            "version": price.after.version,
            **price_terms(price.after),
        }
        for price in change.prices
    ]
    return Act(
        f"catalogue.{change.verb}",
        change.part,
        change.ident,
        before=before or None,
        after={"key": change.key, **after, **({"new_prices": prices} if prices else {})},
    )


async def delete_part(
    tx: Tx,
    part: Part,
    ident: UUID | str,
    *,
    precondition: Callable[[Catalogue], None],
    actor: str,
    now: datetime,
    new_id: NewId,
) -> None:
    """Delete what nothing refers to.

    Raises:
        NotFound: there is no such part.
        Conflict: it was booked, or another part of the catalogue needs it.
    """
    known = await lock_whole_catalogue(tx)
    precondition(known)
    found: Any = None
    if part == "group":
        found = known.groups.get(ident)  # type: ignore[arg-type]
    elif part == "feature":
        found = known.features.get(str(ident))
    elif (offering := known.offerings.get(ident)) and offering.kind == part:  # type: ignore[arg-type]
        found = offering
    if found is None:
        raise NotFound(part, ident)
    users = [o.name for o in known.offerings.values() if _uses(o, part, ident)]
    if users:
        raise Conflict(f"{part}_in_use", f"{found.key} is part of {', '.join(sorted(users)[:5])}.")
    await _delete(tx, part, found)
    act = Act("catalogue.delete", part, ident, before={"key": found.key})
    await record(tx, actor, [act], now=now, new_id=new_id)


def _uses(offering: Offering, part: Part, ident: UUID | str) -> bool:
    match part:
        case "group":
            return offering.group_id == ident
        case "feature":
            return ident in offering.features
        case "module":
            return ident in offering.included_modules
        case "plan":
            return False


async def _delete(tx: Tx, part: Part, found: Any) -> None:
    if part == "group":
        await repository.delete_group(tx, found.id)
    elif part == "feature":
        await repository.delete_feature(tx, found.key)
    elif await repository.is_booked(tx, found.id):
        raise Conflict(
            "product_booked", f"{found.name} was booked: it can be archived, not deleted."
        )
    else:
        await repository.delete_offering(tx, found.id)
