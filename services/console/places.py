"""Names of countries and languages; which are allowed, the customers service knows."""

from functools import cache
from importlib.resources import files

from babel import Locale

__all__ = ["choices", "country_name", "language_name"]

_FIRST_LANGUAGES = ("en", "de", "fr", "it")
_LETTERS = 2


@cache
def choices() -> dict[str, dict[str, str]]:
    """Field -> code -> name, in the order in which people look for them."""
    first = {code: _languages()[code] for code in _FIRST_LANGUAGES}
    return {"country": _by_name(_countries()), "language": first | _by_name(_languages())}


def country_name(code: str) -> str:
    return _countries().get(code, code)


def language_name(code: str) -> str:
    return _languages().get(code, code)


def _by_name(names: dict[str, str]) -> dict[str, str]:
    return dict(sorted(names.items(), key=lambda entry: entry[1]))


@cache
def _countries() -> dict[str, str]:
    """Those of ISO 3166-1; CLDR has names for more."""
    table = files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text("utf-8")
    lines = (line.partition("\t") for line in table.splitlines() if not line.startswith("#"))
    names = Locale("en").territories
    return {code: str(names.get(code, name)) for code, _, name in lines}


@cache
def _languages() -> dict[str, str]:
    return {code: name for code, name in Locale("en").languages.items() if len(code) == _LETTERS}
