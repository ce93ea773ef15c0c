"""Draws an invoice as PDF/A-3: a pure function from data to bytes.

Made to run in a spawned process pool; each process loads template and typeface once.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import cache
from json import dumps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from typst import Compiler, Fonts

from services.billing.documents.glyphs import FONT_FILES, Cleaner
from services.billing.documents.model import Buyer, DocumentLine, InvoiceDocument, Seller
from services.billing.documents.texts import Style, style_for
from shared.invoicing import Basis

_TEMPLATE = Path(__file__).with_name("invoice.typ").read_bytes()
_EVERY_FACE = b'#set text(font: "Source Sans Pro"); A #text(weight: 600)[A]'
_METADATA_LENGTH_MAX = 250  # PDF/A-3 allows 32,767 bytes; a title bar shows far less
_FOOTER_LENGTH_MAX = 600  # fills the bottom margin; set again on every page


@dataclass(frozen=True, slots=True)
class RenderedDocument:
    pdf: bytes
    replaced: frozenset[str]
    """Characters the typeface lacks, shown as a question mark."""


def render_invoice(document: InvoiceDocument) -> RenderedDocument:
    """Draw the invoice; the same document and library versions give the same bytes.

    Raises:
        shared.money.MoneyError: The currency is unknown.
    """
    cleaner = Cleaner()
    data = _cleaned(_shown(document), cleaner)
    return RenderedDocument(_compiled(data, document), frozenset(cleaner.replaced))


def _compiled(data: Any, document: InvoiceDocument) -> bytes:
    pdf = _compiler().compile(
        _TEMPLATE,
        format="pdf",
        # Text reaches the template only as data: as markup it could run code.
        sys_inputs={"data": dumps(data)},
        pdf_standards=["a-3b"],
        timestamp=datetime.combine(document.invoice_date, time(), UTC),
    )
    if not isinstance(pdf, bytes):
        raise TypeError("typst returned no single file")
    return pdf


@cache
def _compiler() -> Compiler:
    # Of each face the package has an OTF and a TTF, and Typst takes whichever the file system
    # lists first. A folder with one file per face makes the choice, and so the bytes, the same
    # everywhere. Typst keeps a face in memory once used, hence the empty run before it goes.
    with TemporaryDirectory() as folder:
        for file in FONT_FILES:
            (Path(folder) / file.name).symlink_to(file)
        fonts = Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[folder])
        compiler = Compiler(font_paths=fonts)
        compiler.compile(_EVERY_FACE, format="pdf")
    return compiler


def _cleaned(value: Any, cleaner: Cleaner) -> Any:
    match value:
        case str():
            return cleaner.clean(value)
        case dict():
            return {key: _cleaned(inner, cleaner) for key, inner in value.items()}
        case list() | tuple():
            return [_cleaned(inner, cleaner) for inner in value]
        case _:
            return value


def _shown(document: InvoiceDocument) -> dict[str, Any]:
    """Say everything the page says, in words; the template only places it."""
    style = style_for(document.language, document.buyer.country, document.seller.country)
    words, seller = style.words, document.seller
    footer = seller.footer or " · ".join((seller.name, *_place(seller, style)))
    bases = {line.basis for line in document.lines}
    amount = words.amount.format(document.currency)
    if bases == {"gross"}:
        amount += f"\n{words.including_vat}"
    return {
        "language": style.locale.language,
        "title": document.title,
        "number": document.number,
        "brand": seller.brand,
        "seller": [seller.name, *_place(seller, style), seller.email],
        "footer": [text[:_FOOTER_LENGTH_MAX] for text in (footer, document.number)],
        "document_title": f"{words.invoice} {document.number}"[:_METADATA_LENGTH_MAX],
        "author": seller.name[:_METADATA_LENGTH_MAX],
        "buyer": [*document.buyer.name, *document.buyer.address],
        "buyer_vat_id": _vat_id(document.buyer, style),
        "facts": _facts(document, style),
        "headings": [words.item, words.quantity, words.price, words.vat, amount],
        "lines": [
            _line(line, document.currency, style, mark_gross=len(bases) > 1)
            for line in document.lines
        ],
        "sums": _sums(document, style),
        "settled": not document.open_minor,
        "result": _result(document, style),
        "contained": _vat_rows(document, style, "gross"),
        "payment": _payment(document, style) if document.open_minor else None,
        "billing_note": document.billing_note,
        "notes": [note for note in (document.tax_note, document.payment_terms) if note],
    }


def _place(seller: Seller, style: Style) -> list[str]:
    return [", ".join(seller.address), *_vat_id(seller, style)]


def _vat_id(party: Seller | Buyer, style: Style) -> list[str]:
    if not party.vat_id:
        return []
    # A Swiss id names the tax itself: CHE-123.456.788 MWST.
    named = party.vat_id.startswith("CHE")
    return [party.vat_id if named else f"{style.words.vat_id} {party.vat_id}"]


def _facts(document: InvoiceDocument, style: Style) -> list[tuple[str, str, bool]]:
    words = style.words
    facts = [
        (words.invoice, document.number, False),
        (words.invoice_date, style.date(document.invoice_date), False),
        (words.due_date, style.date(document.due_date), True),
        (words.customer_number, document.customer_number, False),
    ]
    # A due date on a settled invoice would only raise the question whether to pay.
    return facts if document.open_minor else [fact for fact in facts if not fact[2]]


def _line(line: DocumentLine, currency: str, style: Style, *, mark_gross: bool) -> dict[str, Any]:
    details = []
    if line.period:
        details.append(" \N{EN DASH} ".join(map(style.date, line.period)))
    if line.discount_percent:
        details.append(style.words.discount.format(style.percent(-line.discount_percent)))
    if mark_gross and line.basis == "gross":
        details.append(style.words.including_vat)
    return {
        "title": line.title,
        "description": line.description,
        "details": " · ".join(details) or None,
        "explanation": line.explanation,
        "quantity": style.number(line.quantity),
        "unit": line.unit,
        "price": style.price(line.unit_price, currency),
        "vat": style.percent(line.vat_percent),
        "total": style.amount(line.total_minor, currency),
    }


def _sums(document: InvoiceDocument, style: Style) -> list[tuple[str, str]]:
    """List the rows that lead from the lines to the amount to pay; no row says nothing new."""
    words = style.words

    def row(label: str, minor: int) -> tuple[str, str]:
        return label, style.amount(minor, document.currency)

    added = _vat_rows(document, style, "net")
    if document.rounding_minor:
        added.append(row(words.rounding, document.rounding_minor))
    used = []
    if document.credit_used_minor:
        used.append(row(words.credit_used, -document.credit_used_minor))
    if document.paid_minor:
        used.append(row(words.already_paid, -document.paid_minor))
    return [
        *([row(words.subtotal, document.subtotal_minor), *added] if added else []),
        *([row(words.total, document.total_minor), *used] if used else []),
    ]


def _vat_rows(document: InvoiceDocument, style: Style, basis: Basis) -> list[tuple[str, str]]:
    label = style.words.vat_on if basis == "net" else style.words.vat_included
    return [
        (
            label.format(
                percent=style.percent(row.percent),
                net=style.amount(row.net_minor, document.currency),
            ),
            style.amount(row.vat_minor, document.currency),
        )
        for row in document.vat
        if row.basis == basis
    ]


def _result(document: InvoiceDocument, style: Style) -> tuple[str, str]:
    words = style.words
    if not document.open_minor and document.total_minor:
        return words.paid, words.nothing_to_pay
    label = words.to_pay if document.open_minor else words.nothing_to_pay
    amount = style.amount(document.open_minor, document.currency)
    return label, f"{document.currency}\N{NO-BREAK SPACE}{amount}"


def _payment(document: InvoiceDocument, style: Style) -> dict[str, Any]:
    words, iban = style.words, document.seller.iban
    account = [("IBAN", _grouped(iban)), (words.recipient, document.seller.name)] if iban else []
    return {
        "heading": words.payable_by.format(style.date(document.due_date)),
        "rows": [*account, (words.reference, document.number)],
    }


def _grouped(iban: str) -> str:
    """Write an IBAN in groups of four, as ISO 13616 prints it."""
    compact = "".join(iban.split())
    groups = [compact[start : start + 4] for start in range(0, len(compact), 4)]
    return "\N{NO-BREAK SPACE}".join(groups)
