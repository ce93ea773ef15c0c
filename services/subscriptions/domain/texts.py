"""Words of subscriptions on invoices, in the customer's language."""

from services.subscriptions.domain.catalogue import Cycle, Kind

__all__ = ["line_description", "line_title"]

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


def line_title(kind: Kind, name: str, language: str) -> str:
    return _TITLES.get(language, _TITLES["en"])[kind].format(name)


def line_description(cycle: Cycle, language: str) -> str:
    return _DESCRIPTIONS.get(language, _DESCRIPTIONS["en"])[cycle]
