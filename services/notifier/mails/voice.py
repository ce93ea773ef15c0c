"""How a mail speaks: its sentences, amounts and dates in the customer's language."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_decimal

from services.notifier.mails.texts import LANGUAGES, TEXTS
from shared.money import Money, exponent


@dataclass(frozen=True, slots=True)
class Voice:
    language: str
    locale: Locale

    def say(self, key: str, **values: object) -> str:
        text: str = getattr(TEXTS[key], self.language)
        return text.format(**values)

    def date(self, day: date) -> str:
        return format_date(day, "long", locale=self.locale)

    def money(self, amount: Money) -> str:
        """Write an amount as the invoice does: `CHF 12.50` in Bern, `EUR 12,50` in Berlin."""
        decimals = exponent(amount.currency)
        pattern = f"#,##0.{'0' * decimals}" if decimals else "#,##0"
        text = format_decimal(amount.decimal, pattern, self.locale)
        if str(self.locale) == "fr_CH":  # CLDR has the point for Swiss amounts, Babel the comma
            text = text.replace(",", ".")
        return f"{amount.currency}\N{NO-BREAK SPACE}{text}"


@lru_cache(maxsize=256)
def voice_of(language: str, *countries: str) -> Voice:
    """Speak a language as the first country does where it is at home, English as a last resort.

    Without such a country English is British: its dates cannot be misread.
    """
    known = language[:2].lower()
    known = known if known in LANGUAGES else "en"
    for country in (*countries, "GB"):
        try:
            return Voice(known, Locale(known, country))
        except UnknownLocaleError:
            continue
    return Voice(known, Locale(known))
