"""What went wrong with messages, for people: look, replay, discard.

A failure is a dead letter or a parked message. Replaying a dead letter takes its claim back and
parks it, due now, so that the worker handles it on the same path as everything else; when it fails
again it is dead again. Both acts can be repeated: what is resolved already is passed over.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Table, func, literal, select, update

from shared.database import Tx, among, insert_rows
from shared.messaging import inbox, parking
from shared.messaging.tables import dead_letters, parked_messages

__all__ = ["Kind", "discard", "get_failure", "list_failures", "replay"]

Kind = Literal["dead", "parked"]

_TABLES: dict[Kind, Table] = {"dead": dead_letters, "parked": parked_messages}
_MESSAGE = ("consumer", "event_id", "key", "topic", "partition", "position", "value", "headers")


def _failures(kind: Kind) -> Any:
    table = _TABLES[kind]
    dead = kind == "dead"
    query = select(
        literal(kind).label("kind"),
        table.c.id,
        *(table.c[name] for name in _MESSAGE if name != "value"),
        func.octet_length(table.c.value).label("size_bytes"),
        (table.c.reason if dead else literal("waits for something not known here yet")).label(
            "reason"
        ),
        (table.c.died_at if dead else table.c.parked_at).label("since"),
    )
    return query.where(table.c.state == "dead") if dead else query


async def list_failures(
    tx: Tx, kind: Kind, *, consumer: str | None, after: int | None, limit: int
) -> Sequence[Any]:
    """Unresolved failures, oldest first, from behind the id `after`."""
    table = _TABLES[kind]
    query = _failures(kind).order_by(table.c.id).limit(limit)
    if consumer:
        query = query.where(table.c.consumer == consumer)
    if after:
        query = query.where(table.c.id > after)
    rows: Sequence[Any] = (await tx.execute(query)).all()
    return rows


async def get_failure(tx: Tx, kind: Kind, failure_id: int) -> Any:
    """One failure with its body, resolved or not; None when there is none."""
    table = _TABLES[kind]
    return (await tx.execute(select(table).where(table.c.id == failure_id))).one_or_none()


async def replay(tx: Tx, kind: Kind, ids: Sequence[int], *, now: datetime, by: str) -> list[int]:
    """Have failures handled again; returns the ids of those that were unresolved."""
    rows = await _lock(tx, kind, ids)
    if kind == "parked":
        due = update(parked_messages).where(among(parked_messages.c.id, [row.id for row in rows]))
        await tx.execute(due.values(next_at=now))
        return [row.id for row in rows]
    for consumer in {row.consumer for row in rows}:
        mine = [row for row in rows if row.consumer == consumer]
        await inbox.release(tx, consumer, [row.event_id for row in mine])
        await insert_rows(
            tx,
            parked_messages,
            [
                {
                    **{name: getattr(row, name) for name in _MESSAGE},
                    "attempts": 0,
                    "parked_at": now,
                    "next_at": now,
                }
                for row in mine
            ],
            on_conflict="ON CONFLICT (consumer, event_id) DO NOTHING",
        )
    await _resolve(tx, [row.id for row in rows], "replayed", now=now, by=by)
    return [row.id for row in rows]


async def discard(tx: Tx, kind: Kind, ids: Sequence[int], *, now: datetime, by: str) -> list[int]:
    """Give failures up for good; returns the ids of those that were unresolved.

    A parked message is claimed, so that it stays handled when Kafka delivers it again.
    """
    rows = await _lock(tx, kind, ids)
    if kind == "dead":
        await _resolve(tx, [row.id for row in rows], "discarded", now=now, by=by)
        return [row.id for row in rows]
    for consumer in {row.consumer for row in rows}:
        mine = [row for row in rows if row.consumer == consumer]
        await inbox.claim(tx, consumer, [row.event_id for row in mine], now=now)
        await insert_rows(
            tx,
            dead_letters,
            [
                {
                    **{name: getattr(row, name) for name in _MESSAGE},
                    "reason": "discarded while parked",
                    "died_at": now,
                    "state": "discarded",
                    "resolved_by": by,
                    "resolved_at": now,
                }
                for row in mine
            ],
            on_conflict="ON CONFLICT (consumer, event_id) DO NOTHING",
        )
    await parking.unpark(tx, [row.id for row in rows])
    return [row.id for row in rows]


async def _lock(tx: Tx, kind: Kind, ids: Sequence[int]) -> Sequence[Any]:
    table = _TABLES[kind]
    query = select(table).where(among(table.c.id, ids)).order_by(table.c.id).with_for_update()
    if kind == "dead":
        query = query.where(table.c.state == "dead")
    return (await tx.execute(query)).all()


async def _resolve(tx: Tx, ids: Sequence[int], state: str, *, now: datetime, by: str) -> None:
    mine = update(dead_letters).where(among(dead_letters.c.id, ids))
    await tx.execute(mine.values(state=state, resolved_by=by, resolved_at=now))
