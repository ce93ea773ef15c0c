"""What an invoice says, as plain values.

A document holds everything it shows, so it can be pickled to a worker process and drawn
again years later with the same bytes. Amounts are minor units of the document's currency;
sums are taken as given and never computed here.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from shared.invoicing import Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class Seller:
    """From whom, and where the money goes."""

    name: str
    brand: str
    address: tuple[str, ...]
    email: str
    country: str
    """ISO 3166-1 alpha-2; decides with the buyer's how numbers are written."""
    vat_id: str | None = None
    iban: str | None = None
    footer: str | None = None
    """Printed at the foot of every page instead of name, address and VAT id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """To whom: the lines of the address as they go on an envelope."""

    name: tuple[str, ...]
    address: tuple[str, ...]
    country: str
    vat_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLine:
    title: str
    quantity: Decimal
    unit_price: Decimal
    """Up to four decimals, in major units."""
    vat_percent: Decimal
    total_minor: int
    basis: Basis = "net"
    description: str | None = None
    explanation: str | None = None
    """How the amount came about, e.g. the formula of a credit."""
    unit: str | None = None
    discount_percent: Decimal = Decimal(0)
    period: tuple[date, date] | None = None
    """First and last day, both included: people read days, not half-open intervals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VatSummaryRow:
    """VAT of one rate: on top of the lines (`net`) or contained in them (`gross`)."""

    percent: Decimal
    net_minor: int
    vat_minor: int
    basis: Basis = "net"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDocument:
    number: str
    """Also the reference the buyer gives when paying."""
    title: str
    language: str
    """ISO 639-1; one without words of its own gets English."""
    invoice_date: date
    due_date: date
    customer_number: str
    currency: str
    seller: Seller
    buyer: Buyer
    lines: tuple[DocumentLine, ...]
    subtotal_minor: int
    vat: tuple[VatSummaryRow, ...]
    total_minor: int
    open_minor: int
    rounding_minor: int = 0
    credit_used_minor: int = 0
    paid_minor: int = 0
    billing_note: str | None = None
    """The buyer's own words, e.g. an order number."""
    tax_note: str | None = None
    """Legal ground for charging no VAT (reverse charge, export)."""
    payment_terms: str | None = None
    kind: Literal["invoice"] = "invoice"
