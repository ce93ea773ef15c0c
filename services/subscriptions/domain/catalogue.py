"""What can be booked, at which price."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal
from uuid import UUID

__all__ = [
    "Catalogue",
    "Cycle",
    "Feature",
    "Kind",
    "Offering",
    "PlanGroup",
    "Price",
    "Slot",
    "Texts",
]

Kind = Literal["plan", "module"]
Cycle = Literal["monthly", "yearly", "once"]
Slot = tuple[UUID, str, Cycle]
"""What a price is for: product, currency, cycle."""
Texts = Mapping[str, Mapping[str, str]]
"""Language -> name of a field -> its text; what is not there is the base text."""


@dataclass(frozen=True, slots=True)
class PlanGroup:
    """`country` None: worldwide. Its plans are for customers of that country only."""

    id: UUID
    key: str
    name: str
    country: str | None = None
    priority: int = 0
    translations: Texts = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True, slots=True)
class Feature:
    key: str
    label: str
    translations: Texts = field(default_factory=dict)
    version: int = 0


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
    version: int = 1

    @property
    def slot(self) -> Slot:
        return self.product_id, self.currency, self.cycle

    @property
    def terms(self) -> tuple[Decimal | None, str, str]:
        """What makes it another price when it differs."""
        return self.unit_price, self.basis, self.vat_category


@dataclass(frozen=True, slots=True)
class Offering:
    """A plan or a module.

    Attributes:
        max_users: seats of a plan; 0 means unlimited.
        included_modules: ids of the modules a plan brings along.
        features: key -> on/off or value.
        key: its name in files, unique among plans and among modules.
        country: the only country whose customers it is offered to, from its group; None: all.
        is_default: the plan that its group suggests; at most one of a group.
    """

    kind: Kind
    id: UUID
    name: str
    description: str = ""
    translations: Texts = field(default_factory=dict)
    bookable: bool = True
    archived: bool = False
    is_free: bool = False
    max_users: int = 0
    trial_days: int = 0
    recommended: bool = False
    priority: int = 0
    included_modules: tuple[UUID, ...] = ()
    features: Mapping[str, bool | str] = field(default_factory=dict)
    key: str = ""
    group_id: UUID | None = None
    country: str | None = None
    is_default: bool = False
    version: int = 0

    def name_in(self, language: str) -> str:
        return self.translations.get(language, {}).get("name") or self.name

    def description_in(self, language: str) -> str:
        return self.translations.get(language, {}).get("description") or self.description

    def offered_in(self, country: str) -> bool:
        """Tell whether customers of a country may book it; those who have it keep it."""
        return self.country in (None, country)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Offerings by id, and their current prices; groups by id and features by key where asked."""

    offerings: Mapping[UUID, Offering]
    prices: tuple[Price, ...] = ()
    groups: Mapping[UUID, PlanGroup] = field(default_factory=dict)
    features: Mapping[str, Feature] = field(default_factory=dict)

    def prices_of(self, product_id: UUID, currency: str) -> dict[Cycle, Price]:
        return {
            price.cycle: price
            for price in self.prices
            if price.product_id == product_id and price.currency == currency
        }
