"""Which actions a product's card offers right now.

The same rules serve the list of options and the check of an action: what is not offered is
refused, with the reason the card shows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from services.subscriptions.domain.book import Book
from services.subscriptions.domain.catalogue import Cycle, Kind, Offering, Price
from services.subscriptions.domain.matrix import (
    BOOKING,
    CHARGED,
    OTHER,
    OWN,
    REASONS,
    WAITING,
    ActionName,
    situation,
)
from services.subscriptions.domain.subscription import State, Subscription

__all__ = ["Action", "Card", "cards", "not_offered"]

_PERIODIC: tuple[Cycle, ...] = ("monthly", "yearly")
_CYCLES: tuple[Cycle, ...] = (*_PERIODIC, "once")
_MONTHS = {"monthly": 1, "yearly": 12}


@dataclass(frozen=True, slots=True)
class Action:
    """`price` is absent where nothing is charged, now or later."""

    name: ActionName
    price: Price | None = None

    @property
    def cycle(self) -> Cycle | None:
        return self.price.cycle if self.price else None


@dataclass(frozen=True, slots=True)
class Card:
    """A product as the customer has it.

    Attributes:
        own: the subscription of this product, unless it is history only.
        target: what an action is about: `own`, or the live plan of another product.
        reason: why there is nothing, or less, to do here.
    """

    offering: Offering
    own: Subscription | None
    target: Subscription | None
    actions: tuple[Action, ...]
    reason: str | None = None
    included: bool = False

    def find(self, name: str, cycle: str | None) -> Action | None:
        return next((a for a in self.actions if (a.name, a.cycle) == (name, cycle)), None)


def cards(kind: Kind, book: Book) -> list[Card]:
    """One card per plan or module that can be booked, or that the customer has."""
    mine = {s.product_id: s for s in book.subscriptions if s.kind == kind}
    included = book.included()
    made = []
    for offering in book.catalogue.offerings.values():
        own = mine.get(offering.id)
        if own and own.state is State.WITHDRAWN:
            own = None  # history only
        if offering.kind != kind or (not_offered(offering, book) and not (own and own.live)):
            continue
        made.append(_card(offering, own, book, is_included=offering.id in included))
    return sorted(made, key=lambda c: (-c.offering.priority, c.offering.name, c.offering.id))


def not_offered(offering: Offering, book: Book) -> str | None:
    """Why this customer can not book it anew, whatever it has; None where it can."""
    if offering.archived:
        return f"{offering.name} is not offered any more."
    if not offering.offered_in(book.customer.country):
        return f"{offering.name} is offered in {offering.country} only."
    return None


def _card(offering: Offering, own: Subscription | None, book: Book, *, is_included: bool) -> Card:
    plan = book.plan if offering.kind == "plan" else None
    elsewhere = plan is not None and plan.product_id != offering.id
    target = plan if elsewhere else own
    at = situation(target)
    names = (OTHER if elsewhere else OWN)[at]
    waits = own and (own.id in book.offers or own.scheduled) and own.state is not State.PENDING
    refusal = _refusal(offering, book, is_included=is_included)
    if refusal:
        # To go on with what one has is no booking, but who is gone does not go on.
        gone = {"revoke_cancellation"} if book.customer.status != "active" else set()
        names = tuple(name for name in names if name not in BOOKING and name not in gone)
    names = (*names, *WAITING) if waits else names
    actions = tuple(action for name in names for action in _priced(name, offering, target, book))
    reason = refusal or (REASONS.get(at) if elsewhere else None)
    if at == "pending" and not elsewhere:
        reason = reason or "Waiting for payment."
    return Card(offering, own, target, actions, reason, is_included)


def _refusal(offering: Offering, book: Book, *, is_included: bool) -> str | None:
    """Why nothing new is possible for this product, the first reason that there is."""
    if book.customer.status != "active":
        return f"The customer is {book.customer.status}."
    if is_included:
        return "Included in plan."
    if reason := not_offered(offering, book):
        return reason
    if not offering.bookable:
        return "This module can not be booked."
    if offering.kind == "plan" and 0 < offering.max_users < book.active_users:
        return f"{book.active_users} active users exceed its limit of {offering.max_users}."
    return None


def _priced(
    name: ActionName, offering: Offering, target: Subscription | None, book: Book
) -> Iterator[Action]:
    """The action once per price it is possible at."""
    if name == "start_trial":
        if offering.trial_days and offering.id not in book.tried:
            yield Action(name)
        return
    if name == "cancel" and not (target and target.period):
        return  # what has no end is withdrawn
    if name not in CHARGED and name != "change_at_period_end":
        yield Action(name)
        return
    prices = book.catalogue.prices_of(offering.id, book.customer.currency)
    for cycle in _CYCLES:
        price = prices.get(cycle)
        if price and price.unit_price and _possible(name, price, target, book):
            yield Action(name, price)
    becomes_free = name == "change_at_period_end" and offering.is_free
    if becomes_free and target and target.product_id != offering.id:
        yield Action(name)


def _possible(name: ActionName, price: Price, target: Subscription | None, book: Book) -> bool:
    if name == "make_invoice" or target is None:
        return True
    if target.product_id == price.product_id:
        current, following = ("monthly", "yearly")
        if name == "change_at_period_end":
            current, following = following, current
        return (target.cycle, price.cycle) == (current, following)
    if price.cycle not in _PERIODIC:
        return False
    return _dearer(price, target, book) == (name == "upgrade")


def _dearer(price: Price, target: Subscription, book: Book) -> bool:
    """Whether a plan costs more than the present one, compared at the cycle of its price.

    Where the present plan has no price at that cycle, the year counts.
    """
    present = book.catalogue.prices_of(target.product_id, book.customer.currency)
    amount = price.unit_price or 0
    same = present.get(price.cycle)
    if same and same.unit_price is not None:
        return amount > same.unit_price
    other = next((p for c in _PERIODIC if (p := present.get(c)) and p.unit_price), None)
    if other is None or other.unit_price is None:
        return True
    return amount * (12 // _MONTHS[price.cycle]) > other.unit_price * (12 // _MONTHS[other.cycle])
