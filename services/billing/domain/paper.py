"""Which document says what an invoice or a credit note is."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from services.billing.domain.credit import CreditNote
from services.billing.domain.invoice import Invoice, InvoiceState

__all__ = [
    "Paper",
    "PaperKind",
    "cancellation_of",
    "credit_note_paper",
    "original_of",
    "paper_of",
    "present_paper",
]

PaperKind = Literal["invoice", "copy", "credit_note", "cancellation"]


@dataclass(frozen=True, slots=True)
class Paper:
    """A document, whether drawn or not.

    Attributes:
        subject_id: the invoice or the credit note it is about.
        number: what its file is called after.
        edition: the version of the invoice that a copy shows; 0 where there is only one.
    """

    kind: PaperKind
    subject_id: UUID
    invoice_id: UUID
    customer_id: UUID
    number: str
    edition: int = 0

    @property
    def filename(self) -> str:
        return f"{self.number}{'-cancellation' if self.kind == 'cancellation' else ''}.pdf"


def paper_of(invoice: Invoice, kind: PaperKind, edition: int = 0) -> Paper:
    return Paper(kind, invoice.id, invoice.id, invoice.customer_id, invoice.number, edition)


def original_of(invoice: Invoice) -> Paper:
    """The invoice as it was opened."""
    return paper_of(invoice, "invoice")


def present_paper(invoice: Invoice) -> Paper:
    """The invoice as it is: the original while it is open, then a copy with its stamp."""
    if invoice.state is InvoiceState.OPEN:
        return original_of(invoice)
    return paper_of(invoice, "copy", invoice.version)


def cancellation_of(invoice: Invoice) -> Paper:
    return paper_of(invoice, "cancellation")


def credit_note_paper(note: CreditNote) -> Paper:
    return Paper("credit_note", note.id, note.invoice_id, note.customer_id, note.number)
