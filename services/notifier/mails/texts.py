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
    "invoice.for_again": Text(
        "Hello, here is the invoice for {buyer} once more. It is the same one: please pay it once.",
        "Guten Tag, hier ist die Rechnung für {buyer} noch einmal. Es ist dieselbe: Bitte bezahlen "
        "Sie sie nur einmal.",
        "Bonjour, voici de nouveau la facture pour {buyer}. C\u2019est la même\u00a0: merci de ne "
        "la payer qu\u2019une fois.",
        "Buongiorno, ecco di nuovo la fattura per {buyer}. È la stessa: si prega di pagarla una "
        "sola volta.",
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
    # Credit note
    "credit_note.subject": Text(
        "Credit note {number} for invoice {invoice}",
        "Gutschrift {number} zu Rechnung {invoice}",
        "Note de crédit {number} pour la facture {invoice}",
        "Nota di credito {number} per la fattura {invoice}",
    ),
    "credit_note.dated": Text(
        "Credit note {number} · {date}",
        "Gutschrift {number} · {date}",
        "Note de crédit {number} · {date}",
        "Nota di credito {number} · {date}",
    ),
    "credit_note.for": Text(
        "Hello, here is a credit note for {buyer}.",
        "Guten Tag, hier ist eine Gutschrift für {buyer}.",
        "Bonjour, voici une note de crédit pour {buyer}.",
        "Buongiorno, ecco una nota di credito per {buyer}.",
    ),
    "credit_note.credited": Text(
        "Credited", "Gutgeschrieben", "Montant crédité", "Importo accreditato"
    ),
    "credit_note.invoice": Text("For invoice", "Zu Rechnung", "Facture", "Fattura"),
    "credit_note.where": Text(
        "Where it goes", "Wohin der Betrag geht", "Utilisation", "Destinazione"
    ),
    "credit_note.set_off": Text(
        "Set off against the invoice",
        "Mit der Rechnung verrechnet",
        "Imputé sur la facture",
        "Compensato con la fattura",
    ),
    "credit_note.to_balance": Text(
        "Added to your credit",
        "Ihrem Guthaben zugefügt",
        "Ajouté à votre avoir",
        "Aggiunto al Suo credito",
    ),
    "credit_note.next": Text(
        "Your credit pays your next invoice by itself, as far as it goes.",
        "Ihr Guthaben wird mit der nächsten Rechnung von selbst verrechnet.",
        "Votre avoir sera déduit automatiquement de votre prochaine facture.",
        "Il Suo credito sarà detratto automaticamente dalla prossima fattura.",
    ),
    # Cancellation note
    "cancellation.subject": Text(
        "Invoice {number} is cancelled",
        "Rechnung {number} ist storniert",
        "La facture {number} est annulée",
        "La fattura {number} è annullata",
    ),
    "cancellation.for": Text(
        "Hello, this invoice for {buyer} is cancelled: please do not pay it.",
        "Guten Tag, diese Rechnung für {buyer} ist storniert: Bitte bezahlen Sie sie nicht.",
        "Bonjour, cette facture pour {buyer} est annulée\u00a0: merci de ne pas la payer.",
        "Buongiorno, questa fattura per {buyer} è annullata: si prega di non pagarla.",
    ),
    "cancellation.amount": Text("Cancelled", "Storniert", "Montant annulé", "Importo annullato"),
    "cancellation.invoice": Text("Invoice", "Rechnung", "Facture", "Fattura"),
    "cancellation.replaced": Text(
        "It is replaced by invoice {number}.",
        "Sie wird durch die Rechnung {number} ersetzt.",
        "Elle est remplacée par la facture {number}.",
        "È sostituita dalla fattura {number}.",
    ),
    "cancellation.paid_already": Text(
        "If you have paid it already, please let us know.",
        "Falls Sie sie schon bezahlt haben, melden Sie sich bitte bei uns.",
        "Si vous l\u2019avez déjà payée, faites-le-nous savoir.",
        "Se è già stata pagata, La preghiamo di avvisarci.",
    ),
}
