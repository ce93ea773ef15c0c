"""Every treatment, rate, basis, currency and cash rounding, against figures worked out by hand."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import get_args

import pytest

from shared.invoicing import Basis, TaxTreatment, VatRate
from shared.periods import Period
from shared.quotes import Buyer, Quote, Seller, quote

TODAY = date(2026, 1, 31)
RATES = ("0", "2.6", "7.7", "8.1", "19", "20", "25")
# The VAT of 9995 minor units, by rate: on top of them, and contained in them.
VAT_MINOR = {
    "net": dict(zip(RATES, (0, 260, 770, 810, 1899, 1999, 2499), strict=True)),
    "gross": dict(zip(RATES, (0, 253, 715, 749, 1596, 1666, 1999), strict=True)),
}
# 9995 minor units, in the units that people write.
PRICES = {"JPY": "9995", "CHF": "99.95", "EUR": "99.95", "KWD": "9.995"}
# 118.94, 119.94 and 124.94 are a Rappen below a multiple of five; all other totals are one.
CASH = {"19": 1, "20": 1, "25": 1}


@dataclass(frozen=True)
class Thing:
    unit_price: Decimal
    basis: Basis = "net"
    vat_category: str = "standard"
    quantity: Decimal = Decimal(1)
    discount_percent: Decimal = Decimal(0)
    vat_percent: Decimal | None = None
    period: Period | None = None


def seller(percent: str, *, rounding: int = 1) -> Seller:
    rate = VatRate("CH", "standard", Decimal(percent), date(2020, 1, 1), None)
    return Seller(("CH",), (rate,), {"CHF": rounding})


def quoted(thing: Thing, currency: str, seller: Seller, treatment: TaxTreatment | None) -> Quote:
    buyer = Buyer("CH", is_company=True, vat_id="")
    return quote([thing], currency, seller=seller, buyer=buyer, on=TODAY, treatment=treatment)


@pytest.mark.parametrize("currency", PRICES)
@pytest.mark.parametrize("basis", get_args(Basis))
@pytest.mark.parametrize("percent", RATES)
@pytest.mark.parametrize("treatment", [None, *get_args(TaxTreatment)])
def test_vat_is_on_top_of_net_and_in_gross_and_only_where_the_treatment_is_standard(
    currency: str, basis: Basis, percent: str, treatment: TaxTreatment | None
) -> None:
    thing = Thing(Decimal(PRICES[currency]), basis)
    found = quoted(thing, currency, seller(percent), treatment)

    assert found.treatment == (treatment or "standard")
    taxed = percent if found.treatment == "standard" else "0"
    vat = VAT_MINOR[basis][taxed]
    (row,) = found.totals.vat
    assert (found.vat_percents, row.rate) == ((Decimal(taxed),), Decimal(taxed))
    assert (row.vat_minor, found.totals.vat_minor) == (vat, vat)
    assert found.totals.subtotal_minor == 9995
    assert found.totals.total_minor == (9995 + vat if basis == "net" else 9995)
    assert (row.net_minor, row.gross_minor) == (
        (9995, 9995 + vat) if basis == "net" else (9995 - vat, 9995)
    )


@pytest.mark.parametrize("currency", ["CHF", "EUR"])
@pytest.mark.parametrize("basis", get_args(Basis))
@pytest.mark.parametrize("percent", RATES)
def test_cash_is_rounded_to_five_rappen_only_where_it_is_configured(
    currency: str, basis: Basis, percent: str
) -> None:
    thing = Thing(Decimal(PRICES[currency]), basis)
    exact = quoted(thing, currency, seller(percent), None).totals
    found = quoted(thing, currency, seller(percent, rounding=5), None).totals

    cash = CASH.get(percent, 0) if (currency, basis) == ("CHF", "net") else 0
    assert found.rounding_minor == cash
    assert found.total_minor == exact.total_minor + cash
    assert (found.vat, found.subtotal_minor) == (exact.vat, exact.subtotal_minor)


@pytest.mark.parametrize(
    ("registrations", "country", "percent"),
    [
        (("CH",), "US", "8.1"),
        (("CH",), "FR", "8.1"),
        (("CH", "DE"), "FR", "19"),
        (("CH", "DE"), "US", "8.1"),
        (("CH", "DE"), "DE", "19"),
        (("DE", "CH"), "US", "19"),
    ],
)
def test_standard_against_the_facts_is_taxed_at_home_or_within_the_eu(
    registrations: tuple[str, ...], country: str, percent: str
) -> None:
    rates = tuple(
        VatRate(place, "standard", Decimal(rate), date(2020, 1, 1), None)
        for place, rate in (("CH", "8.1"), ("DE", "19"))
    )
    found = quote(
        [Thing(Decimal(1))],
        "CHF",
        seller=Seller(registrations, rates),
        buyer=Buyer(country, is_company=True, vat_id="XX123456789"),
        on=TODAY,
        treatment="standard",
    )

    assert found.vat_percents == (Decimal(percent),)


def test_what_is_supplied_in_a_period_has_the_rate_of_its_first_day() -> None:
    old = VatRate("CH", "standard", Decimal("7.7"), date(2018, 1, 1), date(2024, 1, 1))
    new = VatRate("CH", "standard", Decimal("8.1"), date(2024, 1, 1), None)
    days = (date(2023, 12, 31), date(2024, 1, 1), date(2025, 6, 1))
    things = [Thing(Decimal(1), period=Period(day, date(2027, 1, 1))) for day in days]
    found = quote(
        [*things, Thing(Decimal(1))],
        "CHF",
        seller=Seller(("CH",), (old, new)),
        buyer=Buyer("CH", is_company=True, vat_id=""),
        on=date(2023, 6, 1),
    )

    assert found.vat_percents == tuple(map(Decimal, ("7.7", "8.1", "8.1", "7.7")))
