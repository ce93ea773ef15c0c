"""What this service does with each event: one function per type, one use case each."""

from datetime import datetime

from services.subscriptions import repository
from services.subscriptions.use_cases import copies, outcomes
from shared.clock import NewId
from shared.database import Tx
from shared.events import billing, customers
from shared.messaging.batch import Consumer

__all__ = ["consumers"]


async def on_customer(
    tx: Tx, events: list[customers.CustomerState], *, now: datetime, new_id: NewId
) -> None:
    await copies.copy_customers(tx, events)


async def on_customer_deactivated(
    tx: Tx, events: list[customers.CustomerDeactivated], *, now: datetime, new_id: NewId
) -> None:
    await copies.copy_customers(tx, events)
    await copies.cancel_deactivated(tx, events, now=now, new_id=new_id)


async def on_customer_erased(
    tx: Tx, events: list[customers.CustomerErased], *, now: datetime, new_id: NewId
) -> None:
    await copies.erase_customers(tx, events)


async def on_user(
    tx: Tx, events: list[customers.UserState], *, now: datetime, new_id: NewId
) -> None:
    await copies.copy_users(tx, events, now=now, new_id=new_id)


async def on_user_erased(
    tx: Tx, events: list[customers.UserErased], *, now: datetime, new_id: NewId
) -> None:
    await copies.erase_users(tx, events, now=now, new_id=new_id)


async def on_settings_changed(
    tx: Tx, events: list[billing.SettingsChanged], *, now: datetime, new_id: NewId
) -> None:
    await copies.copy_seller(tx, events)


async def on_invoice_opened(
    tx: Tx, events: list[billing.InvoiceOpened], *, now: datetime, new_id: NewId
) -> None:
    await outcomes.link_opened_invoices(tx, events, now=now, new_id=new_id)


async def on_due_date_changed(
    tx: Tx, events: list[billing.InvoiceDueDateChanged], *, now: datetime, new_id: NewId
) -> None:
    await outcomes.wait_longer(tx, events)


async def on_invoice_paid(
    tx: Tx, events: list[billing.InvoicePaid], *, now: datetime, new_id: NewId
) -> None:
    await outcomes.activate_paid_bookings(tx, events, now=now, new_id=new_id)


async def on_invoice_voided(
    tx: Tx, events: list[billing.InvoiceVoided], *, now: datetime, new_id: NewId
) -> None:
    await outcomes.drop_voided_bookings(tx, events, now=now, new_id=new_id)


async def on_invoice_rejected(
    tx: Tx, events: list[billing.InvoiceRejected], *, now: datetime, new_id: NewId
) -> None:
    await outcomes.drop_rejected_bookings(tx, events, now=now, new_id=new_id)


async def on_invoice_credited(
    tx: Tx, events: list[billing.InvoiceCredited], *, now: datetime, new_id: NewId
) -> None:
    await outcomes.note_credited_invoices(tx, events, now=now, new_id=new_id)


async def on_payment_reversed(
    tx: Tx, events: list[billing.InvoicePaymentReversed], *, now: datetime, new_id: NewId
) -> None:
    await outcomes.suspend_reversed_payments(tx, events, now=now, new_id=new_id)


def consumers() -> list[Consumer]:
    lock = repository.lock_customers
    return [
        Consumer(
            customers.CUSTOMERS,
            {
                **dict.fromkeys(customers.STATES, on_customer),
                customers.CustomerDeactivated: on_customer_deactivated,
                customers.CustomerErased: on_customer_erased,
            },
            lock,
        ),
        Consumer(
            customers.USERS,
            {
                customers.UserAdded: on_user,
                customers.UserUpdated: on_user,
                customers.UserDeactivated: on_user,
                customers.UserReactivated: on_user,
                customers.UserErased: on_user_erased,
            },
            lock,
        ),
        Consumer(billing.SETTINGS, {billing.SettingsChanged: on_settings_changed}),
        Consumer(
            billing.INVOICES,
            {
                billing.InvoiceOpened: on_invoice_opened,
                billing.InvoiceDueDateChanged: on_due_date_changed,
                billing.InvoicePaid: on_invoice_paid,
                billing.InvoiceVoided: on_invoice_voided,
                billing.InvoiceRejected: on_invoice_rejected,
                billing.InvoiceCredited: on_invoice_credited,
                billing.InvoicePaymentReversed: on_payment_reversed,
            },
            lock,
        ),
    ]
