"""Words of subscriptions on invoices, in the customer's language."""

from datetime import date

from services.subscriptions.domain.catalogue import Cycle, Kind
from shared.periods import Period

__all__ = ["credit_description", "credit_title", "line_description", "line_title"]

_TITLES: dict[str, dict[Kind, str]] = {
    "en": {"plan": "{} plan", "module": "{} module"},
    "de": {"plan": "Plan {}", "module": "Modul {}"},
    "fr": {"plan": "Plan {}", "module": "Module {}"},
    "it": {"plan": "Piano {}", "module": "Modulo {}"},
}

_DESCRIPTIONS: dict[str, dict[Cycle, str]] = {
    "en": {
        "monthly": "1 month, starting on the day of payment",
        "yearly": "1 year, starting on the day of payment",
        "once": "One-time fee",
    },
    "de": {
        "monthly": "1 Monat ab Zahlungseingang",
        "yearly": "1 Jahr ab Zahlungseingang",
        "once": "Einmalig",
    },
    "fr": {
        "monthly": "1 mois à compter du paiement",
        "yearly": "1 an à compter du paiement",
        "once": "Paiement unique",
    },
    "it": {
        "monthly": "1 mese dalla data del pagamento",
        "yearly": "1 anno dalla data del pagamento",
        "once": "Pagamento unico",
    },
}

_DATES = {"en": "%Y-%m-%d", "de": "%d.%m.%Y", "fr": "%d/%m/%Y", "it": "%d/%m/%Y"}

_CREDITS: dict[str, tuple[str, str]] = {
    "en": ("Credit: {}", "{} of {} days not used"),
    "de": ("Gutschrift: {}", "{} von {} Tagen nicht genutzt"),
    "fr": ("Avoir : {}", "{} jours sur {} non utilisés"),
    "it": ("Accredito: {}", "{} di {} giorni non utilizzati"),
}


def line_title(kind: Kind, name: str, language: str) -> str:
    return _TITLES.get(language, _TITLES["en"])[kind].format(name)


def line_description(cycle: Cycle, language: str, period: Period | None = None) -> str:
    if period:
        return f"{_day(period.start, language)} - {_day(period.last_day, language)}"
    return _DESCRIPTIONS.get(language, _DESCRIPTIONS["en"])[cycle]


def credit_title(title: str, language: str) -> str:
    return _CREDITS.get(language, _CREDITS["en"])[0].format(title)


def credit_description(unused: int, days: int, language: str) -> str:
    return _CREDITS.get(language, _CREDITS["en"])[1].format(unused, days)


def _day(day: date, language: str) -> str:
    return day.strftime(_DATES.get(language, _DATES["en"]))
