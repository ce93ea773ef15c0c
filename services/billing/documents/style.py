"""How dates, amounts and rates are written in one language and country."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_decimal

from services.billing.documents.words import WORDS, Words
from shared.money import exponent

_DECIMALS_MAX = 6  # of a quantity; prices and rates have fewer (shared.invoicing)


@dataclass(frozen=True, slots=True)
class Style:
    """Words and number style of one language in one country."""

    words: Words
    locale: Locale

    def date(self, day: date) -> str:
        return format_date(day, "medium", self.locale)

    def number(self, value: Decimal, decimals: int = 0) -> str:
        """Write a number with at least so many decimals; more only where it has them."""
        return self._written(value, "0" * decimals + "#" * (_DECIMALS_MAX - decimals))

    def price(self, value: Decimal, currency: str) -> str:
        return self.number(value, exponent(currency))

    def amount(self, minor: int, currency: str) -> str:
        digits = exponent(currency)
        return self._written(Decimal(minor).scaleb(-digits), "0" * digits)

    def percent(self, value: Decimal) -> str:
        return self.words.percent.format(self.number(value))

    def _written(self, value: Decimal, decimals: str) -> str:
        text = format_decimal(value, f"#,##0.{decimals}" if decimals else "#,##0", self.locale)
        if self.locale.territory == "CH" and self.locale.language == "fr":
            # CLDR gives the French comma; Swiss amounts have a point in every language
            # (Federal Chancellery, "Instructions sur la présentation des textes").
            text = text.replace(",", ".")
        return text.replace("-", "\N{MINUS SIGN}")  # as wide as a figure, unlike the hyphen


@cache
def style_for(language: str, *countries: str) -> Style:
    """Choose words by language, and numbers by the first country where it is at home.

    A German invoice to Zürich reads 1'234.50, to Berlin 1.234,50. Without such a country
    English is British: its dates cannot be misread.
    """
    spoken = language if language in WORDS else "en"
    for territory in (*countries, "GB"):
        try:
            locale = Locale(spoken, territory)
        except UnknownLocaleError:
            continue
        return Style(WORDS.get(str(locale), WORDS[spoken]), locale)
    return Style(WORDS[spoken], Locale(spoken))
