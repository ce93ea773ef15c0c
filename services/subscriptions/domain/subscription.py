"""A subscription, its states, and every edge between them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from services.subscriptions.domain.catalogue import Cycle, Kind
from shared.periods import Period, start_of_day

__all__ = [
    "LIVE",
    "TRANSITIONS",
    "Origin",
    "ScheduledChange",
    "State",
    "Subscription",
    "TransitionImpossible",
    "Trigger",
    "due_at",
    "moved",
]

Origin = Literal["invoice", "trial", "free", "gift"]


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
    DROP_BOOKING = "drop_booking"
    ACTIVATE_FREE = "activate_free"
    START_TRIAL = "start_trial"
    REMIND = "remind"
    PAY = "pay"
    OFFER_CHANGE = "offer_change"
    SCHEDULE_CHANGE = "schedule_change"
    DROP_CHANGE = "drop_change"
    CHANGE = "change"
    EDIT_PERIOD = "edit_period"
    CANCEL = "cancel"
    REVOKE = "revoke"
    REVERSE_PAYMENT = "reverse_payment"
    RESUME = "resume"
    EXPIRE = "expire"
    WITHDRAW = "withdraw"


_P, _T, _A, _D, _S, _C, _E, _W = State  # in the order of their declaration


def _stay(*states: State) -> dict[State, State]:
    return {state: state for state in states}


_EDGES: Mapping[tuple[Trigger, str], Mapping[Any, State | None]] = {
    (Trigger.BOOK, "booked"): {None: _P, **_stay(_T, _A, _E)},
    (Trigger.DROP_BOOKING, "booking_dropped"): {_P: _W, **_stay(_T, _A, _E)},
    (Trigger.ACTIVATE_FREE, "activated"): {None: _A, _E: _A},
    (Trigger.START_TRIAL, "trial_started"): {None: _T, _E: _T},
    (Trigger.REMIND, "trial_ending"): _stay(_T),
    (Trigger.PAY, "activated"): dict.fromkeys((None, _P, _T, _A, _E), _A),
    (Trigger.OFFER_CHANGE, "change_scheduled"): _stay(_T, _A, _C),
    (Trigger.SCHEDULE_CHANGE, "change_scheduled"): _stay(_A),
    (Trigger.DROP_CHANGE, "change_dropped"): _stay(_T, _A, _D, _S, _C, _E),
    (Trigger.CHANGE, "changed"): dict.fromkeys((_T, _A, _D, _S, _C, _E), _A),
    (Trigger.EDIT_PERIOD, "period_edited"): _stay(_T, _A, _C),
    (Trigger.CANCEL, "cancellation_scheduled"): dict.fromkeys((_T, _A, _D), _C),
    (Trigger.REVOKE, "cancellation_revoked"): {_C: None},
    (Trigger.REVERSE_PAYMENT, "past_due"): {_A: _D, **_stay(_C)},
    (Trigger.RESUME, "resumed"): {_D: _A, _S: _A, **_stay(_C)},
    (Trigger.EXPIRE, "expired"): dict.fromkeys((_T, _A, _D, _S, _C), _E),
    (Trigger.WITHDRAW, "withdrawn"): dict.fromkeys((_P, _T, _A, _D, _S, _C), _W),
}

# (state before, what happens) -> (state after, event published). None as state before is a
# product never booked; None as state after is the one before the cancellation.
TRANSITIONS: Mapping[tuple[State | None, Trigger], tuple[State | None, str]] = {
    (before, trigger): (after, f"subscription.{event}")
    for (trigger, event), states in _EDGES.items()
    for before, after in states.items()
}


class TransitionImpossible(Exception):
    pass


@dataclass(frozen=True, slots=True)
class ScheduledChange:
    """What a subscription becomes on `effective_on`; without a `cycle` it becomes free."""

    product_id: UUID
    cycle: Cycle | None
    effective_on: date


@dataclass(frozen=True, slots=True)
class Subscription:
    """One plan or module of one customer, through all its terms.

    Attributes:
        term: counts bookings, changes, period edits; 0 before the first one began.
        period: running period in the customer's local dates; None where there is no end.
        anchor_day: day of month that renewals return to after a shorter month.
        invoice_id: the invoice that the running term stands on, where there is one.
        invoice_version: the newest version of it that said something of its payment.
        canceled_from: the state that revoking the cancellation leads back to.
        remind_at: when to tell that the trial ends soon; None: not, or done.
    """

    id: UUID
    customer_id: UUID
    kind: Kind
    product_id: UUID
    state: State
    version: int
    term: int = 0
    origin: Origin | None = None
    cycle: Cycle | None = None
    price_id: UUID | None = None
    period: Period | None = None
    anchor_day: int | None = None
    invoice_id: UUID | None = None
    invoice_version: int | None = None
    canceled_from: State | None = None
    scheduled: ScheduledChange | None = None
    remind_at: datetime | None = None

    def knows(self, invoice_id: UUID, version: int) -> bool:
        """Whether this version of its invoice, or a newer one, has been heard of."""
        return self.invoice_id == invoice_id and version <= (self.invoice_version or 0)

    @property
    def live(self) -> bool:
        return self.state in LIVE

    @property
    def ends_on(self) -> date | None:
        """The first day without it, where that is certain."""
        # What does not renew has no end, unless an operator has given it one.
        lasting = self.origin != "invoice" or self.cycle == "once"
        ends = self.state in {State.TRIALING, State.CANCELING} or (self.live and lasting)
        return self.period.end if ends and self.period else None


def moved(
    subscription: Subscription, trigger: Trigger, *, new: bool = False, **changes: Any
) -> Subscription:
    """The subscription after an edge; `new`: it has no state before.

    Raises:
        TransitionImpossible: the table has no such edge.
    """
    before = None if new else subscription.state
    try:
        after, _ = TRANSITIONS[before, trigger]
    except KeyError:
        raise TransitionImpossible(f"{trigger} is not possible in state {before}") from None
    return replace(
        subscription,
        state=after or subscription.canceled_from or State.ACTIVE,
        version=subscription.version + 1,
        **changes,
    )


def due_at(subscription: Subscription, time_zone: str) -> datetime | None:
    """When the subscription changes by itself: 00:00 of that day where the customer is."""
    day = subscription.scheduled.effective_on if subscription.scheduled else subscription.ends_on
    return start_of_day(day, time_zone) if day and subscription.live else None
