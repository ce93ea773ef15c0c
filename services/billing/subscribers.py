"""What this service does with each event: one function per type, one use case each."""

from datetime import datetime

from services.billing import repository
from services.billing.use_cases import (
    balances,
    credit_notes,
    dispatch,
    openings,
    settings,
    withdrawals,
)
from shared.clock import NewId
from shared.database import Tx
from shared.events import customers, notifier, subscriptions
from shared.messaging.batch import Consumer, Waiting

__all__ = ["consumers"]


async def on_customer(
    tx: Tx, events: list[customers.CustomerState], *, now: datetime, new_id: NewId
) -> None:
    await settings.copy_customers(tx, events)


async def on_customer_erased(
    tx: Tx, events: list[customers.CustomerErased], *, now: datetime, new_id: NewId
) -> None:
    await settings.erase_customers(tx, events)


async def on_invoice_requested(
    tx: Tx, events: list[subscriptions.InvoiceRequested], *, now: datetime, new_id: NewId
) -> Waiting:
    return await openings.open_requested_invoices(tx, events, now=now, new_id=new_id)


async def on_request_withdrawn(
    tx: Tx, events: list[subscriptions.InvoiceRequestWithdrawn], *, now: datetime, new_id: NewId
) -> None:
    await withdrawals.withdraw_requests(tx, events, now=now, new_id=new_id)


async def on_credit_requested(
    tx: Tx, events: list[subscriptions.CreditRequested], *, now: datetime, new_id: NewId
) -> Waiting:
    return await credit_notes.credit_requested(tx, events, now=now, new_id=new_id)


async def on_subscription_withdrawn(
    tx: Tx, events: list[subscriptions.SubscriptionWithdrawn], *, now: datetime, new_id: NewId
) -> None:
    await balances.forfeit_withdrawn(tx, events, now=now, new_id=new_id)


async def on_email_sent(
    tx: Tx, events: list[notifier.EmailSent], *, now: datetime, new_id: NewId
) -> None:
    await dispatch.note_sent(tx, events, now=now, new_id=new_id)


def consumers() -> list[Consumer]:
    lock = repository.lock_customers
    return [
        Consumer(
            customers.CUSTOMERS,
            {
                **dict.fromkeys(customers.STATES, on_customer),
                customers.CustomerErased: on_customer_erased,
            },
            lock,
        ),
        Consumer(
            subscriptions.INVOICE_REQUESTS,
            {
                subscriptions.InvoiceRequested: on_invoice_requested,
                subscriptions.InvoiceRequestWithdrawn: on_request_withdrawn,
                subscriptions.CreditRequested: on_credit_requested,
            },
            lock,
        ),
        Consumer(
            subscriptions.SUBSCRIPTIONS,
            {subscriptions.SubscriptionWithdrawn: on_subscription_withdrawn},
            lock,
        ),
        Consumer(notifier.DELIVERIES, {notifier.EmailSent: on_email_sent}, lock),
    ]
