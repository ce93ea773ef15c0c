"""An invoice and what may happen to it. Pure: facts in, decisions out, time as an argument."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.errors import Conflict, InputInvalid
from shared.invoicing import Basis, TaxTreatment
from shared.money import MINOR_LIMIT, Money
from shared.periods import Period

__all__ = [
    "TRANSITIONS",
    "Bill",
    "Invoice",
    "InvoiceLine",
    "InvoiceState",
    "Payment",
    "receive_payment",
    "record_payment",
    "reverse_payment",
    "settled",
]


class InvoiceState(StrEnum):
    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    CREDITED = "credited"


# (state before, what happens) -> (state after, event published). Drafts are the operator's alone:
# nothing is told of them.
TRANSITIONS: Mapping[tuple[InvoiceState | None, str], tuple[InvoiceState | None, str | None]] = {
    (None, "draft"): (InvoiceState.DRAFT, None),
    (InvoiceState.DRAFT, "edit"): (InvoiceState.DRAFT, None),
    (InvoiceState.DRAFT, "delete"): (None, None),
    (InvoiceState.DRAFT, "finalize"): (InvoiceState.OPEN, "invoice.opened"),
    (None, "open"): (InvoiceState.OPEN, "invoice.opened"),
    (InvoiceState.OPEN, "change_due_date"): (InvoiceState.OPEN, "invoice.due_date_changed"),
    (InvoiceState.OPEN, "delete"): (InvoiceState.VOID, "invoice.voided"),
    (InvoiceState.OPEN, "pay_part"): (InvoiceState.OPEN, "invoice.partially_paid"),
    (InvoiceState.OPEN, "pay"): (InvoiceState.PAID, "invoice.paid"),
    (InvoiceState.OPEN, "void"): (InvoiceState.VOID, "invoice.voided"),
    (InvoiceState.OPEN, "credit_part"): (InvoiceState.OPEN, "invoice.credited"),
    (InvoiceState.OPEN, "credit_what_is_open"): (InvoiceState.PAID, "invoice.paid"),
    (InvoiceState.OPEN, "credit_all"): (InvoiceState.CREDITED, "invoice.credited"),
    (InvoiceState.PAID, "credit_part"): (InvoiceState.PAID, "invoice.credited"),
    (InvoiceState.PAID, "credit_all"): (InvoiceState.CREDITED, "invoice.credited"),
    (InvoiceState.OPEN, "reverse"): (InvoiceState.OPEN, "invoice.partially_paid"),
    (InvoiceState.PAID, "reverse"): (InvoiceState.OPEN, "invoice.payment_reversed"),
    (InvoiceState.CREDITED, "reverse"): (InvoiceState.OPEN, "invoice.payment_reversed"),
}


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """`period` is absent where it starts only with the payment.

    `credited_minor` is what credit notes have taken back of `total_minor`, and has its sign.
    """

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
    credited_minor: int = 0

    @property
    def left_minor(self) -> int:
        """What can still be credited."""
        return self.total_minor - self.credited_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a draft and a finalised invoice have in common. Amounts in minor units of `currency`.

    Attributes:
        tax_treatment_reason: why an operator decided it; None: it follows from the facts.
        vat: the VAT summary, one entry per rate and basis.
        seller: snapshot of the seller.
        buyer: snapshot of the customer, with the addressee in it.
        addressee: the fields of the buyer that an operator set for this one.
        corrects: the invoice whose place this one takes, or takes once it is finalised.
        created_at: None: as it was opened.
    """

    id: UUID
    customer_id: UUID
    version: int
    title: str
    currency: str
    language: str
    tax_treatment: TaxTreatment
    tax_treatment_reason: str | None = None
    subtotal_minor: int
    vat_minor: int
    rounding_minor: int
    total_minor: int
    vat: tuple[Mapping[str, Any], ...]
    seller: Mapping[str, Any]
    buyer: Mapping[str, Any]
    addressee: Mapping[str, Any] | None = None
    lines: tuple[InvoiceLine, ...]
    corrects: UUID | None = None
    created_at: datetime | None = None

    def money(self, minor: int) -> Money:
        return Money(minor, self.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice(Bill):
    """A finalised invoice.

    What is owed is always total - credited - credit used - paid + surplus.

    Attributes:
        request_id: what it was requested by; None: an operator made it, and it is only sent by one.
        paid_minor: the payments recorded for it, without those reversed.
        credited_minor: all credit notes, incl. VAT.
        credit_used_minor: what the balance paid at the opening.
        surplus_minor: what went from here to the balance, and was not taken back since.
        settlement: counts how often it was settled; a reversal and a new payment make the next.
        replaced_by: the invoice that carries the lines this void one had.
        hidden: void and deleted, which takes it out of the lists.
    """

    request_id: UUID | None
    number: str
    state: InvoiceState
    invoice_date: date
    due_date: date
    opened_at: datetime
    paid_minor: int = 0
    credited_minor: int = 0
    credit_used_minor: int = 0
    surplus_minor: int = 0
    settlement: int = 0
    paid_at: datetime | None = None
    voided_at: datetime | None = None
    void_reason: str | None = None
    replaced_by: UUID | None = None
    hidden: bool = False
    mails: tuple[Mapping[str, Any], ...] = ()
    downloaded_at: datetime | None = None

    @property
    def owed_minor(self) -> int:
        used = self.credited_minor + self.credit_used_minor + self.paid_minor
        return self.total_minor - used + self.surplus_minor

    @property
    def open_minor(self) -> int:
        return self.owed_minor if self.state is InvoiceState.OPEN else 0

    @property
    def fully_credited(self) -> bool:
        return all(line.left_minor <= 0 for line in self.lines)

    @property
    def untouched(self) -> bool:
        """Open, without payments or credit notes: whoever takes it back owes nobody anything."""
        moved = self.paid_minor or self.credited_minor or self.surplus_minor
        return self.state is InvoiceState.OPEN and not moved

    @property
    def went_out(self) -> bool:
        """The customer has it: its mail was sent, or it was downloaded."""
        return bool(self.downloaded_at) or any(mail["kind"] == "invoice" for mail in self.mails)


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
    reversed_at: datetime | None = None
    reversed_by: str | None = None
    reversal_reason: str | None = None
    arrival_id: UUID | None = None


def settled(invoice: Invoice, at: datetime) -> Invoice:
    return replace(invoice, state=InvoiceState.PAID, settlement=invoice.settlement + 1, paid_at=at)


def record_payment(invoice: Invoice, payment: Payment, *, today: date) -> Invoice:
    """Record money for an open invoice; it is paid when nothing is left open.

    What is paid above that is surplus, which belongs on the customer's balance.

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
    if invoice.paid_minor + payment.amount.minor >= MINOR_LIMIT:
        raise InputInvalid("amount.amount", "must stay below 10^15 minor units in all")
    if payment.received_on > today:
        raise InputInvalid("received_on", "must not be in the future")
    paid = replace(
        invoice,
        version=invoice.version + 1,
        paid_minor=invoice.paid_minor + payment.amount.minor,
        surplus_minor=invoice.surplus_minor + max(payment.amount.minor - invoice.open_minor, 0),
    )
    return paid if paid.open_minor else settled(paid, payment.recorded_at)


def receive_payment(invoice: Invoice, payment: Payment, *, today: date) -> Invoice:
    """Record money that has come by itself: of what is paid already, all of it is surplus.

    Raises:
        InputInvalid, Conflict: as `record_payment`.
    """
    if invoice.state is not InvoiceState.PAID:
        return record_payment(invoice, payment, today=today)
    reopened = replace(invoice, state=InvoiceState.OPEN)
    recorded = record_payment(reopened, payment, today=today)
    return replace(
        recorded, state=InvoiceState.PAID, settlement=invoice.settlement, paid_at=invoice.paid_at
    )


def reverse_payment(invoice: Invoice, payment: Payment, *, back_minor: int, today: date) -> Invoice:
    """Take back a payment, `back_minor` of it from what had gone to the balance.

    What is owed again gets a new due date. Where a surplus has been spent meanwhile, more is owed
    than the total: what the customer has had of money that never came.

    Raises:
        Conflict: it is reversed already, or the invoice has no payments.
    """
    if payment.reversed_at:
        raise Conflict("payment_reversed", "This payment has been reversed already.")
    if invoice.state in {InvoiceState.DRAFT, InvoiceState.VOID}:
        raise Conflict(f"invoice_{invoice.state}", f"Invoice {invoice.number} is {invoice.state}.")
    changed = replace(
        invoice,
        version=invoice.version + 1,
        paid_minor=invoice.paid_minor - payment.amount.minor,
        surplus_minor=invoice.surplus_minor - back_minor,
    )
    if invoice.state is InvoiceState.OPEN or not changed.owed_minor:
        return changed
    due = today + timedelta(days=invoice.seller["due_days"])
    return replace(
        changed, state=InvoiceState.OPEN, paid_at=None, due_date=max(due, invoice.due_date)
    )
