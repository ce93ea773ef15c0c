"""What was seen already: an event's effect and its inbox row commit together."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from shared.database import Tx

__all__ = ["claim", "release"]

_CLAIM = (
    "INSERT INTO inbox (consumer, event_id, seen_at) "
    "SELECT $1, id, $3 FROM unnest($2::uuid[]) AS id "
    "ORDER BY id "  # two workers that hold the same batch after a rebalance must not deadlock
    "ON CONFLICT DO NOTHING RETURNING event_id"
)
_RELEASE = "DELETE FROM inbox WHERE consumer = $1 AND event_id = ANY($2)"


async def claim(tx: Tx, consumer: str, ids: Collection[UUID], *, now: datetime) -> set[UUID]:
    """Claim events for this consumer; returns those it has never handled before."""
    return {row.event_id for row in await tx.fetch(_CLAIM, consumer, list(ids), now)}


async def release(tx: Tx, consumer: str, ids: Collection[UUID]) -> None:
    """Take claims back, for messages that were parked instead of handled."""
    await tx.run(_RELEASE, consumer, list(ids))
