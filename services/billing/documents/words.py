"""The words of documents, the languages one below the other: a missing one is a type error."""

from dataclasses import dataclass, replace


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
    draft: str
    void: str
    credited: str
    payments: str
    bank_transfer: str
    card: str
    cash: str
    other: str
    credit_note: str
    credit_note_of: str
    for_invoice: str
    credited_total: str
    set_off: str
    to_balance: str
    cancellation: str
    cancellation_of: str
    cancelled_total: str
    do_not_pay: str
    replaced_by: str
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
    draft="Draft",
    void="Cancelled",
    credited="Credited",
    payments="Payments",
    bank_transfer="Bank transfer",
    card="Card",
    cash="Cash",
    other="Payment",
    credit_note="Credit note",
    credit_note_of="Credit note for invoice {}",
    for_invoice="For invoice",
    credited_total="Credited",
    set_off="Set off against the invoice",
    to_balance="Added to your credit",
    cancellation="Cancellation",
    cancellation_of="Cancellation of invoice {}",
    cancelled_total="Cancelled",
    do_not_pay="Invoice {} is cancelled: please do not pay it.",
    replaced_by="It is replaced by invoice {}.",
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
    draft="Entwurf",
    void="Storniert",
    credited="Gutgeschrieben",
    payments="Zahlungen",
    bank_transfer="Banküberweisung",
    card="Karte",
    cash="Bar",
    other="Zahlung",
    credit_note="Gutschrift",
    credit_note_of="Gutschrift zu Rechnung {}",
    for_invoice="Zu Rechnung",
    credited_total="Gutgeschrieben",
    set_off="Mit der Rechnung verrechnet",
    to_balance="Ihrem Guthaben zugefügt",
    cancellation="Stornierung",
    cancellation_of="Stornierung der Rechnung {}",
    cancelled_total="Storniert",
    do_not_pay="Die Rechnung {} ist storniert: Bitte bezahlen Sie sie nicht.",
    replaced_by="Sie wird durch die Rechnung {} ersetzt.",
)

WORDS = {
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
        draft="Brouillon",
        void="Annulée",
        credited="Créditée",
        payments="Paiements",
        bank_transfer="Virement",
        card="Carte",
        cash="Espèces",
        other="Paiement",
        credit_note="Note de crédit",
        credit_note_of="Note de crédit pour la facture {}",
        for_invoice="Pour la facture",
        credited_total="Montant crédité",
        set_off="Imputé sur la facture",
        to_balance="Ajouté à votre avoir",
        cancellation="Annulation",
        cancellation_of="Annulation de la facture {}",
        cancelled_total="Montant annulé",
        do_not_pay="La facture {} est annulée\N{NO-BREAK SPACE}: merci de ne pas la payer.",
        replaced_by="Elle est remplacée par la facture {}.",
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
        draft="Bozza",
        void="Annullata",
        credited="Accreditata",
        payments="Pagamenti",
        bank_transfer="Bonifico",
        card="Carta",
        cash="Contanti",
        other="Pagamento",
        credit_note="Nota di credito",
        credit_note_of="Nota di credito per la fattura {}",
        for_invoice="Per la fattura",
        credited_total="Importo accreditato",
        set_off="Compensato con la fattura",
        to_balance="Aggiunto al Suo credito",
        cancellation="Annullamento",
        cancellation_of="Annullamento della fattura {}",
        cancelled_total="Importo annullato",
        do_not_pay="La fattura {} è annullata: si prega di non pagarla.",
        replaced_by="È sostituita dalla fattura {}.",
    ),
}
