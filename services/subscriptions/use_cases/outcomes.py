"""What becomes of a booking when its invoice is opened, paid, voided or rejected.

All of it happens in batches of events, whose customers the batch has locked.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.subscriptions import repository
from services.subscriptions.domain.catalogue import Catalogue
from services.subscriptions.domain.subscription import (
    Offer,
    Subscription,
    activate_paid,
    drop_booking,
)
from services.subscriptions.use_cases.entitlements import refresh_entitlements
from shared.clock import NewId
from shared.database import Tx
from shared.events.billing import (
    InvoicedLine,
    InvoiceOpened,
    InvoicePaid,
    InvoiceRejected,
    InvoiceVoided,
)
from shared.events.subscriptions import (
    EventPeriod,
    Product,
    SubscriptionActivated,
    SubscriptionBookingDropped,
)
from shared.messaging.outbox import publish
from shared.periods import local_date

__all__ = [
    "activate_paid_bookings",
    "drop_rejected_bookings",
    "drop_voided_bookings",
    "link_opened_invoices",
]


def _keys(lines: Iterable[InvoicedLine]) -> Iterable[tuple[UUID, UUID]]:
    """(request, subscription) of the lines that a subscription asked for."""
    for line in lines:
        if line.request_id and line.subscription_id:
            yield line.request_id, line.subscription_id


async def link_opened_invoices(tx: Tx, opened: Sequence[InvoiceOpened]) -> None:
    await repository.link_invoices(
        tx, [(*key, event.invoice_id) for event in opened for key in _keys(event.lines)]
    )


async def activate_paid_bookings(
    tx: Tx, paid: Sequence[InvoicePaid], *, now: datetime, new_id: NewId
) -> None:
    """Activate what was waiting for these invoices; what no longer waits stays as it is."""
    by_key = {key: event for event in paid for key in _keys(event.lines)}
    waiting = await repository.lock_offers(tx, by_key)
    if not waiting:
        return
    catalogue = await repository.get_catalogue(tx, with_prices=False)
    decided: list[tuple[Subscription, Offer, InvoicePaid]] = []
    for offer, subscription, time_zone in waiting:
        event = by_key[offer.request_id, offer.subscription_id]
        paid_on = local_date(event.paid_at, time_zone)
        decided.append((*activate_paid(subscription, offer, paid_on=paid_on), event))
    await repository.save_subscriptions(tx, [s for s, _, _ in decided], now=now)
    await repository.save_offers(tx, [offer for _, offer, _ in decided])
    await repository.add_periods(
        tx,
        [
            {
                "subscription_id": subscription.id,
                "term": subscription.term,
                "period_start": subscription.period.start,
                "period_end": subscription.period.end,
                "outcome": "billed",
                "invoice_id": event.invoice_id,
            }
            for subscription, _, event in decided
            if subscription.period
        ],
    )
    await publish(
        tx,
        [_paid_activation(s, offer, event, catalogue) for s, offer, event in decided],
        now=now,
        new_id=new_id,
    )
    await refresh_entitlements(
        tx, {s.customer_id for s, _, _ in decided}, now=now, new_id=new_id, catalogue=catalogue
    )


def _paid_activation(
    subscription: Subscription, offer: Offer, event: InvoicePaid, catalogue: Catalogue
) -> SubscriptionActivated:
    period = subscription.period
    return SubscriptionActivated(
        customer_id=subscription.customer_id,
        subscription_id=subscription.id,
        version=subscription.version,
        product=_named(subscription, catalogue),
        term=subscription.term,
        origin="invoice",
        cycle=subscription.cycle,
        period=EventPeriod(start=period.start, end=period.end) if period else None,
        request_id=offer.request_id,
        invoice_id=event.invoice_id,
        settlement=event.settlement,
    )


def _named(subscription: Subscription, catalogue: Catalogue) -> Product:
    name = catalogue.offerings[subscription.product_id].name
    return Product(kind=subscription.kind, id=subscription.product_id, name=name)


async def drop_voided_bookings(
    tx: Tx, voided: Sequence[InvoiceVoided], *, now: datetime, new_id: NewId
) -> None:
    """Release bookings whose invoice is gone; one that was replaced lives on in the new one."""
    reasons = {
        key: "invoice_voided"
        for event in voided
        if event.replaced_by is None
        for key in _keys(event.lines)
    }
    await _drop(tx, reasons, now=now, new_id=new_id)


async def drop_rejected_bookings(
    tx: Tx, rejected: Sequence[InvoiceRejected], *, now: datetime, new_id: NewId
) -> None:
    reasons = {
        (event.request_id, subscription_id): event.reason
        for event in rejected
        for subscription_id in event.subscription_ids
    }
    await _drop(tx, reasons, now=now, new_id=new_id)


async def _drop(
    tx: Tx,
    reasons: dict[tuple[UUID, UUID], Any],
    *,
    now: datetime,
    new_id: NewId,
) -> None:
    waiting = await repository.lock_offers(tx, reasons)
    if not waiting:
        return
    catalogue = await repository.get_catalogue(tx, with_prices=False)
    decided = [drop_booking(subscription, offer) for offer, subscription, _ in waiting]
    await repository.save_subscriptions(tx, [s for s, _ in decided], now=now)
    await repository.save_offers(tx, [offer for _, offer in decided])
    await publish(
        tx,
        [
            SubscriptionBookingDropped(
                customer_id=subscription.customer_id,
                subscription_id=subscription.id,
                version=subscription.version,
                product=_named(subscription, catalogue),
                request_id=offer.request_id,
                reason=reasons[offer.request_id, offer.subscription_id],
            )
            for subscription, offer in decided
        ],
        now=now,
        new_id=new_id,
    )
