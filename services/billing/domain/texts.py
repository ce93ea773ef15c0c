"""Words the law wants on an invoice without VAT, in the customer's language."""

from shared.invoicing import TaxTreatment

__all__ = ["tax_note"]

# Directive 2006/112/EC, Article 226 (11a): "Reverse charge" must be said in these words.
_NOTES: dict[TaxTreatment, dict[str, str]] = {
    "reverse_charge": {
        "en": "Reverse charge: VAT is owed by the recipient.",
        "de": "Steuerschuldnerschaft des Leistungsempfängers (Reverse Charge).",
        "fr": "Autoliquidation : la TVA est due par le preneur.",
        "it": "Inversione contabile: l'IVA è dovuta dal destinatario.",
    },
    "export": {
        "en": "Place of supply abroad: not subject to VAT.",
        "de": "Leistungsort im Ausland: nicht der Mehrwertsteuer unterliegend.",
        "fr": "Lieu de la prestation à l'étranger : non soumis à la TVA.",
        "it": "Luogo della prestazione all'estero: non soggetto a IVA.",
    },
    "exempt": {
        "en": "Exempt from VAT.",
        "de": "Von der Mehrwertsteuer ausgenommen.",
        "fr": "Exonéré de TVA.",
        "it": "Esente da IVA.",
    },
}


def tax_note(treatment: TaxTreatment, language: str) -> str | None:
    notes = _NOTES.get(treatment)
    return notes.get(language, notes["en"]) if notes else None
