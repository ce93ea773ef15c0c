"""What became of each period, what it is worth, and how much of that is unused."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from shared.invoicing import sum_up
from shared.money import Money, divide_half_up
from shared.periods import Period

__all__ = ["LedgerPeriod", "Offer", "Part", "Taken", "credited", "gross", "unused"]


@dataclass(frozen=True, slots=True)
class Part:
    """What a line of an invoice is worth to a period, in the line's basis.

    A period that began without an invoice of its own has the parts that paid for it instead.
    `credited` is what an operator's credit note has taken off.
    """

    invoice_id: UUID
    position: int
    currency: str
    basis: Literal["net", "gross"]
    vat_percent: Decimal
    minor: int
    credited: int = 0

    @property
    def left(self) -> int:
        return self.minor - self.credited


@dataclass(frozen=True, slots=True)
class LedgerPeriod:
    """`request_id`: the invoice that was requested for a period which had begun by itself."""

    subscription_id: UUID
    term: int
    period: Period
    outcome: Literal["billed", "free", "skipped", "failed", "requested"]
    invoice_id: UUID | None = None
    request_id: UUID | None = None
    worth: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """Unused value: `minor` of the part, which is for `unused` of `days` days."""

    subscription_id: UUID
    part: Part
    unused: int
    days: int
    minor: int

    @property
    def formula(self) -> str:
        price = Money(self.part.left, self.part.currency)
        whole = divide_half_up(self.part.left * self.unused, self.days)
        used = Money(self.minor, self.part.currency)
        text = f"{price.currency} {price.amount} x {self.unused}/{self.days} days unused"
        return text if whole == self.minor else f"{text}, of which {used.amount}"


@dataclass(frozen=True, slots=True)
class Offer:
    """An invoice that waits for payment, as the subscription sees it.

    Attributes:
        is_change: paid, it changes product or cycle; otherwise it activates what was booked.
        offer_days: days after the due date on which it lapses.
        valid_until: end of the period that a change was computed for.
        used: unused value that the invoice has as negative lines.
        rest: unused value beyond the price, for the balance once the change takes effect.
        lines: what was asked for, with the formulas.
    """

    request_id: UUID
    subscription_id: UUID
    customer_id: UUID
    product_id: UUID
    cycle: Literal["monthly", "yearly", "once"]
    price_id: UUID
    state: Literal["open", "settled", "dropped"] = "open"
    invoice_id: UUID | None = None
    is_change: bool = False
    offer_days: int = 14
    lapses_on: date | None = None
    valid_until: date | None = None
    used: tuple[Taken, ...] = ()
    rest: tuple[Taken, ...] = ()
    lines: tuple[dict[str, object], ...] = ()

    def lapsing(self, due: date) -> "Offer":
        """With the day on which it lapses, counted from the due date."""
        day = date.fromordinal(due.toordinal() + self.offer_days)
        return replace(self, lapses_on=min(day, self.valid_until or day))


def unused(periods: Iterable[LedgerPeriod], term: int, on: date) -> list[Taken]:
    """What of the term's paid periods is not used up by day `on`; each part rounded once.

    Gift, trial and unpaid periods count nothing.
    """
    found = []
    for row in sorted(periods, key=lambda row: row.period.start):
        if row.term != term or row.outcome != "billed" or row.period.end <= on:
            continue
        days = row.period.days
        left = (row.period.end - max(on, row.period.start)).days
        for part in row.worth:
            minor = divide_half_up(part.left * left, days)
            if minor:
                found.append(Taken(row.subscription_id, part, left, days, minor))
    return found


def gross(taken: Iterable[Taken], currency: str, rounding_minor: int = 1) -> Money:
    """The value including the VAT that was charged on it, rounded as an invoice over it would be.

    `rounding_minor` is the cash rounding increment: what is whole comes to what was paid for it.
    """
    sums: dict[tuple[Decimal, Literal["net", "gross"]], int] = {}
    for one in taken:
        if one.part.currency == currency:
            key = one.part.vat_percent, one.part.basis
            sums[key] = sums.get(key, 0) + one.minor
    return Money(sum_up(sums, rounding_minor=rounding_minor)[1], currency)


def credited(
    periods: Sequence[LedgerPeriod], invoice_id: UUID, amounts: dict[int, int]
) -> list[LedgerPeriod]:
    """The periods that a credit note makes worth less: minor units per position of the invoice."""
    left, changed = dict(amounts), []
    for row in periods:
        worth = []
        for part in row.worth:
            minor = 0
            if part.invoice_id == invoice_id:
                minor = min(part.left, left.get(part.position, 0))
                left[part.position] = left.get(part.position, 0) - minor
            worth.append(replace(part, credited=part.credited + minor) if minor else part)
        if tuple(worth) != row.worth:
            changed.append(replace(row, worth=tuple(worth)))
    return changed
