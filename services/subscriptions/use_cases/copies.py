"""Copies of what other services own, kept up to date by their events."""

from collections.abc import Sequence

from services.subscriptions import repository
from shared.database import Tx
from shared.events.billing import SettingsChanged
from shared.events.customers import CustomerErased, CustomerState

__all__ = ["copy_customers", "copy_seller", "erase_customers"]


async def copy_customers(tx: Tx, states: Sequence[CustomerState]) -> None:
    await repository.save_customers(tx, states)


async def erase_customers(tx: Tx, erased: Sequence[CustomerErased]) -> None:
    await repository.erase_customers(tx, erased)


async def copy_seller(tx: Tx, settings: Sequence[SettingsChanged]) -> None:
    for changed in settings:
        await repository.save_seller(tx, changed)
