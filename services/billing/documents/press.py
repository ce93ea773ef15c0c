"""Where documents are made: drawn in another process, stored under the hash of their content."""

from collections import OrderedDict
from dataclasses import dataclass, replace

import structlog

from services.billing.documents.logo import refusal
from services.billing.documents.model import Buyer, Document, InvoiceDocument, Seller
from services.billing.documents.pool import RenderPool
from services.billing.documents.render import RenderedDocument
from shared.storage import DocumentStore

__all__ = ["Press", "Printed"]

log = structlog.get_logger()

_LOGOS_MAX = 8  # a seller changes it hardly ever; old invoices keep theirs
_SPECIMEN = InvoiceDocument(
    number="",
    title="",
    language="en",
    customer_number="",
    currency="EUR",
    seller=Seller(name="-", brand="-", address=(), email="", country="CH"),
    buyer=Buyer(name=(), address=(), country="CH"),
    invoice_date=None,
    due_date=None,
    lines=(),
    vat=(),
    subtotal_minor=0,
    total_minor=0,
    open_minor=0,
)


@dataclass(frozen=True, slots=True)
class Printed:
    pdf: bytes
    key: str
    digest: str


class Press:
    def __init__(self, store: DocumentStore, pool: RenderPool) -> None:
        self.store = store
        self._pool = pool
        self._logos: OrderedDict[str, bytes | None] = OrderedDict()

    async def draw(self, document: Document, logo_key: str = "") -> RenderedDocument:
        """Draw a document with the logo that is stored under this key.

        Raises:
            BrokenProcessPool: a process died meanwhile; the next call has a new one.
        """
        if logo := await self._logo(logo_key):
            document = replace(document, seller=replace(document.seller, logo=logo))
        drawn = await self._pool.render(document)
        if drawn.replaced:
            log.warning("characters replaced", document=document.number, count=len(drawn.replaced))
        return drawn

    async def print(self, document: Document, logo_key: str = "") -> Printed:
        """Draw and store a document; the same one twice is stored once."""
        drawn = await self.draw(document, logo_key)
        key, digest = await self.store.put(drawn.pdf, "pdf")
        return Printed(drawn.pdf, key, digest)

    async def keep_logo(self, logo: bytes) -> str:
        """Store a picture that documents can have; returns its key.

        Raises:
            ValueError: it is none, with the rule.
        """
        if rule := refusal(logo):
            raise ValueError(rule)
        try:
            # As it will be used: what cannot be drawn later would stop every invoice.
            await self._pool.render(replace(_SPECIMEN, seller=replace(_SPECIMEN.seller, logo=logo)))
        except ValueError as error:
            raise ValueError("must be a PNG that can be read") from error
        key, _ = await self.store.put(logo, "png")
        return key

    async def _logo(self, key: str) -> bytes | None:
        if not key:
            return None
        if key not in self._logos:
            try:
                self._logos[key] = await self.store.get(key)
            except FileNotFoundError:
                # Somebody cleared the store; an invoice without a picture is better than none.
                log.warning("logo is gone", key=key)
                self._logos[key] = None
            if len(self._logos) > _LOGOS_MAX:
                self._logos.popitem(last=False)
        return self._logos[key]

    def close(self) -> None:
        self._pool.close()
