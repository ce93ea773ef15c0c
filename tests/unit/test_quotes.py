"""Who is taxed how, at which country's rate, and what that makes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from shared.invoicing import Basis, InvoicingError, VatRate
from shared.periods import Period
from shared.quotes import Buyer, Quote, Seller, quote

ON = date(2026, 1, 31)


@dataclass(frozen=True)
class Thing:
    unit_price: Decimal
    basis: Basis = "net"
    vat_category: str = "standard"
    quantity: Decimal = Decimal(1)
    discount_percent: Decimal = Decimal(0)
    vat_percent: Decimal | None = None
    period: Period | None = None


def rate(country: str, percent: str, category: str = "standard", **days: Any) -> VatRate:
    return VatRate(
        country,
        category,
        Decimal(percent),
        days.get("start", date(2020, 1, 1)),
        days.get("end"),
    )


RATES = (
    rate("CH", "8.1"),
    rate("CH", "2.6", "reduced"),
    rate("DE", "19"),
    rate("AT", "20"),
    rate("FR", "20"),
)


def quoted(
    registrations: Sequence[str],
    country: str,
    *,
    company: bool = True,
    vat_id: str = "",
    items: Sequence[Thing] = (Thing(Decimal("100.00")),),
    currency: str = "EUR",
    rates: Sequence[VatRate] = RATES,
    rounding: dict[str, int] | None = None,
) -> Quote:
    seller = Seller(tuple(registrations), tuple(rates), rounding or {})
    return quote(items, currency, seller=seller, buyer=Buyer(country, company, vat_id), on=ON)


VAT_ID = "XX123456789"


@pytest.mark.parametrize(
    ("registrations", "country", "company", "vat_id", "treatment", "percent", "total"),
    [
        pytest.param(("CH",), "CH", True, VAT_ID, "standard", "8.1", 10810, id="home"),
        pytest.param(("CH",), "CH", False, "", "standard", "8.1", 10810, id="home, private"),
        pytest.param(("CH",), "DE", True, VAT_ID, "export", "0", 10000, id="from outside the EU"),
        pytest.param(("DE",), "CH", True, VAT_ID, "export", "0", 10000, id="out of the EU"),
        pytest.param(("DE",), "US", False, "", "export", "0", 10000, id="overseas, private"),
        pytest.param(("DE",), "FR", True, VAT_ID, "reverse_charge", "0", 10000, id="EU company"),
        pytest.param(
            ("DE",), "FR", True, "", "standard", "19", 11900, id="EU company without VAT id"
        ),
        pytest.param(
            ("DE",), "FR", False, VAT_ID, "standard", "19", 11900, id="EU, private, seller's rate"
        ),
        pytest.param(
            ("DE", "FR"), "FR", True, VAT_ID, "standard", "20", 12000, id="registered there"
        ),
        pytest.param(
            ("CH", "DE"), "FR", False, "", "standard", "19", 11900, id="first EU registration"
        ),
        pytest.param(
            ("CH", "AT", "DE"), "FR", False, "", "standard", "20", 12000, id="the first of two"
        ),
        pytest.param(
            ("CH", "DE"), "FR", True, VAT_ID, "reverse_charge", "0", 10000, id="home outside"
        ),
        pytest.param(("CH", "DE"), "DE", False, "", "standard", "19", 11900, id="second country"),
        pytest.param(("CH", "DE"), "CH", False, "", "standard", "8.1", 10810, id="home of two"),
        pytest.param(("CH", "DE"), "US", True, "", "export", "0", 10000, id="neither"),
    ],
)
def test_the_countries_and_the_buyer_decide_treatment_and_rate(
    registrations: tuple[str, ...],
    country: str,
    company: bool,
    vat_id: str,
    treatment: str,
    percent: str,
    total: int,
) -> None:
    found = quoted(registrations, country, company=company, vat_id=vat_id)

    assert found.treatment == treatment
    assert found.vat_percents == (Decimal(percent),)
    assert found.totals.total_minor == total


def test_each_item_has_the_rate_of_its_category() -> None:
    items = [
        Thing(Decimal("10.00"), vat_category="reduced"),
        Thing(Decimal("10.00")),
        Thing(Decimal("10.26"), "gross", "reduced"),
    ]
    found = quoted(("CH",), "CH", items=items, currency="CHF")

    assert found.vat_percents == (Decimal("2.6"), Decimal("8.1"), Decimal("2.6"))
    assert found.totals.line_totals_minor == (1000, 1000, 1026)
    assert found.totals.vat_minor == 26 + 81 + 26
    assert found.totals.total_minor == 1026 + 1081 + 1026


def test_quantity_and_discount_count() -> None:
    item = Thing(Decimal("10.00"), quantity=Decimal("2.5"), discount_percent=Decimal(20))

    assert quoted(("DE",), "DE", items=[item]).totals.subtotal_minor == 2000


def test_without_vat_categories_need_no_rate() -> None:
    found = quoted(("CH",), "US", items=[Thing(Decimal(5), vat_category="never heard of")])

    assert (found.vat_percents, found.totals.total_minor) == ((Decimal(0),), 500)


@pytest.mark.parametrize(
    ("on", "percent"),
    [(date(2023, 12, 31), "7.7"), (date(2024, 1, 1), "8.1"), (date(2029, 12, 31), "8.1")],
)
def test_the_rate_is_the_one_of_the_day(on: date, percent: str) -> None:
    rates = (
        rate("CH", "7.7", start=date(2018, 1, 1), end=date(2024, 1, 1)),
        rate("CH", "8.1", start=date(2024, 1, 1), end=date(2030, 1, 1)),
    )
    found = quote(
        [Thing(Decimal(1))],
        "CHF",
        seller=Seller(("CH",), rates),
        buyer=Buyer("CH", is_company=True, vat_id=""),
        on=on,
    )

    assert found.vat_percents == (Decimal(percent),)


def test_a_category_without_a_rate_is_refused() -> None:
    with pytest.raises(InvoicingError, match="no rate for reduced in DE"):
        quoted(("DE",), "DE", items=[Thing(Decimal(1), vat_category="reduced")])


@pytest.mark.parametrize(
    ("rounding", "currency", "total"),
    [({"CHF": 5}, "CHF", 10810), ({"CHF": 100}, "CHF", 10800), ({"CHF": 100}, "EUR", 10810)],
)
def test_cash_rounding_is_that_of_the_currency(
    rounding: dict[str, int], currency: str, total: int
) -> None:
    found = quoted(("CH",), "CH", currency=currency, rounding=rounding)

    assert found.totals.total_minor == total
    assert found.totals.rounding_minor == total - 10810


def test_a_seller_is_read_from_the_settings() -> None:
    row = SimpleNamespace(
        country="DE",
        category="standard",
        percent=Decimal(19),
        valid_from=date(2007, 1, 1),
        valid_to=date(2030, 1, 1),
    )
    settings = SimpleNamespace(
        registrations=["CH", "DE"], vat_rates=[row], rounding_minor={"CHF": 5}
    )

    assert Seller.of(settings) == Seller(
        ("CH", "DE"),
        (rate("DE", "19", start=date(2007, 1, 1), end=date(2030, 1, 1)),),
        {"CHF": 5},
    )


@pytest.mark.parametrize(
    ("country", "vat_id", "percents", "total"),
    [
        pytest.param("CH", "", ("8.1", "7.7"), 10810 - 3231, id="taxed at home"),
        pytest.param("DE", VAT_ID, ("0", "7.7"), 10000 - 3231, id="abroad by now"),
    ],
)
def test_a_credit_takes_back_the_rate_that_was_charged_whatever_is_charged_now(
    country: str, vat_id: str, percents: tuple[str, str], total: int
) -> None:
    credit = Thing(Decimal("-30.00"), vat_percent=Decimal("7.7"))
    found = quoted(("CH",), country, vat_id=vat_id, items=[Thing(Decimal(100)), credit])

    assert found.vat_percents == tuple(map(Decimal, percents))
    assert found.totals.total_minor == total


def test_only_a_credit_brings_its_own_rate() -> None:
    found = quoted(("CH",), "CH", items=[Thing(Decimal(100), vat_percent=Decimal("2.6"))])

    assert found.vat_percents == (Decimal("8.1"),)
