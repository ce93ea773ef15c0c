"""Messages about something not known here yet wait, with all later ones of their key."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, text

from shared.database import Tx, among, insert_rows
from shared.messaging.message import Message
from shared.messaging.tables import parked_messages

__all__ = ["due_keys", "park", "parked_keys", "parked_run", "postpone", "unpark", "wake"]

_RETRY = timedelta(milliseconds=250)
_RETRY_MAX = timedelta(seconds=10)

_table = parked_messages


async def parked_keys(tx: Tx, consumer: str, keys: Collection[str]) -> set[str]:
    """Which of these keys have something waiting, so that later messages must wait behind it."""
    query = select(_table.c.key).where(_table.c.consumer == consumer, among(_table.c.key, keys))
    return set((await tx.execute(query.distinct())).scalars())


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
    query = text(
        "SELECT key FROM parked_messages WHERE consumer = :consumer "
        "GROUP BY key HAVING min(next_at) <= :now ORDER BY min(next_at) LIMIT :limit"
    )
    found = await tx.execute(query, {"consumer": consumer, "now": now, "limit": limit})
    return list(found.scalars())


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
    woken = await tx.execute(
        text(
            "UPDATE parked_messages SET next_at = :now WHERE id IN ("
            "SELECT id FROM parked_messages WHERE next_at > :now AND key = ANY(:keys) "
            "FOR UPDATE SKIP LOCKED)"
        ),
        {"now": now, "keys": list(keys)},
    )
    return woken.rowcount > 0


async def postpone(tx: Tx, consumer: str, keys: Collection[str], *, now: datetime) -> None:
    """Try these keys again later: after 0.25 s, then twice as long each time up to 10 s."""
    await tx.execute(
        text(
            "UPDATE parked_messages SET attempts = attempts + 1, next_at = "
            "CAST(:now AS timestamptz) + least(CAST(:longest AS interval), "
            "CAST(:first AS interval) * power(2, least(attempts, 10))) "
            "WHERE consumer = :consumer AND key = ANY(:keys)"
        ),
        {
            "now": now,
            "first": _RETRY,
            "longest": _RETRY_MAX,
            "consumer": consumer,
            "keys": list(keys),
        },
    )
