"""The seller, and copies of the customers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.billing import repository
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Tx
from shared.events.billing import SettingsChanged
from shared.events.customers import CustomerErased, CustomerState

__all__ = ["copy_customers", "erase_customers", "save_seller"]


async def copy_customers(tx: Tx, states: Sequence[CustomerState]) -> None:
    await repository.save_customers(tx, states)


async def erase_customers(tx: Tx, erased: Sequence[CustomerErased]) -> None:
    await repository.erase_customers(tx, erased)
    await repository.delete_drafts_of(tx, [event.customer_id for event in erased])


async def save_seller(
    tx: Tx, values: dict[str, Any], *, actor: str, now: datetime, new_id: NewId
) -> SettingsChanged:
    """Replace the seller's settings; invoices keep the ones they were opened with."""
    before = await repository.lock_seller(tx)
    settings = SettingsChanged(version=before.version + 1 if before else 1, **values)
    await repository.save_seller(tx, settings, now=now)
    was, now_is = (s.model_dump(mode="json") if s else None for s in (before, settings))
    act = Act("settings.save", "settings", settings.name, before=was, after=now_is)
    await record(tx, actor, [act], [settings], now=now, new_id=new_id)
    return settings
