"""Amounts of money: integer minor units and an ISO 4217 currency, never a float."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_UP, Context, Decimal
from functools import total_ordering
from typing import Final, Self

from iso4217 import Currency

__all__ = [
    "EXACT",
    "MINOR_LIMIT",
    "Money",
    "MoneyError",
    "divide_half_up",
    "exponent",
    "round_half_up",
    "to_minor",
]

MINOR_LIMIT: Final = 10**15
"""Every amount is smaller than this, in minor units, so a thousand of them fit a bigint."""

# The number grammar of RFC 8259 without its exponent: one spelling per amount, no sign games.
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?")

EXACT: Final = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
"""For shifting the point: the caller's context would round too, by default to 28 digits."""

_EXPONENTS: Final = {
    currency.code: currency.exponent for currency in Currency if currency.exponent is not None
}


class MoneyError(ValueError):
    """Not an amount, not a currency, or two currencies in one calculation."""


def exponent(currency: str) -> int:
    """Return the number of decimals of a currency: JPY 0, CHF 2, KWD 3 (ISO 4217 list one).

    Raises:
        MoneyError: The code is unknown, withdrawn, or has no minor unit (XXX, XAU).
    """
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise MoneyError("currency: must be an active ISO 4217 code such as CHF") from None


def divide_half_up(numerator: int, denominator: int) -> int:
    """Divide exactly and round half away from zero; the denominator must be positive.

    The way to take a share of an amount (VAT, unused days): the quotient is never rounded before.
    """
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude


def round_half_up(value: Decimal) -> int:
    """Round to an integer, half away from zero: 2.5 -> 3, -2.5 -> -3.

    Raises:
        MoneyError: The value is not finite, or not within `MINOR_LIMIT`.
    """
    # Tested before the conversion too: int() of 1E+999999999 would never return.
    if not value.is_finite() or not -MINOR_LIMIT < value < MINOR_LIMIT:
        raise MoneyError("amount: must be finite and below 10^15 minor units")
    return _within_limit(int(value.to_integral_value(ROUND_HALF_UP)))


def to_minor(value: Decimal, currency: str) -> int:
    """Round an amount in major units to minor units, half away from zero: CHF 1.005 -> 101.

    Raises:
        MoneyError: Unknown currency, or a value that is not finite or not within `MINOR_LIMIT`.
    """
    return round_half_up(value.scaleb(exponent(currency), EXACT))


def _within_limit(minor: int) -> int:
    if not -MINOR_LIMIT < minor < MINOR_LIMIT:
        raise MoneyError("amount: must be below 10^15 minor units")
    return minor


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of one currency: `Money(12900, "CHF")` is CHF 129.00.

    Equality compares currencies too; adding or ordering different ones raises `MoneyError`,
    and so does an amount that is no integer or outside `MINOR_LIMIT`.
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        exponent(self.currency)
        # PostgreSQL sums bigints to numeric: a Decimal here means a cast was forgotten.
        if not isinstance(self.minor, int):
            raise MoneyError("minor: must be an integer")
        _within_limit(self.minor)

    @classmethod
    def zero(cls, currency: str) -> Self:
        return cls(0, currency)

    @classmethod
    def parse(cls, amount: str, currency: str) -> Self:
        """Read a decimal string in major units, with at most the currency's decimals.

        Raises:
            MoneyError: Names the rule that the text breaks.
        """
        decimals = exponent(currency)
        if not _DECIMAL.fullmatch(amount):
            raise MoneyError(
                "amount: must be a decimal number such as -129.00, at most 15 digits a side"
            )
        units, _, fraction = amount.partition(".")
        if len(fraction) > decimals:
            raise MoneyError(f"amount: {currency} has {decimals} decimals")
        return cls(int(units + fraction.ljust(decimals, "0")), currency)

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Self:
        """Read the form of the API and of events; unknown, missing and non-text fields refused."""
        match data:
            case {"amount": str(amount), "currency": str(currency), **rest} if not rest:
                return cls.parse(amount, currency)
        raise MoneyError('money: must be {"amount": "129.00", "currency": "CHF"}')

    def to_dict(self) -> dict[str, str]:
        return {"amount": self.amount, "currency": self.currency}

    @property
    def amount(self) -> str:
        """The amount in major units with exactly the currency's decimals: "129.00", JPY "129"."""
        decimals = exponent(self.currency)
        sign = "-" if self.minor < 0 else ""
        digits = str(abs(self.minor)).zfill(decimals + 1)
        point = len(digits) - decimals
        return f"{sign}{digits[:point]}.{digits[point:]}" if decimals else sign + digits

    @property
    def decimal(self) -> Decimal:
        """The amount in major units."""
        return Decimal(self.amount)

    def __add__(self, other: "Money") -> Self:
        self._require_same_currency(other)
        return type(self)(self.minor + other.minor, self.currency)

    def __sub__(self, other: "Money") -> Self:
        self._require_same_currency(other)
        return type(self)(self.minor - other.minor, self.currency)

    def __neg__(self) -> Self:
        return type(self)(-self.minor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._require_same_currency(other)
        return self.minor < other.minor

    def _require_same_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise MoneyError(f"currency: {self.currency} and {other.currency} do not mix")
