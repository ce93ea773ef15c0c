"""The words of a document, and how dates, amounts and rates are written beside them."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_decimal

from shared.money import exponent

_DECIMALS_MAX = 6  # of a quantity; prices and rates have fewer (shared.invoicing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Every word the renderer adds of its own; in braces what `str.format` fills in."""

    invoice: str
    invoice_date: str
    due_date: str
    customer_number: str
    vat_id: str
    item: str
    quantity: str
    price: str
    vat: str
    amount: str
    including_vat: str
    discount: str
    subtotal: str
    vat_on: str
    vat_included: str
    rounding: str
    total: str
    credit_used: str
    already_paid: str
    to_pay: str
    paid: str
    nothing_to_pay: str
    payable_by: str
    recipient: str
    reference: str
    percent: str = "{}\N{NO-BREAK SPACE}%"


_ENGLISH = Words(
    invoice="Invoice",
    invoice_date="Date",
    due_date="Due",
    customer_number="Customer no.",
    vat_id="VAT ID",
    item="Item",
    quantity="Quantity",
    price="Price",
    vat="VAT",
    amount="Amount {}",
    including_vat="incl. VAT",
    discount="{} discount",
    subtotal="Subtotal",
    vat_on="VAT {percent} on {net}",
    vat_included="Includes VAT {percent} on {net}",
    rounding="Rounding",
    total="Total",
    credit_used="Credit used",
    already_paid="Already paid",
    to_pay="To pay",
    paid="Paid",
    nothing_to_pay="Nothing to pay",
    payable_by="Payable by {}",
    recipient="Recipient",
    reference="Reference",
    percent="{}%",
)

_GERMAN = Words(
    invoice="Rechnung",
    invoice_date="Datum",
    due_date="Fällig am",
    customer_number="Kundennummer",
    vat_id="USt-IdNr.",
    item="Leistung",
    quantity="Menge",
    price="Preis",
    vat="MwSt.",
    amount="Betrag {}",
    including_vat="inkl. MwSt.",
    discount="{} Rabatt",
    subtotal="Zwischensumme",
    vat_on="MwSt. {percent} auf {net}",
    vat_included="Enthält MwSt. {percent} auf {net}",
    rounding="Rundung",
    total="Gesamtbetrag",
    credit_used="Verrechnetes Guthaben",
    already_paid="Bereits bezahlt",
    to_pay="Zu zahlen",
    paid="Bezahlt",
    nothing_to_pay="Nichts zu zahlen",
    payable_by="Zahlbar bis {}",
    recipient="Empfänger",
    reference="Referenz",
)

_WORDS = {
    "en": _ENGLISH,
    "de": _GERMAN,
    # Swiss law has another name for the tax than German law.
    "de_CH": replace(
        _GERMAN,
        vat="MWST",
        including_vat="inkl. MWST",
        vat_on="MWST {percent} auf {net}",
        vat_included="Enthält MWST {percent} auf {net}",
    ),
    "fr": Words(
        invoice="Facture",
        invoice_date="Date",
        due_date="Échéance",
        customer_number="N° de client",
        vat_id="N° TVA",
        item="Prestation",
        quantity="Quantité",
        price="Prix",
        vat="TVA",
        amount="Montant {}",
        including_vat="TVA incluse",
        discount="{} de remise",
        subtotal="Sous-total",
        vat_on="TVA {percent} sur {net}",
        vat_included="Dont TVA {percent} sur {net}",
        rounding="Arrondi",
        total="Total",
        credit_used="Avoir utilisé",
        already_paid="Déjà payé",
        to_pay="À payer",
        paid="Payée",
        nothing_to_pay="Rien à payer",
        payable_by="Payable jusqu\N{RIGHT SINGLE QUOTATION MARK}au {}",
        recipient="Bénéficiaire",
        reference="Référence",
    ),
    "it": Words(
        invoice="Fattura",
        invoice_date="Data",
        due_date="Scadenza",
        customer_number="N. cliente",
        vat_id="N. IVA",
        item="Prestazione",
        quantity="Quantità",
        price="Prezzo",
        vat="IVA",
        amount="Importo {}",
        including_vat="IVA inclusa",
        discount="{} di sconto",
        subtotal="Subtotale",
        vat_on="IVA {percent} su {net}",
        vat_included="Include IVA {percent} su {net}",
        rounding="Arrotondamento",
        total="Totale",
        credit_used="Credito utilizzato",
        already_paid="Già pagato",
        to_pay="Da pagare",
        paid="Pagata",
        nothing_to_pay="Nulla da pagare",
        payable_by="Pagabile entro il {}",
        recipient="Beneficiario",
        reference="Riferimento",
    ),
}


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
    spoken = language if language in _WORDS else "en"
    for territory in (*countries, "GB"):
        try:
            locale = Locale(spoken, territory)
        except UnknownLocaleError:
            continue
        return Style(_WORDS.get(str(locale), _WORDS[spoken]), locale)
    return Style(_WORDS[spoken], Locale(spoken))
