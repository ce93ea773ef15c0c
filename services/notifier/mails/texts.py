"""Every sentence of every mail, the languages side by side: a missing one is a type error.

Dates stand after a colon or a label, because Italian and French articles change with the day.
German avoids the letter that Switzerland does not write; French has a fixed space before colons.
"""

from typing import Final, NamedTuple


class Text(NamedTuple):
    en: str
    de: str
    fr: str
    it: str


LANGUAGES: Final = Text._fields

TEXTS: Final = {
    # Shared by all mails
    "fact": Text(
        "{label}: {value}", "{label}: {value}", "{label}\u00a0: {value}", "{label}: {value}"
    ),
    "attached": Text(
        "Attached: {files}",
        "Im Anhang: {files}",
        "En pièce jointe\u00a0: {files}",
        "Allegato: {files}",
    ),
    "questions": Text(
        "Questions? Just reply to this mail.",
        "Fragen? Antworten Sie einfach auf diese Mail.",
        "Des questions\u00a0? Répondez simplement à ce message.",
        "Domande? Basta rispondere a questo messaggio.",
    ),
    "sent_again": Text(
        "Sent again: {subject}",
        "Erneut gesendet: {subject}",
        "Nouvel envoi\u00a0: {subject}",
        "Nuovo invio: {subject}",
    ),
    # Invoice
    "invoice.subject": Text(
        "Invoice {number}: {title}",
        "Rechnung {number}: {title}",
        "Facture {number}\u00a0: {title}",
        "Fattura {number}: {title}",
    ),
    "invoice.dated": Text(
        "Invoice {number} · {date}",
        "Rechnung {number} · {date}",
        "Facture {number} · {date}",
        "Fattura {number} · {date}",
    ),
    "invoice.for": Text(
        "Hello, here is the invoice for {buyer}.",
        "Guten Tag, hier ist die Rechnung für {buyer}.",
        "Bonjour, voici la facture pour {buyer}.",
        "Buongiorno, ecco la fattura per {buyer}.",
    ),
    "invoice.to_pay": Text("To pay", "Zu zahlen", "À payer", "Da pagare"),
    "invoice.due": Text("Payable by", "Zahlbar bis", "Échéance", "Scadenza"),
    "invoice.settled": Text(
        "Nothing to pay: this invoice is already settled.",
        "Nichts zu zahlen: Diese Rechnung ist bereits beglichen.",
        "Rien à payer\u00a0: cette facture est déjà réglée.",
        "Nulla da pagare: questa fattura è già saldata.",
    ),
    "invoice.how": Text("How to pay", "So bezahlen Sie", "Comment payer", "Come pagare"),
    "invoice.payee": Text("Payee", "Empfänger", "Bénéficiaire", "Beneficiario"),
    "invoice.reference": Text("Reference", "Referenz", "Référence", "Riferimento"),
    "invoice.how_in_pdf": Text(
        "The payment details are in the attached PDF.",
        "Die Zahlungsangaben stehen im PDF im Anhang.",
        "Les coordonnées de paiement figurent dans le PDF ci-joint.",
        "I dati per il pagamento sono nel PDF allegato.",
    ),
    "invoice.lines": Text("What it is for", "Wofür", "Détail", "Dettaglio"),
    "invoice.more_lines": Text(
        "and {count} more in the attached PDF",
        "und {count} weitere im PDF im Anhang",
        "et {count} de plus dans le PDF ci-joint",
        "e altre {count} nel PDF allegato",
    ),
    "invoice.total": Text("Total", "Gesamtbetrag", "Total", "Totale"),
    "invoice.already": Text("Already settled", "Bereits beglichen", "Déjà réglé", "Già saldato"),
}
