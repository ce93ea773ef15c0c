"""Which mails are to go out: one delivery per event and kind, written before any is sent."""

from collections.abc import Sequence
from datetime import datetime

from services.notifier import repository
from shared.clock import NewId
from shared.database import Tx
from shared.events.billing import InvoiceDocumentStored, InvoiceOpened, SettingsChanged
from shared.events.customers import CustomerErased, CustomerState
from shared.messaging.batch import Waiting

__all__ = [
    "copy_customers",
    "copy_seller",
    "erase_customers",
    "note_opened_invoices",
    "plan_invoice_mails",
]


async def copy_customers(tx: Tx, states: Sequence[CustomerState]) -> None:
    await repository.save_customers(tx, states)


async def erase_customers(tx: Tx, erased: Sequence[CustomerErased]) -> None:
    await repository.erase_customers(tx, erased)


async def copy_seller(tx: Tx, settings: Sequence[SettingsChanged]) -> None:
    for changed in settings:
        await repository.save_seller(tx, changed)


async def note_opened_invoices(tx: Tx, opened: Sequence[InvoiceOpened]) -> None:
    await repository.add_invoices(tx, opened)


async def plan_invoice_mails(
    tx: Tx,
    stored: Sequence[InvoiceDocumentStored],
    *,
    message_id_domain: str,
    now: datetime,
    new_id: NewId,
) -> Waiting:
    """Plan the mail of each invoice whose opening and document are both known.

    Invoices nobody's subscription asked for go out only when an operator sends them.
    """
    invoices = await repository.get_invoices(tx, [event.invoice_id for event in stored])
    rows = []
    for event in stored:
        invoice = invoices.get(event.invoice_id)
        if invoice is None or invoice.request_id is None:
            continue
        delivery_id = new_id()
        rows.append(
            {
                "id": delivery_id,
                "customer_id": event.customer_id,
                "kind": "invoice",
                "source_id": event.invoice_id,
                "invoice_id": event.invoice_id,
                "storage_key": event.storage_key,
                "filename": event.filename,
                "message_id": f"<{delivery_id}@{message_id_domain}>",
            }
        )
    await repository.add_deliveries(tx, rows, now=now)
    return {event.customer_id for event in stored if event.invoice_id not in invoices}
