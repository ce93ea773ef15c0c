"""Money that arrives by itself, from a bank or a payment provider: always recorded, never refused.

What of it cannot be booked stays unallocated until an operator decides about it.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from services.billing.domain.invoice import Invoice, InvoiceState
from shared.errors import Conflict, InputInvalid
from shared.money import Money

__all__ = [
    "Arrival",
    "ArrivalEntry",
    "ArrivalState",
    "MoneyArrived",
    "MoneyTakenBack",
    "ProviderEvent",
    "Unallocated",
    "assign",
    "refund_rest",
    "still_to_take_back",
    "take_from_rest",
    "why_unallocated",
]

Unallocated = Literal["invoice_unknown", "invoice_void", "invoice_credited", "currency_differs"]
ArrivalState = Literal["booked", "open", "assigned", "refunded"]


@dataclass(frozen=True, slots=True)
class MoneyArrived:
    """A provider has money for us.

    Attributes:
        event_id: the provider's, unique there.
        reference: the provider's name of this payment: all events about it have it.
        named: the invoice as the provider names it: its id or number, or what somebody has typed.
        received_at: when the provider got it.
    """

    event_id: str
    reference: str
    amount: Money
    named: str
    method: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class MoneyTakenBack:
    """A provider has given money back, or lost it in a dispute.

    Attributes:
        reversal: the provider's name of this refund or dispute; `amount` is all of it so far.
        amount: None: the whole payment.
    """

    event_id: str
    reference: str
    reversal: str
    amount: Money | None
    reason: str


ProviderEvent = MoneyArrived | MoneyTakenBack


@dataclass(frozen=True, slots=True)
class Arrival:
    """One amount that came. It is what payments hold of it + left + refunded + reversed.

    Attributes:
        source: the provider or bank; `reference` is unique there.
        invoice_id: of the invoice that was named, where there is one.
        why: the reason for which it was not booked at once; None: it was.
        left_minor: not allocated yet.
        refunded_minor: given back by an operator; reversed_minor: taken back by the source, or
            undone by hand.
    """

    id: UUID
    source: str
    reference: str
    customer_id: UUID | None
    invoice_id: UUID | None
    named: str
    amount: Money
    method: str
    received_on: date
    arrived_at: datetime
    state: ArrivalState
    why: Unallocated | None = None
    left_minor: int = 0
    refunded_minor: int = 0
    reversed_minor: int = 0

    @property
    def left(self) -> Money:
        return self.money(self.left_minor)

    def money(self, minor: int) -> Money:
        return Money(minor, self.amount.currency)


@dataclass(frozen=True, slots=True)
class ArrivalEntry:
    """What has become of a part that was unallocated."""

    id: UUID
    arrival_id: UUID
    kind: Literal["assigned", "refunded", "reversed"]
    amount_minor: int
    payment_id: UUID | None
    note: str
    at: datetime
    made_by: str


def why_unallocated(invoice: Invoice | None, currency: str) -> Unallocated | None:
    """Why money can not be booked on this invoice, which nothing has replaced; None: it can."""
    if invoice is None:
        return "invoice_unknown"
    if invoice.state is InvoiceState.VOID:
        return "invoice_void"
    if invoice.state is InvoiceState.CREDITED:
        return "invoice_credited"
    return None if invoice.currency == currency else "currency_differs"


def assign(arrival: Arrival, amount: Money) -> Arrival:
    """Take a part of what is left, for an invoice.

    Raises:
        Conflict: nothing is left.
        InputInvalid: it is not so much, or another currency.
    """
    _refuse_settled(arrival)
    if amount.currency != arrival.amount.currency:
        raise InputInvalid("amount.currency", f"must be {arrival.amount.currency}")
    if not 0 < amount.minor <= arrival.left_minor:
        raise InputInvalid(
            "amount.amount",
            f"must be greater than 0 and at most the {arrival.left.amount} not allocated yet",
        )
    return _less(arrival, amount.minor, "assigned")


def refund_rest(arrival: Arrival) -> Arrival:
    """All that is left was given back.

    Raises:
        Conflict: nothing is left.
    """
    _refuse_settled(arrival)
    refunded = arrival.refunded_minor + arrival.left_minor
    return replace(_less(arrival, arrival.left_minor, "refunded"), refunded_minor=refunded)


def still_to_take_back(arrival: Arrival, reversed_minor: int) -> int:
    """What the source has taken back in all, less what is known of it here already.

    What was given back or undone by hand is the same money.
    """
    known = arrival.reversed_minor + arrival.refunded_minor
    return max(min(reversed_minor, arrival.amount.minor) - known, 0)


def take_from_rest(arrival: Arrival, minor: int) -> Arrival:
    """As much of it as is left there goes back to the source; nobody has been told of a payment."""
    part = min(minor, arrival.left_minor)
    taken = replace(arrival, reversed_minor=arrival.reversed_minor + part)
    return _less(taken, part, "refunded") if part else arrival


def _refuse_settled(arrival: Arrival) -> None:
    if not arrival.left_minor:
        raise Conflict(
            f"unallocated_payment_{arrival.state}", "Nothing of this payment is left to allocate."
        )


def _less(arrival: Arrival, minor: int, state: ArrivalState) -> Arrival:
    left = arrival.left_minor - minor
    return replace(arrival, left_minor=left, state="open" if left else state)
