"""Actions that lead to something new: free, a trial, an invoice, a change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from services.subscriptions.domain.cards import Action, Card
from services.subscriptions.domain.catalogue import Price
from services.subscriptions.domain.decisions.terms import (
    Term,
    begin,
    carried,
    take_in_modules,
)
from services.subscriptions.domain.draft import Draft, period_part
from services.subscriptions.domain.ledger import Offer
from services.subscriptions.domain.pricing import Charge, charge_of, price_lines
from services.subscriptions.domain.subscription import (
    ScheduledChange,
    State,
    Subscription,
    Trigger,
)
from shared.money import Money
from shared.periods import Period, first_period, start_of_day

__all__ = ["activate_free", "make_invoice", "reminder", "schedule_change", "start_trial"]


def activate_free(draft: Draft, card: Card) -> None:
    """Active at once and without end; a gift when the product has a price."""
    subscription = _ready(draft, card)
    draft.give_back(draft.book.unused(subscription, draft.today))
    term = Term(card.offering.id, "free" if card.offering.is_free else "gift")
    begin(draft, subscription, term, new=card.target is None)


def start_trial(draft: Draft, card: Card) -> None:
    """Everything for some days, once per customer and product, ever."""
    subscription = _ready(draft, card)
    end = draft.today + timedelta(days=card.offering.trial_days)
    period = Period(draft.today, end)
    after = draft.step(
        subscription,
        Trigger.START_TRIAL,
        {"term": subscription.term + 1, "period": period_part(period)},
        new=card.target is None,
        term=subscription.term + 1,
        origin="trial",
        cycle=None,
        price_id=None,
        period=period,
        anchor_day=None,
        invoice_id=None,
        canceled_from=None,
        remind_at=reminder(draft, period),
    )
    draft.trials.append((card.offering.id, after.id))
    if after.kind == "plan":
        take_in_modules(draft, after)


def reminder(draft: Draft, period: Period) -> datetime | None:
    """When to tell that a trial ends; None when that day is over already."""
    day = period.end - timedelta(days=draft.book.policy.reminder_days)
    return start_of_day(day, draft.book.customer.time_zone) if day > draft.today else None


def _ready(draft: Draft, card: Card) -> Subscription:
    """The subscription that the action is about, with nothing waiting beside it any more."""
    target = card.target or draft.fresh(card.offering.kind, card.offering.id)
    if card.offering.kind == "plan":
        draft.drop_other_plans(target.id, "replaced")
    return draft.drop_waiting(target, "replaced", "replaced")


@dataclass(frozen=True, slots=True)
class _Order:
    """One product of an invoice."""

    card: Card
    price: Price
    subscription: Subscription
    charge: Charge


def make_invoice(draft: Draft, chosen: Sequence[tuple[Card, Action]]) -> None:
    """One invoice over all of it, for which each waits; what comes to nothing begins at once.

    Raises:
        Conflict: no invoice can be made, for lack of settings or of a VAT rate.
    """
    orders = [_order(draft, card, action) for card, action in chosen]
    draft.charges += [order.charge for order in orders]
    draft.priced = True
    lines = [line for order in orders for line in order.charge.lines]
    currency = draft.book.customer.currency
    total = Money(price_lines(lines, draft.book, draft.now).totals.total_minor, currency)
    if total.minor == 0:
        for order in orders:
            _begin_at_once(draft, order)
        return
    request_id = draft.new_id()
    changes = [_offer(draft, order, request_id) for order in orders]
    reason: Literal["booking", "change"] = "change" if any(changes) else "booking"
    products = [order.card.offering.id for order in orders]
    draft.ask_for_invoice(request_id, lines, total, reason, products)


def _order(draft: Draft, card: Card, action: Action) -> _Order:
    price = action.price
    if price is None:
        raise ValueError(f"{action.name} needs a price")
    subscription = _ready(draft, card)
    charge = charge_of(
        draft.book,
        card.offering,
        price,
        subscription_id=subscription.id,
        replaces=card.target,
        now=draft.now,
    )
    return _Order(card, price, subscription, charge)


def _begin_at_once(draft: Draft, order: _Order) -> None:
    used = order.charge.used
    period = None
    if order.price.cycle != "once":
        period = first_period(draft.today, order.price.cycle)
    draft.give_back(order.charge.rest)
    term = Term(
        order.card.offering.id,
        "invoice",
        order.price.cycle,
        order.price.id,
        period,
        draft.today.day if period else None,
        # It stands on what paid for the value that is used up now.
        invoice_id=used[-1].part.invoice_id if used else None,
        worth=carried(used),
        covered={taken.subscription_id for taken in (*used, *order.charge.rest)},
    )
    begin(draft, order.subscription, term, new=order.card.target is None)


def _offer(draft: Draft, order: _Order, request_id: UUID) -> bool:
    """Let it wait for the payment; tells whether it is a change of what runs."""
    target, product_id = order.card.target, order.card.offering.id
    is_change = target is not None and (
        target.product_id != product_id
        or (target.state is State.ACTIVE and target.origin == "invoice")
    )
    before = order.subscription
    facts: dict[str, object] = {"request_id": request_id, "cycle": order.price.cycle}
    if is_change:
        facts["to"] = draft.product(before.kind, product_id)
    # Trials and what is free have no period whose end would make the price another one.
    computed_for = before.period if is_change and before.origin == "invoice" else None
    offer = Offer(
        request_id,
        before.id,
        before.customer_id,
        product_id,
        order.price.cycle,
        order.price.id,
        is_change=is_change,
        offer_days=draft.book.policy.offer_days,
        valid_until=computed_for.end if computed_for else None,
        used=order.charge.used,
        rest=order.charge.rest,
        lines=tuple(line.model_dump(mode="json") for line in order.charge.lines),
    )
    draft.save_offer(offer.lapsing(draft.today))
    trigger = Trigger.OFFER_CHANGE if is_change else Trigger.BOOK
    draft.step(before, trigger, facts, new=target is None, offer=offer)
    return is_change


def schedule_change(draft: Draft, card: Card, action: Action) -> None:
    """Wait for the end of the last period that is paid or has begun."""
    subscription = _ready(draft, card)
    end = draft.last_end(subscription)
    facts = {
        "to": draft.product(subscription.kind, card.offering.id),
        "cycle": action.cycle or subscription.cycle,
        "free": action.cycle is None,
        "effective_on": end,
    }
    draft.step(
        subscription,
        Trigger.SCHEDULE_CHANGE,
        facts,
        scheduled=ScheduledChange(card.offering.id, action.cycle, end),
    )
