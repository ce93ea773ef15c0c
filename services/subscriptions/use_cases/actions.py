"""Doing what a customer's cards offer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.subscriptions import repository
from services.subscriptions.domain.cards import Action, ActionName, Card
from services.subscriptions.domain.catalogue import Cycle, Kind, Price
from services.subscriptions.domain.subscription import Offer, Subscription, activate_free, book
from services.subscriptions.domain.texts import line_description, line_title
from services.subscriptions.use_cases.entitlements import refresh_entitlements
from services.subscriptions.use_cases.options import customer_cards, preview_total
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Tx
from shared.errors import Conflict, InputInvalid, NotFound
from shared.events import Event
from shared.events.subscriptions import (
    InvoiceRequested,
    Product,
    RequestedLine,
    SubscriptionActivated,
    SubscriptionBooked,
)
from shared.money import Money

__all__ = [
    "ActionItem",
    "ActionResult",
    "take_actions",
]


@dataclass(frozen=True, slots=True)
class ActionItem:
    """One action on one product, as an operator asks for it."""

    product_id: UUID
    action: ActionName
    cycle: Cycle | None = None


@dataclass(frozen=True, slots=True)
class ActionResult:
    """`request_id` and `amount` are absent when nothing is to be paid."""

    subscriptions: tuple[Subscription, ...]
    request_id: UUID | None
    amount: Money | None


async def take_actions(
    tx: Tx,
    customer_id: UUID,
    kind: Kind,
    items: Sequence[ActionItem],
    *,
    expected_total: Money | None,
    actor: str,
    now: datetime,
    new_id: NewId,
) -> ActionResult:
    """Do what the customer's cards offer, all of it or nothing; one invoice for all of it.

    Raises:
        NotFound: no such customer or product.
        Conflict: an action is not offered, or the amount is not the expected one.
    """
    customer = (await repository.lock_customers(tx, [customer_id])).get(customer_id)
    if customer is None:
        raise NotFound("customer", customer_id)
    chosen = _choose(await customer_cards(tx, customer, kind), kind, items)
    free = [card for card, action in chosen if action.name == "activate_free"]
    to_pay = [(card, action.price) for card, action in chosen if action.price]

    activated = [_activate(card, customer_id, new_id) for card in free]
    result = ActionResult(tuple(s for s, _ in activated), None, None)
    await _save(tx, activated, now=now)
    events: list[Event] = [
        _activated(subscription, card)
        for (subscription, _), card in zip(activated, free, strict=True)
    ]
    if to_pay:
        booked, booking_events, total = await _book(
            tx, customer, to_pay, expected_total=expected_total, now=now, new_id=new_id
        )
        events += booking_events
        result = ActionResult(
            (*result.subscriptions, *(s for s, _ in booked)), booked[0][1].request_id, total
        )
    acts = [_act(card, action, customer_id, result) for card, action in chosen]
    await record(tx, actor, acts, events, now=now, new_id=new_id)
    if free:
        await refresh_entitlements(tx, [customer_id], now=now, new_id=new_id)
    return result


def _act(card: Card, action: Action, customer_id: UUID, result: ActionResult) -> Act:
    (after,) = (s for s in result.subscriptions if s.product_id == card.offering.id)
    own = card.subscription
    return Act(
        f"subscription.{action.name}",
        "subscription",
        after.id,
        customer_id,
        before={"state": str(own.state)} if own else None,
        after={
            "state": str(after.state),
            "product": card.offering.name,
            "cycle": action.cycle,
            "request_id": str(result.request_id) if action.price else None,
        },
    )


def _choose(
    found: Sequence[Card], kind: Kind, items: Sequence[ActionItem]
) -> list[tuple[Card, Action]]:
    by_product = {card.offering.id: card for card in found}
    if len({item.product_id for item in items}) < len(items):
        raise InputInvalid("actions", f"must name each {kind} once")
    chosen = []
    for item in items:
        card = by_product.get(item.product_id)
        if card is None:
            raise NotFound(kind, item.product_id)
        action = card.find(item.action, item.cycle)
        if action is None:
            offered = ", ".join(f"{a.name} {a.cycle or ''}".strip() for a in card.actions)
            raise Conflict(
                "action_not_offered",
                f"{card.offering.name}: {card.reason or f'only {offered} is possible.'}",
            )
        chosen.append((card, action))
    return chosen


async def _book(
    tx: Tx,
    customer: Any,
    to_pay: Sequence[tuple[Card, Price]],
    *,
    expected_total: Money | None,
    now: datetime,
    new_id: NewId,
) -> tuple[list[tuple[Subscription, Offer]], list[Event], Money]:
    """One offer per product, one request for an invoice over all of them."""
    seller = await repository.get_seller(tx)
    total = preview_total([price for _, price in to_pay], customer, seller, now)
    if expected_total is not None and expected_total != total:
        raise Conflict(
            "amount_changed",
            f"The amount is {total.currency} {total.amount} now.",
            amount=total.to_dict(),
        )
    request_id = new_id()
    booked = []
    for card, price in to_pay:
        subscription, offer = book(
            card.subscription,
            subscription_id=new_id(),
            request_id=request_id,
            customer_id=customer.id,
            kind=card.offering.kind,
            product_id=card.offering.id,
            cycle=price.cycle,
            price_id=price.id,
        )
        booked.append((subscription, offer))
    await _save(
        tx,
        [(s, c.subscription is None) for (s, _), (c, _) in zip(booked, to_pay, strict=True)],
        now=now,
    )
    await repository.add_offers(tx, [offer for _, offer in booked], now=now)
    titles = [_title(card, customer.language) for card, _ in to_pay]
    request = InvoiceRequested(
        customer_id=customer.id,
        request_id=request_id,
        reason="booking",
        title=" + ".join(titles),
        currency=customer.currency,
        lines=tuple(
            _requested_line(subscription.id, title, price, customer.language)
            for (subscription, _), title, (_, price) in zip(booked, titles, to_pay, strict=True)
        ),
        expected_total=total,
    )
    events: list[Event] = [
        SubscriptionBooked(
            customer_id=customer.id,
            subscription_id=subscription.id,
            version=subscription.version,
            product=_product(card),
            request_id=request_id,
            cycle=price.cycle,
        )
        for (subscription, _), (card, price) in zip(booked, to_pay, strict=True)
    ]
    return booked, [*events, request], total


def _activate(card: Card, customer_id: UUID, new_id: NewId) -> tuple[Subscription, bool]:
    subscription = activate_free(
        card.subscription,
        subscription_id=new_id(),
        customer_id=customer_id,
        kind=card.offering.kind,
        product_id=card.offering.id,
        gift=not card.offering.is_free,
    )
    return subscription, card.subscription is None


async def _save(tx: Tx, changes: Sequence[tuple[Subscription, bool]], *, now: datetime) -> None:
    """Write subscriptions, each with whether it is new."""
    await repository.add_subscriptions(tx, [s for s, new in changes if new], now=now)
    await repository.save_subscriptions(tx, [s for s, new in changes if not new], now=now)


def _title(card: Card, language: str) -> str:
    return line_title(card.offering.kind, card.offering.name_in(language), language)


def _requested_line(
    subscription_id: UUID, title: str, price: Price, language: str
) -> RequestedLine:
    return RequestedLine(
        subscription_id=subscription_id,
        title=title,
        description=line_description(price.cycle, language),
        unit_price=price.unit_price or Decimal(0),
        basis=price.basis,
        vat_category=price.vat_category,
        cycle=price.cycle,
    )


def _product(card: Card) -> Product:
    return Product(kind=card.offering.kind, id=card.offering.id, name=card.offering.name)


def _activated(subscription: Subscription, card: Card) -> SubscriptionActivated:
    return SubscriptionActivated(
        customer_id=subscription.customer_id,
        subscription_id=subscription.id,
        version=subscription.version,
        product=_product(card),
        term=subscription.term,
        origin="free" if subscription.origin == "free" else "gift",
    )
