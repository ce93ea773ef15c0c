"""What a page says, in words: everything the template places, nothing it has to know."""

from services.billing.documents.model import (
    CancellationDocument,
    CreditNoteDocument,
    Document,
    InvoiceDocument,
)
from services.billing.documents.pages.cancellation import cancellation_page
from services.billing.documents.pages.credit_note import credit_note_page
from services.billing.documents.pages.invoice import invoice_page
from services.billing.documents.pages.parts import Page

__all__ = ["Page", "page_of"]


def page_of(document: Document) -> Page:
    match document:
        case InvoiceDocument():
            return invoice_page(document)
        case CreditNoteDocument():
            return credit_note_page(document)
        case CancellationDocument():
            return cancellation_page(document)
