"""Which actions a product's card offers right now, and what each would cost.

The same rules serve the list of options and the check of an action: what is not offered is
refused, with the reason the card shows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from services.subscriptions.domain.catalogue import Catalogue, Cycle, Kind, Offering, Price
from services.subscriptions.domain.subscription import LIVE, State, Subscription

__all__ = ["Action", "ActionName", "Card", "cards"]

ActionName = Literal["activate_free", "make_invoice"]


@dataclass(frozen=True, slots=True)
class Action:
    name: ActionName
    price: Price | None = None

    @property
    def cycle(self) -> Cycle | None:
        return self.price.cycle if self.price else None


@dataclass(frozen=True, slots=True)
class Card:
    """`reason` says why there is nothing to do here, where that is so."""

    offering: Offering
    subscription: Subscription | None
    actions: tuple[Action, ...]
    reason: str | None = None

    def find(self, name: str, cycle: str | None) -> Action | None:
        return next((a for a in self.actions if (a.name, a.cycle) == (name, cycle)), None)


def cards(
    kind: Kind,
    catalogue: Catalogue,
    subscriptions: Sequence[Subscription],
    *,
    currency: str,
    can_book: bool,
) -> list[Card]:
    """One card per plan or module that can be booked, or that the customer has."""
    mine = {s.product_id: s for s in subscriptions if s.kind == kind}
    live = [s for s in mine.values() if s.state in LIVE]
    plan = next((s for s in subscriptions if s.kind == "plan" and s.state in LIVE), None)
    included = (
        catalogue.offerings[plan.product_id].included_modules
        if plan and plan.state is not State.PENDING
        else ()
    )
    made = []
    for offering in catalogue.offerings.values():
        own = mine.get(offering.id)
        if own and own.state not in LIVE and own.state is not State.EXPIRED:
            own = None  # withdrawn: history only
        if offering.kind != kind or (offering.archived and own not in live):
            continue
        reason = _reason(offering, own, live, can_book=can_book, included=included)
        actions = () if reason else _actions(offering, catalogue, currency)
        made.append(Card(offering, own, actions, reason))
    return sorted(made, key=lambda c: (-c.offering.priority, c.offering.name, c.offering.id))


def _reason(
    offering: Offering,
    own: Subscription | None,
    live: list[Subscription],
    *,
    can_book: bool,
    included: Iterable[object],
) -> str | None:
    if not can_book:
        return "The customer is deactivated."
    if offering.id in included:
        return "Included in plan."
    if own and own.state in LIVE:
        return (
            "Waiting for payment."
            if own.state is State.PENDING
            else f"{offering.name} is {own.state} already."
        )
    if offering.kind == "plan" and live:
        return (
            "Another plan waits for payment."
            if live[0].state is State.PENDING
            else "Another plan is active."
        )
    return None if offering.bookable else "This module can not be booked."


def _actions(offering: Offering, catalogue: Catalogue, currency: str) -> tuple[Action, ...]:
    prices = catalogue.prices_of(offering.id, currency)
    invoices = [
        Action("make_invoice", prices[cycle])
        for cycle in ("monthly", "yearly", "once")
        if cycle in prices and prices[cycle].unit_price
    ]
    return (Action("activate_free"), *invoices)
