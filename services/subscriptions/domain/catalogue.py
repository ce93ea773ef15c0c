"""What can be booked, at which price."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal
from uuid import UUID

__all__ = ["Catalogue", "Cycle", "Kind", "Offering", "Price"]

Kind = Literal["plan", "module"]
Cycle = Literal["monthly", "yearly", "once"]


@dataclass(frozen=True, slots=True)
class Price:
    """`unit_price` in units of the currency, up to 4 decimals; None when it is on request."""

    id: UUID
    product_id: UUID
    currency: str
    cycle: Cycle
    unit_price: Decimal | None
    basis: Literal["net", "gross"]
    vat_category: str


@dataclass(frozen=True, slots=True)
class Offering:
    """A plan or a module.

    Attributes:
        max_users: seats of a plan; 0 means unlimited.
        included_modules: ids of the modules a plan brings along.
        features: key -> on/off or value.
    """

    kind: Kind
    id: UUID
    name: str
    description: str = ""
    translations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    bookable: bool = True
    archived: bool = False
    is_free: bool = False
    max_users: int = 0
    trial_days: int = 0
    recommended: bool = False
    priority: int = 0
    included_modules: tuple[UUID, ...] = ()
    features: Mapping[str, bool | str] = field(default_factory=dict)

    def name_in(self, language: str) -> str:
        return self.translations.get(language, {}).get("name", self.name)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Offerings by id, and their current prices."""

    offerings: Mapping[UUID, Offering]
    prices: tuple[Price, ...] = ()

    def prices_of(self, product_id: UUID, currency: str) -> dict[Cycle, Price]:
        return {
            price.cycle: price
            for price in self.prices
            if price.product_id == product_id and price.currency == currency
        }
