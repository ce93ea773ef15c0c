"""What this service does with each event: one function per type, one use case each."""

from datetime import datetime

from services.customers import repository
from services.customers.use_cases import copies
from shared.clock import NewId
from shared.database import Tx
from shared.events import billing, subscriptions
from shared.messaging.batch import Consumer

__all__ = ["consumers"]


async def on_entitlements_changed(
    tx: Tx, events: list[subscriptions.EntitlementsChanged], *, now: datetime, new_id: NewId
) -> None:
    await copies.copy_entitlements(tx, events)


async def on_invoice(
    tx: Tx, events: list[copies.InvoiceEvent], *, now: datetime, new_id: NewId
) -> None:
    await copies.copy_open_amounts(tx, events)


def consumers() -> list[Consumer]:
    lock = repository.lock_customers
    return [
        Consumer(
            subscriptions.ENTITLEMENTS,
            {subscriptions.EntitlementsChanged: on_entitlements_changed},
            lock,
        ),
        Consumer(
            billing.INVOICES,
            {
                billing.InvoiceOpened: on_invoice,
                billing.InvoicePartiallyPaid: on_invoice,
                billing.InvoicePaid: on_invoice,
                billing.InvoiceVoided: on_invoice,
            },
            lock,
        ),
    ]
