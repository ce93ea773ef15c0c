"""Which kinds of mail go out by themselves."""

from datetime import datetime

from services.notifier import repository
from services.notifier.domain.delivery import KINDS
from shared.audit import Act, record
from shared.clock import NewId
from shared.database import Tx

__all__ = ["get_switches", "save_switches"]


async def get_switches(tx: Tx) -> dict[str, bool]:
    off = await repository.get_switched_off(tx)
    return {kind: kind not in off for kind in KINDS}


async def save_switches(
    tx: Tx, switches: dict[str, bool], *, actor: str, now: datetime, new_id: NewId
) -> dict[str, bool]:
    """What is planned already goes out; what somebody sends by hand always does."""
    before = await get_switches(tx)
    await repository.save_switches(tx, switches)
    act = Act("settings.save", "settings", "mails", before=before, after=switches)
    await record(tx, actor, [act], now=now, new_id=new_id)
    return switches
