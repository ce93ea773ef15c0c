"""What the pages of all documents have in common."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from services.billing.documents.model import (
    Buyer,
    CancellationDocument,
    CreditNoteDocument,
    Document,
    DocumentLine,
    Seller,
)
from services.billing.documents.style import Style, style_for
from shared.colors import readable
from shared.invoicing import Basis

__all__ = [
    "Fact",
    "Page",
    "Row",
    "added_rows",
    "amount_heading",
    "both_bases",
    "item",
    "note_parts",
    "page",
    "style_of",
    "vat_rows",
    "whole",
]

_ACCENT = "#0b6b5d"
_PAPER = "#ffffff"
_METADATA_LENGTH_MAX = 250  # PDF/A-3 allows 32,767 bytes; a title bar shows far less
_FOOTER_LENGTH_MAX = 600  # fills the bottom margin; set again on every page

Page = dict[str, Any]
Row = tuple[str, str]
Fact = tuple[str, str, bool]
"""Label, value, and whether it is what the reader looks for."""


def style_of(document: Document) -> Style:
    return style_for(document.language, document.buyer.country, document.seller.country)


def page(document: Document, style: Style, *, name: str, number: str, **own: Any) -> Page:
    """What stands around every document; `own` is what only this one says."""
    seller = document.seller
    footer = seller.footer or " · ".join((seller.name, *_place(seller, style)))
    return {
        "language": style.locale.language,
        "color": readable(seller.brand_color, _PAPER) or _ACCENT,
        "brand": seller.brand,
        "seller": [seller.name, *_place(seller, style), seller.email],
        "footer": [text[:_FOOTER_LENGTH_MAX] for text in (footer, number or name)],
        "document_title": f"{name} {number}".strip()[:_METADATA_LENGTH_MAX],
        "author": seller.name[:_METADATA_LENGTH_MAX],
        "buyer": [*document.buyer.name, *document.buyer.address],
        "buyer_vat_id": _vat_id(document.buyer, style),
        "lead": [],
        "stamp": None,
        "watermark": None,
        "tone": "plain",
        "notice": [],
        "contained": [],
        "aside": None,
        "notes": [],
        **own,
    }


def _place(seller: Seller, style: Style) -> list[str]:
    return [", ".join(seller.address), *_vat_id(seller, style)]


def _vat_id(party: Seller | Buyer, style: Style) -> list[str]:
    if not party.vat_id:
        return []
    # A Swiss id names the tax itself: CHE-123.456.788 MWST.
    named = party.vat_id.startswith("CHE")
    return [party.vat_id if named else f"{style.words.vat_id} {party.vat_id}"]


def item(line: DocumentLine, style: Style, *, mark_gross: bool, cells: list[str]) -> Page:
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
        "cells": cells,
    }


def amount_heading(lines: Iterable[DocumentLine], currency: str, style: Style) -> str:
    heading = style.words.amount.format(currency)
    only_gross = {line.basis for line in lines} == {"gross"}
    return f"{heading}\n{style.words.including_vat}" if only_gross else heading


def both_bases(lines: Iterable[DocumentLine]) -> bool:
    return len({line.basis for line in lines}) > 1


def note_parts(
    document: CreditNoteDocument | CancellationDocument,
    style: Style,
    issued_on: date,
    *own: Fact,
) -> dict[str, Any]:
    """Facts, headings and lines of a note about an invoice; `own` are the note's first facts."""
    words, lines, currency = style.words, document.lines, document.currency
    mark_gross = both_bases(lines)
    return {
        "facts": [
            *own,
            (words.invoice_date, style.date(issued_on), False),
            (words.for_invoice, document.number, False),
            ("", style.date(document.invoice_date), False),
            (words.customer_number, document.customer_number, False),
        ],
        "headings": [words.item, words.vat, amount_heading(lines, currency, style)],
        "lines": [
            item(
                line,
                style,
                mark_gross=mark_gross,
                cells=[style.percent(line.vat_percent), style.amount(line.total_minor, currency)],
            )
            for line in lines
        ],
    }


def whole(currency: str, minor: int, style: Style) -> str:
    return f"{currency}\N{NO-BREAK SPACE}{style.amount(minor, currency)}"


def vat_rows(document: Document, style: Style, basis: Basis) -> list[Row]:
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


def added_rows(document: Document, style: Style) -> list[Row]:
    """What comes on top of the lines: VAT of net lines, and the rounding."""
    rows = vat_rows(document, style, "net")
    if document.rounding_minor:
        rounding = style.amount(document.rounding_minor, document.currency)
        rows.append((style.words.rounding, rounding))
    return rows
