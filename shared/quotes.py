"""From what is asked for to what it costs this buyer: tax treatment, VAT rates, totals.

Subscriptions calls it for the preview and billing for the opening, with the same arguments, so
the two can only differ when a fact has changed in between.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Protocol, Self

from shared.invoicing import (
    EU,
    Basis,
    InvoicingError,
    Line,
    TaxTreatment,
    Totals,
    VatRate,
    price_invoice,
    tax_treatment,
    vat_percent,
)

__all__ = ["Buyer", "Item", "Quote", "Seller", "quote"]


class Supply(Protocol):
    """When what a line charges for is supplied."""

    @property
    def start(self) -> date: ...


class Item(Protocol):
    """What a line must know to be priced, in a request and in an invoice alike.

    The rate of a line with a `period` is the one in force on its first day, the day of supply.
    `vat_percent` is heeded on a line with a negative price only: the rate that was charged on what
    it takes back, whatever the table or the treatment says today.
    """

    @property
    def quantity(self) -> Decimal: ...
    @property
    def unit_price(self) -> Decimal: ...
    @property
    def basis(self) -> Basis: ...
    @property
    def discount_percent(self) -> Decimal: ...
    @property
    def vat_category(self) -> str: ...
    @property
    def vat_percent(self) -> Decimal | None: ...
    @property
    def period(self) -> Supply | None: ...


@dataclass(frozen=True, slots=True)
class Seller:
    """`registrations`: countries where registered for VAT, home first."""

    registrations: tuple[str, ...]
    vat_rates: tuple[VatRate, ...]
    rounding_minor: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Any) -> Self:
        """From the fields of a `settings.changed` event."""
        return cls(
            tuple(settings.registrations),
            tuple(
                VatRate(r.country, r.category, r.percent, r.valid_from, r.valid_to)
                for r in settings.vat_rates
            ),
            settings.rounding_minor,
        )


@dataclass(frozen=True, slots=True)
class Buyer:
    country: str
    is_company: bool
    vat_id: str


@dataclass(frozen=True, slots=True)
class Quote:
    """`vat_percents` has one rate per item, in their order."""

    treatment: TaxTreatment
    vat_percents: tuple[Decimal, ...]
    totals: Totals


def quote(
    items: Sequence[Item],
    currency: str,
    *,
    seller: Seller,
    buyer: Buyer,
    on: date,
    treatment: TaxTreatment | None = None,
    draft: bool = False,
) -> Quote:
    """Price items for a buyer with the VAT rates of day `on`, or of their own periods.

    Args:
        treatment: what an operator has decided, against the facts.
        draft: there may be no items yet, and the total may be negative.

    Raises:
        InvoicingError: a value is outside its limits, or there is no VAT rate for a category.
    """
    treatment = treatment or tax_treatment(
        seller.registrations, buyer.country, buyer.is_company, buyer.vat_id
    )
    percents = tuple(_percents(items, treatment, seller, buyer, on))
    totals = price_invoice(
        [
            Line(
                quantity=item.quantity,
                unit_price=item.unit_price,
                basis=item.basis,
                discount_percent=item.discount_percent,
                vat_rate=percent,
            )
            for item, percent in zip(items, percents, strict=True)
        ],
        currency,
        rounding_minor=seller.rounding_minor.get(currency, 1),
        draft=draft,
    )
    return Quote(treatment, percents, totals)


def _percents(
    items: Sequence[Item], treatment: TaxTreatment, seller: Seller, buyer: Buyer, on: date
) -> Iterable[Decimal]:
    country = _taxed_in(seller.registrations, buyer.country)
    for index, item in enumerate(items):
        if item.vat_percent is not None and item.unit_price < 0:
            yield item.vat_percent
        elif treatment != "standard":
            yield Decimal(0)
        else:
            supplied_on = item.period.start if item.period else on
            try:
                yield vat_percent(seller.vat_rates, country, item.vat_category, supplied_on)
            except InvoicingError as error:
                raise InvoicingError(f"lines[{index}].vat_category", error.rule) from error


def _taxed_in(registrations: Sequence[str], buyer: str) -> str:
    """Whose rates apply: the buyer's country, else the first in the EU within it, else home."""
    if buyer in registrations:
        return buyer
    within = (country for country in registrations if country in EU and buyer in EU)
    return next(within, registrations[0])
