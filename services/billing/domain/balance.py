"""A customer's credit in one currency: what came in, in lots, and what was taken of each.

Every change is an entry. A lot is an entry that brought money in; what is taken names its lots,
the oldest first, so that it is always known whose money is left.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.errors import Conflict
from shared.money import MINOR_LIMIT, Money

__all__ = ["Balance", "Entry", "Lot", "Origin", "Source", "deposit", "forfeit", "give_back", "take"]

Origin = Literal["credit_note", "overpayment", "invoice", "invoice_voided", "refund", "forfeit"]


@dataclass(frozen=True, slots=True)
class Lot:
    """`subscription_id`: whose unused value it is; forfeited when that is withdrawn."""

    id: UUID
    subscription_id: UUID | None
    invoice_id: UUID | None
    created_at: datetime
    amount_minor: int
    left_minor: int


@dataclass(frozen=True, slots=True)
class Balance:
    """`lots`: the oldest first. `version` counts the entries."""

    customer_id: UUID
    currency: str
    version: int = 0
    lots: tuple[Lot, ...] = ()

    @property
    def minor(self) -> int:
        return sum(lot.left_minor for lot in self.lots)


@dataclass(frozen=True, slots=True)
class Source:
    """Where an entry comes from, and who made it when."""

    entry_id: UUID
    origin: Origin
    at: datetime
    by: str
    note: str = ""
    invoice_id: UUID | None = None
    subscription_id: UUID | None = None
    credit_note_id: UUID | None = None
    payment_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of a balance; `parts` says how much of which lot, with the sign of the change."""

    source: Source
    customer_id: UUID
    currency: str
    version: int
    amount_minor: int
    balance_minor: int
    parts: Mapping[UUID, int]

    def money(self, minor: int) -> Money:
        return Money(minor, self.currency)


def deposit(balance: Balance, minor: int, source: Source) -> tuple[Balance, Entry]:
    """Bring money in, as a lot of its own.

    Raises:
        Conflict: the balance would be no amount of money any more.
    """
    if balance.minor + minor >= MINOR_LIMIT:
        raise Conflict("balance_too_high", "The balance must stay below 10^15 minor units.")
    lot = Lot(source.entry_id, source.subscription_id, source.invoice_id, source.at, minor, 0)
    return _change(replace(balance, lots=(*balance.lots, lot)), {lot.id: minor}, source)


def take(
    balance: Balance, minor: int, source: Source, *, first_of: UUID | None = None
) -> tuple[Balance, Entry]:
    """Take money out of the oldest lots, before them out of those of invoice `first_of`.

    Raises:
        Conflict: there is not so much.
    """
    if minor > balance.minor:
        there = Money(balance.minor, balance.currency)
        raise Conflict(
            "balance_too_low", f"The balance is {there.currency} {there.amount}, which is less."
        )
    parts, missing = {}, minor
    for lot in sorted(balance.lots, key=lambda lot: lot.invoice_id != first_of):
        part = min(lot.left_minor, missing)
        if part:
            parts[lot.id] = -part
            missing -= part
    return _change(balance, parts, source)


def give_back(balance: Balance, taken: Mapping[UUID, int], source: Source) -> tuple[Balance, Entry]:
    """Put back what was taken, into the lots it came from."""
    return _change(balance, {lot_id: -part for lot_id, part in taken.items()}, source)


def forfeit(balance: Balance, subscription_id: UUID, source: Source) -> tuple[Balance, Entry]:
    """Delete what is left of the lots that came from a subscription."""
    lots = (lot for lot in balance.lots if lot.subscription_id == subscription_id)
    return _change(balance, {lot.id: -lot.left_minor for lot in lots if lot.left_minor}, source)


def _change(balance: Balance, parts: Mapping[UUID, int], source: Source) -> tuple[Balance, Entry]:
    changed = replace(
        balance,
        version=balance.version + 1,
        lots=tuple(
            replace(lot, left_minor=lot.left_minor + parts.get(lot.id, 0)) for lot in balance.lots
        ),
    )
    return changed, Entry(
        source=source,
        customer_id=balance.customer_id,
        currency=balance.currency,
        version=changed.version,
        amount_minor=sum(parts.values()),
        balance_minor=changed.minor,
        parts=parts,
    )
