"""Forgetting what nobody can ask for again."""

import asyncio
from datetime import timedelta

import structlog
from sqlalchemy import text

from shared.clock import Clock
from shared.database import Database
from shared.messaging.topics import RETENTION_MS

__all__ = ["forget_old", "keep_house"]

log = structlog.get_logger()

_PAUSE_S = 600.0
_CHUNK = 10_000
# Twice what Kafka keeps: whatever it can still deliver must still be known here.
_INBOX_KEPT = timedelta(milliseconds=2 * RETENTION_MS)
_IDEMPOTENCY_KEYS_KEPT = timedelta(days=7)

_DELETE_INBOX = text(
    "DELETE FROM inbox WHERE (consumer, event_id) IN ("
    "SELECT consumer, event_id FROM inbox WHERE seen_at < :before ORDER BY seen_at LIMIT :chunk)"
)
_DELETE_KEYS = text(
    "DELETE FROM idempotency_keys WHERE (client, key) IN ("
    "SELECT client, key FROM idempotency_keys "
    "WHERE created_at < :before ORDER BY created_at LIMIT :chunk)"
)


async def forget_old(database: Database, *, clock: Clock) -> int:
    """Delete old inbox rows and idempotency keys, in chunks; returns how many."""
    deleted = 0
    for statement, kept in ((_DELETE_INBOX, _INBOX_KEPT), (_DELETE_KEYS, _IDEMPOTENCY_KEYS_KEPT)):
        while True:
            async with database.transaction() as tx:
                found = await tx.execute(statement, {"before": clock() - kept, "chunk": _CHUNK})
            deleted += found.rowcount
            if found.rowcount < _CHUNK:
                break
    return deleted


async def keep_house(database: Database, *, clock: Clock) -> None:
    """Do so every ten minutes, until cancelled."""
    while True:
        try:
            await forget_old(database, clock=clock)
        except Exception:
            log.exception("housekeeping failed")
        await asyncio.sleep(_PAUSE_S)
