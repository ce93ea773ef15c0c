"""An invoice and what may happen to it. Pure: facts in, decisions out, time as an argument."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.errors import Conflict, InputInvalid
from shared.events.billing import SettingsChanged
from shared.events.subscriptions import InvoiceRequested
from shared.invoicing import Basis, InvoicingError, TaxTreatment
from shared.money import Money
from shared.periods import Period
from shared.quotes import Buyer, Quote, Seller, quote

__all__ = [
    "TRANSITIONS",
    "AmountChanged",
    "Invoice",
    "InvoiceLine",
    "InvoiceState",
    "Payment",
    "number_text",
    "open_requested",
    "record_payment",
    "void",
]


class InvoiceState(StrEnum):
    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    CREDITED = "credited"


# (state before, what happens) -> (state after, event published).
TRANSITIONS: Mapping[tuple[InvoiceState | None, str], tuple[InvoiceState, str]] = {
    (None, "open"): (InvoiceState.OPEN, "invoice.opened"),
    (InvoiceState.OPEN, "pay_part"): (InvoiceState.OPEN, "invoice.partially_paid"),
    (InvoiceState.OPEN, "pay"): (InvoiceState.PAID, "invoice.paid"),
    (InvoiceState.OPEN, "void"): (InvoiceState.VOID, "invoice.voided"),
}


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """`period` is absent where it starts only with the payment."""

    position: int
    title: str
    description: str
    explanation: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    basis: Basis
    discount_percent: Decimal
    vat_category: str
    vat_percent: Decimal
    total_minor: int
    subscription_id: UUID | None = None
    request_id: UUID | None = None
    cycle: str | None = None
    period: Period | None = None


@dataclass(frozen=True, slots=True)
class Invoice:
    """A finalised invoice. Amounts in minor units of `currency`.

    Attributes:
        settlement: counts how often it was settled; a reversal and a new payment make the next.
        vat: the VAT summary, one entry per rate and basis.
        seller: snapshot of the seller at opening.
        buyer: snapshot of the customer at opening.
    """

    id: UUID
    customer_id: UUID
    request_id: UUID | None
    number: str
    state: InvoiceState
    version: int
    title: str
    currency: str
    language: str
    invoice_date: date
    due_date: date
    tax_treatment: TaxTreatment
    subtotal_minor: int
    vat_minor: int
    rounding_minor: int
    total_minor: int
    vat: tuple[Mapping[str, Any], ...]
    seller: Mapping[str, Any]
    buyer: Mapping[str, Any]
    lines: tuple[InvoiceLine, ...]
    opened_at: datetime
    paid_minor: int = 0
    settlement: int = 0
    paid_at: datetime | None = None
    voided_at: datetime | None = None

    @property
    def open_minor(self) -> int:
        return self.total_minor - self.paid_minor if self.state is InvoiceState.OPEN else 0

    def money(self, minor: int) -> Money:
        return Money(minor, self.currency)


@dataclass(frozen=True, slots=True)
class Payment:
    id: UUID
    invoice_id: UUID
    customer_id: UUID
    amount: Money
    method: str
    reference: str
    received_on: date
    recorded_at: datetime
    recorded_by: str


class AmountChanged(Exception):
    """The request expects a total that its lines no longer have."""


def number_text(series: str, year: int, number: int) -> str:
    return f"{series}-{year}-{number:04d}"


def quote_request(
    request: InvoiceRequested, customer: Mapping[str, Any], settings: SettingsChanged, on: date
) -> Quote:
    """Price what was requested.

    Raises:
        InvoicingError: a line is outside its limits or has no VAT rate, or the customer was erased.
        AmountChanged: the total is not the one that was shown.
    """
    if customer.get("status") == "erased":
        raise InvoicingError("customer_id", "was erased")
    priced = quote(
        request.lines,
        request.currency,
        seller=Seller.of(settings),
        buyer=Buyer(customer["country"], bool(customer["company_name"]), customer["vat_id"]),
        on=on,
    )
    total = Money(priced.totals.total_minor, request.currency)
    if total != request.expected_total:
        expected = request.expected_total
        raise AmountChanged(
            f"expected {expected.currency} {expected.amount}, "
            f"but the total is {total.currency} {total.amount}"
        )
    return priced


def open_requested(
    request: InvoiceRequested,
    priced: Quote,
    customer: Mapping[str, Any],
    settings: SettingsChanged,
    *,
    invoice_id: UUID,
    number: str,
    invoice_date: date,
    now: datetime,
) -> Invoice:
    """Finalise a request: numbered and immutable; paid at once when there is nothing to pay."""
    totals = priced.totals
    nothing_to_pay = totals.total_minor == 0
    return Invoice(
        id=invoice_id,
        customer_id=request.customer_id,
        request_id=request.request_id,
        number=number,
        state=InvoiceState.PAID if nothing_to_pay else InvoiceState.OPEN,
        version=2 if nothing_to_pay else 1,
        title=request.title,
        currency=request.currency,
        language=customer["language"],
        invoice_date=invoice_date,
        due_date=invoice_date + timedelta(days=settings.due_days),
        tax_treatment=priced.treatment,
        subtotal_minor=totals.subtotal_minor,
        vat_minor=totals.vat_minor,
        rounding_minor=totals.rounding_minor,
        total_minor=totals.total_minor,
        vat=tuple(
            {
                "percent": format(row.rate, "f"),
                "basis": row.basis,
                "net_minor": row.net_minor,
                "vat_minor": row.vat_minor,
                "gross_minor": row.gross_minor,
            }
            for row in totals.vat
        ),
        seller=settings.model_dump(mode="json", exclude={"vat_rates", "customer_id"}),
        buyer=customer,
        lines=tuple(
            InvoiceLine(
                position=position,
                title=line.title,
                description=line.description,
                explanation=line.explanation,
                quantity=line.quantity,
                unit=line.unit,
                unit_price=line.unit_price,
                basis=line.basis,
                discount_percent=line.discount_percent,
                vat_category=line.vat_category,
                vat_percent=percent,
                total_minor=total_minor,
                subscription_id=line.subscription_id,
                request_id=request.request_id,
                cycle=line.cycle,
                period=Period(line.period.start, line.period.end) if line.period else None,
            )
            for position, (line, percent, total_minor) in enumerate(
                zip(request.lines, priced.vat_percents, totals.line_totals_minor, strict=True), 1
            )
        ),
        opened_at=now,
        settlement=1 if nothing_to_pay else 0,
        paid_at=now if nothing_to_pay else None,
    )


def record_payment(invoice: Invoice, payment: Payment, *, today: date) -> Invoice:
    """Record money for an open invoice; it is paid when nothing is left open.

    Raises:
        InputInvalid: currency, amount or date break a rule.
        Conflict: the invoice is not open.
    """
    if invoice.state is not InvoiceState.OPEN:
        raise Conflict(
            f"invoice_{invoice.state}",
            f"Invoice {invoice.number} is {invoice.state}; it takes no payment.",
        )
    if payment.amount.currency != invoice.currency:
        raise InputInvalid("amount.currency", f"must be {invoice.currency}, as on the invoice")
    if payment.amount.minor <= 0:
        raise InputInvalid("amount.amount", "must be greater than 0")
    if payment.received_on > today:
        raise InputInvalid("received_on", "must not be in the future")
    if payment.amount.minor > invoice.open_minor:
        still_open = invoice.money(invoice.open_minor)
        raise InputInvalid(
            "amount.amount",
            f"must not exceed the open amount of {still_open.currency} {still_open.amount}",
        )
    paid = replace(
        invoice,
        version=invoice.version + 1,
        paid_minor=invoice.paid_minor + payment.amount.minor,
    )
    if paid.open_minor:
        return paid
    return replace(
        paid,
        state=InvoiceState.PAID,
        settlement=invoice.settlement + 1,
        paid_at=payment.recorded_at,
    )


def void(invoice: Invoice, *, now: datetime) -> Invoice:
    """Take an unpaid invoice out of the books; its number stays accounted for.

    Raises:
        Conflict: it is not open, or money has arrived for it.
    """
    if invoice.state is not InvoiceState.OPEN:
        raise Conflict(
            f"invoice_{invoice.state}", f"Invoice {invoice.number} is {invoice.state} already."
        )
    if invoice.paid_minor:
        raise Conflict(
            "invoice_partly_paid",
            f"Invoice {invoice.number} has payments; it needs a credit note instead.",
        )
    return replace(invoice, state=InvoiceState.VOID, version=invoice.version + 1, voided_at=now)
