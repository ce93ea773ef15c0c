"""Messages about something not known here yet wait, with all later ones of their key."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select

from shared.database import Tx, among, insert_rows
from shared.messaging.message import Message
from shared.messaging.tables import parked_messages

__all__ = ["due_keys", "park", "parked_run", "postpone", "unpark", "waiting", "wake"]

_RETRY = timedelta(milliseconds=250)
_RETRY_MAX = timedelta(seconds=10)

_table = parked_messages


async def waiting(tx: Tx, keys: Collection[str]) -> set[tuple[str, str]]:
    """(consumer, key) of what waits under these keys: later messages must wait behind it."""
    query = "SELECT DISTINCT consumer, key FROM parked_messages WHERE key = ANY($1)"
    return {(row.consumer, row.key) for row in await tx.fetch(query, list(keys))}


async def park(tx: Tx, consumer: str, messages: Sequence[Message], *, now: datetime) -> None:
    rows = [
        {
            "consumer": consumer,
            "event_id": message.event_id,
            "key": message.key,
            "topic": message.topic,
            "partition": message.partition,
            "position": message.offset,
            "value": message.value,
            "headers": dict(message.headers),
            "attempts": 0,
            "parked_at": now,
            "next_at": now + _RETRY,
        }
        for message in messages
    ]
    await insert_rows(tx, _table, rows, on_conflict="ON CONFLICT (consumer, event_id) DO NOTHING")


async def due_keys(tx: Tx, consumer: str, *, now: datetime, limit: int) -> list[str]:
    query = (
        "SELECT key FROM parked_messages WHERE consumer = $1 "
        "GROUP BY key HAVING min(next_at) <= $2 ORDER BY min(next_at) LIMIT $3"
    )
    return [row.key for row in await tx.fetch(query, consumer, now, limit)]


async def parked_run(tx: Tx, consumer: str, key: str, *, limit: int) -> Sequence[Any]:
    """The waiting messages of one key in the order of their topic: a replayed one goes first.

    Not locked: when two workers try the same ones, the inbox lets one of them through.
    """
    query = (
        select(_table)
        .where(_table.c.consumer == consumer, _table.c.key == key)
        .order_by(_table.c.partition, _table.c.position, _table.c.id)
        .limit(limit)
    )
    return (await tx.execute(query)).all()


async def unpark(tx: Tx, row_ids: Collection[int]) -> None:
    await tx.execute(delete(_table).where(among(_table.c.id, row_ids)))


async def wake(tx: Tx, keys: Collection[str], *, now: datetime) -> bool:
    """What waits under these keys, for whichever consumer, is due now: something has come.

    Tells whether anything waited.
    """
    woken = await tx.run(
        "UPDATE parked_messages SET next_at = $1 WHERE id IN ("
        "SELECT id FROM parked_messages WHERE next_at > $1 AND key = ANY($2) "
        "FOR UPDATE SKIP LOCKED)",
        now,
        list(keys),
    )
    return woken > 0


async def postpone(tx: Tx, consumer: str, keys: Collection[str], *, now: datetime) -> None:
    """Try these keys again later: after 0.25 s, then twice as long each time up to 10 s."""
    await tx.run(
        "UPDATE parked_messages SET attempts = attempts + 1, next_at = $1::timestamptz "
        "+ least($2::interval, $3::interval * power(2, least(attempts, 10))) "
        "WHERE consumer = $4 AND key = ANY($5)",
        now,
        _RETRY_MAX,
        _RETRY,
        consumer,
        list(keys),
    )
