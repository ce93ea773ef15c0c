"""What documents say, as plain values.

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
    brand_color: str | None = None
    """#rrggbb; made darker until it reads on white."""
    logo: bytes | None = None
    """A PNG, shown in the place of the brand's name."""


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
class DocumentPayment:
    received_on: date
    method: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What has become of an invoice since it was opened; makes its document a copy."""

    state: Literal["paid", "credited", "void"]
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paper:
    number: str
    """Of the invoice: also the reference the buyer gives when paying. Empty on a draft."""
    language: str
    """ISO 639-1; one without words of its own gets English."""
    customer_number: str
    currency: str
    seller: Seller
    buyer: Buyer
    total_minor: int
    rounding_minor: int = 0
    vat: tuple[VatSummaryRow, ...]
    tax_note: str | None = None
    """Legal ground for charging no VAT (reverse charge, export)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDocument(_Paper):
    title: str
    invoice_date: date | None
    """None: a draft, shown as such on every page."""
    due_date: date | None
    lines: tuple[DocumentLine, ...]
    subtotal_minor: int
    open_minor: int
    credit_used_minor: int = 0
    paid_minor: int = 0
    surplus_minor: int = 0
    """What went from this invoice to the buyer's balance."""
    payments: tuple[DocumentPayment, ...] = ()
    credited: tuple[tuple[str, int], ...] = ()
    """Number and total of each credit note."""
    stamp: Stamp | None = None
    billing_note: str | None = None
    """The buyer's own words, e.g. an order number."""
    payment_terms: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteDocument(_Paper):
    """`number` is the invoice's; `total_minor` what the invoice is lowered by, incl. VAT."""

    credit_note_number: str
    issued_on: date
    invoice_date: date
    reason: str | None = None
    lines: tuple[DocumentLine, ...]
    to_balance_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationDocument(_Paper):
    """Mirrors a void invoice: its amounts are those of the invoice."""

    cancelled_on: date
    invoice_date: date
    replaced_by: str | None = None
    """Number of the invoice that is to be paid instead."""
    lines: tuple[DocumentLine, ...]
    subtotal_minor: int


Document = InvoiceDocument | CreditNoteDocument | CancellationDocument
