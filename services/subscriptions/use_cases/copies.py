"""Copies of what other services own, kept up to date by their events."""

from collections.abc import Sequence
from datetime import datetime

from services.subscriptions import repository
from services.subscriptions.domain.decisions import cancel_renewals
from services.subscriptions.domain.draft import Draft
from services.subscriptions.use_cases.entitlements import refresh_entitlements
from services.subscriptions.use_cases.saving import save
from shared.clock import NewId
from shared.database import Tx
from shared.events.billing import SettingsChanged
from shared.events.customers import (
    CustomerDeactivated,
    CustomerErased,
    CustomerState,
    UserErased,
    UserState,
)

__all__ = [
    "cancel_deactivated",
    "copy_customers",
    "copy_seller",
    "copy_users",
    "erase_customers",
    "erase_users",
]


async def copy_customers(tx: Tx, states: Sequence[CustomerState]) -> None:
    await repository.save_customers(tx, states)
    # Whoever is new has nothing that is due.
    if known := [state.customer_id for state in states if state.version > 1]:
        await repository.move_due_dates(tx, known)


async def cancel_deactivated(
    tx: Tx, states: Sequence[CustomerDeactivated], *, now: datetime, new_id: NewId
) -> None:
    """What would renew ends with its period; what is paid and open invoices stay."""
    customers = await repository.get_customers(tx, [state.customer_id for state in states])
    gone = {id_: row for id_, row in customers.items() if row.status == "deactivated"}
    books = await repository.get_books(tx, gone, priced=False)
    drafts = [Draft(book, now=now, new_id=new_id) for book in books.values()]
    for draft in drafts:
        cancel_renewals(draft)
    await save(tx, drafts, actor="customers", now=now, new_id=new_id)


async def erase_customers(tx: Tx, erased: Sequence[CustomerErased]) -> None:
    await repository.erase_customers(tx, erased)


async def copy_users(tx: Tx, states: Sequence[UserState], *, now: datetime, new_id: NewId) -> None:
    """Count seats anew, and tell where a limit is now exceeded or no longer."""
    await repository.save_users(tx, states)
    customer_ids = {state.customer_id for state in states}
    await refresh_entitlements(tx, customer_ids, now=now, new_id=new_id)


async def erase_users(
    tx: Tx, erased: Sequence[UserErased], *, now: datetime, new_id: NewId
) -> None:
    await repository.delete_users(tx, [event.user_id for event in erased])
    customer_ids = {event.customer_id for event in erased}
    await refresh_entitlements(tx, customer_ids, now=now, new_id=new_id)


async def copy_seller(tx: Tx, settings: Sequence[SettingsChanged]) -> None:
    for changed in settings:
        await repository.save_seller(tx, changed)
