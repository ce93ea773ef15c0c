"""Draws a document as PDF/A-3: a pure function from data to bytes.

Made to run in a spawned process pool; each process loads template and typeface once.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from hashlib import sha256
from json import dumps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from typst import Compiler, Fonts, TypstError

from services.billing.documents.glyphs import FONT_FILES, Cleaner
from services.billing.documents.model import (
    CancellationDocument,
    CreditNoteDocument,
    Document,
    InvoiceDocument,
)
from services.billing.documents.pages import page_of

__all__ = ["RenderedDocument", "render_document"]

_TEMPLATE = Path(__file__).with_name("document.typ").read_bytes()
_EVERY_FACE = b'#set text(font: "Source Sans Pro"); A #text(weight: 600)[A]'
_UNDATED = date(2000, 1, 1)  # of a draft; a clock would make its bytes differ


@dataclass(frozen=True, slots=True)
class RenderedDocument:
    pdf: bytes
    replaced: frozenset[str]
    """Characters the typeface lacks, shown as a question mark."""


def render_document(document: Document) -> RenderedDocument:
    """Draw a document; the same one and the same library versions give the same bytes.

    Raises:
        shared.money.MoneyError: The currency is unknown.
        ValueError: The logo is no picture.
    """
    cleaner = Cleaner()
    data = _cleaned(page_of(document), cleaner)
    data["logo"] = _logo_path(document.seller.logo)
    return RenderedDocument(_compiled(data, _dated(document)), frozenset(cleaner.replaced))


def _dated(document: Document) -> date:
    match document:
        case InvoiceDocument():
            copied = document.stamp and document.stamp.on
            return copied or document.invoice_date or _UNDATED
        case CreditNoteDocument():
            return document.issued_on
        case CancellationDocument():
            return document.cancelled_on


def _compiled(data: Any, dated: date) -> bytes:
    try:
        pdf = _compile(data, dated)
    except TypstError as error:
        raise ValueError(str(error)) from error  # of a kind that comes out of another process
    if not isinstance(pdf, bytes):
        raise TypeError("typst returned no single file")
    return pdf


def _compile(data: Any, dated: date) -> Any:
    return _compiler().compile(
        _TEMPLATE,
        format="pdf",
        # Text reaches the template only as data: as markup it could run code.
        sys_inputs={"data": dumps(data)},
        pdf_standards=["a-3b"],
        timestamp=datetime.combine(dated, time(), UTC),
        root=_logos().name,
    )


@cache
def _logos() -> "TemporaryDirectory[str]":
    """A folder as long as the process: Typst reads a picture from a file, once."""
    return TemporaryDirectory(prefix="kontor-logos-")


def _logo_path(logo: bytes | None) -> str | None:
    if logo is None:
        return None
    name = f"{sha256(logo).hexdigest()}.png"
    file = Path(_logos().name) / name
    if not file.exists():
        file.write_bytes(logo)
    return f"/{name}"


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
