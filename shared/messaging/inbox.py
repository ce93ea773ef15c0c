"""What was seen already: an event's effect and its inbox row commit together."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from shared.database import Tx

__all__ = ["claim", "release"]

_CLAIM = text(
    "INSERT INTO inbox (consumer, event_id, seen_at) "
    "SELECT :consumer, id, :now FROM unnest(CAST(:ids AS uuid[])) AS id "
    "ORDER BY id "  # two workers that hold the same batch after a rebalance must not deadlock
    "ON CONFLICT DO NOTHING RETURNING event_id"
)
_RELEASE = text("DELETE FROM inbox WHERE consumer = :consumer AND event_id = ANY(:ids)")


async def claim(tx: Tx, consumer: str, ids: Collection[UUID], *, now: datetime) -> set[UUID]:
    """Claim events for this consumer; returns those it has never handled before."""
    rows = await tx.execute(_CLAIM, {"consumer": consumer, "ids": list(ids), "now": now})
    return set(rows.scalars())


async def release(tx: Tx, consumer: str, ids: Collection[UUID]) -> None:
    """Take claims back, for messages that were parked instead of handled."""
    await tx.execute(_RELEASE, {"consumer": consumer, "ids": list(ids)})
