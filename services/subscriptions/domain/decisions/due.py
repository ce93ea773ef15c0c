"""What time makes due. Each is asked with the book of a customer that is not frozen."""

from collections.abc import Callable

from services.subscriptions.domain.decisions.terms import Term, begin, expire
from services.subscriptions.domain.draft import Draft
from services.subscriptions.domain.pricing import charge
from services.subscriptions.domain.subscription import State, Subscription, Trigger, due_at
from shared.errors import Conflict
from shared.periods import first_period

__all__ = [
    "Due",
    "apply_scheduled_changes",
    "end_canceled",
    "end_trials",
    "lapse_offers",
    "remind_of_trial_end",
]

Due = Callable[[Draft], None]


def _due(draft: Draft) -> list[Subscription]:
    zone = draft.book.customer.time_zone
    return [s for s in draft.subscriptions.values() if (at := due_at(s, zone)) and at <= draft.now]


def end_trials(draft: Draft) -> None:
    """A trial ends on its day; an offer beside it goes on waiting."""
    for subscription in _due(draft):
        if subscription.state is State.TRIALING:
            expire(draft, subscription, "trial_over")


def end_canceled(draft: Draft) -> None:
    """What was canceled, or was free until a certain day, is over."""
    for subscription in _due(draft):
        if subscription.state is not State.TRIALING and not subscription.scheduled:
            trial = subscription.canceled_from is State.TRIALING
            expire(draft, subscription, "trial_over" if trial else "term_over")


def remind_of_trial_end(draft: Draft) -> None:
    for subscription in list(draft.subscriptions.values()):
        if subscription.state is not State.TRIALING or subscription.period is None:
            continue
        if subscription.remind_at and subscription.remind_at <= draft.now:
            facts = {"ends_on": subscription.period.end}
            draft.step(subscription, Trigger.REMIND, facts, remind_at=None)


def lapse_offers(draft: Draft) -> None:
    """What was not paid in time does not wait any longer."""
    for subscription_id, offer in list(draft.offers.items()):
        if offer.lapses_on and offer.lapses_on <= draft.today:
            draft.drop_offer(draft.subscriptions[subscription_id], "lapsed", "lapsed")


def apply_scheduled_changes(draft: Draft) -> None:
    """Switch at the period's end like a renewal at the new price: begun now, invoiced now."""
    for subscription in _due(draft):
        if subscription.scheduled and subscription.state is State.ACTIVE:
            _apply(draft, subscription)


def _apply(draft: Draft, subscription: Subscription) -> None:
    change = subscription.scheduled
    if change is None:
        return
    offering = draft.book.offering(change.product_id)
    prices = draft.book.catalogue.prices_of(offering.id, draft.book.customer.currency)
    price = prices.get(change.cycle) if change.cycle else None
    if change.cycle and (price is None or not price.unit_price):
        # Without a price any more there is nothing to switch to.
        draft.drop_scheduled(subscription, "price_missing")
        return
    if price is None:
        begin(draft, subscription, Term(offering.id, "free"))
        return
    anchor = subscription.anchor_day or change.effective_on.day
    period = first_period(change.effective_on, price.cycle, anchor)
    try:
        costs = charge(
            draft.book,
            offering,
            price,
            subscription_id=subscription.id,
            now=draft.now,
            period=period,
        )
    except Conflict:
        draft.drop_scheduled(subscription, "not_invoiceable")
        return
    request_id = draft.new_id()
    term = Term(
        offering.id,
        "invoice",
        price.cycle,
        price.id,
        period,
        anchor,
        request_id=request_id,
        outcome="requested",
    )
    begin(draft, subscription, term)
    draft.ask_for_invoice(request_id, costs.lines, costs.amount, "change", [offering.id])
