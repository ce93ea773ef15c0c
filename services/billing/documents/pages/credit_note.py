"""A credit note: what of which invoice is taken back, and where that money goes."""

from services.billing.documents.model import CreditNoteDocument
from services.billing.documents.pages.parts import (
    Page,
    Row,
    added_rows,
    note_parts,
    page,
    style_of,
    vat_rows,
    whole,
)
from services.billing.documents.style import Style

__all__ = ["credit_note_page"]


def credit_note_page(document: CreditNoteDocument) -> Page:
    style = style_of(document)
    words = style.words
    return page(
        document,
        style,
        name=words.credit_note,
        number=document.credit_note_number,
        title=words.credit_note_of.format(document.number),
        lead=[document.reason] if document.reason else [],
        **note_parts(
            document,
            style,
            document.issued_on,
            (words.credit_note, document.credit_note_number, False),
        ),
        sums=_sums(document, style),
        result=(words.credited_total, whole(document.currency, document.total_minor, style)),
        contained=[*vat_rows(document, style, "gross"), *_uses(document, style)],
        notes=[document.tax_note] if document.tax_note else [],
    )


def _sums(document: CreditNoteDocument, style: Style) -> list[Row]:
    added = added_rows(document, style)
    subtotal = sum(line.total_minor for line in document.lines)
    return (
        [(style.words.subtotal, style.amount(subtotal, document.currency)), *added] if added else []
    )


def _uses(document: CreditNoteDocument, style: Style) -> list[Row]:
    """Where the money goes: lower what is owed, or stay as credit."""
    words, to_balance = style.words, document.to_balance_minor
    uses = (
        (words.set_off, document.total_minor - to_balance),
        (words.to_balance, to_balance),
    )
    return [(label, style.amount(minor, document.currency)) for label, minor in uses if minor]
