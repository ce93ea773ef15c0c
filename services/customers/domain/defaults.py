"""What a country suggests: currency, language and time zone of its customers."""

from functools import cache
from importlib.resources import files

from babel import Locale
from babel.languages import get_official_languages
from babel.numbers import get_territory_currencies

__all__ = ["countries", "country_defaults", "languages"]


@cache
def countries() -> frozenset[str]:
    """ISO 3166-1 alpha-2 codes."""
    return frozenset(_zones())


@cache
def languages() -> frozenset[str]:
    """ISO 639-1 codes."""
    return frozenset(code for code in map(str, Locale("en").languages) if len(code) == 2)  # noqa: PLR2004 - ISO 639-1


@cache
def _zones() -> dict[str, str]:
    """The first, which is the most populous, time zone of each country (tz database)."""
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")
    zones: dict[str, str] = {}
    for line in table.splitlines():
        if line and not line.startswith("#"):
            country, _, zone, *_ = line.split("\t")
            zones.setdefault(country, zone)
    return zones


def country_defaults(country: str) -> dict[str, str]:
    """Fields `currency`, `language` and `time_zone`; those without a good guess are left out."""
    currencies = [str(currency) for currency in get_territory_currencies(country)]
    spoken = [
        language
        for language in get_official_languages(country, de_facto=True)
        if language in languages()
    ]
    guesses = {
        "currency": currencies[0] if currencies else "",
        "language": spoken[0] if spoken else "",
        "time_zone": _zones().get(country, ""),
    }
    return {field: guess for field, guess in guesses.items() if guess}
