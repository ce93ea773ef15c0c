"""Credit notes, cancellation notes, copies and drafts: the same family, told apart at a glance."""
# ruff: noqa: RUF001 - typographic characters are what is tested

from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import BytesIO
from struct import pack
from typing import Any
from zlib import compress, crc32

import pytest
from pypdf import PdfReader

from services.billing.documents.model import (
    Buyer,
    CancellationDocument,
    CreditNoteDocument,
    Document,
    DocumentLine,
    DocumentPayment,
    InvoiceDocument,
    Seller,
    Stamp,
    VatSummaryRow,
)
from services.billing.documents.render import render_document

PLAN = DocumentLine(
    title="Plan Business",
    quantity=Decimal(1),
    unit_price=Decimal(1299),
    vat_percent=Decimal("8.1"),
    total_minor=129900,
    period=(date(2026, 11, 22), date(2026, 12, 21)),
)
COMMON: dict[str, Any] = {
    "number": "INV-2026-0117",
    "language": "en",
    "customer_number": "K-10042",
    "currency": "CHF",
    "seller": Seller(
        name="Musterfirma Software AG",
        brand="Musterfirma",
        address=("Beispielweg 1", "3600 Thun"),
        email="billing@example.com",
        country="CH",
        iban="CH9300762011623852957",
    ),
    "buyer": Buyer(name=("Musterhotel AG",), address=("3600 Thun",), country="CH"),
    "vat": (VatSummaryRow(percent=Decimal("8.1"), net_minor=129900, vat_minor=10522),),
    "total_minor": 140425,
    "rounding_minor": 3,
}
INVOICE = InvoiceDocument(
    title="Change to Business",
    invoice_date=date(2026, 11, 22),
    due_date=date(2026, 12, 2),
    lines=(PLAN,),
    subtotal_minor=129900,
    open_minor=140425,
    **COMMON,
)
DRAFT = replace(INVOICE, number="", invoice_date=None)
PAID = replace(
    INVOICE,
    stamp=Stamp(state="paid", on=date(2026, 11, 30)),
    open_minor=0,
    paid_minor=130425,
    credited=(("CN-2026-0003", 10000),),
    payments=(
        DocumentPayment(
            received_on=date(2026, 11, 25), method="bank_transfer", amount_minor=100000
        ),
        DocumentPayment(received_on=date(2026, 11, 30), method="card", amount_minor=30425),
    ),
)
VOID = replace(INVOICE, stamp=Stamp(state="void", on=date(2026, 11, 30)))
CREDIT_NOTE = CreditNoteDocument(
    credit_note_number="CN-2026-0003",
    issued_on=date(2026, 12, 1),
    invoice_date=date(2026, 11, 22),
    reason="Charged too much",
    lines=(replace(PLAN, total_minor=50000, explanation="11 of 30 days"),),
    to_balance_minor=20000,
    **{
        **COMMON,
        "vat": (VatSummaryRow(percent=Decimal("8.1"), net_minor=50000, vat_minor=4050),),
        "total_minor": 54050,
        "rounding_minor": 0,
    },
)
CANCELLATION = CancellationDocument(
    cancelled_on=date(2026, 12, 1),
    invoice_date=date(2026, 11, 22),
    replaced_by="INV-2026-0118",
    lines=(PLAN,),
    subtotal_minor=129900,
    **COMMON,
)
EACH = pytest.mark.parametrize(
    "document", [DRAFT, PAID, VOID, CREDIT_NOTE, CANCELLATION], ids=lambda d: type(d).__name__
)


def text_of(document: Document) -> str:
    reader = PdfReader(BytesIO(render_document(document).pdf))
    pages = [page.extract_text().replace("\N{NO-BREAK SPACE}", " ") for page in reader.pages]
    return "\n".join(pages)


def title_of(document: Document) -> str:
    metadata = PdfReader(BytesIO(render_document(document).pdf)).metadata
    assert metadata is not None
    return str(metadata.title)


def test_a_draft_says_so_on_every_page_and_asks_for_no_payment() -> None:
    lines = tuple(replace(PLAN, title=f"Item {number}") for number in range(60))
    text = text_of(replace(DRAFT, lines=lines))
    pages = text.count("Draft) ·")
    assert pages > 1
    assert text.count("DRAFT") == pages
    for asking in ("IBAN", "Payable by", "INV-"):
        assert asking not in text
    assert "To pay" in text
    assert "DRAFT" not in text_of(INVOICE)


def test_a_paid_copy_has_its_stamp_and_lists_the_payments() -> None:
    text = text_of(PAID)
    for fact in (
        *("Paid · 30 Nov 2026", "Payments", "25 Nov 2026", "Bank transfer · CHF 1’000.00"),
        *("Card · CHF 304.25", "Credit note CN-2026-0003", "−100.00", "Nothing to pay"),
    ):
        assert fact in text
    for asking in ("IBAN", "Payable by", "2 Dec 2026", "To pay"):
        assert asking not in text


def test_a_copy_of_a_credited_invoice_says_credited() -> None:
    credited = Stamp(state="credited", on=date(2026, 12, 1))
    text = text_of(replace(PAID, stamp=credited))
    assert "Credited · 1 Dec 2026" in text
    assert "Paid ·" not in text


def test_a_void_copy_cannot_be_taken_for_something_to_pay() -> None:
    text = text_of(VOID)
    assert "Cancelled · 30 Nov 2026" in text
    assert "CANCELLED" in text
    for asking in ("IBAN", "Payable by", "2 Dec 2026", "To pay"):
        assert asking not in text


def test_a_credit_note_names_invoice_lines_vat_and_where_the_money_goes() -> None:
    text = text_of(CREDIT_NOTE)
    for fact in (
        *("Credit note for invoice INV-2026-0117", "CN-2026-0003", "1 Dec 2026", "22 Nov 2026"),
        *("Charged too much", "Plan Business", "11 of 30 days", "VAT 8.1% on 500.00", "40.50"),
        *("Credited", "CHF 540.50", "Set off against the invoice", "340.50"),
        *("Added to your credit", "200.00"),
    ):
        assert fact in text
    for asking in ("IBAN", "To pay", "Payable by"):
        assert asking not in text
    only_owed = text_of(replace(CREDIT_NOTE, to_balance_minor=0))
    assert "Added to your credit" not in only_owed
    only_credit = text_of(replace(CREDIT_NOTE, to_balance_minor=54050))
    assert "Set off" not in only_credit


def test_a_cancellation_mirrors_the_invoice_and_names_its_replacement() -> None:
    text = text_of(CANCELLATION)
    for fact in (
        *("Cancellation of invoice INV-2026-0117", "1 Dec 2026", "22 Nov 2026"),
        *("please do not pay it", "replaced by invoice INV-2026-0118", "−1’299.00"),
        *("VAT 8.1% on −1’299.00", "−105.22", "−0.03", "CHF −1’404.25"),
    ):
        assert fact in text
    assert "IBAN" not in text
    assert "replaced" not in text_of(replace(CANCELLATION, replaced_by=None))


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "de",
            ("ENTWURF", "Bezahlt ·", "Storniert ·", "Gutschrift zu Rechnung", "Stornierung der"),
        ),
        ("fr", ("BROUILLON", "Payée ·", "Annulée ·", "Note de crédit pour", "Annulation de la")),
        ("it", ("BOZZA", "Pagata ·", "Annullata ·", "Nota di credito per", "Annullamento della")),
    ],
)
def test_each_speaks_the_customers_language(language: str, words: tuple[str, ...]) -> None:
    documents: tuple[Document, ...] = (DRAFT, PAID, VOID, CREDIT_NOTE, CANCELLATION)
    for document, word in zip(documents, words, strict=True):
        assert word in text_of(replace(document, language=language))


@EACH
def test_the_same_document_gives_the_same_bytes(document: Document) -> None:
    assert render_document(document).pdf == render_document(replace(document)).pdf
    assert render_document(document).pdf != render_document(INVOICE).pdf


@EACH
def test_each_is_pdf_a_3b_and_takes_any_text(document: Document) -> None:
    hostile = '#eval("1+1") *x* $y$ \\ `//` "q" 山'
    seller = replace(document.seller, name=hostile, brand=hostile, address=(hostile,))
    rendered = render_document(
        replace(document, number=hostile, seller=seller, customer_number=hostile)
    )
    assert rendered.replaced == {"山"}
    metadata = PdfReader(BytesIO(rendered.pdf)).xmp_metadata
    assert metadata is not None
    assert b"<pdfaid:part>3</pdfaid:part>" in metadata.stream.get_data()


def test_each_has_a_title_of_its_own() -> None:
    titles = [title_of(d) for d in (INVOICE, DRAFT, CREDIT_NOTE, CANCELLATION)]
    assert titles == [
        "Invoice INV-2026-0117",
        "Invoice (Draft)",
        "Credit note CN-2026-0003",
        "Cancellation INV-2026-0117",
    ]


# -- logo and colour -----------------------------------------------------------------------------


def png(width: int, height: int) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return pack(">I", len(body)) + kind + body + pack(">I", crc32(kind + body))

    rows = (b"\x00" + b"\x10\x60\x50" * width) * height
    head = pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def with_seller(**different: Any) -> InvoiceDocument:
    return replace(INVOICE, seller=replace(INVOICE.seller, **different))


@pytest.mark.parametrize("size", [(400, 100), (40, 400), (2000, 10)])
def test_a_logo_stands_in_the_place_of_the_brand(size: tuple[int, int]) -> None:
    document = with_seller(logo=png(*size))
    page = PdfReader(BytesIO(render_document(document).pdf)).pages[0]
    assert len(page.images) == 1
    assert not page.extract_text().startswith("Musterfirma\n")
    assert render_document(document).pdf == render_document(with_seller(logo=png(*size))).pdf


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="decode"):
        render_document(with_seller(logo=png(400, 100)[:60]))


def test_the_brand_colour_is_made_readable() -> None:
    def colours(brand_color: str | None) -> bytes:
        pdf = render_document(with_seller(brand_color=brand_color)).pdf
        contents: Any = PdfReader(BytesIO(pdf)).pages[0].get_contents()
        data = contents.get_data()
        assert isinstance(data, bytes)
        return data

    plain = colours(None)
    assert colours("#2450d8") != plain
    assert colours("#ffff00") != colours("#ffffff")
    assert colours("red; }") == plain
