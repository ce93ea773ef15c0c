"""What this service does with each event: one function per type, one use case each."""

from datetime import datetime

from services.notifier import repository
from services.notifier.use_cases import planning
from shared.clock import NewId
from shared.database import Tx
from shared.events import billing, customers
from shared.messaging.batch import Consumer, Waiting

__all__ = ["consumers"]


async def on_customer(
    tx: Tx, events: list[customers.CustomerState], *, now: datetime, new_id: NewId
) -> None:
    await planning.copy_customers(tx, events)


async def on_customer_erased(
    tx: Tx, events: list[customers.CustomerErased], *, now: datetime, new_id: NewId
) -> None:
    await planning.erase_customers(tx, events)


async def on_settings_changed(
    tx: Tx, events: list[billing.SettingsChanged], *, now: datetime, new_id: NewId
) -> None:
    await planning.copy_seller(tx, events)


async def on_invoice_opened(
    tx: Tx, events: list[billing.InvoiceOpened], *, now: datetime, new_id: NewId
) -> None:
    await planning.note_opened_invoices(tx, events)


async def on_invoice_voided(
    tx: Tx, events: list[billing.InvoiceVoided], *, now: datetime, new_id: NewId
) -> None:
    await planning.note_voided_invoices(tx, events, now=now)


def consumers(message_id_domain: str) -> list[Consumer]:
    async def on_document_stored(
        tx: Tx, events: list[billing.InvoiceDocumentStored], *, now: datetime, new_id: NewId
    ) -> Waiting:
        return await planning.plan_documents(
            tx, events, domain=message_id_domain, now=now, new_id=new_id
        )

    async def on_credit_note_issued(
        tx: Tx, events: list[billing.CreditNoteIssued], *, now: datetime, new_id: NewId
    ) -> Waiting:
        return await planning.plan_credit_notes(
            tx, events, domain=message_id_domain, now=now, new_id=new_id
        )

    async def on_send_requested(
        tx: Tx, events: list[billing.InvoiceSendRequested], *, now: datetime, new_id: NewId
    ) -> Waiting:
        return await planning.plan_sendings(
            tx, events, domain=message_id_domain, now=now, new_id=new_id
        )

    return [
        Consumer(
            customers.CUSTOMERS,
            {
                **dict.fromkeys(customers.STATES, on_customer),
                customers.CustomerErased: on_customer_erased,
            },
            repository.lock_customers,
        ),
        Consumer(billing.SETTINGS, {billing.SettingsChanged: on_settings_changed}),
        Consumer(
            billing.INVOICES,
            {
                billing.InvoiceOpened: on_invoice_opened,
                billing.InvoiceVoided: on_invoice_voided,
                billing.InvoiceDocumentStored: on_document_stored,
                billing.CreditNoteIssued: on_credit_note_issued,
                billing.InvoiceSendRequested: on_send_requested,
            },
            repository.lock_customers,
        ),
    ]
