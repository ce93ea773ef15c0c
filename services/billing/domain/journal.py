"""The journal: what bookkeeping is told of everything that was booked.

For any period from the beginning, per currency: what is open = revenue + rounding + forfeit - money
+ balance + unallocated. Corrections are rows of their own with the opposite sign, on their own day,
so a period that is over does not change any more.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from uuid import UUID

from services.billing.domain.invoice import Invoice

__all__ = [
    "Account",
    "Booking",
    "Kind",
    "arrival_bookings",
    "arrival_entry_bookings",
    "balance_bookings",
    "credit_note_bookings",
    "invoice_bookings",
    "payment_bookings",
]

Account = Literal["revenue", "rounding", "money", "balance", "forfeit", "unallocated"]
"""`revenue`: with its VAT. `money`: bank and providers. `balance`: what we owe as credit.
`forfeit`: credit that was lost. `unallocated`: what nobody knows yet whom it is owed to."""

Kind = Literal[
    "invoice",
    "cancellation",
    "credit_note",
    "payment",
    "reversal",
    "balance",
    "arrival",
    "assignment",
]


@dataclass(frozen=True, slots=True)
class Booking:
    """One row. `net_minor` and `vat_minor` only where there is VAT to speak of.

    Attributes:
        number: of the document; of what has none, the id.
        value_date: when money came, where that is another day.
        vat_code: the tax treatment.
    """

    day: date
    kind: Kind
    number: str
    account: Account
    gross_minor: int
    currency: str
    customer_number: str = ""
    invoice_number: str = ""
    value_date: date | None = None
    vat_code: str = ""
    vat_percent: str = ""
    net_minor: int | None = None
    vat_minor: int | None = None
    text: str = ""


def invoice_bookings(
    invoice: Invoice, day: date, kind: Literal["invoice", "cancellation"]
) -> Iterator[Booking]:
    """A row per VAT rate, and one for the rounding; of a void invoice the same taken back."""
    yield from _document(
        day,
        kind,
        number=invoice.number,
        invoice_number=invoice.number,
        customer_number=invoice.buyer.get("number") or "",
        currency=invoice.currency,
        vat_code=invoice.tax_treatment,
        vat=invoice.vat,
        rounding_minor=invoice.rounding_minor,
        text=invoice.title,
        sign=1 if kind == "invoice" else -1,
    )


def credit_note_bookings(row: Any) -> Iterator[Booking]:
    yield from _document(
        row.issued_on,
        "credit_note",
        number=row.number,
        invoice_number=row.invoice_number,
        customer_number=row.customer_number or "",
        currency=row.currency,
        vat_code=row.tax_treatment,
        vat=row.vat,
        rounding_minor=row.rounding_minor,
        text=row.reason,
        sign=-1,
    )


def _document(
    day: date,
    kind: Kind,
    *,
    number: str,
    invoice_number: str,
    customer_number: str,
    currency: str,
    vat_code: str,
    vat: Iterable[Mapping[str, Any]],
    rounding_minor: int,
    text: str,
    sign: int,
) -> Iterator[Booking]:
    for row in vat:
        yield Booking(
            day,
            kind,
            number,
            "revenue",
            sign * row["gross_minor"],
            currency,
            customer_number,
            invoice_number,
            vat_code=vat_code,
            vat_percent=row["percent"],
            net_minor=sign * row["net_minor"],
            vat_minor=sign * row["vat_minor"],
            text=text,
        )
    if rounding_minor:
        yield Booking(
            day,
            kind,
            number,
            "rounding",
            sign * rounding_minor,
            currency,
            customer_number,
            invoice_number,
            text=text,
        )


def payment_bookings(
    row: Any, day: date, kind: Literal["payment", "reversal"]
) -> Iterator[Booking]:
    """What was assigned has come as an arrival already; taken back, it goes as money does."""
    if kind == "payment" and row.assigned:
        return
    yield Booking(
        day,
        kind,
        str(row.id),
        "money",
        row.amount_minor if kind == "payment" else -row.amount_minor,
        row.currency,
        row.customer_number or "",
        row.invoice_number,
        value_date=row.received_on,
        text=row.reference if kind == "payment" else row.reversal_reason,
    )


def balance_bookings(row: Any, day: date) -> Iterator[Booking]:
    """Refunds go out as money, and what is forfeited is ours."""
    common: dict[str, Any] = {
        "day": day,
        "kind": "balance",
        "number": str(row.id),
        "currency": row.currency,
        "customer_number": row.customer_number or "",
        "invoice_number": row.invoice_number or "",
        "text": f"{row.origin} {row.note}".strip(),
    }
    yield Booking(account="balance", gross_minor=row.amount_minor, **common)
    if row.origin == "refund":
        yield Booking(account="money", gross_minor=row.amount_minor, **common)
    if row.origin == "forfeit":
        yield Booking(account="forfeit", gross_minor=-row.amount_minor, **common)


def arrival_bookings(row: Any, day: date) -> Iterator[Booking]:
    yield from _unallocated(row.id, row, day, "arrival", row.amount_minor, ("money", "unallocated"))


def arrival_entry_bookings(row: Any, day: date) -> Iterator[Booking]:
    """What is assigned becomes a payment of an invoice; what goes back goes as money."""
    accounts: tuple[Account, ...] = (
        ("unallocated",) if row.kind == "assigned" else ("money", "unallocated")
    )
    kind: Kind = "assignment" if row.kind == "assigned" else "reversal"
    yield from _unallocated(row.id, row, day, kind, -row.amount_minor, accounts)


def _unallocated(
    ident: UUID, row: Any, day: date, kind: Kind, minor: int, accounts: Iterable[Account]
) -> Iterator[Booking]:
    for account in accounts:
        yield Booking(
            day,
            kind,
            str(ident),
            account,
            minor,
            row.currency,
            row.customer_number or "",
            row.invoice_number or "",
            value_date=row.received_on,
            text=f"{row.source} {row.reference}",
        )
