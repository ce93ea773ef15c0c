"""What becomes of a booking or change when billing has something to say about its invoice.

Each is asked with one event about one customer, and with what was found by the keys of its lines.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from services.subscriptions.domain.decisions.terms import Term, begin
from services.subscriptions.domain.draft import Draft, period_part
from services.subscriptions.domain.ledger import LedgerPeriod, Offer, Part, credited
from services.subscriptions.domain.subscription import State, Subscription, Trigger
from shared.events.billing import (
    InvoiceCredited,
    InvoicedLine,
    InvoicePaid,
    InvoicePaymentReversed,
    InvoiceRejected,
    InvoiceVoided,
)
from shared.periods import first_period, local_date

__all__ = [
    "Found",
    "Key",
    "drop_missing",
    "invoice_credited",
    "invoice_paid",
    "invoice_rejected",
    "invoice_voided",
    "keys",
    "payment_reversed",
]

Key = tuple[UUID, UUID]
"""(request, subscription) of a line that a subscription asked for."""


@dataclass(frozen=True, slots=True)
class Found:
    """Offers in any state, and periods that began before their invoice was paid, by key."""

    offers: Mapping[Key, Offer] = field(default_factory=dict)
    periods: Mapping[Key, LedgerPeriod] = field(default_factory=dict)


_NOT_BILLED = frozenset({"skipped", "failed"})


def keys(lines: Iterable[InvoicedLine]) -> list[Key]:
    found = [(n.request_id, n.subscription_id) for n in lines if n.request_id and n.subscription_id]
    return list(dict.fromkeys(found))


def _worth(event: InvoicePaid, key: Key) -> tuple[Part, ...]:
    """What the product's own line is worth; its credit lines were value of another period."""
    return tuple(
        Part(
            event.invoice_id,
            line.position,
            line.total.currency,
            line.basis,
            line.vat_percent,
            line.total.minor,
        )
        for line in event.lines
        if (line.request_id, line.subscription_id) == key
        and line.total.minor > 0
        and line.basis
        and line.vat_percent is not None
    )


def invoice_paid(draft: Draft, event: InvoicePaid, found: Found) -> None:
    """Activate what waited for it, resume what was past due; what was dropped stays dropped."""
    for key in keys(event.lines):
        subscription = draft.subscriptions.get(key[1])
        if subscription is None:
            continue
        offer, period = found.offers.get(key), found.periods.get(key)
        if offer and offer.state == "open":
            _activate(draft, subscription, offer, event)
        elif (offer and offer.state == "dropped") or (period and period.outcome in _NOT_BILLED):
            draft.note(subscription, event.TYPE)
        elif period and period.outcome == "requested":
            worth = _worth(event, key)
            draft.save_period(
                replace(period, outcome="billed", invoice_id=event.invoice_id, worth=worth)
            )
            if subscription.term == period.term:
                draft.note(
                    subscription,
                    event.TYPE,
                    invoice_id=event.invoice_id,
                    invoice_version=event.version,
                )
    for subscription in _standing_on(draft, event.invoice_id):
        _resume(draft, subscription, event)


def _standing_on(draft: Draft, invoice_id: UUID) -> list[Subscription]:
    """Also those that no line of the invoice names: begun by value that was paid for with it."""
    return [s for s in draft.subscriptions.values() if s.live and s.invoice_id == invoice_id]


def _activate(draft: Draft, subscription: Subscription, offer: Offer, event: InvoicePaid) -> None:
    key = offer.request_id, offer.subscription_id
    paid_on = local_date(event.paid_at, draft.book.customer.time_zone)
    period = None if offer.cycle == "once" else first_period(paid_on, offer.cycle)
    draft.save_offer(replace(offer, state="settled", invoice_id=event.invoice_id))
    draft.give_back(offer.rest)
    term = Term(
        offer.product_id,
        "invoice",
        offer.cycle,
        offer.price_id,
        period,
        paid_on.day if period else None,
        event.invoice_id,
        event.version,
        event.settlement,
        offer.request_id,
        worth=_worth(event, key),
        covered={taken.subscription_id for taken in (*offer.used, *offer.rest)},
    )
    begin(draft, subscription, term)


def _resume(draft: Draft, subscription: Subscription, event: InvoicePaid) -> None:
    unpaid = {State.PAST_DUE, State.SUSPENDED}
    canceled = subscription.canceled_from in unpaid
    if subscription.knows(event.invoice_id, event.version):
        return
    if not (canceled or subscription.state in unpaid):
        draft.note(subscription, event.TYPE, invoice_version=event.version)
        return
    facts = {
        "term": subscription.term,
        "period": period_part(subscription.period),
        "invoice_id": event.invoice_id,
        "settlement": event.settlement,
    }
    back = State.ACTIVE if canceled else None
    draft.step(
        subscription,
        Trigger.RESUME,
        facts,
        canceled_from=back,
        invoice_version=event.version,
    )


def payment_reversed(draft: Draft, event: InvoicePaymentReversed, found: Found) -> None:
    """What stands on the invoice is owed again; what has granted nothing yet goes on waiting."""
    for subscription in _standing_on(draft, event.invoice_id):
        heard = subscription.knows(event.invoice_id, event.version)
        if heard or State.ACTIVE not in {subscription.state, subscription.canceled_from}:
            continue
        facts = {"invoice_id": event.invoice_id, "due_date": event.due_date}
        canceling = subscription.state is State.CANCELING
        draft.step(
            subscription,
            Trigger.REVERSE_PAYMENT,
            facts,
            canceled_from=State.PAST_DUE if canceling else None,
            invoice_version=event.version,
        )
    for key in keys(event.lines):
        named, offer = draft.subscriptions.get(key[1]), found.offers.get(key)
        waits = offer and offer.state == "open"
        if named and not waits and not named.knows(event.invoice_id, event.version):
            draft.note(named, event.TYPE)


def invoice_voided(draft: Draft, event: InvoiceVoided, found: Found) -> None:
    """Release what waited for it; what another invoice carries on goes on waiting for that one."""
    for key in keys(event.lines):
        subscription, offer = draft.subscriptions.get(key[1]), found.offers.get(key)
        period = found.periods.get(key)
        if subscription and period and period.outcome == "requested" and not event.replaced_by:
            draft.save_period(replace(period, outcome="skipped"))
            draft.note(subscription, event.TYPE)
        if subscription is None or offer is None or offer.state != "open":
            continue
        follow = [o for o in found.offers.values() if o.invoice_id == event.replaced_by]
        if event.replaced_by and offer in follow:
            continue
        if event.replaced_by is None or follow:
            draft.drop_offer(subscription, "invoice_voided", None)
        else:
            # The new invoice has not been told of yet; `drop_missing` looks when it is.
            draft.save_offer(replace(offer, invoice_id=event.replaced_by))


def drop_missing(draft: Draft, missing: Iterable[Offer]) -> None:
    """Drop what waits for an invoice that was opened without its line."""
    for offer in missing:
        subscription = draft.subscriptions.get(offer.subscription_id)
        if subscription:
            draft.drop_offer(subscription, "line_removed", None)


def invoice_rejected(draft: Draft, event: InvoiceRejected, found: Found) -> None:
    """There will be no invoice: nothing waits any more, and billing says why."""
    for subscription_id in dict.fromkeys(event.subscription_ids):
        key = event.request_id, subscription_id
        subscription, offer = draft.subscriptions.get(subscription_id), found.offers.get(key)
        if subscription is None:
            continue
        if offer and offer.state == "open":
            draft.drop_offer(subscription, event.reason, None, detail=event.detail)
        period = found.periods.get(key)
        if period and period.outcome == "requested":
            draft.save_period(replace(period, outcome="failed"))
            draft.note(subscription, event.TYPE, event.detail)


def invoice_credited(draft: Draft, event: InvoiceCredited, found: Found) -> None:
    """Nothing is left to pay for: drop what waited; what is granted stays, worth less."""
    amounts = {line.position: line.total.minor for line in event.lines}
    for key in keys(event.lines):
        subscription, offer = draft.subscriptions.get(key[1]), found.offers.get(key)
        if subscription is None:
            continue
        if offer and offer.state == "open":
            if event.fully:
                draft.drop_offer(subscription, "invoice_credited", None)
        elif event.request_id is None:
            # What was asked for here has been accounted for when it was asked for.
            for row in credited(draft.periods_of(subscription), event.invoice_id, amounts):
                draft.save_period(row)
            draft.note(subscription, event.TYPE)
