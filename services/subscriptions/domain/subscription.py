"""A subscription and what can happen to it. Pure: states and facts in, decisions out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Literal
from uuid import UUID

from services.subscriptions.domain.catalogue import Cycle, Kind
from shared.periods import Period, first_period

__all__ = [
    "LIVE",
    "TRANSITIONS",
    "Offer",
    "State",
    "Subscription",
    "TransitionImpossible",
    "Trigger",
    "activate_free",
    "activate_paid",
    "book",
    "drop_booking",
]


class State(StrEnum):
    PENDING = "pending"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    SUSPENDED = "suspended"
    CANCELING = "canceling"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


LIVE = frozenset(State) - {State.EXPIRED, State.WITHDRAWN}


class Trigger(StrEnum):
    BOOK = "book"
    ACTIVATE_FREE = "activate_free"
    PAY = "pay"
    DROP_BOOKING = "drop_booking"


# (state before, what happens) -> (state after, event published). None as state before is a
# product never booked; None as state after is the one before the booking.
TRANSITIONS: Mapping[tuple[State | None, Trigger], tuple[State | None, str]] = {
    (None, Trigger.BOOK): (State.PENDING, "subscription.booked"),
    (State.EXPIRED, Trigger.BOOK): (State.PENDING, "subscription.booked"),
    (None, Trigger.ACTIVATE_FREE): (State.ACTIVE, "subscription.activated"),
    (State.EXPIRED, Trigger.ACTIVATE_FREE): (State.ACTIVE, "subscription.activated"),
    (State.PENDING, Trigger.PAY): (State.ACTIVE, "subscription.activated"),
    (State.PENDING, Trigger.DROP_BOOKING): (None, "subscription.booking_dropped"),
}


class TransitionImpossible(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Subscription:
    """One plan or module of one customer, through all its terms.

    Attributes:
        term: counts bookings, changes and resumptions; 0 before the first one began.
        period: running period in the customer's local dates; None where there is no end.
        anchor_day: day of month that renewals return to after a shorter month.
    """

    id: UUID
    customer_id: UUID
    kind: Kind
    product_id: UUID
    state: State
    version: int
    term: int = 0
    origin: Literal["invoice", "trial", "free", "gift"] | None = None
    cycle: Cycle | None = None
    price_id: UUID | None = None
    period: Period | None = None
    anchor_day: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """An invoice that waits for payment, as the subscription sees it."""

    request_id: UUID
    subscription_id: UUID
    customer_id: UUID
    product_id: UUID
    cycle: Cycle
    price_id: UUID
    state: Literal["open", "settled", "dropped"] = "open"
    previous_state: State | None = None
    invoice_id: UUID | None = None


def _next_state(state: State | None, trigger: Trigger) -> State | None:
    try:
        return TRANSITIONS[state, trigger][0]
    except KeyError:
        raise TransitionImpossible(f"{trigger} is not possible in state {state}") from None


def book(
    existing: Subscription | None,
    *,
    subscription_id: UUID,
    request_id: UUID,
    customer_id: UUID,
    kind: Kind,
    product_id: UUID,
    cycle: Cycle,
    price_id: UUID,
) -> tuple[Subscription, Offer]:
    """Wait for the payment of a first booking; nothing is granted yet.

    `subscription_id` is used when there is no subscription of this product yet.
    """
    before = existing.state if existing else None
    after = _next_state(before, Trigger.BOOK) or State.PENDING
    subscription = (
        replace(existing, state=after, version=existing.version + 1)
        if existing
        else Subscription(subscription_id, customer_id, kind, product_id, after, version=1)
    )
    offer = Offer(
        request_id,
        subscription.id,
        customer_id,
        product_id,
        cycle,
        price_id,
        previous_state=before,
    )
    return subscription, offer


def activate_free(
    existing: Subscription | None,
    *,
    subscription_id: UUID,
    customer_id: UUID,
    kind: Kind,
    product_id: UUID,
    gift: bool,
) -> Subscription:
    """Active at once and without end; a gift when the product has a price."""
    after = _next_state(existing.state if existing else None, Trigger.ACTIVATE_FREE)
    fresh = existing or Subscription(
        subscription_id, customer_id, kind, product_id, State.ACTIVE, version=0
    )
    return replace(
        fresh,
        state=after or State.ACTIVE,
        version=fresh.version + 1,
        term=fresh.term + 1,
        origin="gift" if gift else "free",
        cycle=None,
        price_id=None,
        period=None,
        anchor_day=None,
    )


def activate_paid(
    subscription: Subscription, offer: Offer, *, paid_on: date
) -> tuple[Subscription, Offer]:
    """Begin the booked term on the customer-local day the payment was recorded."""
    after = _next_state(subscription.state, Trigger.PAY)
    period = None if offer.cycle == "once" else first_period(paid_on, offer.cycle)
    activated = replace(
        subscription,
        state=after or State.ACTIVE,
        version=subscription.version + 1,
        term=subscription.term + 1,
        origin="invoice",
        product_id=offer.product_id,
        cycle=offer.cycle,
        price_id=offer.price_id,
        period=period,
        anchor_day=paid_on.day if period else None,
    )
    return activated, replace(offer, state="settled")


def drop_booking(subscription: Subscription, offer: Offer) -> tuple[Subscription, Offer]:
    """Everything as before the booking; a first booking stays in history only."""
    _next_state(subscription.state, Trigger.DROP_BOOKING)
    after = offer.previous_state or State.WITHDRAWN
    return (
        replace(subscription, state=after, version=subscription.version + 1),
        replace(offer, state="dropped"),
    )
