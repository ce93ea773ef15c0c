"""The seller, and copies of the customers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.billing import repository
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Tx
from shared.errors import NotFound, PreconditionFailed
from shared.events.billing import SettingsChanged
from shared.events.customers import CustomerErased, CustomerState

__all__ = ["copy_customers", "erase_customers", "save_logo", "save_seller"]


async def copy_customers(tx: Tx, states: Sequence[CustomerState]) -> None:
    await repository.save_customers(tx, states)


async def erase_customers(tx: Tx, erased: Sequence[CustomerErased]) -> None:
    await repository.erase_customers(tx, erased)
    await repository.delete_drafts_of(tx, [event.customer_id for event in erased])
    await repository.erase_mails(tx, [event.customer_id for event in erased])


async def save_seller(
    tx: Tx,
    values: dict[str, Any],
    *,
    expected_version: int | None = None,
    actor: str,
    now: datetime,
    new_id: NewId,
) -> SettingsChanged:
    """Replace the seller's settings, but for the logo; invoices keep those they were opened with.

    Raises:
        PreconditionFailed: they are not at `expected_version` any more.
    """
    before = await repository.lock_seller(tx)
    if expected_version is not None and expected_version != (before.version if before else 0):
        raise PreconditionFailed(
            "version_changed",
            "Somebody changed the settings meanwhile.",
            version=before.version if before else 0,
            current=before.model_dump(mode="json") if before else None,
        )
    values = {**values, "logo_key": before.logo_key if before else ""}
    return await _save(tx, before, values, actor=actor, now=now, new_id=new_id)


async def save_logo(
    tx: Tx, logo_key: str, *, actor: str, now: datetime, new_id: NewId
) -> SettingsChanged:
    """Have the picture that is stored under this key on documents; empty: none.

    Raises:
        NotFound: there are no settings yet.
    """
    before = await repository.lock_seller(tx)
    if before is None:
        raise NotFound("settings", "seller")
    values = {**before.model_dump(exclude={"version", "customer_id"}), "logo_key": logo_key}
    return await _save(tx, before, values, actor=actor, now=now, new_id=new_id)


async def _save(
    tx: Tx,
    before: SettingsChanged | None,
    values: dict[str, Any],
    *,
    actor: str,
    now: datetime,
    new_id: NewId,
) -> SettingsChanged:
    settings = SettingsChanged(version=before.version + 1 if before else 1, **values)
    await repository.save_seller(tx, settings, now=now)
    was, now_is = (s.model_dump(mode="json") if s else None for s in (before, settings))
    act = Act("settings.save", "settings", settings.name, before=was, after=now_is)
    await record(tx, actor, [act], [settings], now=now, new_id=new_id)
    return settings
