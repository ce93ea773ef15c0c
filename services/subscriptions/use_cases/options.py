"""What a customer's cards offer, each action with the amount to pay."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.subscriptions import repository
from services.subscriptions.domain.book import Book, Policy
from services.subscriptions.domain.cards import Action, Card, cards
from services.subscriptions.domain.catalogue import Kind, Price
from services.subscriptions.domain.ledger import Offer
from services.subscriptions.domain.matrix import CHARGED
from services.subscriptions.domain.pricing import charge, charge_of
from services.subscriptions.domain.subscription import ScheduledChange
from shared.database import Tx
from shared.errors import Conflict, NotFound
from shared.money import Money
from shared.periods import local_date

__all__ = ["PricedAction", "PricedCard", "list_options", "price_action"]


@dataclass(frozen=True, slots=True)
class PricedAction:
    """`amount`: the invoice total; `credit`: unused value that is credited, including VAT."""

    action: Action
    amount: Money | None = None
    credit: Money | None = None
    effective_on: date | None = None


@dataclass(frozen=True, slots=True)
class PricedCard:
    """`offer` and `scheduled` wait beside the card's own subscription, or are for its product."""

    card: Card
    actions: tuple[PricedAction, ...]
    reason: str | None
    offer: Offer | None
    scheduled: ScheduledChange | None
    book: Book


async def list_options(
    tx: Tx, customer_id: UUID, kind: Kind, *, policy: Policy, now: datetime
) -> list[PricedCard]:
    """The cards of all plans or modules, each action with the amount to pay.

    Raises:
        NotFound: there is no such customer, or it has not arrived here yet.
    """
    customers = await repository.get_customers(tx, [customer_id])
    if customer_id not in customers:
        raise NotFound("customer", customer_id)
    book = (await repository.get_books(tx, customers, policy=policy))[customer_id]
    return [_priced(card, book, now) for card in cards(kind, book)]


def _priced(card: Card, book: Book, now: datetime) -> PricedCard:
    """The card with amounts; what cannot be invoiced now is not offered, and it says why."""
    actions, reason = [], card.reason
    for action in card.actions:
        try:
            actions.append(price_action(card, action, book, now))
        except Conflict as refusal:
            reason = refusal.detail
    own, target = card.own, card.target
    offer = book.offers.get(target.id) if target else None
    if offer and own is not target and offer.product_id != card.offering.id:
        offer = None
    scheduled = target.scheduled if target else None
    if scheduled and own is not target and scheduled.product_id != card.offering.id:
        scheduled = None
    return PricedCard(card, tuple(actions), reason, offer, scheduled, book)


def price_action(card: Card, action: Action, book: Book, now: datetime) -> PricedAction:
    """What an action comes to.

    Raises:
        Conflict: no invoice can be made, for lack of settings or of a VAT rate.
    """
    target, today = card.target, local_date(now, book.customer.time_zone)
    if action.name in CHARGED and action.price:
        return _charged(card, action, action.price, book, now)
    if action.name == "change_at_period_end" and target:
        amount = None
        if action.price:
            amount = charge(
                book, card.offering, action.price, subscription_id=target.id, now=now
            ).amount
        return PricedAction(action, amount, effective_on=book.last_end(target))
    if action.name == "cancel" and target:
        return PricedAction(action, effective_on=book.last_end(target))
    if action.name == "activate_free" and target:
        return PricedAction(action, credit=_some(book.gross(book.unused(target, today))))
    return PricedAction(action)


def _charged(card: Card, action: Action, price: Price, book: Book, now: datetime) -> PricedAction:
    subscription_id = card.target.id if card.target else card.offering.id
    charged = charge_of(
        book,
        card.offering,
        price,
        subscription_id=subscription_id,
        replaces=card.target,
        now=now,
    )
    credit = book.gross((*charged.used, *charged.rest))
    return PricedAction(action, charged.amount, _some(credit))


def _some(amount: Money) -> Money | None:
    return amount if amount.minor else None
