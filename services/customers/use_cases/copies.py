"""Copies of what other services own, kept up to date by their events."""

from collections.abc import Sequence

from services.customers import repository
from shared.database import Tx
from shared.events.billing import InvoiceOpened, InvoicePaid, InvoicePartiallyPaid, InvoiceVoided
from shared.events.subscriptions import EntitlementsChanged
from shared.money import Money

__all__ = ["InvoiceEvent", "copy_entitlements", "copy_open_amounts"]

InvoiceEvent = InvoiceOpened | InvoicePartiallyPaid | InvoicePaid | InvoiceVoided


async def copy_entitlements(tx: Tx, changes: Sequence[EntitlementsChanged]) -> None:
    """Keep what decides about seats and erasure: the limit, and whether anything is live."""
    rows = [
        {
            "customer_id": change.customer_id,
            "version": change.version,
            "subscribed": bool(change.plan or change.modules),
            "max_users": change.max_users if change.plan else 0,
        }
        for change in changes
    ]
    await repository.save_entitlements(tx, rows)


async def copy_open_amounts(tx: Tx, events: Sequence[InvoiceEvent]) -> None:
    """Keep what is open on each invoice."""
    rows = []
    for event in events:
        amount = _open_amount(event)
        rows.append(
            {
                "invoice_id": event.invoice_id,
                "customer_id": event.customer_id,
                "version": event.version,
                "number": event.number,
                "currency": amount.currency if amount else "",
                "open_minor": amount.minor if amount else 0,
            }
        )
    await repository.save_open_invoices(tx, rows)


def _open_amount(event: InvoiceEvent) -> Money | None:
    return event.open_amount if isinstance(event, InvoiceOpened | InvoicePartiallyPaid) else None
