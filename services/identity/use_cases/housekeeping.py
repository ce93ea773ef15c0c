"""Forgetting sessions that have ended and attempts that count no longer."""

from datetime import timedelta

from services.identity.repository import sessions
from shared.clock import Clock
from shared.database import Database

__all__ = ["forget_ended"]

_KEPT = timedelta(days=7)


async def forget_ended(database: Database, *, clock: Clock) -> bool:
    """One round; there is never more to do at once."""
    now = clock()
    async with database.transaction() as tx:
        await sessions.forget_old(tx, before=now - _KEPT, now=now)
    return False
