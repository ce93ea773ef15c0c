"""Sessions, failed attempts to sign in, and password resets."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, update

from services.identity import tables as t
from shared.database import Tx, insert_new, insert_rows
from shared.due_work import due_now

__all__ = [
    "add_reset",
    "add_session",
    "end_session",
    "end_sessions_of",
    "failures_of",
    "forget_failures",
    "forget_old",
    "lock_reset",
    "lock_session",
    "note_failure",
    "only_attempt",
    "touch_session",
    "use_resets_of",
]


async def only_attempt(tx: Tx, key: str) -> bool:
    """Tell whether nobody else tries to sign in under this key at this moment.

    So that many guesses at once are not all made before the first one has been counted.
    """
    lock = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:key, 1))")
    return bool(await tx.scalar(lock, {"key": key}))


async def failures_of(tx: Tx, keys: Sequence[str]) -> dict[str, Any]:
    query = select(t.sign_in_failures).where(t.sign_in_failures.c.key.in_(keys))
    return {row.key: row for row in await tx.execute(query)}


async def note_failure(
    tx: Tx, key: str, failures: int, *, blocked_until: datetime | None, now: datetime
) -> None:
    row = {"key": key, "failures": failures, "failed_at": now, "blocked_until": blocked_until}
    await insert_rows(
        tx,
        t.sign_in_failures,
        [row],
        on_conflict="ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, "
        "failed_at = excluded.failed_at, blocked_until = excluded.blocked_until",
    )


async def forget_failures(tx: Tx, key: str) -> None:
    await tx.execute(delete(t.sign_in_failures).where(t.sign_in_failures.c.key == key))


async def add_session(tx: Tx, row: dict[str, Any]) -> None:
    await insert_rows(tx, t.sessions, [row])


async def lock_session(tx: Tx, secret_hash: str) -> Any:
    query = select(t.sessions).where(t.sessions.c.secret_hash == secret_hash).with_for_update()
    return (await tx.execute(query)).one_or_none()


async def touch_session(tx: Tx, session_id: UUID, *, now: datetime) -> None:
    used = update(t.sessions).where(t.sessions.c.id == session_id)
    await tx.execute(used.values(used_at=now))


async def end_session(tx: Tx, secret_hash: str) -> Any:
    """End a session; returns its row, or None when there was none."""
    ended = delete(t.sessions).where(t.sessions.c.secret_hash == secret_hash)
    return (await tx.execute(ended.returning(t.sessions))).one_or_none()


async def end_sessions_of(tx: Tx, operator_id: UUID) -> int:
    ended = delete(t.sessions).where(t.sessions.c.operator_id == operator_id)
    return (await tx.execute(ended)).rowcount


async def add_reset(
    tx: Tx, reset_id: UUID, operator_id: UUID, reason: str, *, now: datetime, pause: timedelta
) -> bool:
    """Have a mail with a link sent; False when one is due already or went out just now."""
    recent = select(func.count()).where(
        t.password_resets.c.operator_id == operator_id,
        t.password_resets.c.created_at > now - pause,
    )
    if await tx.scalar(recent):
        return False
    row = {
        "id": reset_id,
        **due_now(str(operator_id), now),
        "operator_id": operator_id,
        "reason": reason,
        "created_at": now,
    }
    unless = "(operator_id) WHERE state = 'due'"
    return await insert_new(tx, t.password_resets, [row], unless=unless) == 1


async def lock_reset(tx: Tx, token_hash: str, *, now: datetime) -> Any:
    """The reset whose link this is, if it can still be used."""
    r = t.password_resets.c
    query = (
        select(t.password_resets)
        .where(r.token_hash == token_hash, r.state.in_(["due", "sent"]), r.expires_at > now)
        .with_for_update()
    )
    return (await tx.execute(query)).one_or_none()


async def use_resets_of(tx: Tx, operator_id: UUID) -> None:
    """Links that went out to an operator are good no longer."""
    r = t.password_resets.c
    used = update(t.password_resets).where(
        r.operator_id == operator_id, r.state.in_(["due", "sent"])
    )
    await tx.execute(used.values(state="used", token_hash=None))


async def forget_old(tx: Tx, *, before: datetime, now: datetime) -> int:
    """Delete sessions that have ended, and failures and resets older than `before`."""
    statements = (
        delete(t.sessions).where(t.sessions.c.expires_at < now),
        delete(t.sign_in_failures).where(t.sign_in_failures.c.failed_at < before),
        delete(t.password_resets).where(
            t.password_resets.c.created_at < before, t.password_resets.c.state != "due"
        ),
    )
    return sum([(await tx.execute(statement)).rowcount for statement in statements])
