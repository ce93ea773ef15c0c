"""What people look for among invoices."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal
from uuid import UUID

from services.billing.domain.invoice import InvoiceState
from services.billing.domain.numbering import Series
from shared.search import keys_of

__all__ = [
    "Meant",
    "Shown",
    "Wanted",
    "customer_keys",
    "customer_text",
    "is_number",
    "numbers_meant",
    "states_of",
    "title_id",
    "title_keys",
]

Shown = Literal["draft", "open", "overdue", "partly_paid", "paid", "void", "credited"]
"""States as they are shown: `overdue` and `partly_paid` are those of open invoices."""

_OPEN_ONLY = {"overdue", "partly_paid"}
_NUMBER_ENDS = re.compile(r"0*(\d{1,18})$")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Invoices a list is about; what is None is not asked for.

    Attributes:
        seen: the customers that exist for the caller; None: all of them.
        hidden: only those that are deleted; None: those, too.
        from_date, to_date: of the invoice; a draft has the day it was made on.
    """

    customer_id: UUID | None = None
    seen: frozenset[UUID] | None = None
    state: Shown | None = None
    currency: str | None = None
    from_date: date | None = None
    to_date: date | None = None
    hidden: bool | None = False

    @property
    def is_of_a_time(self) -> bool:
        return self.from_date is not None or self.to_date is not None


@dataclass(frozen=True, slots=True)
class Meant:
    """What the words of a search may mean: ids of titles and customers, and numbers."""

    titles: frozenset[UUID] = field(default_factory=frozenset)
    customers: frozenset[UUID] = field(default_factory=frozenset)
    numbers: frozenset[str] = field(default_factory=frozenset)


def states_of(wanted: Wanted) -> list[str]:
    """The stored states to look in. A draft is invisible to its customer."""
    hidden = {InvoiceState.DRAFT} if wanted.seen is not None else set()
    if wanted.state is None:
        asked = set(InvoiceState)
    else:
        asked = {InvoiceState.OPEN if wanted.state in _OPEN_ONLY else InvoiceState(wanted.state)}
    return sorted(asked - hidden)


def is_number(typed: str) -> bool:
    return bool(_NUMBER_ENDS.search(typed.strip()))


def numbers_meant(typed: str, series: Iterable[tuple[str, int]]) -> frozenset[str]:
    """Numbers that `typed` is, or is the end of: `42` and `2026-0042` mean INV-2026-0042.

    `series`: the prefix and year of each there is; 0 where one counts through all years.
    """
    text = typed.strip().upper()
    ends = _NUMBER_ENDS.search(text)
    if not ends:
        return frozenset()
    made = {
        Series(name, yearly=bool(year)).text(date(year or 1, 1, 1), int(ends[1]))
        for name, year in series
    }
    return frozenset({text, *(n for n in made if n.upper().endswith(text) or ends[0] == text)})


def title_id(title: str) -> UUID:
    """As the database derives it; titles themselves may be too long for an index."""
    return UUID(hashlib.md5(title.encode(), usedforsecurity=False).hexdigest())


def title_keys(title: str) -> list[int]:
    return keys_of(title_id(title), title)


def customer_text(state: Mapping[str, Any]) -> str:
    """What of a customer is searched."""
    names = ("company_name", "contact_name", "billing_name", "number")
    return " ".join(state.get(name) or "" for name in names)


def customer_keys(customer_id: UUID, state: Mapping[str, Any]) -> list[int]:
    return keys_of(customer_id, customer_text(state))
