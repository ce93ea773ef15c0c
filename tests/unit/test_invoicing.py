import pickle
from collections.abc import Collection, Sequence
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.invoicing import (
    Basis,
    InvoicingError,
    Line,
    TaxTreatment,
    Totals,
    VatRate,
    VatRow,
    price_invoice,
    tax_treatment,
    vat_percent,
)


def line(
    unit_price: str,
    vat_rate: str = "0",
    basis: Basis = "net",
    *,
    quantity: str = "1",
    discount: str = "0",
) -> Line:
    return Line(
        quantity=Decimal(quantity),
        unit_price=Decimal(unit_price),
        basis=basis,
        discount_percent=Decimal(discount),
        vat_rate=Decimal(vat_rate),
    )


@pytest.mark.parametrize(
    ("priced", "currency", "total"),
    [
        (line("129.00"), "CHF", 12900),
        (line("129"), "JPY", 129),
        (line("1.2345"), "KWD", 1235),
        (line("0.0050"), "CHF", 1),
        (line("0.0049"), "CHF", 0),
        (line("0.0050", quantity="3"), "CHF", 2),
        (line("10.00", quantity="0.333333"), "CHF", 333),
        (line("99.99", discount="12.5"), "CHF", 8749),
        (line("0.10", discount="5"), "CHF", 10),
        (line("50.00", discount="100"), "CHF", 0),
        (line("50.00", quantity="0"), "CHF", 0),
        (line("-10.00", quantity="-2"), "CHF", 2000),
        (line("1E+3"), "CHF", 100_000),
        (line("1.500000000"), "CHF", 150),
    ],
)
def test_a_line_is_rounded_half_up_once(priced: Line, currency: str, total: int) -> None:
    assert price_invoice([priced], currency).line_totals_minor == (total,)


def test_a_credit_line_is_rounded_half_away_from_zero() -> None:
    priced = price_invoice([line("1.00"), line("-0.0050")], "CHF")
    assert priced.line_totals_minor == (100, -1)


def test_net_lines_get_vat_on_top() -> None:
    assert price_invoice([line("129.00", "8.1")], "CHF") == Totals(
        line_totals_minor=(12900,),
        vat=(VatRow(Decimal("8.1"), "net", 12900, 1045, 13945),),
        subtotal_minor=12900,
        vat_minor=1045,
        rounding_minor=0,
        total_minor=13945,
    )


def test_gross_lines_contain_their_vat() -> None:
    assert price_invoice([line("119.00", "19", "gross")], "EUR") == Totals(
        line_totals_minor=(11900,),
        vat=(VatRow(Decimal(19), "gross", 10000, 1900, 11900),),
        subtotal_minor=11900,
        vat_minor=1900,
        rounding_minor=0,
        total_minor=11900,
    )


def test_both_bases_on_one_invoice_add_up() -> None:
    lines = [line("100.00", "19"), line("119.00", "19", "gross"), line("10.70", "7", "gross")]
    priced = price_invoice(lines, "EUR")
    assert priced.vat == (
        VatRow(Decimal(7), "gross", 1000, 70, 1070),
        VatRow(Decimal(19), "gross", 10000, 1900, 11900),
        VatRow(Decimal(19), "net", 10000, 1900, 11900),
    )
    assert priced.subtotal_minor == 10000 + 11900 + 1070
    assert priced.vat_minor == 70 + 1900 + 1900
    assert priced.total_minor == 1070 + 11900 + 11900


def test_vat_is_rounded_per_rate_and_not_per_line() -> None:
    # 0.05 x 10 % would round up to a cent on each of the three lines.
    priced = price_invoice([line("0.05", "10")] * 3, "EUR")
    assert priced.vat == (VatRow(Decimal(10), "net", 15, 2, 17),)


def test_one_rate_written_twice_is_one_row() -> None:
    priced = price_invoice([line("1.00", "7.7"), line("1.00", "7.70")], "CHF")
    assert [row.net_minor for row in priced.vat] == [200]


def test_a_credit_at_an_old_rate_gives_its_own_negative_vat() -> None:
    priced = price_invoice([line("100.00", "8.1"), line("-50.00", "7.7")], "CHF")
    assert priced.vat == (
        VatRow(Decimal("7.7"), "net", -5000, -385, -5385),
        VatRow(Decimal("8.1"), "net", 10000, 810, 10810),
    )
    assert priced.total_minor == 5425


@pytest.mark.parametrize(
    ("price", "increment", "rounding", "total"),
    [
        ("10.02", 5, -2, 1000),
        ("10.03", 5, 2, 1005),
        ("10.05", 5, 0, 1005),
        ("10.50", 100, 50, 1100),
        ("10.49", 100, -49, 1000),
        ("10.03", 1, 0, 1003),
        ("0.02", 5, -2, 0),
    ],
)
def test_the_total_is_rounded_to_the_cash_increment(
    price: str, increment: int, rounding: int, total: int
) -> None:
    priced = price_invoice([line(price)], "CHF", rounding_minor=increment)
    assert (priced.rounding_minor, priced.total_minor) == (rounding, total)
    assert priced.subtotal_minor + priced.vat_minor + rounding == total


def test_a_credit_may_bring_the_total_to_zero_but_not_below() -> None:
    assert price_invoice([line("5.00", "8.1"), line("-5.00", "8.1")], "CHF").total_minor == 0
    with pytest.raises(InvoicingError, match="total: must not be negative"):
        price_invoice([line("5.00", "8.1"), line("-5.01", "8.1")], "CHF")
    with pytest.raises(InvoicingError, match="total: must not be negative"):
        price_invoice([line("-0.01")], "CHF", rounding_minor=5)


def test_a_draft_may_be_empty_or_negative() -> None:
    empty = price_invoice([], "CHF", draft=True, rounding_minor=5)
    assert (empty.line_totals_minor, empty.vat, empty.total_minor) == ((), (), 0)
    negative = price_invoice([line("-10.00", "8.1")], "CHF", draft=True, rounding_minor=5)
    assert (negative.vat_minor, negative.rounding_minor, negative.total_minor) == (-81, 1, -1080)
    with pytest.raises(InvoicingError, match="lines: must be 0 to 1000"):
        price_invoice([line("1")] * 1001, "CHF", draft=True)
    with pytest.raises(InvoicingError, match=r"total: must be below 10\^15"):
        price_invoice([line("-900000000000", quantity="9")] * 2, "CHF", draft=True)


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("quantity", "1000000001", "must be -1000000000 to 1000000000"),
        ("quantity", "-1000000001", "must be -1000000000 to 1000000000"),
        ("quantity", "1E+999999999999999999", "must be -1000000000 to 1000000000"),
        ("quantity", "NaN", "must be -1000000000 to 1000000000"),
        ("quantity", "sNaN", "must be -1000000000 to 1000000000"),
        ("quantity", "-Infinity", "must be -1000000000 to 1000000000"),
        ("quantity", "0.0000001", "at most 6 decimals"),
        ("quantity", "1E-999999999999999999", "at most 6 decimals"),
        ("unit_price", "0.00001", "at most 4 decimals"),
        ("unit_price", "1." + "0" * 40 + "1", "at most 4 decimals"),
        ("unit_price", "1000000000001", "must be -1000000000000 to 1000000000000"),
        ("unit_price", "NaN", "must be -1000000000000 to 1000000000000"),
        ("discount_percent", "-0.01", "must be 0 to 100"),
        ("discount_percent", "100.01", "must be 0 to 100"),
        ("discount_percent", "0.00001", "at most 4 decimals"),
        ("vat_rate", "-1", "must be 0 to 100"),
        ("vat_rate", "100.0001", "must be 0 to 100"),
        ("vat_rate", "Infinity", "must be 0 to 100"),
        ("vat_rate", "8.00001", "at most 4 decimals"),
    ],
)
def test_an_input_outside_its_limits_is_refused_by_name(field: str, value: str, rule: str) -> None:
    good: dict[str, Any] = {
        "quantity": Decimal(1),
        "unit_price": Decimal(1),
        "basis": "net",
        "vat_rate": Decimal("8.1"),
    }
    bad = Line(**(good | {field: Decimal(value)}))
    with pytest.raises(InvoicingError, match=rule) as refused:
        price_invoice([Line(**good), Line(**good), bad], "CHF")
    assert refused.value.field == f"lines[2].{field}"


@pytest.mark.parametrize(
    ("lines", "currency", "rounding_minor", "field"),
    [
        ([], "CHF", 1, "lines"),
        ([line("1")] * 1001, "CHF", 1, "lines"),
        ([line("1")], "XXX", 1, "currency"),
        ([line("1")], "chf", 1, "currency"),
        ([line("1")], "CHF", 0, "rounding_minor"),
        ([line("1")], "CHF", 10_001, "rounding_minor"),
        ([line("1", basis="brutto")], "CHF", 1, "lines[0].basis"),  # type: ignore[arg-type]
        ([line("1000000000000", quantity="10")], "CHF", 1, "lines[0].total"),
        ([line("900000000000", quantity="9")] * 2, "CHF", 1, "total"),
    ],
)
def test_an_invoice_outside_its_limits_is_refused_by_name(
    lines: Sequence[Line], currency: str, rounding_minor: int, field: str
) -> None:
    with pytest.raises(InvoicingError) as refused:
        price_invoice(lines, currency, rounding_minor=rounding_minor)
    assert refused.value.field == field


def test_the_largest_invoice_is_priced() -> None:
    assert price_invoice([line("1")] * 1000, "CHF").total_minor == 100_000


def test_a_refusal_keeps_its_field_between_processes() -> None:
    copy = pickle.loads(pickle.dumps(InvoicingError("lines[2].vat_rate", "must be 0 to 100")))  # noqa: S301
    assert (copy.field, copy.rule) == ("lines[2].vat_rate", "must be 0 to 100")
    assert str(copy) == "lines[2].vat_rate: must be 0 to 100"


def test_the_context_of_the_caller_changes_no_amount() -> None:
    lines = [line("1234.5678", "8.1", quantity="9.876543", discount="3.3333")]
    expected = price_invoice(lines, "CHF")
    with localcontext(prec=3):
        assert price_invoice(lines, "CHF") == expected


def half_up(value: Fraction) -> int:
    rounded = int(abs(value) + Fraction(1, 2))
    return rounded if value >= 0 else -rounded


LINES = st.lists(
    st.builds(
        Line,
        quantity=st.decimals(-10, 1000, places=3),
        unit_price=st.decimals(-100, 10_000, places=4),
        basis=st.sampled_from(["net", "gross"]),
        discount_percent=st.decimals(0, 100, places=2),
        vat_rate=st.sampled_from(
            [Decimal(rate) for rate in ("0", "2.6", "7.7", "8.1", "19", "20", "25")]
        ),
    ),
    min_size=1,
    max_size=8,
)


@given(
    LINES,
    st.sampled_from(["JPY", "CHF", "EUR", "KWD"]),
    st.sampled_from([1, 5, 100]),
    st.booleans(),
)
def test_the_equations_of_an_invoice_hold_exactly(
    lines: list[Line], currency: str, increment: int, draft: bool
) -> None:
    major = {"JPY": 1, "CHF": 100, "EUR": 100, "KWD": 1000}[currency]
    line_totals = tuple(
        half_up(
            Fraction(one.quantity)
            * Fraction(one.unit_price)
            * (100 - Fraction(one.discount_percent))
            / 100
            * major
        )
        for one in lines
    )
    expected_vat = {}
    for rate, basis in {(one.vat_rate, one.basis) for one in lines}:
        share = sum(
            total
            for one, total in zip(lines, line_totals, strict=True)
            if (one.vat_rate, one.basis) == (rate, basis)
        )
        divisor = 100 if basis == "net" else 100 + Fraction(rate)
        expected_vat[rate, basis] = share, half_up(share * Fraction(rate) / divisor)
    on_top = sum(vat for (_, basis), (_, vat) in expected_vat.items() if basis == "net")

    if sum(line_totals) + on_top < 0 and not draft:
        with pytest.raises(InvoicingError, match="negative"):
            price_invoice(lines, currency, rounding_minor=increment)
        return

    priced = price_invoice(lines, currency, rounding_minor=increment, draft=draft)
    assert priced.line_totals_minor == line_totals
    assert priced.subtotal_minor == sum(line_totals)
    assert priced.total_minor == sum(line_totals) + on_top + priced.rounding_minor
    assert priced.total_minor % increment == 0
    assert abs(priced.rounding_minor) * 2 <= increment
    assert priced.vat_minor == sum(vat for _, vat in expected_vat.values())
    assert [(row.rate, row.basis) for row in priced.vat] == sorted(expected_vat)
    for row in priced.vat:
        base = row.net_minor if row.basis == "net" else row.gross_minor
        assert (base, row.vat_minor) == expected_vat[row.rate, row.basis]
        assert row.net_minor + row.vat_minor == row.gross_minor


@given(LINES.flatmap(lambda lines: st.tuples(st.just(lines), st.permutations(lines))))
def test_the_order_of_the_lines_changes_no_sum(orders: tuple[list[Line], list[Line]]) -> None:
    # Enough on top that no invoice is refused as negative.
    first, second = (price_invoice([*lines, line("900000")], "CHF") for lines in orders)
    assert (first.vat, first.total_minor) == (second.vat, second.total_minor)


VAT_TABLE = [
    VatRate("CH", "standard", Decimal("7.7"), date(2018, 1, 1), date(2024, 1, 1)),
    VatRate("CH", "standard", Decimal("8.1"), date(2024, 1, 1), None),
    VatRate("CH", "reduced", Decimal("2.6"), date(2024, 1, 1), None),
    VatRate("DE", "standard", Decimal(19), date(2021, 1, 1), None),
]


@pytest.mark.parametrize(
    ("country", "category", "on", "percent"),
    [
        ("CH", "standard", date(2018, 1, 1), "7.7"),
        ("CH", "standard", date(2023, 12, 31), "7.7"),
        ("CH", "standard", date(2024, 1, 1), "8.1"),
        ("CH", "reduced", date(2026, 1, 1), "2.6"),
        ("DE", "standard", date(2026, 1, 1), "19"),
    ],
)
def test_the_rate_is_the_one_in_force_on_the_day_of_supply(
    country: str, category: str, on: date, percent: str
) -> None:
    assert vat_percent(VAT_TABLE, country, category, on) == Decimal(percent)


@pytest.mark.parametrize(
    ("country", "category", "on"),
    [
        ("CH", "standard", date(2017, 12, 31)),
        ("CH", "lodging", date(2026, 1, 1)),
        ("FR", "standard", date(2026, 1, 1)),
    ],
)
def test_without_a_rate_there_is_no_invoice(country: str, category: str, on: date) -> None:
    with pytest.raises(InvoicingError, match=f"no rate for {category} in {country} on {on}"):
        vat_percent(VAT_TABLE, country, category, on)


def test_a_table_that_contradicts_itself_is_refused() -> None:
    twice = [*VAT_TABLE, VatRate("DE", "standard", Decimal(16), date(2026, 1, 1), None)]
    with pytest.raises(InvoicingError, match="more than one rate"):
        vat_percent(twice, "DE", "standard", date(2026, 1, 1))


@pytest.mark.parametrize(
    ("seller", "buyer", "company", "vat_id", "treatment"),
    [
        (("DE",), "DE", True, "DE123456789", "standard"),
        (("DE",), "DE", False, None, "standard"),
        (("DE", "FR"), "FR", True, "FR12345678901", "standard"),
        (("DE",), "FR", True, "FR12345678901", "reverse_charge"),
        (("DE",), "GR", True, "EL123456789", "reverse_charge"),
        (("CH", "DE"), "FR", True, "FR12345678901", "reverse_charge"),
        (("DE",), "FR", True, None, "standard"),
        (("DE",), "FR", True, "", "standard"),
        (("DE",), "FR", False, None, "standard"),
        (("DE",), "FR", False, "FR12345678901", "standard"),
        (("DE",), "CH", True, "CHE123456789", "export"),
        (("DE",), "GB", True, "GB123456789", "export"),
        (("DE",), "US", False, None, "export"),
        (("CH",), "CH", False, None, "standard"),
        (("CH",), "FR", True, "FR12345678901", "export"),
        (("CH",), "FR", False, None, "export"),
    ],
)
def test_who_sells_to_whom_decides_the_tax_treatment(
    seller: Collection[str],
    buyer: str,
    company: bool,
    vat_id: str | None,
    treatment: TaxTreatment,
) -> None:
    assert tax_treatment(seller, buyer, company, vat_id) == treatment


def test_a_seller_registered_nowhere_cannot_be_taxed() -> None:
    with pytest.raises(InvoicingError) as refused:
        tax_treatment((), "CH", buyer_is_company=False, buyer_vat_id=None)
    assert refused.value.field == "seller_countries"
