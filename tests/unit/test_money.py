from collections.abc import Callable
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import (
    MINOR_LIMIT,
    Money,
    MoneyError,
    divide_half_up,
    exponent,
    round_half_up,
    to_minor,
)

CURRENCIES = ("JPY", "CHF", "KWD", "CLF")
MINOR = st.integers(-MINOR_LIMIT + 1, MINOR_LIMIT - 1)


@pytest.mark.parametrize(("currency", "decimals"), [("JPY", 0), ("CHF", 2), ("KWD", 3), ("CLF", 4)])
def test_a_currency_has_the_decimals_of_iso_4217(currency: str, decimals: int) -> None:
    assert exponent(currency) == decimals


@pytest.mark.parametrize("code", ["XXX", "XAU", "XTS", "XDR", "DEM", "HRK", "chf", "CH", "", "ABC"])
def test_a_code_that_is_not_money_is_refused(code: str) -> None:
    with pytest.raises(MoneyError, match="ISO 4217"):
        exponent(code)
    with pytest.raises(MoneyError, match="ISO 4217"):
        Money(100, code)


@pytest.mark.parametrize(
    ("text", "currency", "minor", "shown"),
    [
        ("129.00", "CHF", 12900, "129.00"),
        ("129", "CHF", 12900, "129.00"),
        ("129.5", "CHF", 12950, "129.50"),
        ("-1.50", "CHF", -150, "-1.50"),
        ("-0.05", "CHF", -5, "-0.05"),
        ("-0.00", "CHF", 0, "0.00"),
        ("0.01", "CHF", 1, "0.01"),
        ("129", "JPY", 129, "129"),
        ("-7", "JPY", -7, "-7"),
        ("1.234", "KWD", 1234, "1.234"),
        ("0.004", "KWD", 4, "0.004"),
        ("9999999999999.99", "CHF", MINOR_LIMIT - 1, "9999999999999.99"),
    ],
)
def test_an_amount_is_read_and_shown(text: str, currency: str, minor: int, shown: str) -> None:
    money = Money.parse(text, currency)
    assert (money.minor, money.amount) == (minor, shown)
    assert money.decimal == Decimal(text)


@pytest.mark.parametrize(
    ("text", "currency", "rule"),
    [
        ("1.234", "CHF", "CHF has 2 decimals"),
        ("1.230", "CHF", "CHF has 2 decimals"),
        ("1.0", "JPY", "JPY has 0 decimals"),
        ("10000000000000.00", "CHF", "below 10\\^15 minor units"),
        ("1" * 16, "JPY", "decimal number"),
        ("0." + "0" * 1_000_000, "CHF", "decimal number"),
        ("1e3", "CHF", "decimal number"),
        ("NaN", "CHF", "decimal number"),
        ("Infinity", "CHF", "decimal number"),
        ("+1.00", "CHF", "decimal number"),
        ("--1", "CHF", "decimal number"),
        ("01.00", "CHF", "decimal number"),
        ("1,00", "CHF", "decimal number"),
        ("1'000.00", "CHF", "decimal number"),
        ("1_000", "CHF", "decimal number"),
        (".50", "CHF", "decimal number"),
        ("1.", "CHF", "decimal number"),
        (" 1.00", "CHF", "decimal number"),
        ("1.00\n", "CHF", "decimal number"),
        ("\N{ARABIC-INDIC DIGIT ONE}.00", "CHF", "decimal number"),
        ("", "CHF", "decimal number"),
        ("1.00", "XXX", "ISO 4217"),
    ],
)
def test_an_amount_that_breaks_a_rule_is_refused_and_the_rule_named(
    text: str, currency: str, rule: str
) -> None:
    with pytest.raises(MoneyError, match=rule):
        Money.parse(text, currency)


@given(MINOR, st.sampled_from(CURRENCIES))
def test_what_is_shown_reads_back_as_the_same_amount(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert Money.parse(money.amount, currency) == money
    assert Money.from_dict(money.to_dict()) == money
    assert to_minor(money.decimal, currency) == minor


def test_the_form_of_the_api_is_a_decimal_string_and_a_currency() -> None:
    assert Money(12900, "CHF").to_dict() == {"amount": "129.00", "currency": "CHF"}


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"amount": "1.00"},
        {"amount": 1, "currency": "CHF"},
        {"amount": 1.5, "currency": "CHF"},
        {"amount": "1.00", "currency": None},
        {"amount": "1.00", "currency": "CHF", "minor": 100},
    ],
)
def test_another_form_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(MoneyError, match="money: must be"):
        Money.from_dict(data)


@given(MINOR, MINOR)
def test_amounts_of_one_currency_calculate_and_compare_like_integers(a: int, b: int) -> None:
    left, right = Money(a, "CHF"), Money(b, "CHF")
    assert (-left).minor == -a
    assert (left < right, left <= right, left > right, left >= right, left == right) == (
        a < b,
        a <= b,
        a > b,
        a >= b,
        a == b,
    )
    for result, combine in ((a + b, left.__add__), (a - b, left.__sub__)):
        if abs(result) < MINOR_LIMIT:
            assert combine(right) == Money(result, "CHF")
        else:
            with pytest.raises(MoneyError, match="below"):
                combine(right)


@pytest.mark.parametrize(
    "mix",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a < b,
        lambda a, b: a <= b,
        lambda a, b: a > b,
        lambda a, b: a >= b,
    ],
)
def test_currencies_do_not_mix(mix: Callable[[Money, Money], object]) -> None:
    with pytest.raises(MoneyError, match="CHF and EUR do not mix"):
        mix(Money(100, "CHF"), Money(100, "EUR"))


def test_zero_in_one_currency_is_not_zero_in_another() -> None:
    assert Money.zero("CHF") == Money(0, "CHF")
    assert Money.zero("CHF") != Money.zero("EUR")


@pytest.mark.parametrize("minor", [1.0, Decimal(1), "1", None])
def test_minor_units_are_integers(minor: object) -> None:
    with pytest.raises(MoneyError, match="integer"):
        Money(minor, "CHF")  # type: ignore[arg-type]


@pytest.mark.parametrize("minor", [MINOR_LIMIT, -MINOR_LIMIT])
def test_an_amount_has_a_limit(minor: int) -> None:
    with pytest.raises(MoneyError, match="below"):
        Money(minor, "CHF")


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        ("2.4", 2),
        ("2.5", 3),
        ("3.5", 4),
        ("-2.4", -2),
        ("-2.5", -3),
        ("0.49999999999999999999999999999999999999", 0),
        ("0.50000000000000000000000000000000000000", 1),
        ("1E-999999999", 0),
        ("1E+3", 1000),
    ],
)
def test_a_half_is_rounded_away_from_zero(value: str, rounded: int) -> None:
    assert round_half_up(Decimal(value)) == rounded


@pytest.mark.parametrize(
    ("value", "currency", "minor"),
    [
        ("1.005", "CHF", 101),
        ("-1.005", "CHF", -101),
        ("1.00499999999999999999999999999999999999", "CHF", 100),
        ("0.5", "JPY", 1),
        ("1.0005", "KWD", 1001),
        ("1E+3", "CHF", 100_000),
    ],
)
def test_major_units_are_rounded_once(value: str, currency: str, minor: int) -> None:
    assert to_minor(Decimal(value), currency) == minor
    with localcontext(prec=3):
        assert to_minor(Decimal(value), currency) == minor


@pytest.mark.parametrize(
    "value",
    ["NaN", "sNaN", "Infinity", "-Infinity", "1E+15", "999999999999999.5", "1E+999999999999999999"],
)
def test_what_is_not_an_amount_cannot_be_rounded_to_one(value: str) -> None:
    with pytest.raises(MoneyError, match="below"):
        round_half_up(Decimal(value))
    with pytest.raises(MoneyError, match="below"):
        to_minor(Decimal(value), "CHF")


@pytest.mark.parametrize(
    ("numerator", "denominator", "quotient"),
    [(1, 2, 1), (-1, 2, -1), (1, 3, 0), (2, 3, 1), (-2, 3, -1), (10, 4, 3), (0, 7, 0), (9, 3, 3)],
)
def test_a_share_is_rounded_half_away_from_zero(
    numerator: int, denominator: int, quotient: int
) -> None:
    assert divide_half_up(numerator, denominator) == quotient


@given(st.integers(-(10**40), 10**40), st.integers(1, 10**20))
def test_a_share_is_off_by_at_most_a_half(numerator: int, denominator: int) -> None:
    rest = 2 * (numerator - divide_half_up(numerator, denominator) * denominator)
    assert abs(rest) <= denominator
    assert abs(rest) < denominator or (rest > 0) == (numerator < 0)
