"""A cancellation note: mirrors an invoice that nobody has to pay any more."""

from dataclasses import replace

from services.billing.documents.model import CancellationDocument
from services.billing.documents.pages.parts import (
    Page,
    added_rows,
    note_parts,
    page,
    style_of,
    vat_rows,
    whole,
)

__all__ = ["cancellation_page"]


def cancellation_page(invoice: CancellationDocument) -> Page:
    document = _mirrored(invoice)
    style = style_of(document)
    words = style.words
    notice = [words.do_not_pay.format(document.number)]
    if document.replaced_by:
        notice.append(words.replaced_by.format(document.replaced_by))
    added = added_rows(document, style)
    subtotal = (words.subtotal, style.amount(document.subtotal_minor, document.currency))
    return page(
        document,
        style,
        name=words.cancellation,
        number=document.number,
        title=words.cancellation_of.format(document.number),
        notice=notice,
        **note_parts(
            document,
            style,
            document.cancelled_on,
        ),
        sums=[subtotal, *added] if added else [],
        result=(words.cancelled_total, whole(document.currency, document.total_minor, style)),
        contained=vat_rows(document, style, "gross"),
        notes=[document.tax_note] if document.tax_note else [],
    )


def _mirrored(document: CancellationDocument) -> CancellationDocument:
    return replace(
        document,
        lines=tuple(replace(line, total_minor=-line.total_minor) for line in document.lines),
        subtotal_minor=-document.subtotal_minor,
        vat=tuple(
            replace(row, net_minor=-row.net_minor, vat_minor=-row.vat_minor) for row in document.vat
        ),
        rounding_minor=-document.rounding_minor,
        total_minor=-document.total_minor,
    )
