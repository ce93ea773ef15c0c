"""From what is asked for to what is decided, all of it or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.subscriptions.domain.book import Book
from services.subscriptions.domain.cards import Action, Card, cards, not_offered
from services.subscriptions.domain.catalogue import Cycle, Kind
from services.subscriptions.domain.decisions import manage, start
from services.subscriptions.domain.draft import Draft
from services.subscriptions.domain.matrix import CHARGED, ActionName
from services.subscriptions.domain.subscription import Subscription
from shared.errors import Conflict, InputInvalid, KontorError, NotFound

__all__ = ["Asked", "Chosen", "choose", "take"]

Chosen = tuple[Card, Action, "Asked"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One action on one product, as an operator asks for it."""

    product_id: UUID
    action: ActionName
    cycle: Cycle | None = None
    start: date | None = None
    end: date | None = None


def choose(book: Book, kind: Kind, asked: Sequence[Asked]) -> list[Chosen]:
    """The cards and actions that are meant.

    Raises:
        InputInvalid: a product is named twice.
        NotFound: there is no such product.
        Conflict: it is not offered to this customer, or its card does not offer that.
    """
    by_product = {card.offering.id: card for card in cards(kind, book)}
    if len({item.product_id for item in asked}) < len(asked):
        raise InputInvalid("actions", f"must name each {kind} once")
    chosen = []
    for item in asked:
        card = by_product.get(item.product_id)
        if card is None:
            raise _no_card(book, kind, item.product_id)
        action = card.find(item.action, item.cycle)
        if action is None:
            raise Conflict("action_not_offered", _refusal(book, card, item))
        chosen.append((card, action, item))
    return chosen


def _refusal(book: Book, card: Card, item: Asked) -> str:
    """Why the card does not offer that."""
    currency = book.customer.currency
    offered = ", ".join(f"{a.name} {a.cycle or ''}".strip() for a in card.actions)
    reason = card.reason or f"only {offered or 'nothing'} is possible."
    if item.cycle and not card.reason:
        price = book.catalogue.prices_of(item.product_id, currency).get(item.cycle)
        if price is None:
            reason = f"there is no {item.cycle} price in {currency}; {reason}"
        elif price.unit_price is None:
            reason = f"the {item.cycle} price in {currency} is on request; {reason}"
    return f"{card.offering.name}: {reason}"


def _no_card(book: Book, kind: Kind, product_id: UUID) -> KontorError:
    offering = book.catalogue.offerings.get(product_id)
    reason = not_offered(offering, book) if offering and offering.kind == kind else None
    return Conflict("action_not_offered", reason) if reason else NotFound(kind, product_id)


def take(draft: Draft, kind: Kind, asked: Sequence[Asked], reason: str = "") -> list[Chosen]:
    """Decide what is asked for, for a preview and for execution alike.

    Raises:
        InputInvalid, NotFound, Conflict: see `choose`.
        InputInvalid: a date breaks a rule.
        Conflict: no invoice can be made.
    """
    chosen = choose(draft.book, kind, asked)
    for card, action, item in chosen:
        _take_one(draft, card, action, item, reason)
    to_pay = [(card, action) for card, action, _ in chosen if action.name in CHARGED]
    if to_pay:
        start.make_invoice(draft, to_pay)
    return chosen


def _take_one(draft: Draft, card: Card, action: Action, item: Asked, reason: str) -> None:
    if action.name == "activate_free":
        start.activate_free(draft, card)
    elif action.name == "start_trial":
        start.start_trial(draft, card)
    elif action.name == "change_at_period_end":
        start.schedule_change(draft, card, action)
    elif action.name not in CHARGED:
        _manage(draft, _running(card), action, item, reason)


def _running(card: Card) -> Subscription:
    if card.own is None:
        raise ValueError(f"{card.offering.name} is not booked")
    return card.own


def _manage(
    draft: Draft, subscription: Subscription, action: Action, item: Asked, reason: str
) -> None:
    match action.name:
        case "drop_change":
            manage.drop_change(draft, subscription)
        case "edit_period":
            manage.edit_period(draft, subscription, manage.Edit(item.start, item.end))
        case "cancel":
            manage.cancel(draft, subscription)
        case "revoke_cancellation":
            manage.revoke_cancellation(draft, subscription)
        case "withdraw":
            manage.withdraw(draft, subscription, reason)
