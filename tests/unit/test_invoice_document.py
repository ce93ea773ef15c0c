"""The invoice page says what it must, always the same way, whatever text it is given."""
# ruff: noqa: RUF001 - typographic characters are what is tested

import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import BytesIO
from multiprocessing import get_context
from typing import Any

import pytest
from pypdf import PdfReader

from services.billing.documents.glyphs import covered_characters
from services.billing.documents.model import (
    Buyer,
    DocumentLine,
    InvoiceDocument,
    Seller,
    VatSummaryRow,
)
from services.billing.documents.render import render_document

PLAN = DocumentLine(
    title="Plan Business",
    description="Up to 25 users",
    quantity=Decimal(1),
    unit="month",
    unit_price=Decimal(1299),
    vat_percent=Decimal("8.1"),
    total_minor=129900,
    period=(date(2026, 11, 22), date(2026, 12, 21)),
)
CREDIT = DocumentLine(
    title="Credit Plan Team",
    explanation="15 of 30 days unused: 49.00 / 30 * 15",
    quantity=Decimal(1),
    unit_price=Decimal("-24.50"),
    vat_percent=Decimal("8.1"),
    total_minor=-2450,
)
INVOICE = InvoiceDocument(
    number="INV-2026-0117",
    title="Change to Business",
    language="en",
    invoice_date=date(2026, 11, 22),
    due_date=date(2026, 12, 2),
    customer_number="K-10042",
    currency="CHF",
    seller=Seller(
        name="Musterfirma Software AG",
        brand="Musterfirma",
        address=("Beispielweg 1", "3600 Thun"),
        email="billing@example.com",
        country="CH",
        vat_id="CHE-123.456.788 MWST",
        iban="CH9300762011623852957",
    ),
    buyer=Buyer(name=("Musterhotel AG",), address=("Seestrasse 12", "3600 Thun"), country="CH"),
    lines=(PLAN, CREDIT),
    subtotal_minor=127450,
    vat=(VatSummaryRow(percent=Decimal("8.1"), net_minor=127450, vat_minor=10323),),
    rounding_minor=2,
    total_minor=137775,
    open_minor=137775,
)
HOSTILE = (
    r"""#eval("1+1") #{panic()} *x* _u_ $y$ @z <l> \ ` // c /* k */ [b] = h -- "q" 'q' {} {0} ~"""
)


def pages_of(document: InvoiceDocument) -> list[str]:
    reader = PdfReader(BytesIO(render_document(document).pdf))
    return [page.extract_text().replace("\N{NO-BREAK SPACE}", " ") for page in reader.pages]


def text_of(document: InvoiceDocument) -> str:
    return "\n".join(pages_of(document))


def test_answers_from_whom_for_what_until_when_how_much_and_how_to_pay() -> None:
    text = text_of(replace(INVOICE, billing_note="Order 4711", payment_terms="30 days net"))
    for fact in (
        *("Musterfirma Software AG", "Beispielweg 1, 3600 Thun", "CHE-123.456.788 MWST"),
        *("Musterhotel AG", "Seestrasse 12", "K-10042", "INV-2026-0117", "Change to Business"),
        *("22 Nov 2026", "Payable by 2 Dec 2026", "Plan Business", "Up to 25 users", "1 month"),
        *("22 Nov 2026 – 21 Dec 2026", "15 of 30 days unused: 49.00 / 30 * 15"),
        *("−24.50", "1’274.50", "VAT 8.1% on 1’274.50", "103.23", "0.02"),
        *("To pay", "CHF 1’377.75", "CH93 0076 2011 6238 5295 7"),
        *("Order 4711", "30 days net", "1 / 1"),
    ):
        assert fact in text


@pytest.mark.parametrize(
    ("language", "country", "facts"),
    [
        ("en", "GB", ("Invoice", "2 Dec 2026", "1,377.75", "8.1%")),
        ("en", "US", ("Invoice", "Dec 2, 2026", "1,377.75", "8.1%")),
        ("de", "DE", ("Rechnung", "MwSt. 8,1 % auf", "02.12.2026", "1.377,75", "8,1 %")),
        ("de", "CH", ("Rechnung", "MWST 8.1 % auf", "02.12.2026", "1’377.75", "8.1 %")),
        ("fr", "FR", ("Facture", "TVA", "2 déc. 2026", "1\u202f377,75", "8,1 %")),
        ("fr", "CH", ("Facture", "TVA", "2 déc. 2026", "1\u202f377.75", "8.1 %")),
        ("it", "IT", ("Fattura", "IVA", "2 dic 2026", "1.377,75", "8,1 %")),
        ("it", "CH", ("Fattura", "IVA", "2 dic 2026", "1’377.75", "8.1 %")),
        ("rm", "CH", ("Invoice", "VAT", "2 Dec 2026", "1’377.75", "8.1%")),
    ],
)
def test_speaks_the_language_in_the_style_of_the_country(
    language: str, country: str, facts: tuple[str, ...]
) -> None:
    buyer = replace(INVOICE.buyer, country=country)
    text = text_of(replace(INVOICE, language=language, buyer=buyer))
    for fact in facts:
        assert fact in text


def test_numbers_follow_the_seller_where_the_language_is_foreign_to_the_buyer() -> None:
    text = text_of(replace(INVOICE, language="de", buyer=replace(INVOICE.buyer, country="JP")))
    assert "CHF 1’377.75" in text


@pytest.mark.parametrize(("currency", "shown"), [("JPY", "JPY 137’775"), ("KWD", "KWD 137.775")])
def test_amounts_have_the_decimals_of_their_currency(currency: str, shown: str) -> None:
    lines = text_of(replace(INVOICE, currency=currency)).splitlines()
    assert any(line.endswith(shown) for line in lines)


def test_prices_quantities_and_rates_keep_every_decimal() -> None:
    line = replace(
        PLAN,
        quantity=Decimal("2.123456"),
        unit_price=Decimal("0.0125"),
        vat_percent=Decimal("7.1234"),
        discount_percent=Decimal("12.5"),
    )
    text = text_of(replace(INVOICE, lines=(line,)))
    for fact in ("2.123456 month", "0.0125", "7.1234%", "−12.5% discount"):
        assert fact in text


def test_a_settled_invoice_asks_for_nothing() -> None:
    text = text_of(replace(INVOICE, credit_used_minor=37775, paid_minor=100000, open_minor=0))
    for fact in ("Credit used", "−377.75", "Already paid", "−1’000.00", "Paid", "Nothing to pay"):
        assert fact in text
    for request in ("Due", "2 Dec 2026", "IBAN", "To pay"):
        assert request not in text


def test_an_invoice_of_zero_has_nothing_to_pay() -> None:
    text = text_of(replace(INVOICE, total_minor=0, open_minor=0))
    assert "Nothing to pay" in text
    assert "CHF 0.00" in text
    assert "Paid" not in text


def test_a_part_payment_leaves_the_open_amount_to_pay() -> None:
    text = text_of(replace(INVOICE, paid_minor=100000, open_minor=37775))
    assert "Total" in text
    assert "CHF 377.75" in text


def test_without_iban_the_reference_remains() -> None:
    text = text_of(replace(INVOICE, seller=replace(INVOICE.seller, iban=None)))
    assert "IBAN" not in text
    assert "Reference" in text


def test_gross_amounts_say_so() -> None:
    gross = replace(PLAN, basis="gross")
    contained = replace(INVOICE.vat[0], basis="gross")
    text = text_of(replace(INVOICE, lines=(gross,), vat=(contained,)))
    assert "Includes VAT 8.1% on" in text
    assert text.count("incl. VAT") == 1, "once, in the heading"

    text = text_of(replace(INVOICE, lines=(PLAN, gross), vat=(*INVOICE.vat, contained)))
    assert "\nVAT 8.1% on" in text
    assert "Includes VAT 8.1% on" in text
    assert "21 Dec 2026 · incl. VAT" in text
    assert text.count("incl. VAT") == 1, "only at its line"

    assert "Includes" not in text_of(INVOICE)


def test_the_legal_note_and_the_vat_id_of_the_buyer_are_printed() -> None:
    buyer = replace(INVOICE.buyer, vat_id="DE123456789")
    text = text_of(replace(INVOICE, buyer=buyer, tax_note="Reverse charge, Art. 196"))
    assert "VAT ID DE123456789" in text
    assert "Reverse charge, Art. 196" in text


def test_the_same_invoice_gives_the_same_bytes_in_every_process() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        rendered = [render_document(INVOICE), *pool.map(render_document, [INVOICE] * 4)]
    assert len({document.pdf for document in rendered}) == 1
    assert render_document(replace(INVOICE, number="INV-2026-0118")).pdf != rendered[0].pdf


def test_the_file_is_pdf_a_3b_dated_like_the_invoice_in_one_typeface() -> None:
    reader = PdfReader(BytesIO(render_document(INVOICE).pdf))
    assert reader.metadata is not None
    assert reader.metadata.title == "Invoice INV-2026-0117"
    assert reader.metadata.author == "Musterfirma Software AG"
    assert reader.metadata.creation_date is not None
    assert reader.metadata.creation_date.date() == INVOICE.invoice_date
    metadata = reader.xmp_metadata
    assert metadata is not None
    xmp = metadata.stream.get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part>" in xmp
    assert "<pdfaid:conformance>B</pdfaid:conformance>" in xmp
    resources: Any = reader.pages[0]["/Resources"]
    faces = [font["/DescendantFonts"][0] for font in resources["/Font"].values()]
    names = {face["/BaseFont"].partition("+")[2].partition("-Identity")[0] for face in faces}
    assert names == {"SourceSansPro-Regular", "SourceSansPro-Semibold"}
    assert {face["/Subtype"] for face in faces} == {"/CIDFontType0"}, "OTF, never the TTF beside it"


def with_every_text(text: str) -> InvoiceDocument:
    """Return an invoice that has the text wherever a person can enter one, eighteen times."""
    line = replace(PLAN, title=text, description=text, explanation=text, unit=text)
    return replace(
        INVOICE,
        number=text,
        title=text,
        customer_number=text,
        billing_note=text,
        tax_note=text,
        payment_terms=text,
        seller=Seller(
            name=text,
            brand=text,
            address=(text,),
            email=text,
            country="CH",
            vat_id=text,
            iban="CH9300762011623852957",
            footer=text,
        ),
        buyer=Buyer(name=(text,), address=(text,), country="CH", vat_id=text),
        lines=(line,),
    )


def test_markup_in_any_text_appears_as_it_was_written() -> None:
    text = "".join(text_of(with_every_text(HOSTILE)).split())
    # Number and name of the seller stand in the payment block too, the number at the foot.
    assert text.count("".join(HOSTILE.split())) == 22


def test_line_breaks_are_kept() -> None:
    text = text_of(replace(INVOICE, payment_terms="first\nsecond\r\nthird\u2028fourth"))
    assert "first\nsecond\nthird\nfourth" in text


def test_characters_without_a_glyph_are_replaced_and_reported() -> None:
    buyer = replace(INVOICE.buyer, name=("山田 Ltd 😀\x00\ud800",))
    document = replace(INVOICE, buyer=buyer)
    assert render_document(document).replaced == frozenset("山田😀\x00\ud800")
    assert "?? Ltd ???" in text_of(document)
    assert render_document(INVOICE).replaced == frozenset()


def test_what_reads_the_same_or_is_invisible_is_not_reported_as_lost() -> None:
    document = replace(INVOICE, title="\u202eＦｕｌｌ e\u0301 non\u2011breaking ❤\ufe0f\u200d")
    assert render_document(document).replaced == {"❤"}
    assert "Full é non-breaking" in text_of(document)


def test_every_character_of_the_map_can_be_shown() -> None:
    characters = covered_characters()
    assert characters >= set("AZaz09ÄÖÜäöüßéàèçñœ€£’–−…·")
    rendered = render_document(replace(INVOICE, payment_terms=" ".join(sorted(characters))))
    assert rendered.replaced == frozenset()


def test_many_lines_flow_over_pages_with_heading_and_page_number() -> None:
    description = "one\ntwo\nthree"
    lines = [replace(PLAN, title=f"Item {i}.", description=description) for i in range(60)]
    pages = pages_of(replace(INVOICE, lines=tuple(lines)))
    assert len(pages) == 6
    for number, page in enumerate(pages, 1):
        assert "Amount CHF" in page
        assert f"INV-2026-0117 · {number} / 6" in page
        assert len(re.findall(r"Item \d", page)) == page.count("21 Dec 2026"), (
            "no row is torn apart"
        )
    assert all(sum(line.title in page for page in pages) == 1 for line in lines)
    assert "To pay" in pages[-1]


def test_a_long_text_flows_over_pages_and_is_complete() -> None:
    words = [f"w{index}" for index in range(15_000)]  # 100 KB
    pages = pages_of(replace(INVOICE, lines=(replace(PLAN, description=" ".join(words)), CREDIT)))
    assert len(pages) > 10
    assert set(words) <= set("\n".join(pages).split())


def test_a_tower_of_line_breaks_flows_over_pages() -> None:
    pages = pages_of(replace(INVOICE, lines=(replace(PLAN, description="a\n" * 200),)))
    assert len(pages) == 4


@pytest.mark.parametrize("length", [31, 500, 20_000])
def test_a_word_without_end_is_broken_and_stays_whole_when_copied(length: int) -> None:
    text = text_of(replace(INVOICE, title="x" * length))
    rows = re.findall("xx+", text)
    assert max(map(len, rows)) < 80
    assert "".join(rows) == "x" * length
    assert "\u200b" not in text


def test_long_texts_in_every_place_still_make_an_invoice() -> None:
    assert render_document(with_every_text("word " * 2_000)).pdf.startswith(b"%PDF")


def test_what_every_page_repeats_is_kept_to_the_room_it_has() -> None:
    seller = replace(INVOICE.seller, footer="\N{BULLET}" * 100_000)
    assert text_of(replace(INVOICE, seller=seller)).count("\N{BULLET}") == 600


def test_metadata_stays_within_the_limit_of_pdf_a() -> None:
    endless = "n" * 33_000
    assert render_document(replace(INVOICE, number=endless)).pdf
    assert render_document(replace(INVOICE, seller=replace(INVOICE.seller, name=endless))).pdf
