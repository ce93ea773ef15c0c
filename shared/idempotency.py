"""One effect per `Idempotency-Key`, however often the same request arrives.

The answer is stored in the transaction that did the work. An advisory lock tells a repeated
request that the first is still running; a unique insert would make it wait instead.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Column, DateTime, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import Tx, insert_rows
from shared.errors import Conflict, InputInvalid, KontorError
from shared.messaging.tables import metadata

__all__ = ["KEY_MAX_CHARS", "StoredAnswer", "begin", "fingerprint", "idempotency_keys", "remember"]

KEY_MAX_CHARS = 255

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("client", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, index=True),
)

_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS mine"
# Not in one statement: its answer would be what was there before it had the lock.
_FIND = "SELECT * FROM idempotency_keys WHERE client = $1 AND key = $2"


class IdempotencyKeyReused(KontorError):
    status = 422


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    status: int
    headers: dict[str, str]
    body: bytes


def fingerprint(method: str, path: str, query: str, body: bytes) -> str:
    return sha256(b"\0".join((method.encode(), path.encode(), query.encode(), body))).hexdigest()


async def begin(tx: Tx, client: str, key: str, request: str) -> StoredAnswer | None:
    """Lock the key and return the stored answer, if there is one.

    Raises:
        InputInvalid: the key is empty or too long.
        Conflict: a request with this key is being worked on.
        IdempotencyKeyReused: the key was used for another request.
    """
    if not 0 < len(key) <= KEY_MAX_CHARS:
        raise InputInvalid("Idempotency-Key", f"must have 1 to {KEY_MAX_CHARS} characters")
    (locked,) = await tx.fetch(_LOCK, f"{client}\n{key}")
    if not locked.mine:
        raise Conflict("request_in_flight", "A request with this Idempotency-Key is in progress.")
    found = await tx.fetch(_FIND, client, key)
    if not found:
        return None
    (row,) = found
    if row.fingerprint != request:
        raise IdempotencyKeyReused(
            "idempotency_key_reused", "This Idempotency-Key was used for another request."
        )
    return StoredAnswer(row.status, row.headers, row.body)


async def remember(
    tx: Tx, client: str, key: str, request: str, answer: StoredAnswer, *, now: datetime
) -> None:
    row = {
        "client": client,
        "key": key,
        "fingerprint": request,
        "status": answer.status,
        "headers": answer.headers,
        "body": answer.body,
        "created_at": now,
    }
    await insert_rows(tx, idempotency_keys, [row])
