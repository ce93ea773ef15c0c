"""Publishing: a row beside the change it tells of, in the same transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zlib import crc32

from shared.clock import NewId
from shared.correlation import correlation
from shared.database import Tx, insert_rows
from shared.events import Event
from shared.messaging.tables import outbox

__all__ = ["SHARDS", "add_raw", "publish", "shard_of"]

# Fixed: a key must never change its shard while rows of it wait.
SHARDS = 4

_PAYLOAD_MAX_BYTES = 900_000  # brokers take 1 MiB with headers


def shard_of(key: str) -> int:
    return crc32(key.encode()) % SHARDS


async def publish(tx: Tx, events: Sequence[Event], *, now: datetime, new_id: NewId) -> None:
    """Write events to the outbox, in this order per key.

    The caller holds the lock of the customer the events are about: that is what makes the order
    of ids the order of commits for one key.
    """
    time = now.isoformat()
    await insert_rows(tx, outbox, [_row(event, time, new_id) for event in events])


def _row(event: Event, time: str, new_id: NewId) -> dict[str, Any]:
    event_id = new_id()
    key = event.key
    payload = event.model_dump_json().encode()
    if len(payload) > _PAYLOAD_MAX_BYTES:
        # Refused here, where it still can be: the broker would refuse it for ever.
        raise ValueError(f"{event.TYPE} {event.subject} has {len(payload)} bytes")
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(event_id),
        "ce_type": event.TYPE,
        "ce_source": f"kontor/{event.TOPIC.owner}",
        "ce_time": time,
        "ce_subject": event.subject,
        "content-type": "application/json",
    }
    if (sequence := event.sequence) is not None:
        headers["ce_sequence"] = str(sequence)
    if request := correlation(key):
        headers |= request.headers()
    return {
        "event_id": event_id,
        "aggregatetype": event.TOPIC.name,
        "aggregateid": key,
        "type": event.TYPE,
        "payload": payload,
        "headers": headers,
        "shard": shard_of(key),
    }


async def add_raw(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    """Write ready-made rows, as dead letters need it."""
    await insert_rows(tx, outbox, rows)
